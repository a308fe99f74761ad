/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The test bed itself, on real guests: they boot, obey, tell the truth about their
 * memory when the witness changes it by hand, and leave nothing behind.
 *
 * One guest serves all cases but the last; each case gives back what it took.
 *
 * Usage: test-boot KERNEL-LINE MACHINE
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/guest/harness/test-check.h"
#include "tests/guest/harness/test-guest.h"

#define MIB       (G_GUINT64_CONSTANT(1) << 20)
#define TOLERANCE (MIB / 4) /* of MemTotal: the kernel frees some boot memory late */
#define PATIENCE  (20 * G_USEC_PER_SEC)

static const char *kernel, *machine, *self;

typedef struct {
    TestRoom *room;
    TestGuest *guest;
    guint64 boot_total;     /* MemTotal after the boot */
    guint devices, objects; /* as the witness counts them after the boot */
} Fixture;

static int
start(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    TestGuestOptions options = { .kernel = kernel, .machine = machine, .virtio_mem = 1024 * MIB };
    *state = fixture;
    test_check((fixture->room = test_room_new(&error)) != NULL);
    g_autofree char *folder = test_room_path(fixture->room, "");
    test_check((fixture->guest = test_guest_boot(fixture->room, folder, &options, &error)) != NULL);
    test_check(test_guest_meminfo(fixture->guest, "MemTotal", &fixture->boot_total, &error));
    Witness *witness = test_guest_witness(fixture->guest);
    test_check(witness_count_memory_devices(witness, &fixture->devices, &error));
    test_check(witness_count_objects(witness, &fixture->objects, &error));
    return 0;
}

static int
end(void **state)
{
    Fixture *fixture = *state;
    test_guest_free(fixture->guest);
    test_room_free(fixture->room);
    g_free(fixture);
    return 0;
}

/* The guest is as it was after its boot, for itself and for the witness. */
static void
check_as_after_boot(Fixture *fixture)
{
    Witness *witness = test_guest_witness(fixture->guest);
    guint64 boot, plugged;
    guint devices, objects;
    test_check(
        test_guest_wait_total(fixture->guest, fixture->boot_total, TOLERANCE, PATIENCE, &error));
    test_check(witness_total(witness, &boot, &plugged, &error));
    assert_int_equal(plugged, 0);
    test_check(witness_count_memory_devices(witness, &devices, &error));
    assert_int_equal(devices, fixture->devices);
    test_check(witness_count_objects(witness, &objects, &error));
    assert_int_equal(objects, fixture->objects);
}

static void
test_boots(void **state)
{
    Fixture *fixture = *state;
    guint64 boot, plugged;
    g_autofree char *prefix = g_strconcat(kernel, ".", NULL);
    assert_true(g_str_has_prefix(test_guest_release(fixture->guest), prefix));
    test_check(witness_total(test_guest_witness(fixture->guest), &boot, &plugged, &error));
    assert_int_equal(boot, 256 * MIB);
    assert_in_range(fixture->boot_total, 100 * MIB, 256 * MIB);
    check_as_after_boot(fixture);
}

static void
test_runs_commands(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *output = NULL, *text = NULL;
    g_autoptr(GError) failure = NULL;
    test_check(test_guest_run(fixture->guest, "echo one; echo two >&2", &output, &error));
    assert_string_equal(output, "one\ntwo\n");
    assert_false(test_guest_run(fixture->guest, "echo why; exit 3", NULL, &failure));
    assert_non_null(strstr(failure->message, "status 3: why"));
    test_check((text = test_guest_read(fixture->guest, "/proc/sys/kernel/ostype", &error)) != NULL);
    assert_string_equal(text, "Linux\n");
    g_clear_error(&failure);
    assert_null(test_guest_read(fixture->guest, "/nowhere", &failure));
    assert_true(g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT));
}

