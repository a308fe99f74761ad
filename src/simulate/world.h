/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A world of guests on traces, driven by the same planner as real ones.
 *
 *   at each interval     samples ─▶ planner_predict ─▶ planner_allocate ─▶ requests
 *   out of turn          an agent asks urgently; a donor has given what others wait for
 *   in between           devices move, agents look
 *
 * Nothing is ticked but the cycle: what happens to a guest between is computed when it is
 * next of interest. The same settings and guests give the same outcome on every machine.
 */
#pragma once

#include "allocate/planner.h"
#include "simulate/guest-model.h"

typedef struct {
    const Policy *policy; /* NULL: static sizing, each guest keeps what it has at first */
    const Predictor *predictor;
    const DeviceTuning *devices;
    gint64 interval_us;
    gint64 duration_us;
    guint64 budget;
    guint64 seed;
    gboolean agents; /* the guests of policies that have no pace of their own have one */
} WorldSettings;

/* A guest's state from @time_us on: until its next row demand is a straight line to that
 * of the next row, all else stays as it is. */
typedef struct {
    gint64 time_us;
    guint guest;
    double demand; /* bytes that it uses */
    double cached; /* page cache that it would have with plenty of memory */
    guint64 requested;
    guint64 actual;
    guint64 steps; /* ordered so far */
} WorldRow;

/* What somebody who watches is told. Each may be NULL. */
typedef struct {
    /* @rows: sorted by time; the rows of one guest come in order of time in all calls */
    void (*rows)(const WorldRow *rows, gsize n_rows, gpointer data);
    /* @done: 0 to 1. Returns: FALSE to end the run */
    gboolean (*progress)(double done, gpointer data);
    gpointer data;
} WorldWatcher;

/*
 * world_run:
 * @guests: (array length=n_guests): one or more
 * @watcher: (nullable)
 * @outcome: (out): untouched if the run was ended
 *
 * Returns: FALSE if @watcher ended it.
 */
gboolean world_run(const WorldSettings *settings, const GuestSpec *guests, guint n_guests,
                   const WorldWatcher *watcher, Outcome *outcome);
