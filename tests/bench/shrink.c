/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What shrinking costs the program that goes on: a guest of 768 MiB in which a program uses
 * 208 MiB and a file of 48 MiB, and works on 48 MiB of each kind. Its pace with all of the guest's
 * memory, while memplugd takes what can go (and probes), and then in turns at the size that this
 * came to and with all of it again: all in one run of one program.
 *
 * The pace is that of touching the working set against that of touching pages that are always
 * there, both in turn (tests/guest/image/memory-user.c), so what else the machine does
 * counts little. What it counts is seen from the phases with all memory, which differ by nothing.
 * Without huge pages: under TCG they are worth several times more than on a CPU, and the
 * kernel makes them when it pleases.
 *
 * Usage: bench-shrink [KERNEL-LINE]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guest/harness/test-daemon.h"
#include "tests/guest/harness/test-guest.h"

#define MIB  (G_GUINT64_CONSTANT(1) << 20)
#define BOOT (256 * MIB)
#define MORE (512 * MIB)

#define USE   "map=48M@" TEST_GUEST_FILE " grow=208M work=96M"
#define LOOP  " loop=2"
#define LOOPS 300

#define WINDOWS     5                      /* of a phase at rest */
#define TURNS       5                      /* at the size found, and with all memory */
#define SHRINK_MOST (120 * G_USEC_PER_SEC) /* it has come to rest, or nearly */

typedef struct {
    TestGuest *guest;
    TestDaemon *daemon;
    guint load;
    double whole; /* the pace of the first phase */
    double latest;
} Bench;

/* Returns: how many loops have ended; @sum: of the paces from number @first on */
static gboolean
read_paces(Bench *bench, guint first, guint *count, double *sum, GError **error)
{
    g_autofree char *output = test_guest_load_output(bench->guest, bench->load, error);
    g_auto(GStrv) lines = NULL;

    if (!output)
        return FALSE;
    *count = 0;
    *sum = 0;
    lines = g_strsplit(output, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        const char *pace = strstr(lines[i], "pace_ppm=");

        if (!g_str_has_prefix(lines[i], "step=loop=") || !pace)
            continue;
        if ((*count)++ >= first)
            *sum += g_ascii_strtod(pace + strlen("pace_ppm="), NULL);
    }
    return TRUE;
}

static gboolean
memplug(Bench *bench, GError **error, guint64 *size, const char *member, ...)
{
    g_auto(TestCommand) command = { 0 };
    va_list arguments;
    gboolean ok;

    va_start(arguments, member);
    ok = test_daemon_run_va(bench->daemon, &command, arguments, error);
    va_end(arguments);
    if (ok && command.status != 0)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "memplug: %s", command.messages);
    if (!ok || command.status != 0)
        return FALSE;
    if (size)
        *size = (guint64)json_object_get_int_member(json_node_get_object(command.json), member);
    return TRUE;
}

static gboolean
print_phase(Bench *bench, const char *phase, double pace, GError **error)
{
    guint64 actual;

    if (!memplug(bench, error, &actual, "actual", "info", "guest", "--json", NULL))
        return FALSE;
    if (bench->whole == 0)
        bench->whole = pace;
    bench->latest = pace;
    printf("%-28s %6" G_GUINT64_FORMAT " %8.1f %%\n", phase, actual / MIB,
           100 * pace / bench->whole);
    fflush(stdout);
    return TRUE;
}

/* Some windows, the first that begins from now on being the first. */
static gboolean
measure(Bench *bench, const char *phase, GError **error)
{
    guint begun, count;
    double sum;

    if (!read_paces(bench, 0, &begun, &sum, error))
        return FALSE;
    begun++;
    do {
        g_usleep(G_USEC_PER_SEC / 2);
        if (!read_paces(bench, begun, &count, &sum, error))
            return FALSE;
    } while (count < begun + WINDOWS);
    return print_phase(bench, phase, sum / (count - begun), error);
}