/* More than the serial port and the pipe take at once. */
static void
test_large_output(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *output = NULL;
    g_autoptr(GString) expected = g_string_new(NULL);
    for (int i = 1; i <= 20000; i++)
        g_string_append_printf(expected, "%d\n", i);
    test_check(test_guest_run(fixture->guest, "seq 1 20000", &output, &error));
    assert_string_equal(output, expected->str);
}

static void
test_dimm(void **state)
{
    Fixture *fixture = *state;
    Witness *witness = test_guest_witness(fixture->guest);
    g_autoptr(JsonObject) report = NULL;
    test_check(witness_plug_dimm(witness, "dimm0", 256 * MIB, &error));
    test_check(test_guest_wait_total(fixture->guest, fixture->boot_total + 256 * MIB, TOLERANCE,
                                     PATIENCE, &error));
    test_check((report = test_guest_report(fixture->guest, &error)) != NULL);
    assert_int_equal(test_guest_report_zone(report, "Movable"), 256 * MIB);
    test_check(witness_unplug_dimm(witness, "dimm0", PATIENCE, &error));
    check_as_after_boot(fixture);
}

static void
resize_virtio_mem(Fixture *fixture, guint64 size)
{
    Witness *witness = test_guest_witness(fixture->guest);
    gint64 deadline = g_get_monotonic_time() + PATIENCE;
    guint64 actual = G_MAXUINT64;
    g_autoptr(JsonNode) reply = NULL;
    test_check((reply = witness_execute(witness, &error, "qom-set",
                                        "{'path': <%s>, 'property': <%s>, 'value': <%t>}",
                                        TEST_GUEST_VIRTIO_MEM_PATH, "requested-size", size)));
    while (actual != size && g_get_monotonic_time() < deadline) {
        g_usleep(10 * 1000);
        test_check(
            witness_get_number(witness, TEST_GUEST_VIRTIO_MEM_PATH, "size", &actual, &error));
    }
    assert_int_equal(actual, size);
}

static void
test_virtio_mem(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(JsonObject) report = NULL;
    resize_virtio_mem(fixture, 306 * MIB);
    test_check(test_guest_wait_total(fixture->guest, fixture->boot_total + 306 * MIB, TOLERANCE,
                                     PATIENCE, &error));
    test_check((report = test_guest_report(fixture->guest, &error)) != NULL);
    assert_int_equal(test_guest_report_zone(report, "Movable"), 306 * MIB);
    resize_virtio_mem(fixture, 0);
    check_as_after_boot(fixture);
}

static void
set_balloon(Fixture *fixture, guint64 actual)
{
    g_autoptr(JsonNode) reply = NULL;
    test_check((reply = witness_execute(test_guest_witness(fixture->guest), &error, "balloon",
                                        "{'value': <%t>}", actual)));
}

static void
test_balloon(void **state)
{
    Fixture *fixture = *state;
    set_balloon(fixture, 224 * MIB);
    test_check(test_guest_wait_total(fixture->guest, fixture->boot_total - 32 * MIB, TOLERANCE,
                                     PATIENCE, &error));
    set_balloon(fixture, 256 * MIB);
    check_as_after_boot(fixture);
}

/* A load uses what it says, as the guest's kernel sees it, and ends when it is stopped. */
static void
test_load(void **state)
{
    Fixture *fixture = *state;
    guint load;
    gboolean running;
    g_autofree char *output = g_strdup(""), *resident = NULL;
    test_check(test_guest_load_start(fixture->guest, "grow=40M hold", &load, &error));
    while (output[0] == '\0') {
        g_free(output);
        g_usleep(50 * 1000);
        test_check((output = test_guest_load_output(fixture->guest, load, &error)) != NULL);
    }
    assert_non_null(strstr(output, "step=grow=40M used=41943040 "));
    test_check(test_guest_run(fixture->guest,
                              "sed -n 's/VmRSS:\\t *\\([0-9]*\\) kB/\\1/p' "
                              "/proc/$(pidof memory-user)/status",
                              &resident, &error));
    assert_in_range(g_ascii_strtoull(resident, NULL, 10) * 1024, 40 * MIB, 42 * MIB);
    test_check(test_guest_load_running(fixture->guest, load, &running, &error));
    assert_true(running);
    test_check(test_guest_load_stop(fixture->guest, load, &error));
    test_check(test_guest_load_running(fixture->guest, load, &running, &error));
    assert_false(running);
}

