/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The headroom predictor on guests worked out by hand. What holds for all predictors is in
 * test-predictors.c.
 */
#include "predict/predictor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#define MIB      (G_GUINT64_CONSTANT(1) << 20)
#define SECOND   ((gint64)G_USEC_PER_SEC)
#define START    (1000 * SECOND)
#define OVERHEAD 36

/* A guest whose kernel keeps OVERHEAD MiB for itself; all sizes in MiB. */
typedef struct {
    SampleRing ring;
    PredictorState state;
    gint64 now;
    guint64 actual;
    guint64 used;
    Sample sample; /* the next; total, available and time are filled in */
} Fixture;

static Fixture
new_fixture(guint64 actual, guint64 used)
{
    Fixture f = { .now = START, .actual = actual, .used = used };

    predictor_headroom.start(&f.state);
    f.sample.fields = SAMPLE_AVAILABLE | SAMPLE_SWAP | SAMPLE_FAULTS | SAMPLE_STALLS;
    return f;
}

static Forecast
forecast(Fixture *f)
{
    return predictor_headroom.forecast(&f->state, &f->ring, f->actual * MIB, f->now);
}

/* Takes a sample of a guest whose MemTotal is @total. */
static void
look(Fixture *f, guint64 total)
{
    f->sample.time_us = f->now;
    f->sample.total = total * MIB;
    f->sample.available = (total - f->used) * MIB;
    sample_ring_push(&f->ring, &f->sample);
}

/* A second passes, in which the guest answers. */
static Forecast
tick(Fixture *f)
{
    f->now += SECOND;
    look(f, f->actual - OVERHEAD);
    return forecast(f);
}

static Forecast
ticks(Fixture *f, guint n)
{
    Forecast result = { 0 };

    for (guint i = 0; i < n; i++)
        result = tick(f);
    return result;
}

static guint64
demand_mib(Forecast f)
{
    return (f.demand + MIB / 2) / MIB;
}

/* To the MiB: what is worked out by hand is not always a whole number of them. */
static void
assert_demand(Forecast f, guint64 mib)
{
    if (f.demand + MIB < mib * MIB || f.demand > (mib + 1) * MIB)
        fail_msg("demand is %g MiB, not %" G_GUINT64_FORMAT, (double)f.demand / MIB, mib);
}

static void
test_nothing_to_go_by(void **state)
{
    Fixture f = new_fixture(1024, 400);
    Forecast result = forecast(&f);

    assert_false(result.valid);
    assert_int_equal(result.demand, 0);
    assert_string_equal(result.reason, "no statistics");

    tick(&f);
    f.now += 15 * SECOND;
    assert_true(forecast(&f).valid);
    f.now += 1;
    result = forecast(&f);
    assert_false(result.valid);
    assert_false(result.pressed);
    assert_string_equal(result.reason, "the statistics are too old");
}

static void
test_idle_guest(void **state)
{
    Fixture f = new_fixture(1024, 400);
    Forecast result = ticks(&f, 10);

    assert_true(result.valid);
    assert_false(result.pressed);
    assert_int_equal(result.used, 400 * MIB);
    assert_true(fabs(result.slope) < 1);
    assert_demand(result, 400 + 100 + OVERHEAD);
    assert_string_equal(result.reason, "in use and headroom");
}

static void
test_small_guest_has_the_least_headroom(void **state)
{
    Fixture f = new_fixture(256, 40);

    assert_demand(ticks(&f, 10), 40 + 64 + OVERHEAD);
}

static void
test_growth_is_followed_at_once(void **state)
{
    Fixture f = new_fixture(2048, 400);
    Forecast result;

    ticks(&f, 10);
    f.used = 800;
    result = tick(&f);
    assert_true(demand_mib(result) >= 800 + 200 + OVERHEAD);
    assert_string_equal(result.reason, "growing");
}

static void
test_trend_is_projected(void **state)
{
    Fixture f = new_fixture(4096, 400);
    Forecast result = { 0 };

    for (guint i = 0; i < 10; i++) {
        f.used += 50;
        result = tick(&f);
    }
    /* 50 MiB/s; the next sample in 1 s and the memory 1 s later: 100 MiB more. */
    assert_true(fabs(result.slope / (double)MIB - 50) < 0.01);
    assert_demand(result, (900 + 100) * 5 / 4 + OVERHEAD);

    /* The older the sample, the further use has gone, but a line is not believed
     * beyond 5 s. */
    f.now += SECOND;
    assert_demand(forecast(&f), (900 + 150) * 5 / 4 + OVERHEAD);
    f.now += 9 * SECOND;
    assert_demand(forecast(&f), (900 + 250) * 5 / 4 + OVERHEAD);
}

