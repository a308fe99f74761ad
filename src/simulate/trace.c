/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/trace.h"

Trace *
trace_new(const char *name)
{
    Trace *trace = g_new0(Trace, 1);

    trace->name = g_strdup(name);
    trace->points = g_array_new(FALSE, FALSE, sizeof(TracePoint));
    return trace;
}

void
trace_free(Trace *trace)
{
    if (!trace)
        return;
    g_free(trace->name);
    g_array_unref(trace->points);
    g_free(trace);
}

static const TracePoint *
point(const Trace *trace, guint i)
{
    return &g_array_index(trace->points, TracePoint, i);
}

gint64
trace_length(const Trace *trace)
{
    return point(trace, trace->points->len - 1)->time_us;
}

static guint64
taken(const TracePoint *at)
{
    return at->used + at->cached;
}

static void
sum_up(Trace *trace)
{
    double area = 0, steepest = 0;

    for (guint i = 0; i < trace->points->len; i++) {
        const TracePoint *at = point(trace, i);

        trace->peak = MAX(trace->peak, taken(at));
        trace->most_total = MAX(trace->most_total, at->total);
        if (i > 0) {
            const TracePoint *before = point(trace, i - 1);
            double passed = (double)(at->time_us - before->time_us);

            area += ((double)taken(before) + (double)taken(at)) / 2 * passed;
            steepest = MAX(steepest, ((double)at->used - (double)before->used) / passed);
        }
    }
    trace->mean = (guint64)(area / (double)trace_length(trace));
    trace->steepest = (guint64)(steepest * G_USEC_PER_SEC);
}

gboolean
trace_close(Trace *trace)
{
    if (trace->points->len < 2)
        return FALSE;
    trace->period_us = trace_length(trace) + trace_length(trace) / (trace->points->len - 1);
    sum_up(trace);
    return TRUE;
}

/* The stretch that ends with cursor->next, which begins at @begin_us. */
static void
enter(TraceCursor *cursor, gint64 begin_us)
{
    const Trace *trace = cursor->trace;
    guint before = cursor->next > 0 ? cursor->next - 1 : trace->points->len - 1;
    const TracePoint *from = point(trace, before), *to = point(trace, cursor->next);
    gint64 end = cursor->next > 0 ? to->time_us : trace->period_us;
    double passes;

    cursor->begin_us = begin_us;
    cursor->end_us = begin_us + (end - from->time_us);
    passes = (double)(end - from->time_us);
    cursor->used = (double)from->used;
    cursor->used_end = (double)to->used;
    cursor->used_rate = (cursor->used_end - cursor->used) / passes;
    cursor->cached = (double)from->cached;
    cursor->cached_end = (double)to->cached;
    cursor->cached_rate = (cursor->cached_end - cursor->cached) / passes;
}

void
trace_cursor_start(TraceCursor *cursor, const Trace *trace, gint64 shift_us)
{
    gint64 at = shift_us % trace->period_us;
    guint low = 0, high = trace->points->len; /* the last point not after @at: [low, high) */

    while (high - low > 1) {
        guint middle = low + (high - low) / 2;

        if (point(trace, middle)->time_us <= at)
            low = middle;
        else
            high = middle;
    }
    cursor->trace = trace;
    cursor->next = (low + 1) % trace->points->len;
    enter(cursor, point(trace, low)->time_us - at);
}

void
trace_cursor_next(TraceCursor *cursor)
{
    cursor->next = (cursor->next + 1) % cursor->trace->points->len;
    enter(cursor, cursor->end_us);
}

/* Never beyond what stands at the ends, not by the last of a double's digits either: a guest
 * that has just what it needs does not starve. */
static double
between(double begin, double end, double rate, gint64 passed)
{
    double at = begin + rate * (double)passed;

    return rate < 0 ? CLAMP(at, end, begin) : CLAMP(at, begin, end);
}

double
trace_cursor_used(const TraceCursor *cursor, gint64 now)
{
    return between(cursor->used, cursor->used_end, cursor->used_rate, now - cursor->begin_us);
}

double
trace_cursor_cached(const TraceCursor *cursor, gint64 now)
{
    return between(cursor->cached, cursor->cached_end, cursor->cached_rate, now - cursor->begin_us);
}

double
trace_cursor_look_ahead(const TraceCursor *cursor, gint64 now, gint64 until, double *most)
{
    TraceCursor ahead = *cursor;
    double fastest = MAX(0, ahead.used_rate);

    *most = trace_cursor_used(&ahead, now);
    while (ahead.end_us < until) {
        trace_cursor_next(&ahead);
        *most = MAX(*most, ahead.used);
        fastest = MAX(fastest, ahead.used_rate);
    }
    *most = MAX(*most, trace_cursor_used(&ahead, until));
    return fastest;
}
