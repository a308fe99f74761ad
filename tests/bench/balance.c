/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Four guests under changing real loads on a budget that cannot hold all their peaks at
 * once: what each gets done in the same time, first with the budget split evenly for good, then
 * with memplugd. Their peaks are at different times, as those of most hosts are:
 *
 *   cache   a memcached with a hot set larger than its share for a minute; then it
 *           is started anew, with a small one
 *   build   rests for a minute, then two dozen tcc at a time compile the same file over and over
 *   bursty  takes 300 MiB and works on it for some seconds, then needs nothing for a while,
 *           again and again
 *   idle    is asked how it is once a second
 *
 * Then the journal of the second run is planned again, and the decisions are compared.
 * Prints tables, judges nothing. KEEP=DIR keeps the journal there.
 *
 *   bench-balance [KERNEL-LINE]
 */
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "journal/journal-file.h"
#include "journal/journal-replay.h"
#include "tests/guest/harness/test-daemon.h"
#include "tests/guest/harness/test-guest.h"

#define MIB     (G_GUINT64_CONSTANT(1) << 20)
#define BOOT    (192 * MIB)
#define SHARE   (320 * MIB) /* of the budget, for each */
#define MOST    (832 * MIB) /* beyond boot */
#define SECONDS 120

typedef enum { CACHE, BUILD, BURSTY, IDLE, N_GUESTS } Which;

/* Each load writes a number to /run/done; all of them begin with the file /run/go, and end
 * by themselves after SECONDS. */
static const struct {
    const char *name;
    const char *unit;
    const char *prepare, *script;
} loads[N_GUESTS] = {
    [CACHE] = { "cache", "requests", "memcached -u root -s /run/mc -m 400 >/dev/null 2>&1 &",
                "cache-user /run/mc 11000 10000 60 >/run/first 2>/run/errors;"
                "killall memcached; sleep 1; rm -f /run/mc;"
                "memcached -u root -s /run/mc -m 64 >/dev/null 2>&1 & sleep 2;"
                "cache-user /run/mc 1200 1000 57 >/run/second 2>>/run/errors;"
                "cat /run/first /run/second | awk '{ n += $1 } END { print n }' >/run/done" },
    [BUILD] = { "build", "files",
                "awk 'BEGIN { print \"static int f0(int a, int b) { return a + b; }\";"
                " for (i = 1; i < 16000; i++) printf(\"static int f%d(int a, int b) { int x%d = a "
                "* "
                "%d + b; if (x%d > %d) return x%d - b; return b + f%d(a, b); }\\n\", i, i, i, i, i "
                "* 7, i, i - 1) }' >/run/big.c",
                "sleep 63; echo 1 >/run/building;"
                "for i in $(seq 24); do while [ -e /run/building ]; do"
                " tcc -c -nostdinc /run/big.c -o /run/big.$i 2>/dev/null && echo x >>/run/built; "
                "done & done;"
                "sleep 55; rm /run/building; wc -l </run/built >/run/done" },
    /* Each hold is a second in which all of it is worked on once. A pass that waits for swap makes
     * it longer, so fewer are done in the 16 s that each burst has. It leaves the CPUs, of which
     * there are fewer than guests, to the others. */
    [BURSTY] = { "bursty", "passes", "true",
                 "for burst in 1 2 3 4 5; do"
                 " memory-user grow=300M@150M hold=1 hold=1 hold=1 hold=1 hold=1 hold=1 hold=1"
                 " hold=1 hold=1 hold=1 hold=1 hold=1 hold=1 hold"
                 " >>/run/bursts & sleep 16; kill $!; wait; sleep 6; done;"
                 "grep -c step=hold=1 /run/bursts >/run/done" },
    [IDLE] = { "idle", "answers", "true",
               "n=0; end=$(($(date +%s) + 110)); while [ $(date +%s) -lt $end ]; do"
               " cat /proc/meminfo /proc/loadavg >/dev/null && n=$((n + 1)); sleep 1; done;"
               "echo $n >/run/done" },
};

static const char *kernel = "6.1";

typedef struct {
    double done[N_GUESTS];
    double swapped[N_GUESTS]; /* MiB, in and out */
    double stalled[N_GUESTS]; /* s: PSI full */
    double some[N_GUESTS];    /* s: PSI some */
    double cpu[N_GUESTS];     /* s: of its QEMU */
} Figures;

typedef struct {
    TestRoom *room;
    TestGuest *guests[N_GUESTS];
    TestDaemon *daemon;
} Scene;

