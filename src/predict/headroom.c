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
 * Overhead is what the guest has but its MemTotal does not count: the kernel's
 * image and its reservations, the page array of what was there at boot. It is
 * actual - MemTotal, yet that difference also holds what has only just been
 * plugged and is not online, or is never going to be. Taken at face value, each
 * DIMM that a guest leaves offline would be answered by another one. So
 *   - it is looked at only when actual has rested for a while (SETTLE_US);
 *   - it may fall freely, but rises beyond an ordinary kernel's share only by
 *     what the page array of new memory takes.
 * It is negative where the balloon's pages stay in MemTotal (deflate-on-oom): such
 * a guest counts its balloon as used. Then both are corrected by it, and no trend
 * is followed, since inflating the balloon would look like one.
 *
 * A guest that swaps looks idle: what it swapped out counts as available again.
 * Hence the trend counts what went to swap as used, and a guest that reads back
 * from swap, or stalls, is pressed: its demand does not decay, and asks for more
 * than it has, step by step as each step arrives.
 *
 * All sums are in doubles, which hold any hostile value without overflow. Each
 * term rises or stays when the latest use rises, and so does the demand (but for
 * the last of a double's sixteen digits).
 */
#include "predict/predictor.h"

#include <math.h>
#include <string.h>

#define MIB ((double)(1 << 20))

/* An older look tells nothing: three periods of the slowest sensible polling. */
#define STALE_US (15 * G_USEC_PER_SEC)

/* A quarter of what is used, so that use fills four fifths: Hyper-V adds 20 % to
 * the demand, Neon grows beyond 75 % of use. */
#define HEADROOM_FRACTION 0.25
/* The watermarks, a little page cache and a fork or two need that in any guest. */
#define HEADROOM_MIN (64 * MIB)

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

/* 256 pages a second, at 0.1 to 8 ms each: from 3 % of the time on a fast disk to all
 * of it on a slow one. Less is a cold page now and then. */
#define PRESSED_SWAP_IN (1 * MIB)
/* A single stall happens whenever reclaim lags behind a burst of page cache. */
#define PRESSED_STALLS 5.0
/* Major faults also come from starting a program, so they count only while less
 * than this part of memory is available. */
#define PRESSED_FAULTS           100.0
#define PRESSED_FAULTS_AVAILABLE 0.1
/* A pressed guest's demand: this part more than it has. */
#define PRESSED_STEP     0.125
#define PRESSED_STEP_MIN (64 * MIB)

/* Memory is plugged and online within 110 ms, and the sample after it is taken. */
#define SETTLE_US (3 * G_USEC_PER_SEC)
/* The kernel's image, initrd and reserved areas of an ordinary guest. More, as with
 * a crash kernel, is believed if it is there from the first. */
#define OVERHEAD_BOOT (64 * MIB)
/* 64 bytes of page array for each page of 4 KiB. */
#define OVERHEAD_FRACTION (1.0 / 64)

/* What is kept in PredictorState.values. */
typedef enum {
    PEAK,
    OVERHEAD,          /* as last seen at rest */
    OVERHEAD_ACTUAL,   /* what actual was then; 0: it was never seen at rest */
    ACTUAL,            /* as of the last forecast */
    ACTUAL_SINCE_US,   /* since when it is so */
    HEADROOM_N_VALUES, /* how many there are */
} HeadroomValue;

G_STATIC_ASSERT(HEADROOM_N_VALUES <= G_N_ELEMENTS(((PredictorState *)NULL)->values));

static guint64
to_bytes(double value)
{
    if (!(value > 0))
        return 0;
    return value < (double)G_MAXUINT64 ? (guint64)value : G_MAXUINT64;
}

/* Counters begin at 0 again when the guest restarts. */
static double
counted(guint64 now, guint64 before)
{
    return now > before ? (double)(now - before) : 0;
}

static double
seconds(gint64 us)
{
    return (double)us / G_USEC_PER_SEC;
}

static void
headroom_start(PredictorState *state)
{
    memset(state, 0, sizeof *state);
}

static double
track_overhead(PredictorState *state, const Sample *latest, guint64 actual, gint64 now)
{
    double *values = state->values;
    double seen = (double)actual - (double)latest->total;
    double ordinary = OVERHEAD_BOOT + OVERHEAD_FRACTION * (double)actual;
    gboolean known = values[OVERHEAD_ACTUAL] > 0;
    double most;

    if (values[ACTUAL] != (double)actual) {
        values[ACTUAL] = (double)actual;
        values[ACTUAL_SINCE_US] = (double)now;
    }
    if ((double)latest->time_us - values[ACTUAL_SINCE_US] < SETTLE_US)
        return known ? values[OVERHEAD] : CLAMP(seen, 0, ordinary);

    most = seen;
    if (known)
        most =
            values[OVERHEAD] + OVERHEAD_FRACTION * MAX(0, (double)actual - values[OVERHEAD_ACTUAL]);
    values[OVERHEAD] = MIN(seen, MAX(most, ordinary));
    values[OVERHEAD_ACTUAL] = (double)actual;
    return values[OVERHEAD];
}

/* Returns: how much more was used at @sample than at @latest, what is in swap included. */
static double
used_before(const Sample *sample, const Sample *latest)
{
    double difference = (double)sample_used(sample) - (double)sample_used(latest);

    if (sample->fields & latest->fields & SAMPLE_SWAP)
        difference +=
            counted(latest->swap_in, sample->swap_in) - counted(latest->swap_out, sample->swap_out);
    return difference;
}

/* Returns: bytes a second, by least squares over the latest samples. */
static double
trend(const SampleRing *ring)
{
    const Sample *latest = sample_ring_get(ring, 0), *sample;
    double n = 0, sum_t = 0, sum_u = 0, sum_tt = 0, sum_tu = 0, spread = 0;

    for (guint age = 0; (sample = sample_ring_get(ring, age)) != NULL; age++) {
        double t = seconds(sample->time_us - latest->time_us);
        double u = used_before(sample, latest);

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
expected_growth(const SampleRing *ring, double slope, gint64 now)
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
        step = -used_before(before, latest) * STEP_AHEAD;
    return MAX(0, MAX(slope * horizon, step));
}

/* Returns: (nullable): by what the guest is pressed. */
static const char *
find_pressure(const SampleRing *ring)
{
    const Sample *latest = sample_ring_get(ring, 0), *before = sample_ring_get(ring, 1);
    double gap;
    guint fields;

    if (!before)
        return NULL;
    gap = seconds(latest->time_us - before->time_us);
    fields = latest->fields & before->fields;

    if (fields & SAMPLE_SWAP && counted(latest->swap_in, before->swap_in) >= PRESSED_SWAP_IN * gap)
        return "pressed: it reads back from swap";
    if (fields & SAMPLE_STALLS &&
        counted(latest->alloc_stalls, before->alloc_stalls) >= PRESSED_STALLS * gap)
        return "pressed: its allocations stall";
    if (fields & SAMPLE_FAULTS &&
        (double)latest->available < PRESSED_FAULTS_AVAILABLE * (double)latest->total &&
        counted(latest->major_faults, before->major_faults) >= PRESSED_FAULTS * gap)
        return "pressed: it reads its programs again and again";
    return NULL;
}

/* Up at once, down slowly, and not at all while the guest is pressed. */
static double
follow_peak(PredictorState *state, double need, gboolean pressed, gint64 now)
{
    double passed = MAX(0, seconds(now - state->time_us));
    double peak = state->values[PEAK];

    if (peak <= need)
        peak = need;
    else if (!pressed)
        peak = need + (peak - need) * exp2(-passed / PEAK_HALF_LIFE_S);
    state->time_us = now;
    state->values[PEAK] = peak;
    return peak;
}

static Forecast
nothing_to_go_by(const char *reason)
{
    return (Forecast){ .valid = FALSE, .reason = reason };
}

/* The parts in the order of their say: the last of them that has any decides. */
static void
tell_parts(Forecast *forecast, const double *bytes, double overhead)
{
    static const char *const names[] = { "in use", "trend", "pressure", "recent peak", "burst" };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        guint64 whole = bytes[i] > 0 ? to_bytes(bytes[i] + MAX(0, overhead)) : 0;

        forecast->parts[i] = (ForecastPart){ names[i], whole };
        if (whole > forecast->parts[forecast->decisive].bytes)
            forecast->decisive = i;
    }
    forecast->n_parts = G_N_ELEMENTS(names);
}

static double
with_headroom(double use)
{
    return use + MAX(HEADROOM_FRACTION * use, HEADROOM_MIN);
}

static Forecast
headroom_forecast(PredictorState *state, const SampleRing *ring, guint64 actual, gint64 now)
{
    const Sample *latest = sample_ring_get(ring, 0);
    const char *pressure;
    double overhead, used, growth, need, peak, parts[FORECAST_PARTS_MAX] = { 0 };
    Forecast forecast = { .valid = TRUE };

    if (!latest)
        return nothing_to_go_by("no statistics");
    if (now - latest->time_us > STALE_US)
        return nothing_to_go_by("the statistics are too old");

    overhead = track_overhead(state, latest, actual, now);
    used = MAX(0, (double)sample_used(latest) + MIN(0, overhead));
    forecast.slope = overhead < 0 ? 0 : trend(ring);
    growth = overhead < 0 ? 0 : expected_growth(ring, forecast.slope, now);
    need = with_headroom(used + growth);
    parts[0] = with_headroom(used);
    parts[1] = growth > 0 ? need : 0;
    forecast.reason = growth > HEADROOM_MIN ? "growing" : "in use and headroom";

    pressure = find_pressure(ring);
    if (pressure) {
        double has = (double)latest->total + MIN(0, overhead);

        parts[2] = has + MAX(PRESSED_STEP * has, PRESSED_STEP_MIN);
        need = MAX(need, parts[2]);
        forecast.pressed = TRUE;
    }
    peak = follow_peak(state, need, forecast.pressed, now);
    parts[3] = peak > need ? peak : 0;
    if (pressure)
        forecast.reason = pressure;
    else if (peak > need + HEADROOM_MIN)
        forecast.reason = "a recent peak";
    parts[4] = state->burst > 0 ? used + (double)state->burst : 0;
    if (parts[4] > peak) {
        peak = parts[4];
        forecast.reason = pressure ? pressure : "room for its fastest burst";
    }

    forecast.used = to_bytes(used);
    forecast.need = MAX(to_bytes(need + MAX(0, overhead)), forecast.used);
    forecast.demand = MAX(to_bytes(peak + MAX(0, overhead)), forecast.used);
    tell_parts(&forecast, parts, overhead);
    return forecast;
}

const Predictor predictor_headroom = {
    .name = "headroom",
    .summary = "what is in use, its trend and a quarter more; up at once, down over minutes",
    .start = headroom_start,
    .forecast = headroom_forecast,
};
