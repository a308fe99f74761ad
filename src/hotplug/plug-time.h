/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long a guest takes to have more memory, as measured: from the order until the first of it
 * is there, however much was ordered. The median of the latest, since one that waited behind
 * something else says little of the next.
 *
 * Pure. A plain struct, empty when all 0; there is nothing to free.
 */
#pragma once

#include <glib.h>

#define PLUG_TIMES 9

typedef struct {
    gint64 latest_us[PLUG_TIMES];
    guint next;
    guint count;
} PlugTime;

/* More memory was there @duration_us after it was ordered. */
void plug_time_add(PlugTime *time, gint64 duration_us);

/* Returns: what the next will take, within 20 ms and 5 s; 100 ms while nothing is known. */
gint64 plug_time_expect(const PlugTime *time);
