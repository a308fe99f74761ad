/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * working-set: what the guest works with: its use, and that part of its page cache which it
 * would miss (cache-set.h). As Neon's autoscaler sizes a guest, by use and working set. No memory
 * of peaks and no foresight: for guests whose load is steady, or that have an agent.
 */
#include "predict/history.h"

static Forecast
working_set_forecast(PredictorState *state, const SampleRing *ring, guint64 actual, gint64 now)
{
    UsageParts parts = { 0 };
    Forecast forecast;
    Usage usage;
    double in_use, cache, pressed;

    if (!usage_look(state, ring, actual, now, &usage, &forecast))
        return forecast;
    history_take_in(state, ring, &usage, HISTORY_CACHE);
    in_use = usage_with_room(&usage, usage.used);
    cache = state->cache.bytes > 0 ? in_use + state->cache.bytes : 0;
    pressed = usage_pressed_need(&usage);
    usage_add_part(&parts, "page cache", "in use and page cache worth keeping", cache);
    usage_add_part(&parts, "in use", "in use and headroom", in_use);
    usage_add_part(&parts, "pressure", "pressed", pressed);
    return usage_forecast(&usage, &parts, MAX(MAX(in_use, cache), pressed));
}

const Predictor predictor_working_set = {
    .name = "working-set",
    .summary = "what is in use, and the page cache that would be read again",
    .start = predictor_start,
    .forecast = working_set_forecast,
};
