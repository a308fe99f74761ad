/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * season: what the guest uses, and what it used at this hour of other days or weeks, where
 * that has proved to tell something (season.h), with room to move. For loads that come by the
 * clock, on hosts where donors take long to give.
 */
#include "predict/history.h"

#define AHEAD_US (10 * 60 * (gint64)G_USEC_PER_SEC)

static Forecast
season_forecast(PredictorState *state, const SampleRing *ring, guint64 actual, gint64 now)
{
    UsageParts parts = { 0 };
    Forecast forecast;
    Usage usage;
    double in_use, season, pressed;

    if (!usage_look(state, ring, actual, now, &usage, &forecast))
        return forecast;
    history_take_in(state, ring, &usage, HISTORY_SEASON);
    in_use = usage_with_room(&usage, usage.used);
    season = season_expect(&state->season, now, AHEAD_US);
    pressed = usage_pressed_need(&usage);
    usage_add_part(&parts, "season", "what it uses at this time",
                   season > 0 ? usage_with_room(&usage, season) : 0);
    usage_add_part(&parts, "in use", "in use and headroom", in_use);
    usage_add_part(&parts, "pressure", "pressed", pressed);
    return usage_forecast(&usage, &parts, MAX(in_use, pressed));
}

const Predictor predictor_season = {
    .name = "season",
    .summary = "what is in use, or at this hour on other days, and room",
    .start = predictor_start,
    .forecast = season_forecast,
};
