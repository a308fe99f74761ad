/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Growth ahead of the stall: how long a guest in which a program uses memory as fast as it can
 * waits for more, and what that does to it; with its agent looking ahead, and for comparison with
 * (a) the agent woken by the kernel's stall signal only, (b) the agent's samples alone, looked at
 * every 1, 5 and 10 s, (c) the balloon's statistics alone.
 *
 * Usage: bench-burst [--runs=N] [--others=N] [--kernel=LINE] [--mechanism=NAME] [--megabytes=N]
 *   --runs     with the agent looking ahead (20); --others: of each of the rest (3)
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/guest/harness/burst-stage.h"

#define WITH_ALL 5 /* bursts in a guest that has all its memory */

static int runs = 20, others = 3, megabytes = 400;
static char *only_kernel, *only_mechanism;

static const GOptionEntry entries[] = {
    { "runs", 0, 0, G_OPTION_ARG_INT, &runs, "bursts with the agent looking ahead", "N" },
    { "others", 0, 0, G_OPTION_ARG_INT, &others, "bursts of each of the rest", "N" },
    { "megabytes", 0, 0, G_OPTION_ARG_INT, &megabytes, "what a burst uses", "N" },
    { "kernel", 0, 0, G_OPTION_ARG_STRING, &only_kernel, "only this kernel line", "LINE" },
    { "mechanism", 0, 0, G_OPTION_ARG_STRING, &only_mechanism, "only this mechanism", "NAME" },
    { NULL },
};

/* What is compared, the first being memplug as it is meant. */
static const struct {
    const char *name;
    BurstService service;
} services[] = {
    { "agent", { "", NULL } },
    { "stall signal", { "--no-forecast", NULL } },
    { "polled, 1 s", { "--no-forecast --no-stall", "1s" } },
    { "polled, 5 s", { "--no-forecast --no-stall", "5s" } },
    { "polled, 10 s", { "--no-forecast --no-stall", "10s" } },
    { "balloon only", { NULL, NULL } },
};

static int
compare(const void *a, const void *b)
{
    gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

    return (x > y) - (x < y);
}

/* Of those that are not -1. */
static gint64
pick(const gint64 *values, guint n, gboolean worst)
{
    g_autofree gint64 *sorted = g_new(gint64, MAX(n, 1));
    guint count = 0;

    for (guint i = 0; i < n; i++) {
        if (values[i] >= 0)
            sorted[count++] = values[i];
    }
    if (count == 0)
        return -1;
    qsort(sorted, count, sizeof *sorted, compare);
    return sorted[worst ? count - 1 : count / 2];
}

/* One row of the table. */
static void
print_row(const char *kernel, BurstMechanism mechanism, const char *name,
          const BurstResult *results, guint n, gint64 alone_ms)
{
    g_autofree gint64 *first = g_new(gint64, n), *done = g_new(gint64, n), *some = g_new(gint64, n);
    guint never = 0, killed = 0, still = 0;
    gint64 kills = 0;

    for (guint i = 0; i < n; i++) {
        first[i] = results[i].first_ms;
        done[i] = results[i].done_ms;
        some[i] = results[i].some_us / 1000;
        never += first[i] < 0;
        killed += done[i] < 0;
        kills += results[i].oom_kills;
        still += results[i].some_us == 0;
    }
    printf("%-5s %-11s %-13s %4u %7" G_GINT64_FORMAT " %7" G_GINT64_FORMAT
           " %5u %8u %8" G_GINT64_FORMAT " %8" G_GINT64_FORMAT " %5" G_GINT64_FORMAT
           " %7" G_GINT64_FORMAT " %6.2f\n",
           kernel, burst_mechanism_name(mechanism), name, n, pick(first, n, FALSE),
           pick(first, n, TRUE), never, still, pick(some, n, FALSE), pick(some, n, TRUE), kills,
           pick(done, n, FALSE),
           alone_ms > 0 ? (double)pick(done, n, FALSE) / (double)alone_ms : 0);
    fflush(stdout);
}

