/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two guests whose loads flap: predictor, policy and limits together must not follow each
 * flap, neither with plenty of memory nor where one guest's is the other's.
 */
#include "allocate/planner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MIB      (G_GUINT64_CONSTANT(1) << 20)
#define SECOND   ((gint64)G_USEC_PER_SEC)
#define CYCLE    (SECOND / 4)
#define OVERHEAD (24 * MIB)

typedef struct {
    SampleRing ring[2];
    PredictorState state[2];
    PlanGuest guests[2];
    PlanSettings settings;
    gint64 now;
    guint turns[2];   /* how often growth followed a shrink, or a shrink growth */
    gint8 heading[2]; /* 1: it grew last, -1: it shrank */
    guint64 least[2];
} World;

static void
world_init(World *world, SampleSource source, guint64 budget)
{
    *world = (World){ .now = 1000 * SECOND };
    world->settings = (PlanSettings){
        .policy = &policy_balance,
        .tuning = limit_tuning_default,
        .budget = budget * MIB,
    };
    for (guint i = 0; i < 2; i++) {
        const Predictor *predictor = predictor_list()[0];

        predictor->start(&world->state[i]);
        world->least[i] = G_MAXUINT64;
        world->guests[i] = (PlanGuest){
            .ring = &world->ring[i],
            .predictor = predictor,
            .state = &world->state[i],
            .actual = 1024 * MIB,
            .requested = 1024 * MIB,
            .floor = 256 * MIB,
            .ceiling = 4096 * MIB,
            .weight = 1,
            .grain = 2 * MIB,
        };
    }
}

static void
look(World *world, guint i, SampleSource source, guint64 used)
{
    guint64 total = world->guests[i].actual - OVERHEAD;
    const Sample sample = {
        .time_us = world->now,
        .source = source,
        .fields = SAMPLE_AVAILABLE,
        .total = total,
        .available = total - MIN(total, used * MIB),
    };

    sample_ring_push(&world->ring[i], &sample);
}

/* The guests follow at once. */
static void
cycle(World *world)
{
    world->now += CYCLE;
    planner_predict(world->guests, 2, world->now);
    planner_allocate(&world->settings, world->guests, 2, world->now);
    for (guint i = 0; i < 2; i++) {
        PlanGuest *guest = &world->guests[i];
        gint8 heading = guest->target > guest->requested ? 1 : -1;

        world->least[i] = MIN(world->least[i], guest->target);
        if (guest->target == guest->requested)
            continue;
        world->turns[i] += world->heading[i] != 0 && heading != world->heading[i];
        world->heading[i] = heading;
        if (heading > 0)
            guest->grown_us = world->now;
        else
            guest->shrunk_us = world->now;
        guest->requested = guest->actual = guest->target;
    }
}

/* @seconds long, both flap between @low and @high MiB: the one is up while the other is down,
 * each for @half seconds. */
static void
flap(World *world, SampleSource source, guint64 low, guint64 high, guint half, guint seconds)
{
    for (guint second = 0; second < seconds; second++) {
        gboolean first = second / half % 2 == 0;

        look(world, 0, source, first ? high : low);
        look(world, 1, source, first ? low : high);
        for (guint i = 0; i < 4; i++)
            cycle(world);
    }
}

/* Every few seconds up or down, with memory for both: they are held at what they need up. */
static void
test_flapping_is_not_followed(void **state)
{
    static World world;

    for (SampleSource source = SAMPLE_SOURCE_BALLOON; source <= SAMPLE_SOURCE_AGENT; source++) {
        world_init(&world, source, 8192);
        flap(&world, source, 300, 1500, 4, 120); /* until it is known */
        world.turns[0] = world.turns[1] = 0;
        world.least[0] = world.least[1] = G_MAXUINT64;
        flap(&world, source, 300, 1500, 4, 600);
        for (guint i = 0; i < 2; i++) {
            if (world.turns[i] > 2)
                fail_msg("guest %u of source %u turned round %u times", i, source, world.turns[i]);
            assert_true(world.least[i] >= 1500 * MIB);
        }
    }
}

/* With memory for one of them only it must go to and fro, but once for each change of load,
 * not in each cycle, and whoever is up has what it uses. */
static void
test_scarce_memory_follows_the_load_only(void **state)
{
    static World world;
    const guint half = 60, changes = 10;

    world_init(&world, SAMPLE_SOURCE_AGENT, 2400);
    flap(&world, SAMPLE_SOURCE_AGENT, 400, 1500, half, 2 * half);
    world.turns[0] = world.turns[1] = 0;
    flap(&world, SAMPLE_SOURCE_AGENT, 400, 1500, half, half * changes);
    for (guint i = 0; i < 2; i++) {
        assert_true(world.turns[i] <= changes);
        assert_true(world.turns[i] > 0);
    }
    assert_true(world.guests[1].actual >= 1500 * MIB);
}

/* Use that jitters by less than the dead band moves nothing at all. */
static void
test_jitter_moves_nothing(void **state)
{
    static World world;
    guint64 before[2];

    world_init(&world, SAMPLE_SOURCE_BALLOON, 8192);
    flap(&world, SAMPLE_SOURCE_BALLOON, 1000, 1010, 1, 300);
    before[0] = world.guests[0].requested;
    before[1] = world.guests[1].requested;
    flap(&world, SAMPLE_SOURCE_BALLOON, 1000, 1010, 1, 600);
    assert_int_equal(world.guests[0].requested, before[0]);
    assert_int_equal(world.guests[1].requested, before[1]);
}

/* Two of equal claim end with equal shares, wherever they began, but for what the dead band
 * leaves alone. */
static void
test_equal_claims_end_equal(void **state)
{
    static World world;

    world_init(&world, SAMPLE_SOURCE_BALLOON, 3000);
    world.guests[0].actual = world.guests[0].requested = 2500 * MIB;
    world.guests[1].actual = world.guests[1].requested = 400 * MIB;
    flap(&world, SAMPLE_SOURCE_BALLOON, 2000, 2000, 1, 300);
    for (guint i = 0; i < 2; i++)
        assert_in_range(world.guests[i].requested, 1455 * MIB, 1545 * MIB);
    assert_true(world.guests[0].requested + world.guests[1].requested <= 3000 * MIB);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flapping_is_not_followed),
        cmocka_unit_test(test_scarce_memory_follows_the_load_only),
        cmocka_unit_test(test_jitter_moves_nothing),
        cmocka_unit_test(test_equal_claims_end_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
