/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate/shrink-figures.h"

#define BEFORE_US (10 * G_USEC_PER_SEC)

/* A counter that falls has begun anew. */
static double
counted(guint64 before, guint64 now, double span_s)
{
    return now > before ? (double)(now - before) / span_s : 0;
}

ShrinkPace
shrink_pace_between(const Sample *from, const Sample *to)
{
    double span_s = (double)(to->time_us - from->time_us) / G_USEC_PER_SEC;
    guint told = from->fields & to->fields;
    ShrinkPace pace = { 0 };

    if (!(span_s > 0))
        return pace;
    if (told & SAMPLE_PRESSURE)
        pace.stall_us = counted(from->stall_some_us, to->stall_some_us, span_s);
    if (told & SAMPLE_REFAULTS)
        pace.refaults = counted(from->refaults_anon, to->refaults_anon, span_s) +
                        counted(from->refaults_file, to->refaults_file, span_s);
    if (told & SAMPLE_SWAP)
        pace.swap_in = counted(from->swap_in, to->swap_in, span_s);
    return pace;
}

ShrinkPace
shrink_pace_before(const SampleRing *ring, gint64 now)
{
    const Sample *latest = sample_ring_get(ring, 0), *first = latest, *sample;

    for (guint age = 1; (sample = sample_ring_get(ring, age)); age++) {
        if (now - sample->time_us > BEFORE_US)
            break;
        first = sample;
    }
    return latest ? shrink_pace_between(first, latest) : (ShrinkPace){ 0 };
}
