/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What became of the memory that a guest was plugged: whether its kernel uses it, where it put
 * it, or whether it lies there, since nothing in the guest brings it online or its driver
 * has died. By the memory blocks that the agent tells of; without it, by MemTotal, which tells
 * less, later, and nothing of a single small DIMM.
 *
 * Pure: the caller has the clock. A plain struct; there is nothing to free.
 */
#pragma once

#include <glib.h>

#include "guest/stats-frame.h"

/* A guest as it is now. */
typedef struct {
    guint64 boot;
    guint64 plugged;          /* bytes that its devices have given it */
    guint64 ballooned;        /* bytes that the balloon holds */
    guint64 total;            /* what it says that it has; 0: it did not say */
    gboolean moving;          /* memory comes or goes right now */
    const StatsSample *agent; /* (nullable): what its agent last said */
} UptakeView;

typedef struct {
    /* to be read by others */
    gboolean by_agent; /* the blocks and zones below are known */
    guint64 plugged;
    guint64 total;
    guint64 missing;                       /* of what was plugged, what is not in use */
    guint64 online_movable, online_kernel; /* of all blocks, those of boot memory included */
    guint64 offline;
    guint64 kernel, kernel_free, movable, movable_free; /* the zones, as managed */

    /* private */
    gint64 since_us; /* when something was first missing; 0: nothing is */
    guint64 kept;    /* what the guest's kernel kept for itself when nothing was plugged */
} Uptake;

/* A guest onlines within a tenth of a second; on a host that does three things at once, or in a
 * guest that stalls, it takes some seconds (guest/README.md). */
#define UPTAKE_PATIENCE_US (10 * (gint64)G_USEC_PER_SEC)

void uptake_start(Uptake *uptake);

/* Once a cycle. */
void uptake_look(Uptake *uptake, const UptakeView *view, gint64 now);

/* Returns: whether what is missing has been so for longer than a guest takes. */
gboolean uptake_is_stuck(const Uptake *uptake, gint64 now);
