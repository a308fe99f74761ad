/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which part of the composite predictor decides, and how much less it keeps ready for a guest
 * that can ask.
 */
#include "predict/predictor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MIB      (G_GUINT64_CONSTANT(1) << 20)
#define SECOND   ((gint64)G_USEC_PER_SEC)
#define HOUR     (3600 * SECOND)
#define START    (1000 * SECOND)
#define OVERHEAD 36

typedef struct {
    SampleRing ring;
    PredictorState state;
    guint64 used; /* MiB */
    Sample sample;
} Fixture;

static void
fixture_init(Fixture *f, SampleSource source, guint64 used)
{
    *f = (Fixture){ .used = used };
    f->sample = (Sample){
        .time_us = START,
        .source = source,
        .fields = SAMPLE_AVAILABLE | SAMPLE_SWAP,
        .total = (4096 - OVERHEAD) * MIB,
    };
    predictor_composite.start(&f->state);
}

static Forecast
look_after(Fixture *f, gint64 passed)
{
    f->sample.time_us += passed;
    f->sample.available = f->sample.total - f->used * MIB;
    sample_ring_push(&f->ring, &f->sample);
    return predictor_composite.forecast(&f->state, &f->ring, 4096 * MIB, f->sample.time_us);
}

static Forecast
ticks(Fixture *f, guint n)
{
    Forecast forecast = { 0 };

    for (guint i = 0; i < n; i++)
        forecast = look_after(f, SECOND);
    return forecast;
}

static void
assert_decided(Forecast f, const char *part, guint64 least_mib, guint64 most_mib)
{
    assert_string_equal(f.parts[f.decisive].name, part);
    if (f.demand < least_mib * MIB || f.demand > most_mib * MIB)
        fail_msg("demand is %g MiB, not %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
                 (double)f.demand / MIB, least_mib, most_mib);
}

static void
test_idle_guest(void **state)
{
    static Fixture balloon, agent;

    fixture_init(&balloon, SAMPLE_SOURCE_BALLOON, 2000);
    fixture_init(&agent, SAMPLE_SOURCE_AGENT, 2000);
    /* A bin of the window is 5 % wide, so it may decide by that much. */
    assert_in_range(ticks(&balloon, 100).demand, (2500 + OVERHEAD) * MIB, 2670 * MIB);
    assert_in_range(ticks(&agent, 100).demand, (2160 + OVERHEAD) * MIB, 2300 * MIB);
    assert_int_equal(ticks(&balloon, 1).need, (2500 + OVERHEAD) * MIB);
    assert_int_equal(ticks(&agent, 1).need, (2160 + OVERHEAD) * MIB);
}

static void
test_growth_decides(void **state)
{
    static Fixture f;
    Forecast forecast = { 0 };

    fixture_init(&f, SAMPLE_SOURCE_BALLOON, 400);
    ticks(&f, 10);
    for (guint i = 0; i < 10; i++) {
        f.used += 100;
        forecast = ticks(&f, 1);
    }
    /* 100 MiB/s for the two seconds until memory can be there. */
    assert_decided(forecast, "trend", (1400 + 180) * 5 / 4 + OVERHEAD,
                   (1400 + 200) * 5 / 4 + OVERHEAD + 1);
    assert_string_equal(forecast.reason, "growing");
    assert_true(forecast.slope > 90.0 * MIB);
}

/* Where it can ask, the peak is forgotten within seconds; where not, within minutes. */
static void
test_peak_decides(void **state)
{
    static Fixture balloon, agent;

    fixture_init(&balloon, SAMPLE_SOURCE_BALLOON, 500);
    fixture_init(&agent, SAMPLE_SOURCE_AGENT, 500);
    ticks(&balloon, 300);
    ticks(&agent, 300);
    balloon.used = agent.used = 2000;
    ticks(&balloon, 3);
    ticks(&agent, 3);
    balloon.used = agent.used = 500;
    assert_decided(ticks(&balloon, 20), "recent peak", 1600, 3300);
    assert_in_range(ticks(&agent, 20).demand, 564 * MIB, 700 * MIB);
}

