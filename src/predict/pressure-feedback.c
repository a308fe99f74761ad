/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pressure: what the guest has, less a little now and then, until it hurts; then more. What it
 * uses is only the least. The rule of Senpai (Weiner et al., "TMO: Transparent Memory
 * Offloading in Datacenters", ASPLOS 2022): a guest that is not pressed can do with 1 % less; here
 * for each of its samples, as the limits take one step a sample. For guests that fill what they
 * are given with caches of their own, so that their use says nothing.
 */
#include "predict/usage.h"

/* More than the limits' dead band, or nothing would ever move. */
#define PROBE 0.05

static Forecast
pressure_forecast(PredictorState *state, const SampleRing *ring, guint64 actual, gint64 now)
{
    UsageParts parts = { 0 };
    Forecast forecast;
    Usage usage;
    double least, probe, pressed;

    if (!usage_look(state, ring, actual, now, &usage, &forecast))
        return forecast;
    least = usage.used + USAGE_ROOM_MIN;
    probe = usage.has * (1 - PROBE);
    pressed = usage_pressed_need(&usage);
    usage_add_part(&parts, "probe", "a little less than it has, to see whether that does", probe);
    usage_add_part(&parts, "in use", "in use and headroom", least);
    usage_add_part(&parts, "pressure", "pressed", pressed);
    return usage_forecast(&usage, &parts, MAX(least, pressed));
}

const Predictor predictor_pressure = {
    .name = "pressure",
    .summary = "a little less than it has until it hurts, then more",
    .start = predictor_start,
    .forecast = pressure_forecast,
};
