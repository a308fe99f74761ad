/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as a trace: it is refused with a place and a reason, or it is one that a guest can be
 * played back from. */

#include <stddef.h>
#include <stdint.h>

#include "simulate/trace-csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(const Trace *trace)
{
    TraceCursor cursor;
    double most;

    trace_cursor_start(&cursor, trace, trace->period_us / 3);
    for (guint i = 0; i < 3 * trace->points->len; i++) {
        double used = trace_cursor_used(&cursor, cursor.begin_us);

        g_assert_cmpint(cursor.begin_us, <, cursor.end_us);
        g_assert_true(used >= 0 && used <= (double)TRACE_LARGEST);
        g_assert_true(trace_cursor_cached(&cursor, cursor.end_us) >= 0);
        trace_cursor_look_ahead(&cursor, cursor.begin_us, cursor.end_us, &most);
        g_assert_true(most >= used);
        trace_cursor_next(&cursor);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Trace) trace = trace_csv_parse((const char *)data, size, "place", "name", &error);

    g_assert_true((trace == NULL) == (error != NULL));
    if (trace == NULL) {
        g_assert_true(g_str_has_prefix(error->message, "place:"));
        return 0;
    }
    g_assert_cmpuint(trace->points->len, >=, 2);
    g_assert_cmpint(trace->period_us, >, trace_length(trace));
    g_assert_cmpuint(trace->mean, <=, trace->peak);
    g_assert_cmpuint(trace->peak, <=, trace->most_total);
    walk(trace);
    return 0;
}
