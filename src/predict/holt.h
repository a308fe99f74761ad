/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Holt's linear smoothing, for samples that come when they like: a level and a slope, each
 * drawn towards what is seen by a part that grows with the time since the last look (Holt
 * 1957; Wright, "Forecasting Data Published at Irregular Time Intervals Using an Extension of
 * Holt's Method", Management Science 32(4), 1986).
 *
 * What went to swap counts as used, so that a guest that swaps does not seem to need less.
 */
#pragma once

#include "monitor/sample.h"

typedef struct {
    gint64 time_us; /* of the last sample taken in; 0: none */
    double level;   /* bytes */
    double slope;   /* bytes a second */
    double swapped; /* bytes that went to swap since the first sample */
} Holt;

/* Takes in @used bytes as of @latest; @before (nullable) is the sample before it. */
void holt_update(Holt *holt, const Sample *latest, const Sample *before, double used);

/* Returns: bytes by which use will have grown @ahead seconds after the last sample; 0 if it
 *   falls. */
double holt_growth(const Holt *holt, double ahead);
