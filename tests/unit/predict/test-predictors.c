/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What predictor.h promises, held against each predictor with random guests, sane and hostile:
 * more use is never less demand, the same past gives the same forecast, no number that cannot be
 * comes out, and a guest whose use rests comes to rest.
 *
 * Guest number k is made from seed + k. A failure prints its seed: with MEMPLUG_TEST_SEED set to
 * it the same guest is the first. MEMPLUG_TEST_WORLDS says how many.
 */
#include "predict/predictor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define SECOND ((gint64)G_USEC_PER_SEC)
#define START  (1000 * SECOND)

#define WORLDS_DEFAULT 150000

static guint32 first_seed;
static guint64 n_worlds;

static const Predictor *predictor; /* under test */
static guint32 seed;               /* of the guest at hand */

#define check(condition)                                                                 \
    G_STMT_START                                                                         \
    {                                                                                    \
        if (!(condition))                                                                \
            fail_msg("%s, MEMPLUG_TEST_SEED=%u: %s", predictor->name, seed, #condition); \
    }                                                                                    \
    G_STMT_END

static guint64
random_bytes(GRand *rand, gboolean hostile)
{
    guint64 any = (guint64)g_rand_int(rand) << 32 | g_rand_int(rand);
    static const guint64 extremes[] = { 0, 1, G_MAXUINT64, G_MAXUINT64 - 1, G_MAXINT64 };

    if (!hostile)
        return any % (16 * 1024 * MIB);
    return g_rand_boolean(rand) ? any : extremes[g_rand_int_range(rand, 0, G_N_ELEMENTS(extremes))];
}

static Sample
random_sample(GRand *rand, gboolean hostile, gint64 time_us)
{
    Sample sample = {
        .time_us = time_us,
        .source = g_rand_boolean(rand) ? SAMPLE_SOURCE_AGENT : SAMPLE_SOURCE_BALLOON,
        .fields = g_rand_int(rand) & 0xfff,
        .total = random_bytes(rand, hostile),
        .free = random_bytes(rand, hostile),
        .available = random_bytes(rand, hostile),
        .cached = random_bytes(rand, hostile),
        .swap_in = random_bytes(rand, hostile),
        .swap_out = random_bytes(rand, hostile),
        .major_faults = random_bytes(rand, hostile),
        .alloc_stalls = random_bytes(rand, hostile),
        .refaults_anon = random_bytes(rand, hostile),
        .refaults_file = random_bytes(rand, hostile),
        .stall_some_us = random_bytes(rand, hostile),
        .stall_full_us = random_bytes(rand, hostile),
        .shmem = random_bytes(rand, hostile),
    };

    if (!hostile)
        sample.available %= sample.total + 1;
    return sample;
}

/* Some samples more, from a moment apart to some hours. */
static void
live(GRand *rand, gboolean hostile, SampleRing *ring, gint64 *now)
{
    gint32 n = g_rand_int_range(rand, 1, 12);
    gint32 apart = g_rand_int_range(rand, 0, 20) == 0 ? 1800 * SECOND : 2 * SECOND;

    for (gint32 i = 0; i < n; i++) {
        Sample sample = random_sample(rand, hostile, *now += g_rand_int_range(rand, 1, apart));

        sample_ring_push(ring, &sample);
    }
}

static Sample *
latest_of(SampleRing *ring)
{
    return &ring->samples[(ring->next + SAMPLE_RING_SIZE - 1) % SAMPLE_RING_SIZE];
}

static gboolean
is_sane_state(const PredictorState *state)
{
    return isfinite(state->peak) && isfinite(state->trend.level) && isfinite(state->trend.slope) &&
           isfinite(state->cache.bytes) && isfinite(state->overhead.bytes) &&
           isfinite(state->season.peak) && isfinite(state->season.off_before);
}

static void
check_sane(const PredictorState *state, const Forecast *forecast)
{
    guint64 most = 0;

    check(is_sane_state(state));
    check(forecast->valid && forecast->reason && isfinite(forecast->slope));
    check(forecast->demand >= forecast->need);
    check(forecast->need >= forecast->used);
    check(forecast->n_parts > 0 && forecast->n_parts < FORECAST_PARTS_MAX);
    check(forecast->decisive < forecast->n_parts);
    for (guint i = 0; i < forecast->n_parts; i++) {
        check(forecast->parts[i].name != NULL);
        most = MAX(most, forecast->parts[i].bytes);
    }
    check(forecast->parts[forecast->decisive].bytes == most);
    check(forecast->demand == MAX(most, forecast->used));
}

/* But for the last digits of a double. */
static gboolean
is_less(guint64 a, guint64 b)
{
    return a < b && b - a > 1 + b / 1000000000;
}

/* Two forecasts from the same past: in the second, no less is used at the end. */
static void
try_one_guest(GRand *rand)
{
    gboolean hostile = g_rand_int_range(rand, 0, 3) == 0;
    static SampleRing ring;
    static PredictorState state, other, replayed;
    gint64 now = START;
    guint64 actual = random_bytes(rand, hostile), less;
    Forecast before, again, more;

    sample_ring_clear(&ring);
    predictor->start(&state);
    state.burst = g_rand_boolean(rand) ? 0 : random_bytes(rand, hostile);
    for (gint32 i = g_rand_int_range(rand, 0, 3); i >= 0; i--) {
        live(rand, hostile, &ring, &now);
        if (i > 0)
            predictor->forecast(&state, &ring, actual, now);
    }

    other = replayed = state;
    now += g_rand_int_range(rand, 0, 15 * SECOND);
    before = predictor->forecast(&state, &ring, actual, now);
    check_sane(&state, &before);
    again = predictor->forecast(&replayed, &ring, actual, now);
    check(memcmp(&before, &again, sizeof before) == 0);
    check(memcmp(&state, &replayed, sizeof state) == 0);
    again = predictor->forecast(&replayed, &ring, actual, now);
    check(!is_less(again.demand, before.demand) && !is_less(before.demand, again.demand));

    less = random_bytes(rand, hostile);
    latest_of(&ring)->available = MIN(latest_of(&ring)->available, less);
    more = predictor->forecast(&other, &ring, actual, now);
    check_sane(&other, &more);
    check(!is_less(more.used, before.used));
    check(!is_less(more.need, before.need));
    check(!is_less(more.demand, before.demand));
}

static void
test_contract(void **state)
{
    g_autoptr(GRand) rand = g_rand_new();

    for (const Predictor *const *p = predictor_list(); *p; p++) {
        predictor = *p;
        for (guint64 i = 0; i < n_worlds; i++) {
            seed = first_seed + (guint32)i;
            g_rand_set_seed(rand, seed);
            try_one_guest(rand);
        }
    }
}

/* A guest that follows, and uses @used from now on. Returns: the last forecast. */
static Forecast
rest(PredictorState *kept, SampleRing *ring, guint64 used, SampleSource source, gint64 *now,
     guint64 *actual)
{
    const guint64 overhead = 32 * MIB;
    Forecast forecast = { 0 };

    for (guint i = 0; i < 1800; i++) {
        const Sample sample = {
            .time_us = *now += SECOND,
            .source = source,
            .fields = SAMPLE_AVAILABLE | SAMPLE_SWAP | SAMPLE_REFAULTS | SAMPLE_PRESSURE,
            .total = *actual - overhead,
            .available = *actual - overhead - MIN(used, *actual - overhead),
        };

        sample_ring_push(ring, &sample);
        forecast = predictor->forecast(kept, ring, *actual, *now);
        *actual = MAX(forecast.demand, used + 2 * overhead);
    }
    return forecast;
}

/* Whatever it did before, a guest of steady use is to have a quarter more than that (of
 * which a bin of the window may miss a twentieth), or 100 MiB, and what its kernel takes: no
 * predictor climbs or sinks for ever. */
static void
test_steady_use_comes_to_rest(void **state)
{
    static const guint64 uses[] = { 20 * MIB, 300 * MIB, 5000 * MIB };

    for (const Predictor *const *p = predictor_list(); *p; p++) {
        for (guint i = 0; i < 2 * G_N_ELEMENTS(uses); i++) {
            static SampleRing ring;
            static PredictorState kept;
            guint64 used = uses[i / 2], actual = 8192 * MIB;
            gint64 now = START;
            Forecast forecast;

            predictor = *p;
            predictor->start(&kept);
            sample_ring_clear(&ring);
            forecast = rest(&kept, &ring, used * 3 / 2, i % 2, &now, &actual);
            forecast = rest(&kept, &ring, used, i % 2, &now, &actual);
            assert_int_equal(forecast.used, used);
            assert_true(forecast.demand >= used + 64 * MIB);
            assert_true(forecast.demand <= used + MAX(used * 32 / 100, 100 * MIB) + 64 * MIB);
        }
    }
}

static void
test_nothing_to_go_by(void **state)
{
    for (const Predictor *const *p = predictor_list(); *p; p++) {
        static SampleRing ring;
        static PredictorState kept;
        const Sample sample = { .time_us = START, .total = 1000 * MIB, .available = 500 * MIB };
        Forecast forecast;

        predictor = *p;
        sample_ring_clear(&ring);
        predictor->start(&kept);
        forecast = predictor->forecast(&kept, &ring, 1024 * MIB, START);
        assert_false(forecast.valid);
        assert_int_equal(forecast.demand, 0);
        assert_string_equal(forecast.reason, "no statistics");
        sample_ring_push(&ring, &sample);
        assert_true(predictor->forecast(&kept, &ring, 1024 * MIB, START + 15 * SECOND).valid);
        forecast = predictor->forecast(&kept, &ring, 1024 * MIB, START + 15 * SECOND + 1);
        assert_false(forecast.valid);
        assert_string_equal(forecast.reason, "the statistics are too old");
    }
}

/* Who hurts is not taken from and gets more, whatever else a predictor makes of it. */
static void
test_pressure_overrides_all(void **state)
{
    for (const Predictor *const *p = predictor_list(); *p; p++) {
        static SampleRing ring;
        static PredictorState kept;
        Sample sample = { .fields = SAMPLE_AVAILABLE | SAMPLE_SWAP,
                          .total = 1000 * MIB,
                          .available = 900 * MIB };
        Forecast forecast = { 0 };

        predictor = *p;
        sample_ring_clear(&ring);
        predictor->start(&kept);
        for (guint i = 0; i < 10; i++) {
            sample.time_us = START + i * SECOND;
            sample.swap_in += 8 * MIB;
            sample_ring_push(&ring, &sample);
            forecast = predictor->forecast(&kept, &ring, 1024 * MIB, sample.time_us);
        }
        assert_true(forecast.pressed);
        assert_true(forecast.need >= 1125 * MIB);
        assert_string_equal(forecast.reason, "pressed: it reads back from swap");
        assert_string_equal(forecast.parts[forecast.decisive].name, "pressure");
    }
}

static void
test_predictors_are_found_by_name(void **state)
{
    guint n = 0;

    for (const Predictor *const *p = predictor_list(); *p; p++, n++) {
        assert_ptr_equal(predictor_find((*p)->name), *p);
        assert_non_null((*p)->summary);
    }
    assert_int_equal(n, 7);
    assert_ptr_equal(predictor_list()[0], &predictor_composite);
    assert_null(predictor_find("Composite"));
    assert_null(predictor_find(""));
}

int
main(void)
{
    const char *seed_text = g_getenv("MEMPLUG_TEST_SEED"),
               *n_text = g_getenv("MEMPLUG_TEST_WORLDS");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_go_by),
        cmocka_unit_test(test_pressure_overrides_all),
        cmocka_unit_test(test_steady_use_comes_to_rest),
        cmocka_unit_test(test_predictors_are_found_by_name),
        cmocka_unit_test(test_contract),
    };

    first_seed =
        seed_text ? (guint32)g_ascii_strtoull(seed_text, NULL, 10) : (guint32)g_get_real_time();
    n_worlds = MAX(n_text ? g_ascii_strtoull(n_text, NULL, 10) : WORLDS_DEFAULT, 1);
    print_message("MEMPLUG_TEST_SEED=%u MEMPLUG_TEST_WORLDS=%" G_GUINT64_FORMAT "\n", first_seed,
                  n_worlds);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