/* What comes and goes is kept ready, as long as it was there for a good part of the time. */
static void
test_window_decides(void **state)
{
    static Fixture f;
    Forecast forecast = { 0 };

    fixture_init(&f, SAMPLE_SOURCE_AGENT, 500);
    for (guint i = 0; i < 40; i++) {
        f.used = 2000;
        ticks(&f, 12);
        f.used = 500;
        forecast = ticks(&f, 8);
    }
    assert_decided(forecast, "window", 2000, 2400);
    assert_true(forecast.need < 800 * MIB);
}

static void
test_page_cache_decides(void **state)
{
    static Fixture f;

    fixture_init(&f, SAMPLE_SOURCE_AGENT, 500);
    f.sample.fields |= SAMPLE_REFAULTS;
    f.sample.cached = 800 * MIB;
    ticks(&f, 10);
    f.sample.refaults_file += 100 * MIB / 4096;
    assert_decided(ticks(&f, 1), "page cache", 500 + 64 + 900 + OVERHEAD,
                   500 + 64 + 900 + OVERHEAD + 1);
}

static void
test_burst_decides(void **state)
{
    static Fixture f;

    fixture_init(&f, SAMPLE_SOURCE_AGENT, 500);
    ticks(&f, 10);
    f.state.burst = 300 * MIB;
    assert_decided(ticks(&f, 1), "burst", 800 + OVERHEAD, 801 + OVERHEAD);
}

/* Ten minutes before the load that came every day, its memory is there. */
static void
test_season_decides(void **state)
{
    static Fixture f;
    Forecast forecast;

    fixture_init(&f, SAMPLE_SOURCE_BALLOON, 500);
    f.sample.time_us = 0;
    for (guint i = 0; i < 6 * 24 * 60; i++) {
        guint64 hour = (guint64)(f.sample.time_us / HOUR) % 24;

        f.used = hour >= 8 && hour < 10 ? 3000 : 500;
        look_after(&f, 60 * SECOND);
    }
    f.used = 500;
    for (guint i = 0; i < 7 * 60 + 40; i++)
        forecast = look_after(&f, 60 * SECOND);
    assert_in_range(forecast.demand, (625 + OVERHEAD) * MIB, 720 * MIB);
    for (guint i = 0; i < 12; i++)
        forecast = look_after(&f, 60 * SECOND);
    assert_decided(forecast, "season", 3000 * 5 / 4, 3000 * 5 / 4 + OVERHEAD + 1);
    assert_true(forecast.need < 720 * MIB);
}

/* The agent fell silent: from the next sample on, caution is back. */
static void
test_agent_that_falls_silent(void **state)
{
    static Fixture f;

    fixture_init(&f, SAMPLE_SOURCE_AGENT, 2000);
    ticks(&f, 10);
    f.sample.source = SAMPLE_SOURCE_BALLOON;
    assert_int_equal(ticks(&f, 1).need, (2500 + OVERHEAD) * MIB);
}

/*
 * A guest of 1 GiB that uses 300 MiB gives 512: what Linux sets aside of it is neither free nor
 * gone until it is done with it, block after block. Whoever is shrunk must not be taken for
 * growing.
 */
