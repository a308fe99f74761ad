/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "monitor/host-memory.h"
#include "monitor/host-pressure.h"

#define KIB G_GUINT64_CONSTANT(1024)

static char *root;

static void
write_file(const char *path, const char *text)
{
    g_autofree char *full = g_strconcat(root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(full);

    assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
    assert_true(g_file_set_contents(full, text, -1, NULL));
}

static int
set_up(void **state)
{
    root = g_dir_make_tmp("memplug-host-memory-XXXXXX", NULL);
    return root ? 0 : -1;
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        remove_tree(child);
    }
    g_remove(path);
}

static int
tear_down(void **state)
{
    remove_tree(root);
    g_clear_pointer(&root, g_free);
    return 0;
}

static const char meminfo[] = "MemTotal:       24683720 kB\n"
                              "MemFree:        23900000 kB\n"
                              "MemAvailable:   24100000 kB\n"
                              "Buffers:            1000 kB\n"
                              "Cached:           600000 kB\n"
                              "SwapCached:           77 kB\n";

static void
test_an_ordinary_host(void **state)
{
    g_autoptr(GError) error = NULL;
    HostMemory host;

    write_file("/proc/meminfo", meminfo);
    assert_true(host_memory_read(root, &host, &error));
    assert_int_equal(host.total, 24683720 * KIB);
    assert_int_equal(host.available, 24100000 * KIB);
    assert_int_equal(host.unused, 23900000 * KIB);
    assert_int_equal(host.cache, 601000 * KIB);
    assert_int_equal(host.arc, 0);
    assert_int_equal(host.huge, 0);
}

/* What ZFS would give back is to be had, too; its minimum is not. */
static void
test_zfs(void **state)
{
    HostMemory host;

    write_file("/proc/meminfo", meminfo);
    write_file("/proc/spl/kstat/zfs/arcstats", "13 1 0x01 123 33456 7 8\n"
                                               "name                            type data\n"
                                               "hits                            4    1\n"
                                               "c_min                           4    1048576\n"
                                               "size                            4    9437184\n"
                                               "size_hits                       4    5\n");
    assert_true(host_memory_read(root, &host, NULL));
    assert_int_equal(host.arc, 8192 * KIB);
    assert_int_equal(host.available, (24100000 + 8192) * KIB);
}

static void
test_pools_of_huge_pages(void **state)
{
    HostMemory host;

    write_file("/proc/meminfo", meminfo);
    write_file("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "10\n");
    write_file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "4\n");
    write_file("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "1\n");
    write_file("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "1\n");
    assert_true(host_memory_read(root, &host, NULL));
    assert_int_equal(host.huge, (10 * 2048 + 1048576) * KIB);
    assert_int_equal(host.huge_free, (4 * 2048 + 1048576) * KIB);
    assert_int_equal(host.available, 24100000 * KIB);
}

static void
test_nothing_to_read(void **state)
{
    g_autoptr(GError) error = NULL;
    HostMemory host = { .total = 7 };

    assert_false(host_memory_read(root, &host, &error));
    assert_non_null(error);
    assert_int_equal(host.total, 7);
    write_file("/proc/meminfo", "MemTotal: nothing\nMemAvailable\n");
    assert_false(host_memory_read(root, &host, NULL));
}

static void
test_a_process(void **state)
{
    guint64 id = host_memory_process_id("", (guint64)getpid());

    assert_true(host_memory_resident("", getpid()) > 100 * KIB);
    assert_true(id > 0);
    assert_int_equal(host_memory_process_id("", (guint64)getpid()), id);
    assert_int_equal(host_memory_resident("", 0), 0);
    assert_int_equal(host_memory_process_id("", 0), 0);
    write_file("/proc/77/stat", "77 (a) b (c) S 1 2");
    assert_int_equal(host_memory_process_id(root, 77), 0);
    write_file("/proc/77/statm", "12");
    assert_int_equal(host_memory_resident(root, 77), 0);
    /* Without what is mapped of its files. */
    write_file("/proc/78/statm", "99 10 3 0 0 0 0");
    write_file("/proc/78/status", "Name:\tqemu\nRssAnon:\t 28 kB\nRssFile:\t 12 kB\n");
    assert_int_equal(host_memory_resident(root, 78), 10 * getpagesize() - 12 * KIB);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static void
on_pressure(gpointer data)
{
    *(gboolean *)data = TRUE;
}

/* What is asked of the kernel; who grants nothing is done without. */
static void
test_a_trigger_is_asked_for(void **state)
{
    g_autofree char *path = g_strconcat(root, "/proc/pressure/memory", NULL);
    g_autofree char *text = NULL;
    gboolean told = FALSE;
    HostPressure *pressure;

    assert_null(host_pressure_new("/nonexistent", 0.1, on_pressure, &told));
    write_file("/proc/pressure/memory", "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    pressure = host_pressure_new(root, 0.1, on_pressure, &told);
    assert_non_null(pressure);
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    assert_true(g_str_has_prefix(text, "full 100000 1000000"));
    while (g_main_context_iteration(NULL, FALSE))
        ;
    assert_false(told);
    host_pressure_free(pressure);
    host_pressure_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_an_ordinary_host), test(test_zfs),       test(test_pools_of_huge_pages),
        test(test_nothing_to_read),  test(test_a_process), test(test_a_trigger_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
