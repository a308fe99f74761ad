/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "predict/usage.h"

#include <math.h>

#include "predict/pressure.h"

/* An older look tells nothing: three periods of the slowest sensible polling. */
#define STALE_US (15 * G_USEC_PER_SEC)

/* A quarter of what is used, so that use fills four fifths: Hyper-V adds 20 % to
 * the demand, Neon grows beyond 75 % of use. */
#define ROOM_FRACTION 0.25
/* Where an agent asks, the guest is grown in 50 to 100 ms, not with the next sample. */
#define ROOM_FRACTION_ASKING 0.08

/* A pressed guest's demand: this part more than it has. */
#define PRESSED_STEP     0.125
#define PRESSED_STEP_MIN USAGE_ROOM_MIN

static guint64
to_bytes(double value)
{
    if (!(value > 0))
        return 0;
    return value < (double)G_MAXUINT64 ? (guint64)value : G_MAXUINT64;
}

gboolean
usage_look(PredictorState *state, const SampleRing *ring, guint64 actual, gint64 now, Usage *usage,
           Forecast *nothing)
{
    const Sample *latest = sample_ring_get(ring, 0);
    double inside;

    if (!latest || now - latest->time_us > STALE_US) {
        *nothing = (Forecast){ .reason = latest ? "the statistics are too old" : "no statistics" };
        return FALSE;
    }
    *usage = (Usage){
        .latest = latest,
        .overhead = overhead_track(&state->overhead, latest, actual, now),
        .swapped = swap_debt_track(&state->swap, ring),
        .burst = (double)state->burst,
        .asks = latest->source == SAMPLE_SOURCE_AGENT,
        .pressure = pressure_find(ring),
    };
    transit_look(&state->transit, latest, actual, now);
    inside = MIN(0, usage->overhead);
    usage->used = MAX(0, (double)transit_used(&state->transit, latest) + inside);
    usage->has = MAX(0, (double)latest->total + inside);
    return TRUE;
}

double
usage_counted(guint64 now, guint64 before)
{
    return now > before ? (double)(now - before) : 0;
}

double
usage_swapped(const Sample *before, const Sample *after)
{
    if (!(before->fields & after->fields & SAMPLE_SWAP))
        return 0;
    return usage_counted(after->swap_out, before->swap_out) -
           usage_counted(after->swap_in, before->swap_in);
}

void
usage_add_part(UsageParts *parts, const char *name, const char *reason, double bytes)
{
    g_assert(parts->n < FORECAST_PARTS_MAX);
    parts->names[parts->n] = name;
    parts->reasons[parts->n] = reason;
    parts->bytes[parts->n++] = MAX(0, bytes);
}

double
usage_with_room(const Usage *usage, double use)
{
    return use + MAX((usage->asks ? ROOM_FRACTION_ASKING : ROOM_FRACTION) * use, USAGE_ROOM_MIN);
}

double
usage_pressed_need(const Usage *usage)
{
    double step = MAX(PRESSED_STEP * usage->has, PRESSED_STEP_MIN);

    if (!usage->pressure)
        return 0;
    step = MAX(0, step - (double)usage->latest->free);
    return MAX(usage->has + step, usage_with_room(usage, usage->used + usage->swapped));
}

double
usage_follow_peak(PredictorState *state, const Usage *usage, double need, double half_life_s,
                  gint64 now)
{
    double passed = MAX(0, (double)(now - state->time_us) / G_USEC_PER_SEC);

    if (state->peak <= need)
        state->peak = need;
    else if (!usage->pressure)
        state->peak = need + (state->peak - need) * exp2(-passed / half_life_s);
    state->time_us = now;
    return state->peak;
}

Forecast
usage_forecast(const Usage *usage, const UsageParts *parts, double need)
{
    const double beyond = MAX(0, usage->overhead);
    Forecast forecast = {
        .valid = TRUE,
        .pressed = usage->pressure != NULL,
        .used = to_bytes(usage->used),
        .n_parts = parts->n,
    };

    for (guint i = 0; i < parts->n; i++) {
        guint64 bytes = parts->bytes[i] > 0 ? to_bytes(parts->bytes[i] + beyond) : 0;

        forecast.parts[i] = (ForecastPart){ parts->names[i], bytes };
        if (bytes >= forecast.parts[forecast.decisive].bytes)
            forecast.decisive = i;
    }
    forecast.reason = usage->pressure ? usage->pressure : parts->reasons[forecast.decisive];
    forecast.demand = MAX(forecast.parts[forecast.decisive].bytes, forecast.used);
    forecast.need = CLAMP(to_bytes(need + beyond), forecast.used, forecast.demand);
    return forecast;
}
