/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * composite: all that is known of a guest, each part on its own; the largest decides.
 *
 *     in use       used and room to move                    ┐
 *     page cache   and what of it is worth keeping          │ need
 *     trend        used when memory asked for now is there  │
 *     pressure     more than it has, while it hurts         ┘
 *     recent peak  the need of late, fading                 ┐
 *     window       what it used for most of the last minutes│ demand
 *     season       what it uses at this hour, if that holds │
 *     burst        what it can use up before memory comes   ┘
 *
 * What all of this is worth depends on how soon the guest can be helped. With an agent that is
 * 50 ms after memory begins to run out, at any speed; so little room is kept, and peaks are
 * soon forgotten: a byte that is taken too early is back before it is missed. Without
 * one, a burst shows in the next sample, up to a second later, and must be borne until then;
 * so there is more room, and peaks and seasons are minded. Which of the two holds is
 * seen from where the samples come: when an agent falls silent, the balloon's statistics take
 * its place, and caution with them.
 */
#include "predict/history.h"

/* From asking for memory until the guest can use it: measured, 40 to 110 ms for
 * DIMM and virtio-mem; a balloon or a busy host takes longer. */
#define PLUG_S 1.0
/* Further ahead a straight line says little. */
#define HORIZON_MAX_S 5.0
/* Who asks is helped at once; what is to be bridged is only the way of a sample. */
#define HORIZON_ASKING_S 0.5

/* Falling use is believed by half after half a minute, by 94 % after two. */
#define PEAK_HALF_LIFE_S        30.0
#define PEAK_HALF_LIFE_ASKING_S 3.0

/* A load that comes every day finds its memory there: a guest grows within seconds, but its
 * donors may take minutes. */
#define SEASON_AHEAD_US (10 * 60 * (gint64)G_USEC_PER_SEC)

/* A guest whose load comes and goes rises fast to where it was before, and no further: its trend
 * says nothing beyond that. */
static double
find_growing(const PredictorState *state, const SampleRing *ring, const Usage *usage, gint64 now)
{
    const Sample *before = sample_ring_get(ring, 1);
    double age = (double)(now - usage->latest->time_us) / G_USEC_PER_SEC, gap, ahead, growing;

    /* Inflating the balloon would look like a trend. */
    if (!before || usage->overhead < 0)
        return 0;
    gap = (double)(usage->latest->time_us - before->time_us) / G_USEC_PER_SEC;
    ahead = usage->asks ? HORIZON_ASKING_S : MIN(MAX(0, age) + gap + PLUG_S, HORIZON_MAX_S);
    growing = usage->used + holt_growth(&state->trend, ahead);
    return usage->used <= state->top ? MIN(growing, state->top) : growing;
}

static Forecast
composite_forecast(PredictorState *state, const SampleRing *ring, guint64 actual, gint64 now)
{
    UsageParts parts = { 0 };
    Forecast forecast;
    Usage usage;
    double in_use, growing, cache, pressed, need, peak, season;

    if (!usage_look(state, ring, actual, now, &usage, &forecast))
        return forecast;
    history_take_in(state, ring, &usage,
                    HISTORY_TREND | HISTORY_HISTOGRAM | HISTORY_CACHE | HISTORY_SEASON);

    in_use = usage_with_room(&usage, usage.used);
    growing = find_growing(state, ring, &usage, now);
    growing = growing > usage.used ? usage_with_room(&usage, growing) : 0;
    cache = state->cache.bytes > 0 ? in_use + state->cache.bytes : 0;
    pressed = usage_pressed_need(&usage);
    need = MAX(MAX(in_use, cache), MAX(growing, pressed));

    peak = usage_follow_peak(state, &usage, need,
                             usage.asks ? PEAK_HALF_LIFE_ASKING_S : PEAK_HALF_LIFE_S, now);
    season = season_expect(&state->season, now, SEASON_AHEAD_US);

    usage_add_part(&parts, "burst", "room for its fastest burst",
                   usage.burst > 0 ? usage.used + usage.burst : 0);
    usage_add_part(&parts, "season", "what it uses at this time",
                   season > 0 && !usage.asks ? usage_with_room(&usage, season) : 0);
    usage_add_part(&parts, "window", "what it used most of the time",
                   state->window > 0 ? usage_with_room(&usage, state->window) : 0);
    usage_add_part(&parts, "recent peak", "a recent peak", peak > need ? peak : 0);
    usage_add_part(&parts, "page cache", "in use and page cache worth keeping", cache);
    usage_add_part(&parts, "trend", "growing", growing);
    usage_add_part(&parts, "in use", "in use and headroom", in_use);
    usage_add_part(&parts, "pressure", "pressed", pressed);
    forecast = usage_forecast(&usage, &parts, need);
    forecast.slope = usage.overhead < 0 ? 0 : state->trend.slope;
    return forecast;
}

const Predictor predictor_composite = {
    .name = "composite",
    .summary = "working set, trend, peaks, season and pressure; less in reserve for who can ask",
    .start = predictor_start,
    .forecast = composite_forecast,
};
