/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What predictors are made of, each alone: the kernel's overhead is in test-headroom.c, where a
 * whole guest shows it.
 */
#include "predict/cache-set.h"
#include "predict/histogram.h"
#include "predict/holt.h"
#include "predict/predictor.h"
#include "predict/pressure.h"
#include "predict/season.h"
#include "predict/swap-debt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define SECOND ((gint64)G_USEC_PER_SEC)
#define HOUR   (3600 * SECOND)
#define START  (1000 * SECOND)

static void
assert_near(double value, double expected, double part)
{
    if (fabs(value - expected) > part * fabs(expected))
        fail_msg("%g is not within %g of %g", value, part, expected);
}

/* --- Holt ------------------------------------------------------------------- */

static void
test_holt_finds_a_line(void **state)
{
    Holt holt = { 0 };
    Sample before = { 0 }, sample = { .time_us = START };

    /* 50 MiB a second, at looks that do not come evenly. */
    for (guint i = 0; i < 60; i++) {
        before = sample;
        sample.time_us += (i % 3 + 1) * SECOND / 2;
        holt_update(&holt, &sample, i > 0 ? &before : NULL,
                    50.0 * MIB * (double)(sample.time_us - START) / SECOND);
    }
    assert_near(holt.slope, 50.0 * MIB, 0.001);
    assert_near(holt_growth(&holt, 2), 100.0 * MIB, 0.001);
}

static void
test_holt_forgets_a_trend(void **state)
{
    Holt holt = { 0 };
    Sample before, sample = { .time_us = START };

    for (guint i = 0; i < 40; i++) {
        before = sample;
        sample.time_us += SECOND;
        holt_update(&holt, &sample, &before, MIN(i, 10) * 100.0 * MIB);
        if (i == 10)
            assert_true(holt.slope > 80.0 * MIB);
    }
    assert_true(fabs(holt.slope) < 0.01 * MIB);
    assert_true(holt_growth(&holt, 5) < 0.1 * MIB);

    /* A gap tells of no trend either. */
    before = sample;
    sample.time_us += 11 * SECOND;
    holt_update(&holt, &sample, &before, 9000.0 * MIB);
    assert_true(holt.slope == 0);
    assert_near(holt.level, 9000.0 * MIB, 0.001);
}

static void
test_holt_counts_what_is_swapped_out(void **state)
{
    Holt holt = { 0 };
    Sample before, sample = { .time_us = START, .fields = SAMPLE_SWAP };

    for (guint i = 0; i < 40; i++) {
        before = sample;
        sample.time_us += SECOND;
        sample.swap_out += 40 * MIB;
        holt_update(&holt, &sample, i > 0 ? &before : NULL, 900.0 * MIB);
    }
    assert_near(holt.slope, 40.0 * MIB, 0.001);
    assert_near(holt_growth(&holt, 1), 40.0 * MIB, 0.001);
}

/* --- what is in swap ---------------------------------------------------------- */

/* @out and @in: MiB in each of @n seconds. */
static void
swap(SampleRing *ring, guint n, guint64 out, guint64 in, guint64 in_swap)
{
    for (guint i = 0; i < n; i++) {
        const Sample *last = sample_ring_get(ring, 0);
        Sample sample = last ? *last : (Sample){ .time_us = START };

        sample.fields = SAMPLE_SWAP | SAMPLE_SWAP_SIZE;
        sample.time_us += SECOND;
        sample.swap_out += out * MIB;
        sample.swap_in += in * MIB;
        sample.swap_total = 2048 * MIB;
        sample.swap_free = (2048 - in_swap) * MIB;
        sample_ring_push(ring, &sample);
    }
}

