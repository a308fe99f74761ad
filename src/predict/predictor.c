/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "predict/predictor.h"

static const Predictor *const predictors[] = {
    &predictor_headroom, /* the default */
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
