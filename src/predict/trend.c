/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * trend: what the guest will use when memory asked for now is there, by Holt's linear
 * smoothing (holt.h), and room to move. Falling use is followed at once. For guests whose use
 * rises and falls steadily.
 */
#include "predict/history.h"

/* From asking for memory until the guest can use it, a busy host included. */
#define PLUG_S 1.0
/* Further ahead a straight line says little. */
#define AHEAD_MAX_S 5.0

/* The next cycle comes about as late after this one as the samples do. */
static double
ahead_s(const Sample *latest, const Sample *before, gint64 now)
{
    double age = (double)(now - latest->time_us) / G_USEC_PER_SEC;
    double gap = (double)(latest->time_us - before->time_us) / G_USEC_PER_SEC;

    return MIN(MAX(0, age) + gap + PLUG_S, AHEAD_MAX_S);
}

static Forecast
trend_forecast(PredictorState *state, const SampleRing *ring, guint64 actual, gint64 now)
{
    const Sample *before = sample_ring_get(ring, 1);
    UsageParts parts = { 0 };
    Forecast forecast;
    Usage usage;
    double in_use, growing = 0, pressed;

    if (!usage_look(state, ring, actual, now, &usage, &forecast))
        return forecast;
    history_take_in(state, ring, &usage, HISTORY_TREND);
    in_use = usage_with_room(&usage, usage.used);
    /* Inflating the balloon would look like a trend. */
    if (before && usage.overhead >= 0)
        growing = usage.used + holt_growth(&state->trend, ahead_s(usage.latest, before, now));
    growing = growing > usage.used ? usage_with_room(&usage, growing) : 0;
    pressed = usage_pressed_need(&usage);
    usage_add_part(&parts, "trend", "growing", growing);
    usage_add_part(&parts, "in use", "in use and headroom", in_use);
    usage_add_part(&parts, "pressure", "pressed", pressed);
    forecast = usage_forecast(&usage, &parts, MAX(MAX(in_use, growing), pressed));
    forecast.slope = usage.overhead < 0 ? 0 : state->trend.slope;
    return forecast;
}

const Predictor predictor_trend = {
    .name = "trend",
    .summary = "where use is heading by the time that memory can come, and room",
    .start = predictor_start,
    .forecast = trend_forecast,
};