static void
test_single_step_is_projected_half_a_sample(void **state)
{
    Fixture f = new_fixture(4096, 400);

    ticks(&f, 10);
    f.used += 200;
    /* The line through 400, 400, 400, 400, 400, 600 rises by 28.6 MiB/s: 57 MiB in 2 s. Half
     * the step is more. */
    assert_demand(tick(&f), (600 + 100) * 5 / 4 + OVERHEAD);
}

static void
test_falling_use_is_followed_slowly(void **state)
{
    Fixture f = new_fixture(4096, 1600);
    guint64 before = demand_mib(ticks(&f, 10));
    const guint64 low = 400 + 100 + OVERHEAD;
    Forecast result;

    assert_int_equal(before, 2000 + OVERHEAD);
    f.used = 400;
    result = tick(&f);
    assert_true(result.slope < 0);
    assert_string_equal(result.reason, "a recent peak");
    assert_true(demand_mib(result) > before - 50);

    /* It falls by half in half a minute, and never rises on the way. */
    before = result.demand;
    for (guint i = 0; i < 29; i++) {
        result = tick(&f);
        assert_true(result.demand < before);
        before = result.demand;
    }
    assert_demand(result, low + (2000 + OVERHEAD - low) / 2);
    result = ticks(&f, 600);
    assert_demand(result, low);
    assert_string_equal(result.reason, "in use and headroom");
}

/* Looking twice as often must not let it fall twice as fast. */
static void
test_decay_follows_time_not_calls(void **state)
{
    Fixture often = new_fixture(4096, 1600), seldom = new_fixture(4096, 1600);
    Forecast a = { 0 }, b;

    ticks(&often, 2);
    ticks(&seldom, 2);
    often.used = seldom.used = 400;
    for (guint i = 0; i < 6; i++) {
        a = tick(&often);
        a = forecast(&often);
    }
    seldom.now += 5 * SECOND;
    b = tick(&seldom);
    assert_int_equal(demand_mib(a), demand_mib(b));
}

static void
test_swapping_guest_is_pressed(void **state)
{
    Fixture f = new_fixture(1024, 900);
    guint64 before = ticks(&f, 5).demand;
    Forecast result = { 0 };

    /* It swaps, so that it looks idle. */
    f.used = 300;
    for (guint i = 0; i < 20; i++) {
        f.sample.swap_in += 8 * MIB;
        result = tick(&f);
        assert_true(result.pressed);
        assert_true(result.demand >= before);
        before = result.demand;
    }
    assert_string_equal(result.reason, "pressed: it reads back from swap");
    /* Not without end while it gets nothing; and more as soon as it has got some. */
    f.actual = 2048;
    ticks(&f, 5);
    f.sample.swap_in += 8 * MIB;
    result = tick(&f);
    assert_demand(result, (2048 - OVERHEAD) * 9 / 8 + OVERHEAD);

    result = tick(&f);
    assert_false(result.pressed);
    assert_true(tick(&f).demand < result.demand);
}

static void
test_pressed_demand_is_a_step_above_what_it_has(void **state)
{
    Fixture f = new_fixture(256, 40);

    ticks(&f, 5);
    f.sample.alloc_stalls += 5;
    assert_demand(tick(&f), 256 + 64);
    f.sample.alloc_stalls += 5;
    assert_demand(tick(&f), 256 + 64);
}

static void
test_thresholds_of_pressure(void **state)
{
    Fixture f = new_fixture(1024, 400);

    ticks(&f, 5);
    f.sample.swap_in += MIB - 1;
    f.sample.alloc_stalls += 4;
    f.sample.major_faults += 100000; /* a large program starts: enough is available */
    assert_false(tick(&f).pressed);

    f.sample.alloc_stalls += 5;
    assert_string_equal(tick(&f).reason, "pressed: its allocations stall");
    f.used = 900;
    ticks(&f, 2);
    f.sample.major_faults += 99;
    assert_false(tick(&f).pressed);
    f.sample.major_faults += 100;
    assert_string_equal(tick(&f).reason, "pressed: it reads its programs again and again");
    /* What is not told is not known. */
    f.sample.fields = SAMPLE_AVAILABLE;
    f.sample.swap_in += 100 * MIB;
    assert_false(tick(&f).pressed);
}

