/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "predict/history.h"

static void
take_in(PredictorState *state, const Sample *sample, const Sample *before, double used, guint parts)
{
    if (parts & HISTORY_TREND)
        holt_update(&state->trend, sample, before, used);
    if (parts & HISTORY_HISTOGRAM)
        histogram_add(&state->histogram, used, sample->time_us);
    if (parts & HISTORY_CACHE)
        cache_set_update(&state->cache, sample, before);
    if (parts & HISTORY_SEASON)
        season_add(&state->season, used, sample->time_us);
}

/* Of the past alone, so that the latest sample is held against something that it is no part of. */
static void
read_window(PredictorState *state)
{
    state->window = histogram_percentile(&state->histogram, HISTORY_WINDOW);
    state->top = histogram_percentile(&state->histogram, HISTORY_TOP);
}

void
history_take_in(PredictorState *state, const SampleRing *ring, const Usage *usage, guint parts)
{
    const double inside = MIN(0, usage->overhead);
    const Sample *sample;
    guint unseen = 0;

    while ((sample = sample_ring_get(ring, unseen)) && sample->time_us > state->seen_us)
        unseen++;
    for (; unseen > 0; unseen--) {
        if (unseen == 1 && parts & HISTORY_HISTOGRAM)
            read_window(state);
        sample = sample_ring_get(ring, unseen - 1);
        take_in(state, sample, sample_ring_get(ring, unseen),
                MAX(0, (double)transit_used(&state->transit, sample) + inside), parts);
    }
    state->seen_us = usage->latest->time_us;
}