static void
scene_clear(Scene *scene)
{
    g_clear_pointer(&scene->daemon, test_daemon_free);
    for (guint i = 0; i < N_GUESTS; i++)
        g_clear_pointer(&scene->guests[i], test_guest_free);
    g_clear_pointer(&scene->room, test_room_free);
}

static gboolean
run(TestGuest *guest, const char *script, char **output, GError **error)
{
    gboolean done = test_guest_run(guest, script, output, error);

    if (!done)
        g_prefix_error(error, "%s: ", test_guest_name(guest));
    return done;
}

static gboolean
boot(Scene *scene, const char *folder, Which which, GError **error)
{
    const TestGuestOptions options = { .name = loads[which].name,
                                       .kernel = kernel,
                                       .memory = BOOT,
                                       .virtio_mem = MOST,
                                       .virtio_mem_at_boot = SHARE - BOOT,
                                       .loads = TRUE,
                                       .stats_port = TRUE };
    g_autofree char *prepare =
        g_strdup_printf("(%s) </dev/null >/dev/null 2>&1", loads[which].prepare);

    scene->guests[which] = test_guest_boot(scene->room, folder, &options, error);
    return scene->guests[which] && test_guest_swap_on(scene->guests[which], 512 * MIB, error) &&
           test_guest_agent_start(scene->guests[which], "", error) &&
           run(scene->guests[which], prepare, NULL, error);
}

static gboolean
scene_build(Scene *scene, gboolean managed, GError **error)
{
    g_autofree char *config = g_strdup_printf(
        "[host]\nbudget=%" G_GUINT64_FORMAT "M\n[defaults]\nfloor=192M\n", N_GUESTS * SHARE / MIB);
    g_autofree char *folder = NULL;
    g_autofree char *uri = NULL;

    scene->room = test_room_new(error);
    if (!scene->room)
        return FALSE;
    folder = test_room_path(scene->room, "guests");
    uri = g_strconcat("qmp:", folder, NULL);
    g_mkdir_with_parents(folder, 0700);
    for (Which which = CACHE; which < N_GUESTS; which++) {
        if (!boot(scene, folder, which, error))
            return FALSE;
    }
    if (managed)
        scene->daemon = test_daemon_start(scene->room, uri, config, NULL, error);
    return !managed || scene->daemon;
}

static double
number(TestGuest *guest, const char *script)
{
    g_autofree char *output = NULL;

    return run(guest, script, &output, NULL) ? g_ascii_strtod(output, NULL) : 0;
}

#define SWAPPED "awk '/^pswp/ { n += $2 } END { print n }' /proc/vmstat"
#define STALLED "sed -n 's/^full.*total=//p' /proc/pressure/memory"
#define SOME    "sed -n 's/^some.*total=//p' /proc/pressure/memory"

/* What the guest had of the host's CPUs, which other work may have kept busy. */
static double
cpu_s(TestGuest *guest)
{
    const char *pid = g_subprocess_get_identifier(test_guest_process(guest));
    g_autofree char *path = g_strdup_printf("/proc/%s/stat", pid ? pid : "0");
    g_autofree char *text = NULL;
    const char *rest;
    unsigned long user = 0, system = 0;

    /* Behind the name, which may hold anything: proc(5). */
    if (g_file_get_contents(path, &text, NULL, NULL) && (rest = strrchr(text, ')')))
        sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void
read_totals(TestGuest *guest, Which which, double sign, Figures *figures)
{
    figures->swapped[which] += sign * number(guest, SWAPPED) * 4096 / (double)MIB;
    figures->stalled[which] += sign * number(guest, STALLED) / 1e6;
    figures->some[which] += sign * number(guest, SOME) / 1e6;
    figures->cpu[which] += sign * cpu_s(guest);
}

static gboolean
measure(Scene *scene, Figures *figures, GError **error)
{
    memset(figures, 0, sizeof *figures);
    for (Which which = CACHE; which < N_GUESTS; which++)
        read_totals(scene->guests[which], which, -1, figures);
    for (Which which = CACHE; which < N_GUESTS; which++) {
        g_autofree char *script =
            g_strdup_printf("(%s) </dev/null >/dev/null 2>&1 &", loads[which].script);

        if (!run(scene->guests[which], script, NULL, error))
            return FALSE;
    }
    g_usleep((SECONDS + 8) * G_USEC_PER_SEC);
    for (Which which = CACHE; which < N_GUESTS; which++) {
        figures->done[which] = number(scene->guests[which], "cat /run/done");
        read_totals(scene->guests[which], which, 1, figures);
    }
    return TRUE;
}

/*
 * The journal of the run
 */

static void
replay(const char *path, JournalDecoder *decoder, JournalReplay *replayed, guint64 *bytes)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JournalFile) file = journal_file_open(path, &error);
    const char *line;
    gsize length;

    while (file && (line = journal_file_next(file, &length, &error))) {
        JournalLineKind kind;

        *bytes += length + 1;
        if (!journal_decoder_feed(decoder, line, (gssize)length, &kind, &error))
            break;
        if (kind == JOURNAL_LINE_CYCLE)
            journal_replay_cycle(replayed, decoder);
    }
    if (error)
        printf("%s: %s\n", path, error->message);
}

