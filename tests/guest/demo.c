/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The main job, to look at, in three acts.
 *
 * First a guest is resized by hand, in coarse steps and in fine ones. Then three real guests
 * of 256 MiB share a budget that cannot hold all their peaks at once: a load of 300 MiB runs on
 * one of them, then on the next, then on the third; memplugd moves the memory after it. At
 * last, while what the third load had is still lent, a fourth guest is started: there is
 * room for it once the others have given up what they do not need.
 *
 * Shows a live table while it runs, then what moved where and how fast, and how that compares
 * with guests of a fixed size. Ends with status 0 only if the sizes by hand were reached, each
 * guest was grown under its load, no program in a guest was killed for lack of memory, each gave
 * back when its load had gone, and the fourth guest came to run.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/guest/harness/test-daemon.h"
#include "tests/guest/harness/test-guest.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

#define N_GUESTS 3
#define N_CAST   (N_GUESTS + 1) /* with the one that comes last */
#define NEWCOMER N_GUESTS
#define BOOT     (256 * MIB)
#define BUDGET   (1152 * MIB)

/* In each phase the load runs on one guest. */
#define LOAD           "grow=300M@60M hold"
#define LOAD_BYTES     (300 * MIB)
#define PHASE_SECONDS  20
#define FINISH_SECONDS 45   /* at most: until all has been given back */
#define WAIT_SECONDS   "15" /* that the newcomer waits for room */