/* The guest restarted, and nobody has told. */
static void
test_counters_may_begin_anew(void **state)
{
    Fixture f = new_fixture(1024, 400);
    guint64 before;

    f.sample.swap_in = f.sample.swap_out = f.sample.alloc_stalls = 1000 * MIB;
    before = ticks(&f, 10).demand;
    f.sample.swap_in = f.sample.swap_out = f.sample.alloc_stalls = 0;
    assert_false(tick(&f).pressed);
    assert_int_equal(forecast(&f).demand, before);
}

/* Growth that ended before the window does not count as a trend any more. */
static void
test_trend_forgets(void **state)
{
    Fixture f = new_fixture(4096, 400);

    for (guint i = 0; i < 10; i++) {
        f.used += 50;
        tick(&f);
    }
    assert_true(ticks(&f, 4).slope > (double)MIB);
    assert_true(fabs(ticks(&f, 2).slope) < 1);
}

/* Two looks far apart tell of no trend. */
static void
test_gap_is_no_trend(void **state)
{
    Fixture f = new_fixture(4096, 400);
    Forecast result;

    ticks(&f, 10);
    f.now += 10 * SECOND;
    f.used = 800;
    result = tick(&f);
    assert_true(fabs(result.slope) < 1);
    assert_demand(result, 800 + 200 + OVERHEAD);
}

/* What is swapped out is not used less, for the trend. */
static void
test_swapping_out_counts_as_growth(void **state)
{
    Fixture f = new_fixture(1024, 900);
    Forecast result = { 0 };

    ticks(&f, 10);
    for (guint i = 0; i < 10; i++) {
        f.sample.swap_out += 40 * MIB;
        result = tick(&f);
    }
    assert_true(fabs(result.slope / (double)MIB - 40) < 0.01);
    assert_demand(result, (900 + 80) * 5 / 4 + OVERHEAD);
}

/* A daemon that was just started knows of no rest: the bounce buffers of a guest with memory above
 * 4 GiB count all the same, and what is far more does not. */
static void
test_bounce_buffers_count_from_the_first_look(void **state)
{
    Fixture f = new_fixture(1024, 400);

    f.now += SECOND;
    look(&f, 1024 - 122);
    assert_true(demand_mib(forecast(&f)) >= 400 * 5 / 4 + 122);

    f = new_fixture(1024, 400);
    f.now += SECOND;
    look(&f, 1024 - 384);
    assert_true(demand_mib(forecast(&f)) <= 400 * 5 / 4 + 128 + 1024 / 64);
}

/* While a guest that never rested is shrunk, samples are from before, and its MemTotal looks as if
 * it were all that it has. */
static void
test_the_kernels_share_does_not_fall_with_actual(void **state)
{
    Fixture f = new_fixture(1024, 400);
    guint64 before;

    f.now += SECOND;
    look(&f, 1024 - 100);
    before = demand_mib(forecast(&f));
    assert_true(before >= 500);
    for (guint step = 0; step < 8; step++) {
        f.now += SECOND / 10;
        f.actual -= 50;
        assert_int_equal(demand_mib(forecast(&f)), before);
    }
}

/* A DIMM that the guest never brings online must not be answered by another one. */
static void
test_memory_left_offline_is_not_demanded_again(void **state)
{
    Fixture f = new_fixture(1024, 800);
    const guint64 total = 1024 - OVERHEAD;
    guint64 first = demand_mib(ticks(&f, 10));

    assert_int_equal(first, 800 + 200 + OVERHEAD);
    for (guint dimm = 0; dimm < 20; dimm++) {
        f.actual += 128;
        for (guint i = 0; i < 10; i++) {
            f.now += SECOND;
            look(&f, total);
            forecast(&f);
        }
    }
    /* At most what an ordinary kernel keeps of so much. */
    assert_true(demand_mib(forecast(&f)) <= 800 + 200 + 64 + f.actual / 64);
}

static void
test_pressed_guest_with_offline_memory_does_not_run_away(void **state)
{
    Fixture f = new_fixture(1024, 800);
    const guint64 total = 1024 - OVERHEAD;
    Forecast result = { 0 };

    ticks(&f, 10);
    for (guint i = 0; i < 100; i++) {
        f.now += SECOND;
        f.sample.swap_in += 10 * MIB;
        look(&f, total);
        result = forecast(&f);
        f.actual = MAX(f.actual, demand_mib(result));
    }
    assert_true(result.pressed);
    assert_true(f.actual <= total * 9 / 8 + 64 + f.actual / 64 + 2);
}

