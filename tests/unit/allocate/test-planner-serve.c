/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest that is planned alone gets what a plan of all would give it. */
#include "allocate/planner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MIB         (G_GUINT64_CONSTANT(1) << 20)
#define SECOND      ((gint64)G_USEC_PER_SEC)
#define NOW         (1000 * SECOND)
#define MOST_GUESTS 6
#define WORLDS      2000

typedef struct {
    guint n;
    SampleRing rings[MOST_GUESTS];
    PredictorState states[MOST_GUESTS];
    ShrinkTrial trials[MOST_GUESTS];
    Probe probes[MOST_GUESTS];
    PlanGuest guests[MOST_GUESTS];
    PlanSettings settings;
} World;

/* Not on the stack: a failing test leaves by longjmp(). */
static World together, alone;

static void
make_guest(World *world, guint i, GRand *rand)
{
    guint64 actual = (guint64)g_rand_int_range(rand, 256, 1024) * 2 * MIB;
    guint64 used = (guint64)g_rand_double_range(rand, 0.1 * (double)actual, 0.97 * (double)actual);

    for (gint64 age = 5; age-- > 0;) {
        const Sample sample = {
            .time_us = NOW - age * SECOND,
            .source = SAMPLE_SOURCE_AGENT,
            .fields = SAMPLE_AVAILABLE,
            .total = actual,
            .free = (actual - used) / 2,
            .available = actual - used,
        };

        sample_ring_push(&world->rings[i], &sample);
    }
    world->guests[i] = (PlanGuest){
        .ring = &world->rings[i],
        .predictor = predictor_list()[0],
        .state = &world->states[i],
        .trial = &world->trials[i],
        .probe = &world->probes[i],
        .actual = actual,
        .requested = actual,
        .floor = 256 * MIB,
        .ceiling = 4096 * MIB,
        .weight = g_rand_double_range(rand, 0.2, 4),
        .grain = 2 * MIB,
        .grown_us = g_rand_boolean(rand) ? NOW - 10 * SECOND : 0,
        .asking = g_rand_boolean(rand),
        .burst = (guint64)g_rand_int_range(rand, 0, 200) * MIB,
        .answers = g_rand_boolean(rand),
    };
    if (world->guests[i].asking)
        world->guests[i].urgent = (guint64)g_rand_int_range(rand, 0, 1000) * MIB;
}

static void
make_world(World *world, guint32 seed, const Policy *policy)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

    memset(world, 0, sizeof *world);
    world->n = (guint)g_rand_int_range(rand, 1, MOST_GUESTS + 1);
    world->settings = (PlanSettings){ .policy = policy, .tuning = limit_tuning_default };
    world->settings.budget = MOST_GUESTS * 4096 * MIB;
    for (guint i = 0; i < world->n; i++)
        make_guest(world, i, rand);
}

static guint64
others_of(const World *world, guint i)
{
    guint64 sum = 0;

    for (guint k = 0; k < world->n; k++)
        sum += k == i ? 0 : MAX(world->guests[k].actual, world->guests[k].requested);
    return sum;
}

static void
test_one_is_served_as_all_are(void **state)
{
    static const Policy *const policies[] = { &policy_balance, &policy_static };

    for (guint32 seed = 0; seed < WORLDS; seed++) {
        const Policy *policy = policies[seed % G_N_ELEMENTS(policies)];

        make_world(&together, seed, policy);
        planner_predict(together.guests, together.n, NOW);
        planner_allocate(&together.settings, together.guests, together.n, NOW);
        for (guint i = 0; i < together.n; i++) {
            const PlanGuest *whole = &together.guests[i];
            PlanGuest *one;

            make_world(&alone, seed, policy);
            one = &alone.guests[i];
            assert_true(planner_serve(&alone.settings, one, others_of(&alone, i), NOW));
            assert_int_equal(one->target, whole->target);
            assert_int_equal(one->raw, whole->raw);
            assert_int_equal(one->limits, whole->limits);
            assert_int_equal(one->forecast.demand, whole->forecast.demand);
            assert_memory_equal(one->trial, whole->trial, sizeof *one->trial);
        }
    }
}

/* Where the others leave too little, or it is not the guest's own matter, all are to be planned. */
static void
test_what_concerns_others_is_not_served(void **state)
{
    const ShrinkTrial untouched = { 0 };
    PlanGuest *guest = &alone.guests[0];

    for (guint32 seed = 0; seed < WORLDS; seed++) {
        guint64 left;

        make_world(&alone, seed, &policy_balance);
        guest->asking = TRUE;
        guest->urgent = 128 * MIB;
        left = alone.settings.budget - guest->actual - guest->urgent + MIB;
        assert_false(planner_serve(&alone.settings, guest, left, NOW));
        assert_false(planner_serve(&alone.settings, guest, G_MAXUINT64, NOW));
        alone.settings.claimed = MIB;
        assert_false(planner_serve(&alone.settings, guest, 0, NOW));
        alone.settings.claimed = 0;
        alone.settings.share = TRUE;
        assert_false(planner_serve(&alone.settings, guest, 0, NOW));
        alone.settings.share = FALSE;
        alone.settings.policy = &policy_esx;
        assert_false(planner_serve(&alone.settings, guest, 0, NOW));
        alone.settings.policy = &policy_balance;
        guest->pin = PLAN_PIN_HELD;
        assert_false(planner_serve(&alone.settings, guest, 0, NOW));
        assert_memory_equal(guest->trial, &untouched, sizeof untouched);
        assert_int_equal(guest->target, 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_is_served_as_all_are),
        cmocka_unit_test(test_what_concerns_others_is_not_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
