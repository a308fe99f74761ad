/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The main job, to look at: three real guests of 256 MiB share a budget that
 * cannot hold all their peaks at once. A load of 300 MiB runs on one of them, then
 * on the next, then on the third; memplugd moves the memory after it.
 *
 * Shows a live table while it runs, then what moved where and how fast. Ends with
 * status 0 only if each guest was grown under its load, no program in a guest was
 * killed for lack of memory, and each gave back when its load had gone.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/guest/harness/test-daemon.h"
#include "tests/guest/harness/test-guest.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

#define N_GUESTS 3
#define BOOT     (256 * MIB)
#define BUDGET   (1152 * MIB)

/* In each phase the load runs on one guest. */
#define LOAD           "grow=300M@60M hold"
#define LOAD_BYTES     (300 * MIB)
#define PHASE_SECONDS  22
#define FINISH_SECONDS 50

static const struct {
    const char *name;
    const char *means;
    const char *kernel;
    guint64 virtio_mem;
    const char *conf;
} cast[N_GUESTS] = {
    { "web", "virtio-mem", "6.12", 2048 * MIB, "" },
    { "db", "DIMMs and balloon", "6.1", 0, "" },
    { "batch", "virtio-mem", "6.1", 2048 * MIB, "" },
};

/* One guest as memplug lists it. */
typedef struct {
    guint64 used;
    guint64 demand;
    guint64 requested;
    guint64 actual;
} Row;

/* What is remembered of a guest for the summary. */
typedef struct {
    double load_s;        /* when its load began */
    double first_s;       /* when it first had more than before */
    double covered_s;     /* when it had what its load needs */
    double unloaded_s;    /* when its load ended */
    guint64 before;       /* actual when its load began */
    guint64 highest;      /* actual, from then on */
    guint64 lowest_after; /* actual, after its load ended */
    gboolean killed;
} Story;

typedef struct {
    TestRoom *room;
    TestGuest *guests[N_GUESTS];
    TestDaemon *daemon;
    gint64 start_us;
    gboolean terminal;
    guint printed; /* lines of the live table that stand on the terminal */
    Row rows[N_GUESTS];
    Story stories[N_GUESTS];
    guint64 highest_sum;
} Demo;

static double
seconds_since(gint64 start_us)
{
    return (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC;
}

static double
mib(guint64 bytes)
{
    return (double)bytes / (double)MIB;
}

/*
 * Looking
 */

static gboolean
look(Demo *demo, GError **error)
{
    g_auto(TestCommand) list = { 0 };
    JsonArray *guests;

    if (!test_daemon_run(demo->daemon, &list, error, "list", "--json", NULL))
        return FALSE;
    if (list.status != 0 || !list.json) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "memplug list: %s", list.messages);
        return FALSE;
    }
    guests = json_node_get_array(list.json);
    for (guint i = 0; i < json_array_get_length(guests); i++) {
        JsonObject *guest = json_array_get_object_element(guests, i);

        for (guint n = 0; n < N_GUESTS; n++) {
            if (g_str_equal(json_object_get_string_member(guest, "name"), cast[n].name))
                demo->rows[n] = (Row){
                    (guint64)json_object_get_int_member(guest, "used"),
                    (guint64)json_object_get_int_member(guest, "demand"),
                    (guint64)json_object_get_int_member(guest, "requested"),
                    (guint64)json_object_get_int_member(guest, "actual"),
                };
        }
    }
    return TRUE;
}

static void
remember(Demo *demo)
{
    double now = seconds_since(demo->start_us);
    guint64 sum = 0;

    for (guint n = 0; n < N_GUESTS; n++) {
        Story *story = &demo->stories[n];
        guint64 actual = demo->rows[n].actual;

        sum += actual;
        if (story->load_s == 0)
            continue;
        story->highest = MAX(story->highest, actual);
        if (story->first_s == 0 && actual > story->before)
            story->first_s = now;
        if (story->covered_s == 0 && demo->rows[n].used > LOAD_BYTES &&
            actual > demo->rows[n].used + 32 * MIB)
            story->covered_s = now;
        if (story->unloaded_s > 0)
            story->lowest_after = MIN(story->lowest_after, actual);
    }
    demo->highest_sum = MAX(demo->highest_sum, sum);
}

static void
draw_bar(const Row *row)
{
    const guint64 cell = 32 * MIB;

    for (guint64 at = 0; at < MAX(row->actual, row->requested); at += cell)
        fputs(at < row->used ? "█" : at < row->actual ? "░" : "·", stdout);
}

static void
show(Demo *demo, const char *what)
{
    guint64 sum = 0;

    if (demo->terminal && demo->printed > 0)
        printf("\033[%uA", demo->printed);
    printf("%s%5.1f s  %s\n", demo->terminal ? "\033[K" : "", seconds_since(demo->start_us), what);
    for (guint n = 0; n < N_GUESTS; n++) {
        const Row *row = &demo->rows[n];

        sum += row->actual;
        printf("%s  %-6s used %4.0f  demand %4.0f  requested %4.0f  actual %4.0f MiB  ",
               demo->terminal ? "\033[K" : "", cast[n].name, mib(row->used), mib(row->demand),
               mib(row->requested), mib(row->actual));
        draw_bar(row);
        putchar('\n');
    }
    printf("%s  together %.0f of %.0f MiB\n", demo->terminal ? "\033[K" : "", mib(sum),
           mib(BUDGET));
    demo->printed = N_GUESTS + 2;
    fflush(stdout);
}