static const struct {
    const char *name;
    const char *means;
    const char *kernel;
    guint64 virtio_mem;
} cast[N_CAST] = {
    { "web", "virtio-mem", "6.12", 2048 * MIB },
    { "db", "DIMMs and balloon", "6.1", 0 },
    { "batch", "virtio-mem", "6.1", 2048 * MIB },
    { "late", "virtio-mem", "6.12", 2048 * MIB },
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
    TestGuest *guests[N_CAST];
    TestDaemon *daemon;
    gint64 begun_us; /* before the first guest was started */
    gint64 start_us;
    gboolean terminal;
    guint printed;   /* lines of the live table that stand on the terminal */
    gint64 shown_us; /* when they were */
    Row rows[N_CAST];
    Story stories[N_GUESTS];
    guint64 highest_sum;
    gboolean moved; /* by hand, to every size */

    /* of the newcomer */
    guint64 had[N_GUESTS]; /* what the others had when it was asked for, ... */
    guint64 has[N_GUESTS]; /* ... and when there was room */
    double room_s;         /* how long that took */
    double runs_s;         /* and until it had booted */
    gint hasten;           /* atomic: the live view is to end */
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

        for (guint n = 0; n < N_CAST; n++) {
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

    for (guint n = 0; n < N_CAST; n++)
        sum += demo->rows[n].actual;
    for (guint n = 0; n < N_GUESTS; n++) {
        Story *story = &demo->stories[n];
        guint64 actual = demo->rows[n].actual;

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
    guint shown = 0;

    if (demo->terminal && demo->printed > 0)
        printf("\033[%uA", demo->printed);
    printf("%s%5.1f s  %s\n", demo->terminal ? "\033[K" : "", seconds_since(demo->start_us), what);
    for (guint n = 0; n < N_CAST; n++) {
        const Row *row = &demo->rows[n];

        if (row->actual == 0)
            continue;
        shown++;
        sum += row->actual;
        printf("%s  %-6s used %4.0f  demand %4.0f  requested %4.0f  actual %4.0f MiB  ",
               demo->terminal ? "\033[K" : "", cast[n].name, mib(row->used), mib(row->demand),
               mib(row->requested), mib(row->actual));
        draw_bar(row);
        putchar('\n');
    }
    printf("%s  together %.0f of %.0f MiB\n", demo->terminal ? "\033[K" : "", mib(sum),
           mib(BUDGET));
    demo->printed = shown + 2;
    fflush(stdout);
}

/* Looks for @seconds, and shows. */
static gboolean
watch(Demo *demo, guint seconds, const char *what, GError **error)
{
    gint64 start = g_get_monotonic_time();

    while (seconds_since(start) < seconds) {
        if (!look(demo, error))
            return FALSE;
        remember(demo);
        if (seconds_since(demo->shown_us) >= (demo->terminal ? 1 : 4)) {
            show(demo, what);
            demo->shown_us = g_get_monotonic_time();
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
    return demo->daemon && watch(demo, 3, "All guests are idle", error);
}

/* The first act: an administrator sets a guest's memory, and gives it back to the policy. */
static gboolean
resize(Demo *demo, GError **error)
{
    /* Two sections of 128 MiB more, a part of one, and back. */
    static const char *const sizes[] = { "512M", "562M", "256M" };
    g_auto(TestCommand) manage = { 0 };

    puts("\nBy hand, in coarse steps and in fine ones:");
    demo->moved = TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_auto(TestCommand) set = { 0 };
        gint64 start = g_get_monotonic_time();

        if (!test_daemon_run(demo->daemon, &set, error, "setmem", cast[0].name, sizes[i], NULL))
            return FALSE;
        printf("  memplug setmem %s %s    (%.2f s)\n    %s%s", cast[0].name, sizes[i],
               seconds_since(start), set.output, set.messages);
        fflush(stdout);
        demo->moved &= set.status == 0;
    }
    demo->printed = 0;
    return test_daemon_run(demo->daemon, &manage, error, "manage", cast[0].name, "on", NULL);
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

/* The live view while the newcomer is started, which nothing else waits for. */
static gpointer
watch_newcomer(gpointer data)
{
    Demo *demo = data;

    while (!g_atomic_int_get(&demo->hasten) && watch(demo, 1, "A fourth guest is to come", NULL))
        continue;
    return NULL;
}

static void
note_sizes(const Demo *demo, guint64 *sizes)
{
    for (guint n = 0; n < N_GUESTS; n++)
        sizes[n] = demo->rows[n].actual;
}

static gboolean
start_newcomer(Demo *demo, GError **error)
{
    g_autofree char *folder = test_room_path(demo->room, "guests");
    const char *memplug = g_getenv("MEMPLUG");
    const char *const before[] = { memplug ? memplug : "memplug",
                                   "--bus",
                                   test_daemon_address(demo->daemon),
                                   "run",
                                   "--wait",
                                   WAIT_SECONDS,
                                   "--",
                                   NULL };
    const TestGuestOptions options = { .name = cast[NEWCOMER].name,
                                       .kernel = cast[NEWCOMER].kernel,
                                       .memory = BOOT,
                                       .max_memory = 4096 * MIB,
                                       .virtio_mem = cast[NEWCOMER].virtio_mem,
                                       .before = before };
    gint64 start = g_get_monotonic_time();

    demo->guests[NEWCOMER] = test_guest_start(demo->room, folder, &options, error);
    demo->room_s = seconds_since(start);
    note_sizes(demo, demo->has);
    if (!demo->guests[NEWCOMER] || !test_guest_wait_ready(demo->guests[NEWCOMER], error))
        return FALSE;
    demo->runs_s = seconds_since(start);
    return TRUE;
}

/* The third act: one more comes to a host that is full. */
static gboolean
come_late(Demo *demo, GError **error)
{
    guint64 lent = 0;
    gboolean started;
    GThread *view;

    note_sizes(demo, demo->had);
    for (guint n = 0; n < N_GUESTS; n++)
        lent += demo->had[n];
    printf("\nmemplug run -- qemu-system-x86_64 -m %.0f ..., while %.0f of %.0f MiB are lent:\n",
           mib(BOOT), mib(lent), mib(BUDGET));
    demo->printed = 0;
    view = g_thread_new("view", watch_newcomer, demo);
    started = start_newcomer(demo, error);
    g_atomic_int_set(&demo->hasten, TRUE);
    g_thread_join(view);
    return started;
}

/* Each guest has given back half of what its load had been lent. */
static gboolean
is_back(const Demo *demo)
{
    for (guint n = 0; n < N_GUESTS; n++) {
        const Story *story = &demo->stories[n];

        if (story->highest - MIN(story->lowest_after, story->highest) <
            (story->highest - story->before) / 2)
            return FALSE;
    }
    return TRUE;
}

static gboolean
finish(Demo *demo, GError **error)
{
    gint64 start = g_get_monotonic_time();

    while (!is_back(demo) && seconds_since(start) < FINISH_SECONDS) {
        if (!watch(demo, 1, "All loads have gone", error))
            return FALSE;
    }
    return TRUE;
}

/*
 * Telling
 */

static void
tell_of_newcomer(const Demo *demo)
{
    printf("\n%s had room after %.1f s, and ran after %.1f s. For it gave, in MiB:\n",
           cast[NEWCOMER].name, demo->room_s, demo->runs_s);
    for (guint n = 0; n < N_GUESTS; n++)
        printf("  %-6s %4.0f of %4.0f\n", cast[n].name,
               mib(demo->had[n] - MIN(demo->had[n], demo->has[n])), mib(demo->had[n]));
}

/* Against guests that have for good what each had at its peak. */
static void
tell_of_static(const Demo *demo)
{
    guint64 fixed = BOOT, largest = BOOT;

    for (guint n = 0; n < N_GUESTS; n++) {
        fixed += demo->stories[n].highest;
        largest = MAX(largest, demo->stories[n].highest);
    }
    printf("\n%-34s %10s %10s\n", "", "memplug", "fixed size");
    printf("%-34s %10.0f %10.0f\n", "MiB for the four guests, at most", mib(demo->highest_sum),
           mib(fixed));
    printf("%-34s %10u %10u\n", "such guests on this host", N_CAST, (guint)(BUDGET / largest));
}

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
    puts("Sizes in MiB; first and covered: from the load's start to the first new memory, and to\n"
         "all that the load needs.");
    tell_of_newcomer(demo);
    tell_of_static(demo);
    printf("\nAll of it took %.0f s.\n", seconds_since(demo->begun_us));
    return followed && demo->moved;
}

static gboolean
run(Demo *demo, GError **error)
{
    demo->begun_us = g_get_monotonic_time();
    demo->room = test_room_new(error);
    if (!demo->room || !begin(demo, error) || !resize(demo, error))
        return FALSE;
    puts("\nA load moves from one guest to the next:");
    for (guint n = 0; n < N_GUESTS; n++) {
        if (!load(demo, n, error))
            return FALSE;
    }
    return come_late(demo, error) && finish(demo, error);
}

static void
end(Demo *demo)
{
    test_daemon_free(demo->daemon);
    for (guint n = 0; n < N_CAST; n++)
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
