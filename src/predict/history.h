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

/* What comes and goes, but is there for a quarter of the time, is kept ready: else it would be
 * taken and given back each time. (Autopilot and VPA take the 95th and 90th percentile: what
 * they resize they restart.) */
#define HISTORY_WINDOW 0.75
/* A guest that rises no further than here is only back where it was. */
#define HISTORY_TOP 0.99

/* @parts: HistoryPart */
void history_take_in(PredictorState *state, const SampleRing *ring, const Usage *usage,
                     guint parts);