static void
keep(const char *path)
{
    const char *folder = g_getenv("KEEP");
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *to = folder ? g_build_filename(folder, name, NULL) : NULL;
    g_autofree char *text = NULL;
    gsize length;

    if (to && g_file_get_contents(path, &text, &length, NULL))
        g_file_set_contents(to, text, (gssize)length, NULL);
}

static void
compare_decisions(Scene *scene)
{
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();
    g_autoptr(JournalReplay) replayed = journal_replay_new();
    g_autofree char *folder = test_room_path(scene->room, "state/journal");
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    guint64 bytes = 0;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        replay(path, decoder, replayed, &bytes);
        keep(path);
    }
    printf("\nThe journal: %" G_GUINT64_FORMAT
           " cycles in %.0f KiB. Planned again: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
           " decisions alike, %u differences\n",
           replayed->cycles, (double)bytes / 1024, replayed->alike, replayed->decisions,
           replayed->differences->len);
    for (guint i = 0; i < MIN(replayed->differences->len, 20); i++) {
        const JournalDifference *d = &g_array_index(replayed->differences, JournalDifference, i);

        printf("  %.3f %s: %.1f MiB live, %.1f MiB now\n",
               (double)(d->now_us - decoder->header.now_us) / G_USEC_PER_SEC, d->guest,
               (double)d->live / (double)MIB, (double)d->replayed / (double)MIB);
    }
}

/*
 * The table
 */

/* What got nothing done is taken to have done one. */
static double
ratio_of(const Figures *still, const Figures *moved, Which which)
{
    return moved->done[which] / MAX(still->done[which], 1);
}

static void
print_table(const Figures *still, const Figures *moved)
{
    double product = 1;

    printf("%-8s %-9s %9s %9s %7s | swapped, MiB  | PSI full, s     | PSI some, s     | CPU, s\n",
           "guest", "done", "static", "memplug", "ratio");
    for (Which which = CACHE; which < N_GUESTS; which++) {
        double ratio = ratio_of(still, moved, which);

        printf("%-8s %-9s %9.0f %9.0f %7.2f | %6.0f %6.0f | %7.2f %7.2f | %7.2f %7.2f | %5.1f "
               "%5.1f\n",
               loads[which].name, loads[which].unit, still->done[which], moved->done[which], ratio,
               still->swapped[which], moved->swapped[which], still->stalled[which],
               moved->stalled[which], still->some[which], moved->some[which], still->cpu[which],
               moved->cpu[which]);
        product *= MAX(ratio, 0.01);
    }
    printf("geometric mean of the ratios: %.2f\n", pow(product, 1.0 / N_GUESTS));
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Scene scene = { 0 };
    Figures still = { 0 }, moved = { 0 };
    gboolean done;

    kernel = argc > 1 ? argv[1] : kernel;
    printf("Linux %s, budget %" G_GUINT64_FORMAT " MiB for %d guests, %d s\n", kernel,
           N_GUESTS * SHARE / MIB, N_GUESTS, SECONDS);
    fflush(stdout);
    done = scene_build(&scene, FALSE, &error) && measure(&scene, &still, &error);
    scene_clear(&scene);
    done = done && scene_build(&scene, TRUE, &error) && measure(&scene, &moved, &error);
    if (done) {
        int status;

        test_daemon_stop(scene.daemon, &status, NULL);
        print_table(&still, &moved);
        compare_decisions(&scene);
    } else {
        fprintf(stderr, "%s\n", error ? error->message : "failed");
    }
    scene_clear(&scene);
    return done ? 0 : 1;
}
