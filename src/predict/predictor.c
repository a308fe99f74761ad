/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "predict/predictor.h"

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
