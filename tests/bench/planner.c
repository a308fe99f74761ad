/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one plan (forecasts, policy, limits) costs for 10 to 10,000 guests under
 * scarcity, as CPU time per guest and in relation to the plan of 10 guests. A cost
 * that grows no faster than n log n keeps the ratio below log n / log 10: at 10,000
 * guests, below 4, what the caches take included.
 */
#include "allocate/planner.h"

#include <stdio.h>
#include <time.h>

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define SECOND ((gint64)G_USEC_PER_SEC)

/* Long enough that the clock's grain does not matter. */
#define MEASURE_NS (G_GUINT64_CONSTANT(300) * 1000 * 1000)

typedef struct {
    gsize n;
    PlanGuest *guests;
    SampleRing *rings;
    PredictorState *states;
} Host;

static guint64
cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (guint64)now.tv_sec * 1000000000 + (guint64)now.tv_nsec;
}

/* Full rings, so that the predictor has all there can be to look at. */
static void
fill_ring(SampleRing *ring, GRand *rand)
{
    const guint64 total = 1000 * MIB;

    for (gint64 i = 0; i < SAMPLE_RING_SIZE; i++) {
        Sample sample = {
            .time_us = (i + 1) * SECOND,
            .fields = SAMPLE_AVAILABLE | SAMPLE_SWAP,
            .total = total,
            .available = (guint64)g_rand_int_range(rand, 0, 1000) * MIB,
        };

        sample_ring_push(ring, &sample);
    }
}

static void
host_init(Host *host, gsize n)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    host->n = n;
    host->guests = g_new0(PlanGuest, n);
    host->rings = g_new0(SampleRing, n);
    host->states = g_new0(PredictorState, n);
    for (gsize i = 0; i < n; i++) {
        fill_ring(&host->rings[i], rand);
        predictor_headroom.start(&host->states[i]);
        host->guests[i] = (PlanGuest){
            .ring = &host->rings[i],
            .predictor = &predictor_headroom,
            .state = &host->states[i],
            .actual = 1024 * MIB,
            .requested = 1024 * MIB,
            .floor = 256 * MIB,
            .ceiling = 4096 * MIB,
            .weight = g_rand_double_range(rand, 0.5, 4),
            .grain = 2 * MIB,
        };
    }
}

static void
host_clear(Host *host)
{
    g_free(host->guests);
    g_free(host->rings);
    g_free(host->states);
}

/* Returns: CPU time of one plan per guest, in ns. */
static double
measure(Host *host)
{
    PlanSettings settings = {
        .policy = &policy_balance,
        .tuning = limit_tuning_default,
        .budget = (guint64)host->n * 700 * MIB,
    };
    gint64 now = SAMPLE_RING_SIZE * SECOND;
    guint64 start = cpu_ns(), spent, plans = 0;

    do {
        planner_predict(host->guests, host->n, now);
        planner_allocate(&settings, host->guests, host->n, now);
        plans++;
        spent = cpu_ns() - start;
    } while (spent < MEASURE_NS);
    return (double)spent / (double)plans / (double)host->n;
}

int
main(void)
{
    static const gsize sizes[] = { 10, 100, 1000, 10000 };
    double first = 0;

    printf("%8s %14s %12s %10s\n", "guests", "ns per guest", "ms a plan", "ratio");
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        Host host;
        double cost;

        host_init(&host, sizes[i]);
        cost = measure(&host);
        host_clear(&host);
        first = i == 0 ? cost : first;
        printf("%8zu %14.0f %12.3f %10.2f\n", sizes[i], cost, cost * (double)sizes[i] / 1e6,
               cost / first);
    }
    return 0;
}