static void
test_swap(void **state)
{
    Fixture *fixture = *state;
    guint64 swap;
    test_check(test_guest_swap_on(fixture->guest, 64 * MIB, &error));
    test_check(test_guest_meminfo(fixture->guest, "SwapTotal", &swap, &error));
    assert_in_range(swap, 63 * MIB, 64 * MIB);
    test_check(test_guest_run(fixture->guest, "swapoff /dev/zram0 && rmmod zram", NULL, &error));
}

static gboolean
is_gone(const char *folder, pid_t qemu)
{
    return !g_file_test(folder, G_FILE_TEST_EXISTS) && kill(qemu, 0) < 0 && errno == ESRCH;
}

/* This program, run again as "doomed", boots a guest and is killed. */
static void
test_killed_test_leaves_nothing(void **state)
{
    const char *const arguments[] = { self, kernel, machine, "doomed", NULL };
    g_autoptr(GSubprocess) doomed = NULL;
    g_autofree char *line = NULL, *folder = NULL;
    int qemu = 0;
    test_check((doomed = g_subprocess_newv(arguments, G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error)));
    g_autoptr(GDataInputStream) output =
        g_data_input_stream_new(g_subprocess_get_stdout_pipe(doomed));
    test_check((line = g_data_input_stream_read_line(output, NULL, NULL, &error)) != NULL);
    assert_int_equal(sscanf(line, "%d", &qemu), 1);
    folder = g_strdup(strchr(line, ' ') + 1);
    assert_true(g_file_test(folder, G_FILE_TEST_IS_DIR));
    assert_int_equal(kill(qemu, 0), 0);

    g_subprocess_force_exit(doomed);
    test_check(g_subprocess_wait(doomed, NULL, &error));
    gint64 deadline = g_get_monotonic_time() + PATIENCE;
    while (!is_gone(folder, qemu) && g_get_monotonic_time() < deadline)
        g_usleep(20 * 1000);
    assert_true(is_gone(folder, qemu));
}

static int
be_doomed(void)
{
    TestGuestOptions options = { .kernel = kernel, .machine = machine };
    g_autoptr(TestRoom) room = test_room_new(NULL);
    g_autofree char *folder = test_room_path(room, "");
    g_autoptr(TestGuest) guest = test_guest_start(room, folder, &options, NULL);
    if (guest == NULL)
        return 1;
    printf("%s %s\n", g_subprocess_get_identifier(test_guest_process(guest)), folder);
    fflush(stdout);
    g_usleep(G_MAXULONG);
    return 0;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boots),
        cmocka_unit_test(test_runs_commands),
        cmocka_unit_test(test_large_output),
        cmocka_unit_test(test_dimm),
        cmocka_unit_test(test_virtio_mem),
        cmocka_unit_test(test_balloon),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_swap),
        cmocka_unit_test(test_killed_test_leaves_nothing),
    };
    if (argc < 3) {
        g_printerr("usage: test-boot KERNEL-LINE MACHINE\n");
        return 2;
    }
    self = argv[0];
    kernel = argv[1];
    machine = argv[2];
    if (argc > 3)
        return be_doomed();
    g_autofree char *reason = test_guest_unavailable(kernel);
    if (reason != NULL) {
        g_printerr("skipped: %s\n", reason);
        return 77;
    }
    return cmocka_run_group_tests_name("guest boot", tests, start, end);
}
