/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was seen of a guest while less was tried, for people: its pace before the step and
 * after it, side by side. Nothing is decided by these; see shrink-signs.h for what is. Pure.
 */
#pragma once

#include "monitor/sample.h"

/* Each a second; 0 where it is not told. */
typedef struct {
    double stall_us; /* some task waited for memory */
    double refaults; /* pages that were read again */
    double swap_in;  /* bytes that were read back */
} ShrinkPace;

typedef struct {
    guint64 margin;           /* bytes that its agent could have done without beyond the step;
                               * 0: none, or nobody said */
    gint64 watched_us;        /* since it was asked for less; 0: nothing was taken */
    guint64 available_before; /* bytes */
    guint64 available_after;
    ShrinkPace before, after; /* the latter since the guest had followed */
} ShrinkFigures;

/* Returns: the pace of the ten seconds before @now. */
ShrinkPace shrink_pace_before(const SampleRing *ring, gint64 now);

/* Returns: the pace from @from to @to; nothing unless that is later. */
ShrinkPace shrink_pace_between(const Sample *from, const Sample *to);