static void
assert_a_shrink_is_no_growth(const Predictor *predictor)
{
    static const struct {
        guint64 aside, gone, actual; /* MiB; set aside, and no longer in MemTotal */
    } looks[] = {
        { 0, 0, 1024 }, { 128, 0, 1024 }, { 384, 128, 896 }, { 128, 384, 640 }, { 0, 512, 512 },
    };
    static Fixture f;
    Forecast forecast = { 0 }, before;

    fixture_init(&f, SAMPLE_SOURCE_BALLOON, 300);
    predictor->start(&f.state);
    f.sample.total = (1024 - OVERHEAD) * MIB;
    f.state.transit.asked = 1024 * MIB;
    for (guint i = 0; i < 60; i++) {
        f.sample.time_us += SECOND;
        f.sample.available = f.sample.total - f.used * MIB;
        sample_ring_push(&f.ring, &f.sample);
        forecast = predictor->forecast(&f.state, &f.ring, 1024 * MIB, f.sample.time_us);
    }
    before = forecast;
    f.state.transit.asked = 512 * MIB;
    for (guint i = 0; i < G_N_ELEMENTS(looks); i++) {
        f.sample.time_us += SECOND;
        f.sample.total = (1024 - OVERHEAD - looks[i].gone) * MIB;
        f.sample.available = f.sample.total - (f.used + looks[i].aside) * MIB;
        sample_ring_push(&f.ring, &f.sample);
        forecast = predictor->forecast(&f.state, &f.ring, looks[i].actual * MIB,
                                       f.sample.time_us + SECOND / 10);
        assert_in_range(forecast.used, 300 * MIB, 301 * MIB);
        assert_in_range(forecast.need, before.need - MIB, before.need + MIB);
        assert_true(forecast.slope < 1.0 * MIB);
    }
    /* What is more than could be set aside is growth. */
    f.used += 100;
    f.sample.time_us += SECOND;
    f.sample.available = f.sample.total - f.used * MIB;
    sample_ring_push(&f.ring, &f.sample);
    forecast = predictor->forecast(&f.state, &f.ring, 512 * MIB, f.sample.time_us);
    assert_in_range(forecast.used, 400 * MIB, 401 * MIB);
}

/* A load ends while its guest gives already: from then on the lower use is what it was. */
static void
test_a_load_ends_during_a_shrink(void **state)
{
    static Fixture f;

    fixture_init(&f, SAMPLE_SOURCE_BALLOON, 1000);
    ticks(&f, 10);
    f.state.transit.asked = 4000 * MIB;
    ticks(&f, 1);
    f.used = 300;
    assert_int_equal(ticks(&f, 1).used, 300 * MIB);
    f.state.transit.asked = 3800 * MIB;
    f.used = 300 + 128; /* set aside */
    assert_int_equal(ticks(&f, 1).used, 300 * MIB);
}

/* Who has next to nothing left in the middle of a shrink is not told that it is set aside. */
static void
test_who_has_nothing_left_is_believed(void **state)
{
    static Fixture f;

    fixture_init(&f, SAMPLE_SOURCE_BALLOON, 300);
    ticks(&f, 10);
    f.state.transit.asked = 512 * MIB;
    ticks(&f, 1);
    f.used = 4096 - OVERHEAD - 200;
    assert_in_range(ticks(&f, 1).used, 3100 * MIB, 3300 * MIB);
    f.used = 4096 - OVERHEAD - 30;
    assert_int_equal(ticks(&f, 1).used, f.used * MIB);
}

static void
test_a_shrink_is_no_growth(void **state)
{
    assert_a_shrink_is_no_growth(&predictor_composite);
    assert_a_shrink_is_no_growth(&predictor_headroom);
    assert_a_shrink_is_no_growth(&predictor_trend);
    assert_a_shrink_is_no_growth(&predictor_working_set);
}

/* A guest that does not give is not excused for ever. */
static void
test_who_does_not_give_may_grow(void **state)
{
    static Fixture f;
    Forecast forecast = { 0 };

    fixture_init(&f, SAMPLE_SOURCE_BALLOON, 300);
    ticks(&f, 10);
    f.state.transit.asked = 2048 * MIB;
    ticks(&f, 2);
    f.used = 1000;
    assert_in_range(ticks(&f, 1).used, 300 * MIB, 400 * MIB);
    forecast = ticks(&f, 4);
    assert_in_range(forecast.used, 1000 * MIB, (1000 + OVERHEAD) * MIB);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_guest),
        cmocka_unit_test(test_growth_decides),
        cmocka_unit_test(test_peak_decides),
        cmocka_unit_test(test_window_decides),
        cmocka_unit_test(test_page_cache_decides),
        cmocka_unit_test(test_burst_decides),
        cmocka_unit_test(test_season_decides),
        cmocka_unit_test(test_agent_that_falls_silent),
        cmocka_unit_test(test_a_shrink_is_no_growth),
        cmocka_unit_test(test_who_does_not_give_may_grow),
        cmocka_unit_test(test_a_load_ends_during_a_shrink),
        cmocka_unit_test(test_who_has_nothing_left_is_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
