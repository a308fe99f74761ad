/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * percentile: what the guest used for most of the last minutes (history.h), and room to move; never
 * less than what it uses now (histogram.h). Kubernetes' vertical pod autoscaler and Google's
 * Autopilot recommend so; they look back on days, as they restart what they resize. For guests
 * whose load comes and goes faster than their memory should.
 */
#include "predict/history.h"

static Forecast
percentile_forecast(PredictorState *state, const SampleRing *ring, guint64 actual, gint64 now)
{
    UsageParts parts = { 0 };
    Forecast forecast;
    Usage usage;
    double in_use, pressed;

    if (!usage_look(state, ring, actual, now, &usage, &forecast))
        return forecast;
    history_take_in(state, ring, &usage, HISTORY_HISTOGRAM);
    in_use = usage_with_room(&usage, usage.used);
    pressed = usage_pressed_need(&usage);
    usage_add_part(&parts, "window", "what it used most of the time",
                   state->window > 0 ? usage_with_room(&usage, state->window) : 0);
    usage_add_part(&parts, "in use", "in use and headroom", in_use);
    usage_add_part(&parts, "pressure", "pressed", pressed);
    return usage_forecast(&usage, &parts, MAX(in_use, pressed));
}

const Predictor predictor_percentile = {
    .name = "percentile",
    .summary = "what was in use for three quarters of the last minutes, and room",
    .start = predictor_start,
    .forecast = percentile_forecast,
};