static void
test_what_went_to_swap_is_missed(void **state)
{
    static SampleRing ring;
    SwapDebt debt = { 0 };

    sample_ring_clear(&ring);
    assert_true(swap_debt_track(&debt, &ring) == 0);
    /* What was there before nobody knows of. */
    swap(&ring, 1, 0, 0, 500);
    assert_true(swap_debt_track(&debt, &ring) == 0);
    swap(&ring, 10, 50, 2, 980);
    assert_near(swap_debt_track(&debt, &ring), 480.0 * MIB, 0.001);
    /* To and fro: as much is missed, and asking twice changes nothing. */
    swap(&ring, 30, 20, 20, 980);
    assert_near(swap_debt_track(&debt, &ring), 480.0 * MIB, 0.001);
    assert_near(swap_debt_track(&debt, &ring), 480.0 * MIB, 0.001);
    /* It comes back. */
    swap(&ring, 3, 0, 100, 680);
    assert_near(swap_debt_track(&debt, &ring), 180.0 * MIB, 0.001);
    /* The program has ended. */
    swap(&ring, 1, 0, 2, 20);
    assert_near(swap_debt_track(&debt, &ring), 20.0 * MIB, 0.001);
}

static void
test_what_nobody_reads_is_not_missed(void **state)
{
    static SampleRing ring;
    SwapDebt debt = { 0 };

    sample_ring_clear(&ring);
    swap(&ring, 2, 200, 0, 400);
    assert_near(swap_debt_track(&debt, &ring), 200.0 * MIB, 0.001);
    swap(&ring, 60, 0, 0, 400);
    assert_near(swap_debt_track(&debt, &ring), 100.0 * MIB, 0.001);
}

/* A pressed guest is to have at once what it lacks, not a step of it. */
static void
test_a_guest_that_swaps_wants_it_back(void **state)
{
    static SampleRing ring;
    PredictorState predictor;

    sample_ring_clear(&ring);
    predictor_composite.start(&predictor);
    for (guint i = 0; i < 6; i++) {
        const Sample sample = { .time_us = START + i * SECOND,
                                .source = SAMPLE_SOURCE_AGENT,
                                .fields = SAMPLE_AVAILABLE | SAMPLE_SWAP,
                                .total = 1000 * MIB,
                                .available = 0,
                                .swap_out = i * 200 * MIB,
                                .swap_in = i * 2 * MIB };
        Forecast forecast;

        sample_ring_push(&ring, &sample);
        forecast = predictor_composite.forecast(&predictor, &ring, 1000 * MIB, sample.time_us);
        assert_int_equal(forecast.pressed, i > 0);
        if (i > 0)
            assert_true(forecast.need >= (1000 + 198 * i) * MIB);
        assert_true(forecast.need <= 2 * (1000 + 198 * i) * MIB);
    }
}

/* --- histogram --------------------------------------------------------------- */

static void
test_histogram_of_nothing(void **state)
{
    static const Histogram histogram;

    assert_true(histogram_percentile(&histogram, 0.9) == 0);
}

static void
test_histogram_finds_percentiles(void **state)
{
    static Histogram histogram;
    gint64 now = START;

    /* Nine looks at 1 GiB, one at 4. */
    for (guint i = 0; i < 300; i++)
        histogram_add(&histogram, (i % 10 == 9 ? 4096.0 : 1024.0) * MIB, now += SECOND);
    assert_near(histogram_percentile(&histogram, 0.5), 1024.0 * MIB, 0.06);
    assert_near(histogram_percentile(&histogram, 0.95), 4096.0 * MIB, 0.06);
    assert_true(histogram_percentile(&histogram, 0.5) <= histogram_percentile(&histogram, 0.6));
}

static void
test_histogram_fades(void **state)
{
    static Histogram histogram;
    gint64 now = START;

    for (guint i = 0; i < 60; i++)
        histogram_add(&histogram, 4096.0 * MIB, now += SECOND);
    for (guint i = 0; i < 600; i++)
        histogram_add(&histogram, 512.0 * MIB, now += SECOND);
    assert_near(histogram_percentile(&histogram, 0.99), 512.0 * MIB, 0.06);

    /* A day later nothing of all this counts, and the weights still hold. */
    now += 24 * HOUR;
    for (guint i = 0; i < 3; i++)
        histogram_add(&histogram, 2048.0 * MIB, now += SECOND);
    assert_near(histogram_percentile(&histogram, 0.01), 2048.0 * MIB, 0.06);
    assert_true(histogram.sum < 1000000);
}

