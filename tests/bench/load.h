/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loads as they occur, made from a seed: traces for guests of 4 GiB.
 */
#pragma once

#include "simulate/trace.h"

typedef struct {
    const char *name;
    const char *summary;
    gint64 length_s;
    gint64 step_s;
    /* bytes used and cached at the next step; @state: four numbers, 0 at first */
    void (*next)(double at_s, double *state, guint64 (*random)(gpointer), gpointer source,
                 double *used, double *cached);
} Load;

/* All there are, ended by one without a name. */
extern const Load loads[];

/* Returns: (transfer full): the load of @seed. */
Trace *load_make(const Load *load, guint64 seed);
