/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * headroom: what is in use, where it is heading, and room to move.
 *
 *     used ─┬─ + growth expected until memory asked for now is there
 *           └─ + headroom                       = need   (bytes of the guest's MemTotal)
 *     need  ───▶ peak: up at once, down slowly
 *     peak, at least used + burst ─▶ + overhead = demand (bytes of actual)
 *
 * Used is MemTotal - MemAvailable: page cache counts as free, but headroom leaves
 * it a place. Counting it as used would make every guest climb to its ceiling.
 *
 * Where the balloon's pages stay in MemTotal (see overhead.h) no trend is followed, since
 * inflating the balloon would look like one. A guest that reads back from swap, or stalls, is
 * pressed: its demand does not decay, and asks for more than it has, step by step as
 * each step arrives. The trend counts what went to swap as used.
 *
 * It asks the guest for nothing but the balloon's statistics, and no less for one with an agent.
 *
 * All sums are in doubles, which hold any hostile value without overflow. Each
 * term rises or stays when the latest use rises, and so does the demand (but for
 * the last of a double's sixteen digits).
 */
#include "predict/usage.h"

/* A quarter of what is used, so that use fills four fifths: Hyper-V adds 20 % to
 * the demand, Neon grows beyond 75 % of use. */
#define HEADROOM_FRACTION 0.25

/* Trends are looked for within so much time before the latest sample... */
#define TREND_WINDOW_US (5 * G_USEC_PER_SEC)
/* ...and only if the samples are so far apart: below it, jitter of the times at
 * which they were read decides. */
#define TREND_SPREAD_MIN_S 0.5
/* From asking for memory until the guest can use it: measured, 40 to 110 ms for
 * DIMM and virtio-mem; a balloon or a busy host takes longer. */
#define PLUG_S 1.0
/* Further ahead a straight line says little. */
#define HORIZON_MAX_S 5.0
/* A single step may be noise: it is projected half a sample ahead, as Neon does. */
#define STEP_AHEAD 0.5

/* Falling use is believed by half after half a minute, by 94 % after two. (Neon waits
 * five minutes; here the limits damp shrinking once more.) */
#define PEAK_HALF_LIFE_S 30.0

static double
seconds(gint64 us)
{
    return (double)us / G_USEC_PER_SEC;
}

/* Returns: how much more was used at @sample than at @latest, what is in swap included. */
static double
used_before(const Transit *transit, const Sample *sample, const Sample *latest)
{
    double difference =
        (double)transit_used(transit, sample) - (double)transit_used(transit, latest);

    return difference - usage_swapped(sample, latest);
}

/* Returns: bytes a second, by least squares over the latest samples. */
static double
trend(const Transit *transit, const SampleRing *ring)
{
    const Sample *latest = sample_ring_get(ring, 0), *sample;
    double n = 0, sum_t = 0, sum_u = 0, sum_tt = 0, sum_tu = 0, spread = 0;

    for (guint age = 0; (sample = sample_ring_get(ring, age)) != NULL; age++) {
        double t = seconds(sample->time_us - latest->time_us);
        double u = used_before(transit, sample, latest);

        if (latest->time_us - sample->time_us > TREND_WINDOW_US)
            break;
        n += 1;
        sum_t += t;
        sum_u += u;
        sum_tt += t * t;
        sum_tu += t * u;
        spread = -t;
    }
    if (spread < TREND_SPREAD_MIN_S)
        return 0;
    return (n * sum_tu - sum_t * sum_u) / (n * sum_tt - sum_t * sum_t);
}

/* Returns: bytes by which use will have grown when memory asked for now is there. */
static double
expected_growth(const Transit *transit, const SampleRing *ring, double slope, gint64 now)
{
    const Sample *latest = sample_ring_get(ring, 0), *before = sample_ring_get(ring, 1);
    double age, gap, horizon, step = 0;

    if (!before)
        return 0;
    age = MAX(0, seconds(now - latest->time_us));
    /* The next cycle comes about as late after this one as the samples do. */
    gap = seconds(latest->time_us - before->time_us);
    horizon = MIN(age + gap + PLUG_S, HORIZON_MAX_S);
    if (gap >= TREND_SPREAD_MIN_S && gap <= HORIZON_MAX_S)
        step = -used_before(transit, before, latest) * STEP_AHEAD;
    return MAX(0, MAX(slope * horizon, step));
}

static double
with_headroom(double use)
{
    return use + MAX(HEADROOM_FRACTION * use, USAGE_ROOM_MIN);
}

static Forecast
headroom_forecast(PredictorState *state, const SampleRing *ring, guint64 actual, gint64 now)
{
    UsageParts parts = { 0 };
    Forecast forecast;
    Usage usage;
    double slope, growth, need, pressed, peak;

    if (!usage_look(state, ring, actual, now, &usage, &forecast))
        return forecast;
    slope = usage.overhead < 0 ? 0 : trend(&state->transit, ring);
    growth = usage.overhead < 0 ? 0 : expected_growth(&state->transit, ring, slope, now);
    pressed = usage_pressed_need(&usage);
    need = MAX(with_headroom(usage.used + growth), pressed);
    peak = usage_follow_peak(state, &usage, need, PEAK_HALF_LIFE_S, now);

    usage_add_part(&parts, "in use", "in use and headroom", with_headroom(usage.used));
    usage_add_part(&parts, "trend", growth > USAGE_ROOM_MIN ? "growing" : "in use and headroom",
                   growth > 0 ? with_headroom(usage.used + growth) : 0);
    usage_add_part(&parts, "pressure", "pressed", pressed);
    usage_add_part(&parts, "recent peak",
                   peak > need + USAGE_ROOM_MIN ? "a recent peak" : "in use and headroom",
                   peak > need ? peak : 0);
    usage_add_part(&parts, "burst", "room for its fastest burst",
                   usage.burst > 0 ? usage.used + usage.burst : 0);
    forecast = usage_forecast(&usage, &parts, need);
    forecast.slope = slope;
    return forecast;
}

const Predictor predictor_headroom = {
    .name = "headroom",
    .summary = "what is in use, its trend and a quarter more; up at once, down over minutes",
    .start = predictor_start,
    .forecast = headroom_forecast,
};
