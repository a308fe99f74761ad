/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What memplug adds to a change of size: the duration of `memplug setmem` on a
 * real guest, against the same QMP steps sent by hand on another monitor of the
 * same guest in the same run, in turn: setmem up, setmem down, by hand up, by hand
 * down, and so on.
 *
 * "call" is what setmem reports of itself, from its request to the guest's having
 * followed; "command" is the whole process. By hand is the time from the first
 * command until QEMU says that the guest has followed: virtio-mem's size read
 * every 2 ms, or the DIMM's acknowledgement or end.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/guest/harness/test-daemon.h"
#include "tests/guest/harness/test-guest.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

#define BOOT (256 * MIB)
#define STEP (256 * MIB)
#define RUNS 9

/* One way to change the size by hand. */
typedef struct {
    const char *name;
    guint64 virtio_mem; /* of the guest */
    gboolean (*up)(TestGuest *guest, GError **error);
    gboolean (*down)(TestGuest *guest, GError **error);
} Mechanism;

typedef struct {
    double call[RUNS];
    double command[RUNS];
    double by_hand[RUNS];
} Figures;

static double
seconds_since(gint64 start_us)
{
    return (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC;
}

/*
 * By hand
 */

static gboolean
resize_virtio_mem(TestGuest *guest, guint64 size, GError **error)
{
    Witness *witness = test_guest_witness(guest);
    g_autoptr(JsonNode) reply = witness_execute(
        witness, error, "qom-set", "{'path': <%s>, 'property': <'requested-size'>, 'value': <%t>}",
        TEST_GUEST_VIRTIO_MEM_PATH, size);
    guint64 now = 0;

    if (!reply)
        return FALSE;
    for (;;) {
        if (!witness_get_number(witness, TEST_GUEST_VIRTIO_MEM_PATH, "size", &now, error))
            return FALSE;
        if (now == size)
            return TRUE;
        g_usleep(2000);
    }
}

static gboolean
virtio_mem_up(TestGuest *guest, GError **error)
{
    return resize_virtio_mem(guest, STEP, error);
}

static gboolean
virtio_mem_down(TestGuest *guest, GError **error)
{
    return resize_virtio_mem(guest, 0, error);
}

static gboolean
dimm_up(TestGuest *guest, GError **error)
{
    Witness *witness = test_guest_witness(guest);
    gboolean taken = FALSE;

    witness_drop_events(witness);
    if (!witness_plug_dimm(witness, "hand", STEP, error))
        return FALSE;
    /* Until it is this DIMM's: another one's may still be under way. */
    while (!taken) {
        g_autoptr(JsonObject) event =
            witness_wait_event(witness, "ACPI_DEVICE_OST", 10 * G_USEC_PER_SEC, error);
        JsonObject *info = event ? json_object_get_object_member(event, "info") : NULL;

        if (!info)
            return FALSE;
        taken = g_strcmp0(json_object_get_string_member_with_default(info, "device", NULL),
                          "hand") == 0 &&
                json_object_get_int_member(info, "status") == 0;
    }
    return TRUE;
}

static gboolean
dimm_down(TestGuest *guest, GError **error)
{
    return witness_unplug_dimm(test_guest_witness(guest), "hand", 20 * G_USEC_PER_SEC, error);
}

static const Mechanism mechanisms[] = {
    { "virtio-mem", 2048 * MIB, virtio_mem_up, virtio_mem_down },
    { "DIMM", 0, dimm_up, dimm_down },
};

/*
 * By memplug
 */

static gboolean
memplug(TestDaemon *daemon, GError **error, TestCommand *command, const char *verb,
        const char *argument)
{
    if (!test_daemon_run(daemon, command, error, verb, "guest", argument, "--json", NULL))
        return FALSE;
    if (command->status == 0)
        return TRUE;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "memplug %s: %s", verb, command->messages);
    return FALSE;
}

static gboolean
setmem(TestDaemon *daemon, guint64 size, double *call, double *command_s, GError **error)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT "M", size / MIB);
    g_auto(TestCommand) command = { 0 };
    gint64 start = g_get_monotonic_time();

    if (!memplug(daemon, error, &command, "setmem", text))
        return FALSE;
    *command_s = seconds_since(start);
    *call = json_object_get_double_member(json_node_get_object(command.json), "seconds");
    return TRUE;
}

/*
 * In turn
 */

static gboolean
measure_run(TestGuest *guest, TestDaemon *daemon, const Mechanism *mechanism, guint run,
            Figures *up, Figures *down, GError **error)
{
    g_auto(TestCommand) off = { 0 };
    gint64 start;

    if (!setmem(daemon, BOOT + STEP, &up->call[run], &up->command[run], error) ||
        !setmem(daemon, BOOT, &down->call[run], &down->command[run], error) ||
        !memplug(daemon, error, &off, "manage", "off"))
        return FALSE;
    start = g_get_monotonic_time();
    if (!mechanism->up(guest, error))
        return FALSE;
    up->by_hand[run] = seconds_since(start);
    start = g_get_monotonic_time();
    if (!mechanism->down(guest, error))
        return FALSE;
    down->by_hand[run] = seconds_since(start);
    return TRUE;
}

static int
compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;

    return difference < 0 ? -1 : difference > 0;
}

static double
median(double *values)
{
    qsort(values, RUNS, sizeof(*values), compare);
    return values[RUNS / 2];
}

static void
print_row(const Mechanism *mechanism, const char *direction, Figures *figures)
{
    double call = median(figures->call);
    double command = median(figures->command);
    double by_hand = median(figures->by_hand);

    printf("%-11s %-5s %9.1f %9.1f %9.1f %11.2f %14.2f\n", mechanism->name, direction,
           by_hand * 1e3, call * 1e3, command * 1e3, call / by_hand, command / by_hand);
}

static gboolean
measure(const Mechanism *mechanism, GError **error)
{
    const TestGuestOptions options = { .memory = BOOT, .virtio_mem = mechanism->virtio_mem };
    g_autoptr(TestRoom) room = test_room_new(error);
    g_autofree char *folder = room ? test_room_path(room, "guests") : NULL;
    g_autofree char *uri = g_strconcat("qmp:", folder, NULL);
    g_autoptr(TestGuest) guest = NULL;
    g_autoptr(TestDaemon) daemon = NULL;
    Figures up, down;

    if (!room || g_mkdir_with_parents(folder, 0700) < 0)
        return FALSE;
    guest = test_guest_boot(room, folder, &options, error);
    if (!guest)
        return FALSE;
    daemon = test_daemon_start(room, uri, "[host]\nbudget=4G\n", NULL, error);
    if (!daemon)
        return FALSE;
    g_usleep(2 * G_USEC_PER_SEC);
    for (guint run = 0; run < RUNS; run++) {
        if (!measure_run(guest, daemon, mechanism, run, &up, &down, error))
            return FALSE;
    }
    print_row(mechanism, "up", &up);
    print_row(mechanism, "down", &down);
    return TRUE;
}

int
main(void)
{
    printf("%d runs, %" G_GUINT64_FORMAT " MiB each way, medians in ms\n", RUNS, STEP / MIB);
    printf("%-17s %9s %9s %9s %11s %14s\n", "", "by hand", "call", "command", "call/hand",
           "command/hand");
    for (gsize i = 0; i < G_N_ELEMENTS(mechanisms); i++) {
        g_autoptr(GError) error = NULL;

        if (!measure(&mechanisms[i], &error)) {
            fprintf(stderr, "%s: %s\n", mechanisms[i].name, error ? error->message : "no folder");
            return 1;
        }
    }
    return 0;
}