static gboolean
run_service(BurstStage *stage, const char *kernel, BurstMechanism mechanism, guint which, guint n,
            gint64 alone_ms, GError **error)
{
    g_autofree BurstResult *results = g_new0(BurstResult, MAX(n, 1));

    if (n == 0)
        return TRUE;
    if (!burst_stage_serve(stage, &services[which].service, error))
        return FALSE;
    for (guint i = 0; i < n; i++) {
        if (!burst_stage_run(stage, (guint)megabytes, &results[i], error))
            return FALSE;
        if (g_getenv("BURST_VERBOSE"))
            printf("  first %" G_GINT64_FORMAT " ms, done %" G_GINT64_FORMAT
                   " ms, some %" G_GINT64_FORMAT " us, oom %" G_GINT64_FORMAT
                   ", swapped %" G_GINT64_FORMAT "\n",
                   results[i].first_ms, results[i].done_ms, results[i].some_us,
                   results[i].oom_kills, results[i].swapped);
    }
    print_row(kernel, mechanism, services[which].name, results, n, alone_ms);
    return TRUE;
}

/* @done_ms: (out) (optional): the median of the program's own time */
static gboolean
run_with_all(BurstStage *stage, const char *kernel, BurstMechanism mechanism, gboolean touched,
             gint64 *done_ms, GError **error)
{
    gint64 done[WITH_ALL];
    gint64 median;

    for (guint i = 0; i < WITH_ALL; i++) {
        BurstResult result;

        if (!burst_stage_run_with_all(stage, touched, (guint)megabytes, &result, error))
            return FALSE;
        done[i] = result.done_ms;
    }
    median = pick(done, WITH_ALL, FALSE);
    printf("%-5s %-11s %-13s %4d %54" G_GINT64_FORMAT "\n", kernel, burst_mechanism_name(mechanism),
           touched ? "all, touched" : "all at once", WITH_ALL, median);
    fflush(stdout);
    if (done_ms)
        *done_ms = median;
    return TRUE;
}

static gboolean
run_mechanism(const char *kernel, BurstMechanism mechanism, GError **error)
{
    g_autoptr(TestRoom) room = test_room_new(error);
    g_autoptr(BurstStage) stage = room ? burst_stage_new(room, kernel, mechanism, error) : NULL;
    gint64 alone_ms = -1;

    if (!stage || !run_with_all(stage, kernel, mechanism, FALSE, &alone_ms, error) ||
        !run_with_all(stage, kernel, mechanism, TRUE, NULL, error))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(services); i++) {
        if (!run_service(stage, kernel, mechanism, i, (guint)(i == 0 ? runs : others), alone_ms,
                         error)) {
            if (burst_stage_daemon(stage))
                test_daemon_print_log(burst_stage_daemon(stage));
            return FALSE;
        }
    }
    if (g_getenv("BURST_LOG"))
        test_daemon_print_log(burst_stage_daemon(stage));
    return TRUE;
}

int
main(int argc, char **argv)
{
    static const char *const kernels[] = { "6.1", "6.12" };
    g_autoptr(GOptionContext) context = g_option_context_new("- growth ahead of the stall");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("bench-burst: %s\n", error->message);
        return 2;
    }
    printf("A program uses %d MiB as fast as it can in a guest of 256 MiB; ms; first: until new "
           "memory\n"
           "was in use; never: runs in which none came; unstalled: runs whose stall time did not\n"
           "change; done: the program's own time; ratio: to that with all memory at once\n"
           "(touched: in use before, so that the host has a page for all of it)\n\n"
           "kernel              service       runs   first   worst never unstalled   stall    "
           "worst  kills    done  ratio\n",
           megabytes);
    for (guint k = 0; k < G_N_ELEMENTS(kernels); k++) {
        if (only_kernel && !g_str_equal(only_kernel, kernels[k]))
            continue;
        for (guint m = 0; m < BURST_N_MECHANISMS; m++) {
            if (only_mechanism && g_ascii_strcasecmp(only_mechanism, burst_mechanism_name(m)) != 0)
                continue;
            if (!run_mechanism(kernels[k], m, &error)) {
                g_printerr("bench-burst: %s\n", error->message);
                return 1;
            }
        }
    }
    return 0;
}
