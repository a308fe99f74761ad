/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain's process and its limits, in trees of files that stand for the kernel's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "hypervisor/libvirt/libvirt-process.h"
#include "hypervisor/process-limit.h"

#define UUID "11111111-2222-3333-4444-555555555555"
#define MIB  (G_GUINT64_CONSTANT(1) << 20)

static int
set_up(void **state)
{
    *state = g_dir_make_tmp("memplug-test-XXXXXX", NULL);
    return *state ? 0 : -1;
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *entry = g_build_filename(path, name, NULL);

        remove_tree(entry);
    }
    assert_int_equal(g_remove(path), 0);
}

static int
tear_down(void **state)
{
    remove_tree(*state);
    g_free(*state);
    return 0;
}

static void
put(const char *root, const char *path, const char *text, gssize length)
{
    g_autofree char *full = g_build_filename(root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(full);

    assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
    assert_true(g_file_set_contents(full, text, length, NULL));
}

static void
put_text(const char *root, const char *path, const char *text)
{
    put(root, path, text, -1);
}

#define STAT(pid, name, start) \
    pid " (" name ") S 1 1 1 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 3 0 " start " 99 7 8 9\n"

/*
 * The process
 */

static void
test_the_process_is_found_by_its_uuid(void **state)
{
    static const char other[] = "qemu\0-uuid\0"
                                "00000000-0000-0000-0000-000000000000";
    static const char mine[] = "qemu\0-name\0guest=a\0-uuid\0" UUID "\0-x";
    LibvirtProcess process;

    put(*state, "12/cmdline", other, sizeof(other));
    put(*state, "34/cmdline", mine, sizeof(mine));
    put_text(*state, "34/stat", STAT("34", "qemu) S 7 (", "123456"));
    put(*state, "self/cmdline", mine, sizeof(mine));
    process = libvirt_process_find_in(*state, UUID);
    assert_int_equal(process.pid, 34);
    assert_int_equal(process.start_ticks, 123456);
}

static void
test_who_only_speaks_of_a_uuid_does_not_run_it(void **state)
{
    static const char grep[] = "grep\0" UUID;
    static const char unended[] = "qemu\0-uuid";

    put(*state, "12/cmdline", grep, sizeof(grep));
    put(*state, "13/cmdline", unended, sizeof(unended));
    put(*state, "14/cmdline", "", 0);
    assert_int_equal(libvirt_process_find_in(*state, UUID).pid, 0);
    assert_int_equal(libvirt_process_find_in("/nowhere", UUID).pid, 0);
}

static void
test_instances_differ_by_run(void **state)
{
    const LibvirtProcess first = { 34, 1000 };
    const LibvirtProcess second = { 34, 2000 };
    const LibvirtProcess none = { 0, 0 };
    g_autofree char *a = libvirt_process_instance(UUID, 1, &first);
    g_autofree char *b = libvirt_process_instance(UUID, 1, &second);
    g_autofree char *c = libvirt_process_instance(UUID, 2, &first);
    g_autofree char *d = libvirt_process_instance(UUID, 1, &none);
    const char *all[] = { a, b, c, d };

    for (gsize i = 0; i < G_N_ELEMENTS(all); i++) {
        assert_int_equal(strspn(all[i], "abcdefghijklmnopqrstuvwxyz0123456789._@:-"),
                         strlen(all[i]));
        for (gsize j = 0; j < i; j++)
            assert_string_not_equal(all[i], all[j]);
    }
}

/*
 * Its limits
 */

static void
test_the_least_limit_of_the_ancestors_holds(void **state)
{
    put_text(*state, "proc/7/cgroup", "0::/machine.slice/a.scope/libvirt/emulator\n");
    put_text(*state, "sys/fs/cgroup/machine.slice/a.scope/libvirt/memory.max", "max\n");
    put_text(*state, "sys/fs/cgroup/machine.slice/a.scope/memory.max", "1073741824\n");
    put_text(*state, "sys/fs/cgroup/machine.slice/memory.max", "2147483648\n");
    assert_int_equal(process_limit_memory_in(*state, 7), 1024 * MIB);
}

static void
test_version_one_has_a_hierarchy_for_memory(void **state)
{
    put_text(*state, "proc/7/cgroup",
             "9:cpu,cpuacct:/machine\n5:hugetlb,memory:/machine/a\n1:name=systemd:/x\n");
    put_text(*state, "sys/fs/cgroup/memory/machine/a/memory.limit_in_bytes",
             "9223372036854771712\n");
    put_text(*state, "sys/fs/cgroup/memory/machine/memory.limit_in_bytes", "536870912\n");
    put_text(*state, "sys/fs/cgroup/machine/memory.max", "1048576\n");
    assert_int_equal(process_limit_memory_in(*state, 7), 512 * MIB);
}

static void
test_no_limit_is_none(void **state)
{
    put_text(*state, "proc/7/cgroup", "0::/\n");
    put_text(*state, "proc/8/cgroup", "0::/../../outside\n");
    put_text(*state, "proc/9/cgroup", "nonsense\n");
    put_text(*state, "sys/fs/cgroup/memory.max", "max\n");
    put_text(*state, "sys/outside/memory.max", "4096\n");
    for (GPid pid = 6; pid <= 9; pid++)
        assert_int_equal(process_limit_memory_in(*state, pid), 0);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_the_process_is_found_by_its_uuid),
        CASE(test_who_only_speaks_of_a_uuid_does_not_run_it),
        CASE(test_instances_differ_by_run),
        CASE(test_the_least_limit_of_the_ancestors_holds),
        CASE(test_version_one_has_a_hierarchy_for_memory),
        CASE(test_no_limit_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
