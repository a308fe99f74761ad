/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Traces as CSV, one look at a guest a line, bytes but for the time:
 *
 *     time_s,total_bytes,free_bytes,cached_bytes
 *     0.00,17179336704,16507650048,117608448
 *     0.68,17179336704,16494907392,117608448
 *
 * The header may be left out. Times are seconds, with a fraction or without, from any
 * moment on; they must not fall. Of two lines of the same time the later one counts.
 * Empty lines and lines that begin with # are passed over.
 */
#pragma once

#include "simulate/trace.h"

#define TRACE_ERROR trace_error_quark()
GQuark trace_error_quark(void);

typedef enum {
    TRACE_ERROR_INVALID, /* not a trace, or one that makes no sense */
    TRACE_ERROR_LARGE,   /* more than is taken */
} TraceError;

/* No trace has more points: a year of seconds. */
#define TRACE_CSV_POINTS_MAX (366 * 24 * 3600)

/*
 * trace_csv_parse:
 * @text: (array length=length): any bytes
 * @place: how messages call it, usually the file's path
 * @name: how the trace is called
 *
 * Returns: (transfer full): a closed trace; NULL with @error (TRACE_ERROR) set, which says
 *   "PLACE:LINE: what is wrong and what to do".
 */
Trace *trace_csv_parse(const char *text, gsize length, const char *place, const char *name,
                       GError **error);
