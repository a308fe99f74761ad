/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The harness itself, without memplugd: a domain is resized by plain virsh, outlives
 * libvirtd, is saved and restored; libvirt and the guest agree all the while on what
 * it has; and nothing is left of a test that is killed.
 *
 * Usage: test-harness [hold]
 *   hold: starts libvirtd and a domain, prints the pid of its QEMU and the room's
 *   folder, and waits to be killed
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/guest/harness/test-check.h"
#include "tests/libvirt/harness/test-domain.h"

#define MIB       (G_GUINT64_CONSTANT(1) << 20)
#define BOOT      (256 * MIB)
#define TOLERANCE MIB
#define PATIENCE  (30 * G_USEC_PER_SEC)

/* libvirt's name for the domain's virtio-mem device, and ours for a DIMM. */
#define VIRTIO_MEM "virtiomem0"
#define DIMM       "ua-memplug-dimm0"

typedef struct {
    TestRoom *room;
    TestLibvirtd *libvirtd;
    TestDomain *domain;
    guint64 total; /* MemTotal after the boot */
} Fixture;

static const TestDomainOptions tiny = { .name = "tiny", .memory = 16 * MIB, .no_kernel = TRUE };

static int
setup(void **state)
{
    const TestDomainOptions options = { .virtio_mem = 1024 * MIB };
    Fixture *fixture = g_new0(Fixture, 1);
    gint64 start = g_get_monotonic_time();

    *state = fixture;
    test_check((fixture->room = test_room_new(&error)) != NULL);
    test_check((fixture->libvirtd = test_libvirtd_start(fixture->room, &error)) != NULL);
    print_message("  libvirtd answers after %.1f s\n",
                  (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC);
    test_check((fixture->domain = test_domain_boot(fixture->libvirtd, &options, &error)) != NULL);
    test_check(test_guest_meminfo(test_domain_guest(fixture->domain), "MemTotal", &fixture->total,
                                  &error));
    print_message("  the guest is ready after %.1f s\n",
                  (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC);
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;

    test_domain_free(fixture->domain);
    test_libvirtd_free(fixture->libvirtd);
    test_room_free(fixture->room);
    g_free(fixture);
    return 0;
}

/*
 * Whether all of libvirt's sources say so. dommemstat tells QEMU's own figure of the
 * balloon, of which virtio-mem is no part.
 */
static gboolean
is(const TestDomainMemory *memory, guint64 expected)
{
    return memory->current == expected && memory->stats_current == expected &&
           memory->dommemstat_actual == expected - memory->virtio_mem_current;
}

/* Waits until libvirt and the guest both have @expected. */
static void
agree(Fixture *fixture, const char *after, guint64 expected)
{
    gint64 start = g_get_monotonic_time();
    TestDomainMemory memory;
    guint64 total;

    test_check(test_guest_wait_total(test_domain_guest(fixture->domain),
                                     fixture->total + expected - BOOT, TOLERANCE, PATIENCE,
                                     &error));
    test_check(test_guest_meminfo(test_domain_guest(fixture->domain), "MemTotal", &total, &error));
    do {
        test_check(test_domain_memory(fixture->domain, &memory, &error));
    } while (!is(&memory, expected) && g_get_monotonic_time() - start < PATIENCE);
    print_message(
        "  %-28s currentMemory %4.0f  domstats %4.0f/%4.0f  dommemstat %4.0f  DIMMs "
        "%3.0f  virtio-mem %3.0f/%3.0f  MemTotal %+6.1f MiB\n",
        after, (double)memory.current / (double)MIB, (double)memory.stats_current / (double)MIB,
        (double)memory.stats_maximum / (double)MIB, (double)memory.dommemstat_actual / (double)MIB,
        (double)memory.dimms / (double)MIB, (double)memory.virtio_mem_current / (double)MIB,
        (double)memory.virtio_mem_requested / (double)MIB,
        ((double)total - (double)fixture->total) / (double)MIB);
    assert_true(is(&memory, expected));
}

static void
resize_virtio_mem(Fixture *fixture, const char *requested)
{
    test_check(test_domain_virsh(fixture->domain, NULL, &error, "update-memory-device", "--live",
                                 "--requested-size", requested, NULL));
}

static void
test_resize(void **state)
{
    Fixture *fixture = *state;
    TestDomainMemory memory;

    agree(fixture, "boot", BOOT);
    resize_virtio_mem(fixture, "128M");
    agree(fixture, "virtio-mem 128 MiB", BOOT + 128 * MIB);
    resize_virtio_mem(fixture, "0");
    agree(fixture, "virtio-mem 0", BOOT);
    test_check(test_domain_attach_dimm(fixture->domain, 128 * MIB, 0, DIMM, &error));
    agree(fixture, "a DIMM", BOOT + 128 * MIB);
    test_check(test_domain_memory(fixture->domain, &memory, &error));
    assert_int_equal(memory.n_ours, 1);
    test_check(test_domain_virsh(fixture->domain, NULL, &error, "setmem", "300M", "--live", NULL));
    agree(fixture, "DIMM and balloon", 300 * MIB);
    test_check(test_domain_virsh(fixture->domain, NULL, &error, "setmem", "384M", "--live", NULL));
    agree(fixture, "balloon empty", BOOT + 128 * MIB);
    test_check(test_domain_virsh(fixture->domain, NULL, &error, "detach-device-alias", DIMM,
                                 "--live", NULL));
    agree(fixture, "DIMM away", BOOT);
}

static void
test_libvirtd_dies(void **state)
{
    Fixture *fixture = *state;
    GPid pid = test_domain_pid(fixture->domain);

    test_libvirtd_kill(fixture->libvirtd);
    assert_true(pid > 0 && kill(pid, 0) == 0);
    test_check(test_guest_run(test_domain_guest(fixture->domain), "true", NULL, &error));
    test_check(test_libvirtd_restart(fixture->libvirtd, &error));
    assert_int_equal(test_domain_pid(fixture->domain), pid);
    resize_virtio_mem(fixture, "64M");
    agree(fixture, "after libvirtd's SIGKILL", BOOT + 64 * MIB);

    test_check(test_libvirtd_stop(fixture->libvirtd, &error));
    test_check(test_libvirtd_restart(fixture->libvirtd, &error));
    agree(fixture, "after libvirtd's SIGTERM", BOOT + 64 * MIB);
}

static void
test_save_and_restore(void **state)
{
    Fixture *fixture = *state;
    gint64 start = g_get_monotonic_time();
    GPid pid = test_domain_pid(fixture->domain);

    test_check(test_domain_save(fixture->domain, &error));
    assert_int_equal(test_domain_pid(fixture->domain), 0);
    test_check(test_domain_restore(fixture->domain, &error));
    assert_int_not_equal(test_domain_pid(fixture->domain), pid);
    agree(fixture, "saved and restored", BOOT + 64 * MIB);
    print_message("  save and restore took %.1f s\n",
                  (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC);
}

static void
test_taint_is_seen(void **state)
{
    Fixture *fixture = *state;

    assert_false(test_domain_is_tainted(fixture->domain));
    test_check(test_domain_virsh(fixture->domain, NULL, &error, "qemu-monitor-command",
                                 "{\"execute\": \"query-status\"}", NULL));
    assert_true(test_domain_is_tainted(fixture->domain));
}

static gboolean
hold(GError **error)
{
    TestRoom *room = test_room_new(error);
    TestLibvirtd *libvirtd = room ? test_libvirtd_start(room, error) : NULL;
    TestDomain *domain = libvirtd ? test_domain_boot(libvirtd, &tiny, error) : NULL;
    g_autofree char *folder = room ? test_room_path(room, ".") : NULL;

    if (domain == NULL)
        return FALSE;
    printf("%d %s\n", test_domain_pid(domain), folder);
    fflush(stdout);
    pause();
    return TRUE;
}

static gboolean
is_there(GPid pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

static void
test_nothing_is_left(void **state)
{
    const char *const arguments[] = { "/proc/self/exe", "hold", NULL };
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GDataInputStream) output = NULL;
    g_autofree char *line = NULL;
    g_auto(GStrv) words = NULL;
    gint64 start;
    GPid pid;

    test_check((process = g_subprocess_newv(arguments, G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error)) !=
               NULL);
    output = g_data_input_stream_new(g_subprocess_get_stdout_pipe(process));
    line = g_data_input_stream_read_line(output, NULL, NULL, NULL);
    assert_non_null(line);
    words = g_strsplit(line, " ", 2);
    pid = (GPid)atoi(words[0]);
    assert_true(pid > 0 && is_there(pid));
    assert_true(g_file_test(words[1], G_FILE_TEST_IS_DIR));

    test_room_kill(process);
    start = g_get_monotonic_time();
    while (is_there(pid) || g_file_test(words[1], G_FILE_TEST_EXISTS)) {
        if (g_get_monotonic_time() - start > PATIENCE)
            fail_msg("QEMU %d or %s is still there", pid, words[1]);
        g_usleep(20 * 1000);
    }
    print_message("  all was gone %.2f s after the test was killed\n",
                  (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resize),           cmocka_unit_test(test_libvirtd_dies),
        cmocka_unit_test(test_save_and_restore), cmocka_unit_test(test_taint_is_seen),
        cmocka_unit_test(test_nothing_is_left),
    };
    g_autoptr(GError) error = NULL;
    g_autofree char *reason = NULL;

    if (!test_libvirtd_isolate(&error)) {
        g_printerr("skipped: %s\n", error->message);
        return 77;
    }
    if (argc == 2 && g_str_equal(argv[1], "hold")) {
        if (!hold(&error))
            g_printerr("%s\n", error->message);
        return 1;
    }
    reason = test_libvirtd_unavailable();
    if (!reason)
        reason = test_guest_unavailable(NULL);
    if (reason) {
        g_printerr("skipped: %s\n", reason);
        return 77;
    }
    return cmocka_run_group_tests_name("harness", tests, setup, teardown);
}
