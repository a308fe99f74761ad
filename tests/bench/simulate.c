/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How fast the simulator is: a week of 100 guests at cycles of one second, by the default policy,
 * and how its cost grows from 10 to 100,000 guests, as CPU time for each guest and
 * cycle, and in relation to n log n: a cost that grows no faster keeps the last column from
 * rising. The guests are those of tests/bench/load.c, out of step. 100,000 of them take some 5 GiB
 * (their samples alone 128 each); the bench leaves out what the machine has no memory for.
 */
#include <math.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "simulate/simulation.h"
#include "tests/bench/load.h"

#define SECOND ((gint64)G_USEC_PER_SEC)
#define WEEK_S (7 * 86400)

/* Of a guest: model, samples, plan, and the pages around them. */
#define GUEST_BYTES (G_GUINT64_CONSTANT(64) << 10)

static double
cpu_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static GPtrArray *
make_traces(gint64 length_s, gint64 step_s, guint n)
{
    GPtrArray *traces = g_ptr_array_new_with_free_func((GDestroyNotify)trace_free);

    for (guint i = 0; i < n; i++) {
        const Load *kind = loads;
        Load load;

        /* By turns each of them, and as long as asked for. */
        for (guint k = i; k > 0; k--)
            kind = kind[1].name ? kind + 1 : loads;
        load = *kind;
        load.length_s = length_s;
        load.step_s = step_s;
        g_ptr_array_add(traces, load_make(&load, i + 1));
    }
    return traces;
}

static void
measure(GPtrArray *traces, guint n_guests, gint64 interval_us, double *first)
{
    const SimulationSettings settings = {
        .traces = traces,
        .n_guests = n_guests,
        .stagger_us = 1234567,
        .interval_us = interval_us,
        .seed = 1,
    };
    g_autoptr(Simulation) simulation = simulation_new(&settings, NULL);
    double begun = cpu_s(), took, cost;
    Outcome outcome;

    simulation_run(simulation, simulation_policies()[0], NULL, &outcome);
    took = cpu_s() - begun;
    cost = took * 1e9 * (double)interval_us / (double)simulation_duration(simulation) / n_guests;
    *first = *first > 0 ? *first : cost / log(n_guests);
    printf("%8u %10.0f %10" G_GUINT64_FORMAT " %10.2f %22.0f %16.2f\n", n_guests,
           outcome.duration_s, outcome.requests, took, cost, cost / log(n_guests) / *first);
    fflush(stdout);
}

static guint64
memory_there_is(void)
{
    return (guint64)sysconf(_SC_AVPHYS_PAGES) * (guint64)sysconf(_SC_PAGESIZE);
}

int
main(void)
{
    static const guint sizes[] = { 10, 100, 1000, 10000, 100000 };
    g_autoptr(GPtrArray) week = make_traces(WEEK_S, 1, 10);
    g_autoptr(GPtrArray) minute = make_traces(60, 1, 10);
    double first = 0;

    printf("%8s %10s %10s %10s %22s %16s\n", "guests", "simulated", "requests", "CPU s",
           "ns a guest and cycle", "against n log n");
    measure(week, 100, SECOND, &first);
    g_clear_pointer(&week, g_ptr_array_unref);
    first = 0;
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        if (sizes[i] * GUEST_BYTES > memory_there_is())
            printf("%8u: not enough memory here\n", sizes[i]);
        else
            measure(minute, sizes[i], SECOND, &first);
    }
    return 0;
}