/* Looks for @seconds, and shows. */
static gboolean
watch(Demo *demo, guint seconds, const char *what, GError **error)
{
    gint64 start = g_get_monotonic_time();
    gint64 shown = 0;

    while (seconds_since(start) < seconds) {
        if (!look(demo, error))
            return FALSE;
        remember(demo);
        if (g_get_monotonic_time() - shown >= (demo->terminal ? 1 : 4) * G_USEC_PER_SEC) {
            show(demo, what);
            shown = g_get_monotonic_time();
        }
        g_usleep(G_USEC_PER_SEC / 4);
    }
    return TRUE;
}

/*
 * Acting
 */

static gboolean
begin(Demo *demo, GError **error)
{
    g_autofree char *folder = test_room_path(demo->room, "guests");
    g_autofree char *uri = g_strconcat("qmp:", folder, NULL);
    g_autofree char *config = g_strdup_printf(
        "[host]\nbudget=%" G_GUINT64_FORMAT "M\n[defaults]\nfloor=256M\n", BUDGET / MIB);

    if (g_mkdir_with_parents(folder, 0700) < 0)
        return FALSE;
    for (guint n = 0; n < N_GUESTS; n++) {
        const TestGuestOptions options = { .name = cast[n].name,
                                           .kernel = cast[n].kernel,
                                           .memory = BOOT,
                                           .max_memory = 4096 * MIB,
                                           .virtio_mem = cast[n].virtio_mem };

        printf("Starting %s: Linux %s, %.0f MiB, grows by %s\n", cast[n].name, cast[n].kernel,
               mib(BOOT), cast[n].means);
        fflush(stdout);
        demo->guests[n] = test_guest_start(demo->room, folder, &options, error);
        if (!demo->guests[n])
            return FALSE;
    }
    for (guint n = 0; n < N_GUESTS; n++) {
        if (!test_guest_wait_ready(demo->guests[n], error) ||
            !test_guest_swap_on(demo->guests[n], 512 * MIB, error))
            return FALSE;
    }
    demo->daemon = test_daemon_start(demo->room, uri, config, NULL, error);
    demo->start_us = g_get_monotonic_time();
    return demo->daemon && watch(demo, 4, "All guests are idle", error);
}

/* Runs the load on guest @n for one phase. */
static gboolean
load(Demo *demo, guint n, GError **error)
{
    g_autofree char *what =
        g_strdup_printf("A load of %.0f MiB on %s", mib(LOAD_BYTES), cast[n].name);
    Story *story = &demo->stories[n];
    gboolean running = FALSE;
    guint number;

    story->before = demo->rows[n].actual;
    if (!test_guest_load_start(demo->guests[n], LOAD, &number, error))
        return FALSE;
    story->load_s = seconds_since(demo->start_us);
    if (!watch(demo, PHASE_SECONDS, what, error) ||
        !test_guest_load_running(demo->guests[n], number, &running, error))
        return FALSE;
    story->killed = !running;
    if (running && !test_guest_load_stop(demo->guests[n], number, error))
        return FALSE;
    story->unloaded_s = seconds_since(demo->start_us);
    story->lowest_after = G_MAXUINT64;
    return TRUE;
}

/*
 * Telling
 */

static gboolean
tell(const Demo *demo)
{
    gboolean followed = TRUE;

    printf("\n%-6s %-18s %8s %8s %9s %9s %10s  %s\n", "Guest", "grows by", "before", "highest",
           "first", "covered", "given back", "");
    for (guint n = 0; n < N_GUESTS; n++) {
        const Story *story = &demo->stories[n];
        guint64 lent = story->highest - story->before;
        guint64 back = story->highest - MIN(story->highest, story->lowest_after);
        gboolean well = !story->killed && story->covered_s > 0 && lent > 0 && back >= lent / 2;

        printf("%-6s %-18s %8.0f %8.0f %7.1f s %7.1f s %10.0f  %s\n", cast[n].name, cast[n].means,
               mib(story->before), mib(story->highest),
               story->first_s > 0 ? story->first_s - story->load_s : -1,
               story->covered_s > 0 ? story->covered_s - story->load_s : -1, mib(back),
               well            ? "followed"
               : story->killed ? "ITS PROGRAM WAS KILLED"
                               : "DID NOT FOLLOW");
        followed &= well;
    }
    printf(
        "Sizes in MiB; first and covered: from the load's start to the first new memory, and to\n"
        "all that the load needs. At most %.0f MiB were lent at once; three guests of a fixed\n"
        "size for the same load would have taken %.0f.\n",
        mib(demo->highest_sum),
        mib(demo->stories[0].highest + demo->stories[1].highest + demo->stories[2].highest));
    return followed;
}

static gboolean
run(Demo *demo, GError **error)
{
    demo->room = test_room_new(error);
    if (!demo->room || !begin(demo, error))
        return FALSE;
    for (guint n = 0; n < N_GUESTS; n++) {
        if (!load(demo, n, error))
            return FALSE;
    }
    return watch(demo, FINISH_SECONDS, "All loads have gone", error);
}

static void
end(Demo *demo)
{
    test_daemon_free(demo->daemon);
    for (guint n = 0; n < N_GUESTS; n++)
        test_guest_free(demo->guests[n]);
    test_room_free(demo->room);
}

int
main(void)
{
    Demo demo = { .terminal = isatty(STDOUT_FILENO) };
    g_autoptr(GError) error = NULL;
    int status = 1;

    if (run(&demo, &error))
        status = tell(&demo) ? 0 : 1;
    else
        fprintf(stderr, "The demo failed: %s\n", error ? error->message : "no temporary folder");
    if (status != 0 && demo.daemon)
        test_daemon_print_log(demo.daemon);
    end(&demo);
    return status;
}