/* Samples lag behind while memory comes and goes: that is not the kernel's share. */
static void
test_resize_in_flight_does_not_show(void **state)
{
    Fixture f = new_fixture(1024, 400);
    guint64 before = demand_mib(ticks(&f, 10));

    for (guint64 actual = 512; actual <= 2048; actual += 1536) {
        guint64 total = f.actual - OVERHEAD;

        f.actual = actual;
        f.now += SECOND;
        look(&f, total);
        assert_demand(forecast(&f), before);
        assert_demand(ticks(&f, 10), before);
    }
}

/* A crash kernel's reservation is there from the first: it is no memory to come. */
static void
test_large_reservation_is_believed(void **state)
{
    Fixture f = new_fixture(4096, 1000);

    for (guint i = 0; i < 10; i++) {
        f.now += SECOND;
        look(&f, 4096 - 400);
        forecast(&f);
    }
    assert_demand(forecast(&f), 1000 + 250 + 400);

    /* The page array of what is plugged comes on top, and no more. */
    f.actual += 1024;
    for (guint i = 0; i < 10; i++) {
        f.now += SECOND;
        look(&f, 4096 - 400 + 1024 - 16 - 128);
        forecast(&f);
    }
    assert_demand(forecast(&f), 1000 + 250 + 400 + 16);
}

/* With deflate-on-oom the balloon's pages stay in MemTotal, and count as used. */
static void
test_balloon_within_total(void **state)
{
    Fixture f = new_fixture(512, 0);
    Forecast result = { 0 };

    /* 1024 MiB with 512 in the balloon; 200 used besides. At first the balloon is
     * taken for use, until it is clear that this is no resize in flight. */
    f.used = 200 + 512;
    for (guint i = 0; i < 600; i++) {
        f.now += SECOND;
        look(&f, 1024 - OVERHEAD);
        result = forecast(&f);
    }
    /* What it has less what is available, and headroom on that. */
    assert_int_equal(result.used, (512 - (1024 - OVERHEAD - 712)) * MIB);
    assert_demand(result, 236 + 64);

    /* Inflating it is no growth. */
    for (guint i = 0; i < 5; i++) {
        f.used += 16;
        f.now += SECOND;
        look(&f, 1024 - OVERHEAD);
        result = forecast(&f);
        assert_true(fabs(result.slope) < 1);
    }
    assert_true(result.demand <= (512 - (1024 - OVERHEAD - f.used) + 80) * MIB);
}

static void
test_start_forgets(void **state)
{
    Fixture f = new_fixture(4096, 3000);

    ticks(&f, 10);
    predictor_headroom.start(&f.state);
    sample_ring_clear(&f.ring);
    f.used = 400;
    assert_demand(ticks(&f, 10), 400 + 100 + OVERHEAD);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_go_by),
        cmocka_unit_test(test_idle_guest),
        cmocka_unit_test(test_small_guest_has_the_least_headroom),
        cmocka_unit_test(test_growth_is_followed_at_once),
        cmocka_unit_test(test_trend_is_projected),
        cmocka_unit_test(test_single_step_is_projected_half_a_sample),
        cmocka_unit_test(test_falling_use_is_followed_slowly),
        cmocka_unit_test(test_decay_follows_time_not_calls),
        cmocka_unit_test(test_swapping_guest_is_pressed),
        cmocka_unit_test(test_pressed_demand_is_a_step_above_what_it_has),
        cmocka_unit_test(test_thresholds_of_pressure),
        cmocka_unit_test(test_counters_may_begin_anew),
        cmocka_unit_test(test_trend_forgets),
        cmocka_unit_test(test_gap_is_no_trend),
        cmocka_unit_test(test_swapping_out_counts_as_growth),
        cmocka_unit_test(test_bounce_buffers_count_from_the_first_look),
        cmocka_unit_test(test_the_kernels_share_does_not_fall_with_actual),
        cmocka_unit_test(test_memory_left_offline_is_not_demanded_again),
        cmocka_unit_test(test_pressed_guest_with_offline_memory_does_not_run_away),
        cmocka_unit_test(test_resize_in_flight_does_not_show),
        cmocka_unit_test(test_large_reservation_is_believed),
        cmocka_unit_test(test_balloon_within_total),
        cmocka_unit_test(test_start_forgets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
