/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * history: what a guest had and needed over time, from memplugd's journal.
 */
#include <stdio.h>

#include "cli/call.h"
#include "cli/command-line.h"
#include "cli/output.h"
#include "cli/table.h"
#include "size/size.h"

#define LAST_DEFAULT_S 3600.0
#define ROWS_DEFAULT   20

typedef struct {
    guint64 time_us, actual, requested, demand, used;
} Point;

static Point
point_get(GVariant *points, gsize i)
{
    Point point;

    g_variant_get_child(points, i, "(ttttt)", &point.time_us, &point.actual, &point.requested,
                        &point.demand, &point.used);
    return point;
}

static guint64
largest(GVariant *points)
{
    guint64 most = 1;

    for (gsize i = 0; i < g_variant_n_children(points); i++) {
        Point point = point_get(points, i);

        most = MAX(most, MAX(point.actual, point.demand));
    }
    return most;
}

#define BAR_WIDTH 24

/* What it has as a bar, what it uses as the filled part: "████████▒▒▒▒". */
static char *
draw_bar(const Point *point, guint64 most)
{
    GString *bar = g_string_new(NULL);
    guint actual = (guint)((double)point->actual / (double)most * BAR_WIDTH + 0.5);
    guint used = (guint)((double)point->used / (double)most * BAR_WIDTH + 0.5);

    for (guint i = 0; i < MAX(actual, used); i++)
        g_string_append(bar, i < used ? "█" : "▒");
    return g_string_free(bar, FALSE);
}

static char *
format_time(guint64 time_us, gboolean days)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local((gint64)(time_us / G_USEC_PER_SEC));

    return time ? g_date_time_format(time, days ? "%F %T" : "%T") : g_strdup("-");
}

static void
print_text(GVariant *points, gboolean days)
{
    static const TableColumn columns[] = {
        { "Time", FALSE },  { "Actual", TRUE }, { "Requested", TRUE },
        { "Demand", TRUE }, { "Used", TRUE },   { "", FALSE },
    };
    g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));
    guint64 most = largest(points);

    for (gsize i = 0; i < g_variant_n_children(points); i++) {
        Point point = point_get(points, i);

        table_add_take(table, format_time(point.time_us, days));
        table_add_take(table, size_format_rounded(point.actual));
        table_add_take(table, size_format_rounded(point.requested));
        table_add_take(table, point.demand > 0 ? size_format_rounded(point.demand) : NULL);
        table_add_take(table, point.used > 0 ? size_format_rounded(point.used) : NULL);
        table_add_take(table, draw_bar(&point, most));
    }
    table_print(table);
}

static void
print_json(GVariant *points)
{
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_array(json);
    for (gsize i = 0; i < g_variant_n_children(points); i++) {
        Point point = point_get(points, i);

        json_builder_begin_object(json);
        output_add_size(json, "time_us", point.time_us);
        output_add_size(json, "actual", point.actual);
        output_add_size(json, "requested", point.requested);
        output_add_size(json, "demand", point.demand);
        output_add_size(json, "used", point.used);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    output_print_json(json);
}

static gboolean
run(const CommandLine *line, Connection *connection, GError **error)
{
    const char *guest = command_line_text(line, 0);
    const Value *rows = command_line_option(line, "rows");
    double last_s = MIN(command_line_seconds(line, "last", LAST_DEFAULT_S), 1e9);
    guint64 until = (guint64)g_get_real_time();
    guint64 since = until - MIN((guint64)(last_s * 1e6), until - 1);
    g_autoptr(BusManager) manager = connection_get_manager(connection, error);
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) points = NULL;

    if (!manager)
        return FALSE;
    reply = call_method(
        connection, manager, "History",
        g_variant_new("(sttu)", guest, since, until, rows ? (guint)rows->number : ROWS_DEFAULT),
        error);
    if (!reply) {
        connection_prefix_error(error, guest);
        return FALSE;
    }
    points = g_variant_get_child_value(reply, 0);
    if (command_line_has(line, "json")) {
        print_json(points);
    } else if (g_variant_n_children(points) == 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "%s: the journal tells nothing of it for that time", guest);
        return FALSE;
    } else {
        print_text(points, last_s > 86400.0 / 2);
    }
    return TRUE;
}

static const CommandOption options[] = {
    { "last", "SECONDS", VALUE_SECONDS, "of so long a time; an hour if not given" },
    { "rows", "N", VALUE_COUNT, "in so many steps; 20 if not given" },
    { NULL },
};

const Command command_history = {
    .name = "history",
    .summary = "show what a guest had and needed over time",
    .description =
        "Prints, from the journal that memplugd keeps, what the guest had, was asked to\n"
        "have, demanded and used in the course of time. The bar is what it had, its\n"
        "filled part what it used. Times of which nothing is known are left out.\n"
        "With --json it is an array of objects; time_us counts from 1970.",
    .examples = "memplug history web\n"
                "memplug history web --last 86400 --rows 48 --json",
    .arguments = { { "GUEST", VALUE_GUEST } },
    .options = options,
    .run = run,
};