static void
test_histogram_bears_any_size(void **state)
{
    static Histogram histogram;

    histogram_add(&histogram, 0, START);
    assert_true(histogram_percentile(&histogram, 1) <= 34.0 * MIB);
    histogram_add(&histogram, (double)G_MAXUINT64, START + SECOND);
    assert_true(isfinite(histogram_percentile(&histogram, 1)));
}

/* --- page cache --------------------------------------------------------------- */

static void
test_cache_that_comes_back_is_kept(void **state)
{
    CacheSet set = { 0 };
    Sample before = { 0 }, sample = { .time_us = START,
                                      .fields = SAMPLE_REFAULTS | SAMPLE_SHMEM,
                                      .total = 2048 * MIB,
                                      .cached = 500 * MIB,
                                      .shmem = 100 * MIB };

    cache_set_update(&set, &sample, NULL);
    before = sample;
    sample.time_us += SECOND;
    cache_set_update(&set, &sample, &before);
    assert_true(set.bytes == 0);

    /* 200 MiB were read again: shared memory is not cache. */
    before = sample;
    sample.time_us += SECOND;
    sample.refaults_file += 200 * MIB / 4096;
    cache_set_update(&set, &sample, &before);
    assert_near(set.bytes, 600.0 * MIB, 0.001);

    for (guint i = 0; i < 60; i++) {
        before = sample;
        sample.time_us += SECOND;
        sample.refaults_file += 10; /* noise */
        cache_set_update(&set, &sample, &before);
    }
    assert_near(set.bytes, 300.0 * MIB, 0.001);

    /* The agent is gone. */
    before = sample;
    sample.time_us += SECOND;
    sample.fields = 0;
    cache_set_update(&set, &sample, &before);
    assert_true(set.bytes == 0);
}

static void
test_cache_is_no_larger_than_the_guest(void **state)
{
    CacheSet set = { 0 };
    const Sample before = { .time_us = START, .fields = SAMPLE_REFAULTS };
    const Sample sample = { .time_us = START + SECOND,
                            .fields = SAMPLE_REFAULTS,
                            .total = 1024 * MIB,
                            .cached = G_MAXUINT64,
                            .refaults_file = G_MAXUINT64 };

    cache_set_update(&set, &sample, &before);
    assert_true(set.bytes <= 2048.0 * MIB);
}

/* --- pressure ------------------------------------------------------------------ */

static void
push(SampleRing *ring, Sample *sample)
{
    sample->time_us += SECOND;
    sample_ring_push(ring, sample);
}

static void
test_stalls_count_where_memory_is_short(void **state)
{
    static SampleRing ring;
    Sample sample = {
        .time_us = START, .fields = SAMPLE_PRESSURE, .total = 1000 * MIB, .available = 240 * MIB
    };

    push(&ring, &sample);
    assert_null(pressure_find(&ring));
    sample.stall_some_us += 99999;
    push(&ring, &sample);
    assert_null(pressure_find(&ring));
    sample.stall_some_us += 100000;
    push(&ring, &sample);
    assert_string_equal(pressure_find(&ring), "pressed: its tasks wait for memory");
    sample.stall_full_us += 50000;
    push(&ring, &sample);
    assert_non_null(pressure_find(&ring));

    /* At the limit of a control group, with plenty for the guest itself. */
    sample.available = 250 * MIB;
    sample.stall_full_us += 900000;
    push(&ring, &sample);
    assert_null(pressure_find(&ring));
}

static void
test_refaults_of_swap_press(void **state)
{
    static SampleRing ring;
    Sample sample = { .time_us = START, .fields = SAMPLE_REFAULTS, .total = 1000 * MIB };

    push(&ring, &sample);
    sample.refaults_anon += 255;
    push(&ring, &sample);
    assert_null(pressure_find(&ring));
    sample.refaults_anon += 256;
    push(&ring, &sample);
    assert_non_null(pressure_find(&ring));
}

/* --- season --------------------------------------------------------------------- */

/* Hour by hour, four looks each. */
static gint64
live(Season *season, gint64 now, guint hours, double (*use)(guint hour))
{
    for (guint i = 0; i < hours * 4; i++, now += HOUR / 4)
        season_add(season, use((guint)(now / HOUR)) * MIB, now);
    return now;
}

