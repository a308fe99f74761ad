/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "predict/predictor.h"

#include <math.h>
#include <string.h>

static const Predictor *const predictors[] = {
    &predictor_composite, /* the default */
    &predictor_headroom,
    &predictor_percentile,
    &predictor_pressure,
    &predictor_season,
    &predictor_trend,
    &predictor_working_set,
    NULL,
};

const Predictor *const *
predictor_list(void)
{
    return predictors;
}

const Predictor *
predictor_find(const char *name)
{
    for (const Predictor *const *predictor = predictors; *predictor; predictor++) {
        if (g_str_equal((*predictor)->name, name))
            return *predictor;
    }
    return NULL;
}

void
predictor_start(PredictorState *state)
{
    memset(state, 0, sizeof *state);
}

/* What is subtracted from a clock, or added to. */
static gboolean
is_time(gint64 time_us)
{
    return time_us >= 0 && time_us < G_MAXINT64 / 4;
}

gboolean
predictor_state_is_sane(const PredictorState *state)
{
    return is_time(state->time_us) && is_time(state->seen_us) && is_time(state->trend.time_us) &&
           is_time(state->transit.changed_us) && is_time(state->transit.shrunk_us) &&
           is_time(state->transit.quiet_us) && is_time(state->cache.time_us) &&
           is_time(state->histogram.reference_us) && is_time(state->histogram.last_us) &&
           is_time(state->season.hour) && is_time(state->swap.time_us) &&
           isfinite(state->swap.bytes) && isfinite(state->peak) &&
           isfinite(state->overhead.bytes) && isfinite(state->trend.level) &&
           isfinite(state->trend.slope) && isfinite(state->trend.swapped) &&
           isfinite(state->cache.bytes) && isfinite(state->window) && isfinite(state->top);
}
