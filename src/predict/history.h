/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Takes in what the ring holds that was not seen yet, oldest first, so that no peak between two
 * cycles is missed and a forecast that is asked for twice is the same.
 */
#pragma once

#include "predict/usage.h"

/* What a predictor keeps up to date: those that it looks at. */
typedef enum {
    HISTORY_TREND = 1 << 0,
    HISTORY_HISTOGRAM = 1 << 1,
    HISTORY_CACHE = 1 << 2,
    HISTORY_SEASON = 1 << 3,
} HistoryPart;

/* @parts: HistoryPart */
void history_take_in(PredictorState *state, const SampleRing *ring, const Usage *usage,
                     guint parts);
