/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The step that was ordered last, from its order until it has been seen to end. It
 * is kept only to tell how it ended: what to do next is never derived from it.
 */
#pragma once

#include "hypervisor/guest-memory.h"

typedef struct {
    gboolean active;
    MemoryStep step; /* stays readable once it has ended */
    char *device;    /* owned: behind step.device */
    gint64 ordered_us;
} OpenStep;

/* @step is ordered now; copied. The one before must have ended. */
void open_step_begin(OpenStep *open, const MemoryStep *step, gint64 now);

/* Returns: whether a step was open until now. */
gboolean open_step_end(OpenStep *open);

/* Frees what @open owns. */
void open_step_clear(OpenStep *open);
