/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/trace-csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define HEADER "time_s,total_bytes,free_bytes,cached_bytes\n"

static Trace *
parse(const char *text, GError **error)
{
    return trace_csv_parse(text, strlen(text), "web.csv", "web", error);
}

static const TracePoint *
point(const Trace *trace, guint i)
{
    return &g_array_index(trace->points, TracePoint, i);
}

static void
test_reads_what_is_written(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Trace) trace = parse(HEADER "10.5,1000,600,100\n"
                                          "# a remark\n"
                                          "\n"
                                          "12.25,1000,300,200\r\n"
                                          "13,1000,300,200",
                                   &error);

    assert_non_null(trace);
    assert_string_equal(trace->name, "web");
    assert_int_equal(trace->points->len, 3);
    assert_int_equal(point(trace, 0)->time_us, 0);
    assert_int_equal(point(trace, 0)->used, 300);
    assert_int_equal(point(trace, 0)->cached, 100);
    assert_int_equal(point(trace, 1)->time_us, 1750000);
    assert_int_equal(point(trace, 1)->used, 500);
    assert_int_equal(trace_length(trace), 2500000);
    assert_int_equal(trace->period_us, 2500000 + 1250000);
    assert_int_equal(trace->most_total, 1000);
    assert_int_equal(trace->peak, 700);
    /* 400 to 700 in 1.75 s, 700 for 0.75 s */
    assert_int_equal(trace->mean, (guint64)((550 * 1.75 + 700 * 0.75) / 2.5));
}

static void
test_the_header_may_be_missing(void **state)
{
    g_autoptr(Trace) trace = parse("0,8,4,2\n1,8,4,2\n", NULL);

    assert_non_null(trace);
    assert_int_equal(trace->points->len, 2);
}

/* The kernel's figures are not of one moment. */
static void
test_more_cache_than_fits_is_cut(void **state)
{
    g_autoptr(Trace) trace = parse("0,1000,600,100\n1,1000,500,700\n", NULL);

    assert_non_null(trace);
    assert_int_equal(point(trace, 1)->used, 0);
    assert_int_equal(point(trace, 1)->cached, 500);
}

static void
test_the_later_of_two_lines_of_a_time_counts(void **state)
{
    g_autoptr(Trace) trace = parse("0,8,4,2\n0,8,1,0\n1,8,4,2\n1.0000001,8,3,0\n", NULL);

    assert_non_null(trace);
    assert_int_equal(trace->points->len, 2);
    assert_int_equal(point(trace, 0)->used, 7);
    assert_int_equal(point(trace, 1)->used, 5);
}

static void
test_what_makes_no_sense_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        { "", "web.csv: nothing in it" },
        { HEADER, "web.csv: nothing in it" },
        { HEADER "0,8,4,2\n", "web.csv: only one moment in it" },
        { "0,8,4,2\n0,8,4,2\n", "web.csv: only one moment in it" },
        { HEADER "0,8,4,2\n1,8,4\n", "web.csv:3: not of the form time_s," },
        { "0,8,4,2\n" HEADER, "web.csv:2: not of the form" },
        { "0,8,4,2,1\n", "web.csv:1: not of the form" },
        { "0,8,4,2 \n", "web.csv:1: not of the form" },
        { "0, 8,4,2\n", "web.csv:1: not of the form" },
        { "-1,8,4,2\n", "web.csv:1: not of the form" },
        { "1e3,8,4,2\n", "web.csv:1: not of the form" },
        { "nan,8,4,2\n", "web.csv:1: not of the form" },
        { "0x1,8,4,2\n", "web.csv:1: not of the form" },
        { ".5,8,4,2\n", "web.csv:1: not of the form" },
        { "0,8,4,-2\n", "web.csv:1: not of the form" },
        { "0,8.5,4,2\n", "web.csv:1: not of the form" },
        { "0,18446744073709551617,4,2\n", "web.csv:1: not of the form" },
        { "99999999999999999999,8,4,2\n", "web.csv:1: not of the form" },
        { "0,0,0,0\n", "web.csv:1: a guest with no memory at all" },
        { "0,8,9,0\n", "web.csv:1: more is free or cached than there is" },
        { "0,8,0,9\n", "web.csv:1: more is free or cached than there is" },
        { "1,8,4,2\n0,8,4,2\n", "web.csv:2: the time goes back" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        assert_null(parse(rows[i].text, &error));
        assert_non_null(error);
        if (!g_str_has_prefix(error->message, rows[i].message))
            fail_msg("%s: %s", rows[i].text, error->message);
    }
}

static void
test_bytes_that_are_no_text(void **state)
{
    const char text[] = "0,8,4,2\n1,8,4\0,2\n";
    g_autoptr(GError) error = NULL;

    assert_null(trace_csv_parse(text, sizeof(text) - 1, "x", "x", &error));
    assert_true(g_error_matches(error, TRACE_ERROR, TRACE_ERROR_INVALID));
}

static void
test_the_cursor_walks_in_straight_lines(void **state)
{
    g_autoptr(Trace) trace = parse("0,1000,900,0\n1,1000,700,100\n2,1000,800,0\n", NULL);
    TraceCursor cursor;
    double most;

    trace_cursor_start(&cursor, trace, 0);
    assert_int_equal(cursor.begin_us, 0);
    assert_int_equal(cursor.end_us, 1000000);
    assert_true(trace_cursor_used(&cursor, 500000) == 150);
    assert_true(trace_cursor_cached(&cursor, 500000) == 50);
    assert_true(trace_cursor_look_ahead(&cursor, 500000, 2500000, &most) == 100 / 1e6);
    assert_true(most == 200);
    trace_cursor_next(&cursor);
    trace_cursor_next(&cursor);
    /* From the last point back to the first. */
    assert_int_equal(cursor.begin_us, 2000000);
    assert_int_equal(cursor.end_us, 3000000);
    assert_true(trace_cursor_used(&cursor, 2500000) == 150);
    trace_cursor_next(&cursor);
    assert_true(trace_cursor_used(&cursor, 3000000) == 100);
}

static void
test_a_cursor_can_begin_anywhere(void **state)
{
    g_autoptr(Trace) trace = parse("0,1000,900,0\n1,1000,700,100\n2,1000,800,0\n", NULL);
    TraceCursor cursor;

    for (gint64 shift = 0; shift < 9000000; shift += 70001) {
        TraceCursor walked;

        trace_cursor_start(&cursor, trace, shift);
        assert_true(cursor.begin_us <= 0 && cursor.end_us > 0);
        trace_cursor_start(&walked, trace, 0);
        while (walked.end_us <= shift)
            trace_cursor_next(&walked);
        assert_true(ABS(trace_cursor_used(&cursor, 0) - trace_cursor_used(&walked, shift)) < 1e-6);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_is_written),
        cmocka_unit_test(test_the_header_may_be_missing),
        cmocka_unit_test(test_more_cache_than_fits_is_cut),
        cmocka_unit_test(test_the_later_of_two_lines_of_a_time_counts),
        cmocka_unit_test(test_what_makes_no_sense_is_refused),
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_the_cursor_walks_in_straight_lines),
        cmocka_unit_test(test_a_cursor_can_begin_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
