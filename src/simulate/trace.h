/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A trace: what a guest had in use over time, as it was recorded, and the cursor that
 * walks along it.
 *
 *     used │        ╱╲          between two points everything is a straight line,
 *          │   ___╱   ╲___      so that a fast answer counts for what it is
 *          │__╱           ╲┄┄   behind the last point a trace begins anew: the way back
 *          └──┬───┬──┬──┬──┬─▶  to its first point takes as long as a step on average
 *
 * Pure data; trace-csv.h and trace-file.h make it.
 */
#pragma once

#include <glib.h>

typedef struct {
    gint64 time_us; /* since the first point, whose time is 0; rising */
    guint64 total;  /* MemTotal */
    guint64 used;   /* total - free - cached: what the guest cannot give up without swapping */
    guint64 cached; /* page cache */
} TracePoint;

typedef struct {
    char *name;       /* for people; owned */
    GArray *points;   /* TracePoint; two or more once it is closed */
    gint64 period_us; /* after so long it begins anew; 0 until it is closed */

    /* Its guest's, where they were recorded; else 0. */
    guint64 floor, ceiling;
    double weight;

    /* Filled in by trace_close(). */
    guint64 most_total; /* the largest total */
    guint64 peak;       /* the largest total - free, that is used + cached */
    guint64 mean;       /* its mean over time */
    guint64 steepest;   /* the fastest growth of used, bytes a second */
} Trace;

/* No run is longer: ten years, far below where times would wrap. */
#define TRACE_LONGEST_US (G_GINT64_CONSTANT(10) * 366 * 24 * 3600 * G_USEC_PER_SEC)

/* No guest is larger: 2^52, so that doubles hold every size exactly. */
#define TRACE_LARGEST (G_GUINT64_CONSTANT(1) << 52)

/* @name: how messages and reports call it */
Trace *trace_new(const char *name);
void trace_free(Trace *trace);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Trace, trace_free)

/* Ends the making of @trace. Returns: FALSE if it has fewer than two points. */
gboolean trace_close(Trace *trace);

/* Returns: the time of the last point. */
gint64 trace_length(const Trace *trace);

/* Where a guest is on its trace: a stretch between two points. Private but for reading. */
typedef struct {
    const Trace *trace;
    guint next;            /* the point that ends the stretch */
    gint64 begin_us;       /* on the clock of the simulation */
    gint64 end_us;         /* after @begin_us */
    double used, used_end; /* at both ends, ... */
    double used_rate;      /* ... and what it grows by, bytes a µs */
    double cached, cached_end;
    double cached_rate;
} TraceCursor;

/* Puts @cursor to where @trace is at time 0 when it began @shift_us before; @shift_us may
 *   be more than a period. */
void trace_cursor_start(TraceCursor *cursor, const Trace *trace, gint64 shift_us);

/* Goes on to the next stretch. */
void trace_cursor_next(TraceCursor *cursor);

/* @now: within the stretch. Returns: bytes. */
double trace_cursor_used(const TraceCursor *cursor, gint64 now);
double trace_cursor_cached(const TraceCursor *cursor, gint64 now);

/*
 * trace_cursor_look_ahead:
 * @now: within the stretch
 * @until: not before @now
 * @most: (out): the most that will be used in that time
 *
 * Returns: the fastest growth of use in that time, in bytes a µs; 0 if it never grows.
 */
double trace_cursor_look_ahead(const TraceCursor *cursor, gint64 now, gint64 until, double *most);
