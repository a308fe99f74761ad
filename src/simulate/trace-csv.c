/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/trace-csv.h"

#include <string.h>

G_DEFINE_QUARK(memplug_trace_error_quark, trace_error)

static const char header[] = "time_s,total_bytes,free_bytes,cached_bytes";

typedef struct {
    const char *at;  /* the rest of the line, */
    const char *end; /* up to here */
} Line;

typedef struct {
    const char *place;
    guint number; /* of the line */
    Trace *trace;
    gint64 first_us; /* time of the first point as it was written */
} Reader;

static gboolean refuse(const Reader *reader, TraceError code, GError **error, const char *format,
                       ...) G_GNUC_PRINTF(4, 5);

static gboolean
refuse(const Reader *reader, TraceError code, GError **error, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, TRACE_ERROR, code, "%s:%u: %s", reader->place, reader->number, what);
    return FALSE;
}

/* Reads digits. Returns: FALSE if there are none, or the number is above @most. */
static gboolean
read_whole(Line *line, guint64 most, guint64 *value)
{
    const char *begin = line->at;
    guint64 number = 0;

    while (line->at < line->end && g_ascii_isdigit(*line->at)) {
        number = number * 10 + (guint64)(*line->at - '0');
        if (number > most)
            return FALSE;
        line->at++;
    }
    *value = number;
    return line->at > begin;
}

/* "12", "12.5" or "12.345678": what is finer than a µs is cut off. */
static gboolean
read_time(Line *line, gint64 *time_us)
{
    guint64 whole, fraction = 0, unit = G_USEC_PER_SEC;

    if (!read_whole(line, TRACE_LONGEST_US / G_USEC_PER_SEC, &whole))
        return FALSE;
    if (line->at < line->end && *line->at == '.') {
        line->at++;
        while (line->at < line->end && g_ascii_isdigit(*line->at)) {
            unit /= 10;
            fraction += unit * (guint64)(*line->at - '0');
            line->at++;
        }
    }
    *time_us = (gint64)(whole * G_USEC_PER_SEC + fraction);
    return TRUE;
}

static gboolean
read_comma(Line *line)
{
    if (line->at == line->end || *line->at != ',')
        return FALSE;
    line->at++;
    return TRUE;
}

static gboolean
read_fields(Line *line, gint64 *time_us, guint64 sizes[3])
{
    if (!read_time(line, time_us))
        return FALSE;
    for (guint i = 0; i < 3; i++) {
        if (!read_comma(line) || !read_whole(line, TRACE_LARGEST, &sizes[i]))
            return FALSE;
    }
    return line->at == line->end;
}

static gboolean
add_point(Reader *reader, gint64 time_us, const guint64 sizes[3], GError **error)
{
    GArray *points = reader->trace->points;
    guint64 total = sizes[0], left = sizes[0] - MIN(sizes[1], sizes[0]);
    /* The kernel's figures are not of one moment: while cache comes and goes fast, it and what
     * is free can be more than the total. */
    TracePoint at = { .total = total, .cached = MIN(sizes[2], left) };
    const TracePoint *last =
        points->len > 0 ? &g_array_index(points, TracePoint, points->len - 1) : NULL;

    if (total == 0)
        return refuse(reader, TRACE_ERROR_INVALID, error, "a guest with no memory at all");
    if (sizes[1] > total || sizes[2] > total)
        return refuse(reader, TRACE_ERROR_INVALID, error,
                      "more is free or cached than there is: are the columns %s?", header);
    if (!last)
        reader->first_us = time_us;
    at.time_us = time_us - reader->first_us;
    at.used = left - at.cached;
    if (last && at.time_us < last->time_us)
        return refuse(reader, TRACE_ERROR_INVALID, error,
                      "the time goes back; sort the lines by their time");
    if (last && at.time_us == last->time_us)
        g_array_set_size(points, points->len - 1);
    else if (points->len == TRACE_CSV_POINTS_MAX)
        return refuse(reader, TRACE_ERROR_LARGE, error, "more than %u lines; cut the trace in two",
                      TRACE_CSV_POINTS_MAX);
    g_array_append_val(points, at);
    return TRUE;
}

static gboolean
is_header(const Line *line)
{
    gsize length = (gsize)(line->end - line->at);

    return length == sizeof(header) - 1 && memcmp(line->at, header, length) == 0;
}

static gboolean
read_line(Reader *reader, Line line, GError **error)
{
    gint64 time_us;
    guint64 sizes[3];

    if (line.end > line.at && line.end[-1] == '\r')
        line.end--;
    if (line.at == line.end || *line.at == '#')
        return TRUE;
    if (reader->trace->points->len == 0 && is_header(&line))
        return TRUE;
    if (!read_fields(&line, &time_us, sizes))
        return refuse(reader, TRACE_ERROR_INVALID, error,
                      "not of the form %s, as in 1.5,1073741824,536870912,268435456", header);
    return add_point(reader, time_us, sizes, error);
}

static gboolean
read_lines(Reader *reader, const char *text, gsize length, GError **error)
{
    const char *at = text, *end = text + length;

    while (at < end) {
        const char *feed = memchr(at, '\n', (gsize)(end - at));
        const char *stop = feed ? feed : end;

        reader->number++;
        if (!read_line(reader, (Line){ at, stop }, error))
            return FALSE;
        at = feed ? feed + 1 : end;
    }
    return TRUE;
}

Trace *
trace_csv_parse(const char *text, gsize length, const char *place, const char *name, GError **error)
{
    g_autoptr(Trace) trace = trace_new(name);
    Reader reader = { .place = place, .trace = trace };

    if (!read_lines(&reader, text, length, error))
        return NULL;
    if (!trace_close(trace)) {
        g_set_error(error, TRACE_ERROR, TRACE_ERROR_INVALID,
                    "%s: %s; a trace has two or more lines of the form %s", place,
                    trace->points->len == 0 ? "nothing in it" : "only one moment in it", header);
        return NULL;
    }
    return g_steal_pointer(&trace);
}
