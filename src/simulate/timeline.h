/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A run cut into slots of equal length, with the means of each: what charts are drawn from.
 * The sum of all guests is kept, and the first few of them.
 */
#pragma once

#include "simulate/world.h"

#define TIMELINE_SLOTS  480
#define TIMELINE_GUESTS 24

/* Areas, in bytes · µs, until timeline_end() makes means of them. */
typedef struct {
    double demand[TIMELINE_SLOTS];
    double actual[TIMELINE_SLOTS];
    double starved[TIMELINE_SLOTS]; /* of the slot's time, 0 to 1; of the sum: that of its guests */
} TimelineTrack;

typedef struct {
    gint64 duration_us;
    guint n_guests; /* all of them */
    guint n_tracks; /* those that are kept */
    TimelineTrack sum;
    TimelineTrack *tracks;
    WorldRow *last; /* of each guest; its guest is G_MAXUINT before there is one */
} Timeline;

Timeline *timeline_new(guint n_guests, gint64 duration_us);
void timeline_free(Timeline *timeline);

/* As WorldWatcher.rows tells them. */
void timeline_add(Timeline *timeline, const WorldRow *rows, gsize n_rows);

/* No more rows come. */
void timeline_end(Timeline *timeline);