static gboolean
shrink(Bench *bench, GError **error)
{
    gint64 end = g_get_monotonic_time() + SHRINK_MOST;
    guint64 found = 0;
    guint begun, count;
    double sum;

    if (!read_paces(bench, 0, &begun, &sum, error) ||
        !memplug(bench, error, NULL, NULL, "manage", "guest", "on", NULL))
        return FALSE;
    while (g_get_monotonic_time() < end && found < 40 * MIB) {
        g_usleep(G_USEC_PER_SEC);
        if (!memplug(bench, error, &found, "found", "info", "guest", "--json", NULL))
            return FALSE;
    }
    printf("%-28s %6" G_GUINT64_FORMAT " MiB\n", "found by probing", found / MIB);
    if (!memplug(bench, error, NULL, NULL, "manage", "guest", "off", NULL) ||
        !read_paces(bench, begun, &count, &sum, error))
        return FALSE;
    return count == begun || print_phase(bench, "while it is shrunk", sum / (count - begun), error);
}

static gboolean
resize(Bench *bench, guint64 size, GError **error)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT "M", size / MIB);

    return memplug(bench, error, NULL, NULL, "setmem", "guest", text, NULL);
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The size found and all memory in turns, each pace against the mean of its neighbours. */
static gboolean
take_turns(Bench *bench, GError **error)
{
    double before = bench->whole, ratios[TURNS];
    guint64 size;

    if (!memplug(bench, error, &size, "requested", "info", "guest", "--json", NULL))
        return FALSE;
    for (guint i = 0; i < TURNS; i++) {
        double shrunk;

        if (!resize(bench, size, error) || !measure(bench, "shrunk", error))
            return FALSE;
        shrunk = bench->latest;
        if (!resize(bench, BOOT + MORE, error) || !measure(bench, "all memory again", error))
            return FALSE;
        ratios[i] = shrunk / ((i == 0 ? bench->latest : (before + bench->latest) / 2));
        before = bench->latest;
    }
    qsort(ratios, TURNS, sizeof ratios[0], compare);
    printf("%-28s %6s %8.1f %% (%.1f to %.1f)\n", "shrunk, against neighbours", "",
           100 * ratios[TURNS / 2], 100 * ratios[0], 100 * ratios[TURNS - 1]);
    return TRUE;
}

static gboolean
run(Bench *bench, GError **error)
{
    GString *steps = g_string_new(USE);
    gboolean started;

    for (guint i = 0; i < LOOPS; i++)
        g_string_append(steps, LOOP);
    started = test_guest_swap_on(bench->guest, 512 * MIB, error) &&
              test_guest_make_file(bench->guest, 64 * MIB, error) &&
              test_guest_agent_start(bench->guest, "", error) &&
              test_guest_load_start(bench->guest, steps->str, &bench->load, error);
    g_string_free(steps, TRUE);
    if (!started)
        return FALSE;
    g_usleep(10 * G_USEC_PER_SEC); /* it has grown */
    return resize(bench, BOOT + MORE, error) && measure(bench, "all memory", error) &&
           shrink(bench, error) && take_turns(bench, error);
}

int
main(int argc, char **argv)
{
    const TestGuestOptions options = { .kernel = argc > 1 ? argv[1] : "6.12",
                                       .memory = BOOT,
                                       .stats_port = TRUE,
                                       .virtio_mem = 1024 * MIB,
                                       .virtio_mem_at_boot = MORE,
                                       .append = "memory_hotplug.online_policy=auto-movable "
                                                 "transparent_hugepage=never" };
    g_autoptr(GError) error = NULL;
    g_autoptr(TestRoom) room = test_room_new(&error);
    g_autofree char *folder = room ? test_room_path(room, "guests") : NULL;
    g_autofree char *uri = g_strconcat("qmp:", folder, NULL);
    g_autoptr(TestGuest) guest = NULL;
    g_autoptr(TestDaemon) daemon = NULL;
    Bench bench = { 0 };

    if (room && g_mkdir_with_parents(folder, 0700) == 0)
        bench.guest = guest = test_guest_boot(room, folder, &options, &error);
    if (guest)
        bench.daemon = daemon =
            test_daemon_start(room, uri, "[policy]\nprobe=always\n", NULL, &error);
    if (daemon)
        g_usleep(2 * G_USEC_PER_SEC);
    if (guest)
        printf("kernel %s\n%-28s %6s %10s\n", test_guest_release(guest), "", "MiB", "pace");
    if (!daemon || !run(&bench, &error)) {
        fprintf(stderr, "%s\n", error ? error->message : "no folder");
        return 1;
    }
    return 0;
}