static double
office(guint hour)
{
    return hour % 24 >= 8 && hour % 24 < 18 ? 4000 : 500;
}

static double
monday(guint hour)
{
    return hour % 168 < 12 ? 9000 : hour % 24 == 3 ? 1500 : 500;
}

static double
steady(guint hour)
{
    return 700;
}

static double
chance(guint hour)
{
    return 500 + (double)(hour * 2654435761u % 4000);
}

static void
test_season_of_a_day(void **state)
{
    static Season season;
    gint64 now = live(&season, 0, 2 * 24, office);

    /* Two days are not enough to believe it. */
    assert_true(season_expect(&season, now + 9 * HOUR, HOUR) == 0);
    now = live(&season, now, 3 * 24, office);
    assert_near(season_expect(&season, now + 9 * HOUR, 0), 4000.0 * MIB, 0.001);
    assert_near(season_expect(&season, now + 3 * HOUR, 0), 500.0 * MIB, 0.001);
    /* Ten minutes before eight. */
    assert_near(season_expect(&season, now + 8 * HOUR - HOUR / 6, HOUR / 6), 4000.0 * MIB, 0.001);
    assert_near(season_expect(&season, now + 7 * HOUR + HOUR / 2, HOUR / 6), 500.0 * MIB, 0.001);
}

static void
test_season_of_a_week(void **state)
{
    static Season season;
    gint64 now = live(&season, 0, 3 * 168, monday);

    assert_near(season_expect(&season, now + HOUR, 0), 9000.0 * MIB, 0.01);
    assert_near(season_expect(&season, now + 25 * HOUR, 0), 500.0 * MIB, 0.01);
}

/* Where the hour before tells as much, or nothing tells anything, there is no season. */
static void
test_no_season_without_evidence(void **state)
{
    static Season quiet, wild;
    gint64 now = live(&wild, 0, 30 * 24, chance);

    assert_true(season_expect(&wild, now, HOUR) == 0);
    live(&quiet, 0, 10 * 24, steady);
    /* All are right to the byte: then it may say so, as it is what is used anyway. */
    assert_true(season_expect(&quiet, 240 * HOUR, HOUR) <= 701.0 * MIB);
}

static void
test_season_that_ends_is_given_up(void **state)
{
    static Season season;
    gint64 now = live(&season, 0, 14 * 24, office);

    assert_true(season_expect(&season, now + 9 * HOUR, 0) > 0);
    now = live(&season, now, 7 * 24, chance);
    assert_true(season_expect(&season, now, HOUR) == 0);
}

static void
test_time_away_is_no_hour_before(void **state)
{
    static Season season;
    gint64 now = live(&season, 0, 5 * 24, office);

    season_add(&season, 100.0 * MIB, now + 1000 * HOUR);
    assert_true(season.before == 0);
    season_add(&season, 100.0 * MIB, 0); /* and a clock that goes back is borne */
    assert_true(isfinite(season_expect(&season, 0, HOUR)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holt_finds_a_line),
        cmocka_unit_test(test_holt_forgets_a_trend),
        cmocka_unit_test(test_holt_counts_what_is_swapped_out),
        cmocka_unit_test(test_what_went_to_swap_is_missed),
        cmocka_unit_test(test_what_nobody_reads_is_not_missed),
        cmocka_unit_test(test_a_guest_that_swaps_wants_it_back),
        cmocka_unit_test(test_histogram_of_nothing),
        cmocka_unit_test(test_histogram_finds_percentiles),
        cmocka_unit_test(test_histogram_fades),
        cmocka_unit_test(test_histogram_bears_any_size),
        cmocka_unit_test(test_cache_that_comes_back_is_kept),
        cmocka_unit_test(test_cache_is_no_larger_than_the_guest),
        cmocka_unit_test(test_stalls_count_where_memory_is_short),
        cmocka_unit_test(test_refaults_of_swap_press),
        cmocka_unit_test(test_season_of_a_day),
        cmocka_unit_test(test_season_of_a_week),
        cmocka_unit_test(test_no_season_without_evidence),
        cmocka_unit_test(test_season_that_ends_is_given_up),
        cmocka_unit_test(test_time_away_is_no_hour_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
