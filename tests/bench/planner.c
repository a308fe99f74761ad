/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one plan (forecasts, policy, limits) costs under scarcity, as CPU time: for 10,000 guests
 * with each policy and each predictor, with statistics that are new in every cycle as the worst
 * case has it; and for 10 to 100,000 guests, in relation to n log n: a cost that grows no faster
 * keeps the last column from rising much, what the caches take included.
 */
#include "allocate/planner.h"

#include <math.h>
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
            .fields = SAMPLE_AVAILABLE | SAMPLE_SWAP | SAMPLE_REFAULTS | SAMPLE_PRESSURE,
            .total = total,
            .available = (guint64)g_rand_int_range(rand, 0, 1000) * MIB,
        };

        sample_ring_push(ring, &sample);
    }
}

static void
host_init(Host *host, gsize n, const Predictor *predictor)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    host->n = n;
    host->guests = g_new0(PlanGuest, n);
    host->rings = g_new0(SampleRing, n);
    host->states = g_new0(PredictorState, n);
    for (gsize i = 0; i < n; i++) {
        fill_ring(&host->rings[i], rand);
        predictor->start(&host->states[i]);
        host->guests[i] = (PlanGuest){
            .ring = &host->rings[i],
            .predictor = predictor,
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

/* What a guest's statistics cost to be taken in, once a second and out of step with others, falls
 * on this cycle for all of them. */
static void
look_again(Host *host, gint64 now)
{
    for (gsize i = 0; i < host->n; i++) {
        Sample sample = *sample_ring_get(&host->rings[i], 0);

        sample.time_us = now;
        sample_ring_push(&host->rings[i], &sample);
    }
}

/* Returns: CPU time of one plan, in ms. */
static double
measure(Host *host, const Policy *policy)
{
    PlanSettings settings = {
        .policy = policy,
        .tuning = limit_tuning_default,
        .budget = (guint64)host->n * 700 * MIB,
    };
    gint64 now = SAMPLE_RING_SIZE * SECOND;
    guint64 spent = 0, plans = 0;

    /* The first takes in all that the rings hold. */
    planner_predict(host->guests, host->n, now);
    do {
        guint64 start;

        now += SECOND;
        look_again(host, now);
        start = cpu_ns();
        planner_predict(host->guests, host->n, now);
        planner_allocate(&settings, host->guests, host->n, now);
        spent += cpu_ns() - start;
        plans++;
    } while (spent < MEASURE_NS);
    return (double)spent / (double)plans / 1e6;
}

static double
measure_once(gsize n, const Policy *policy, const Predictor *predictor)
{
    Host host;
    double ms;

    host_init(&host, n, predictor);
    ms = measure(&host, policy);
    host_clear(&host);
    return ms;
}

static void
by_policy_and_predictor(gsize n)
{
    printf("%zu guests, ms a plan\n%14s", n, "");
    for (const Policy *const *policy = policy_list(); *policy; policy++)
        printf(" %9s", (*policy)->name);
    for (const Predictor *const *predictor = predictor_list(); *predictor; predictor++) {
        printf("\n%-14s", (*predictor)->name);
        for (const Policy *const *policy = policy_list(); *policy; policy++)
            printf(" %9.2f", measure_once(n, *policy, *predictor));
    }
    printf("\n\n");
}

static void
by_number(void)
{
    static const gsize sizes[] = { 10, 100, 1000, 10000, 100000 };
    double first = 0;

    printf("%8s %14s %12s %18s\n", "guests", "ns per guest", "ms a plan", "against n log n");
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        double n = (double)sizes[i];
        double ms = measure_once(sizes[i], policy_list()[0], predictor_list()[0]);
        double part = ms / (n * log(n));

        first = i == 0 ? part : first;
        printf("%8zu %14.0f %12.3f %18.2f\n", sizes[i], ms * 1e6 / n, ms, part / first);
    }
}

int
main(void)
{
    by_policy_and_predictor(10000);
    by_number();
    return 0;
}
