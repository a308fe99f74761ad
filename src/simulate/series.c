/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/series.h"

#include <errno.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>

struct _Series {
    FILE *file;
    char *path;
    int trouble; /* errno of the first that went wrong; 0: nothing */
};

static void
set_error(const char *path, int code, GError **error)
{
    g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(code), "cannot write %s: %s", path,
                g_strerror(code));
}

static void
write_text(Series *series, const char *text)
{
    if (series->trouble == 0 && fputs(text, series->file) == EOF)
        series->trouble = errno;
}

Series *
series_open(const char *path, GError **error)
{
    FILE *file = fopen(path, "we");
    Series *series;

    if (!file) {
        set_error(path, errno, error);
        return NULL;
    }
    series = g_new0(Series, 1);
    series->file = file;
    series->path = g_strdup(path);
    write_text(series, "time,guest,demand,requested,actual,cached,steps,policy\n");
    return series;
}

/* Returns: (transfer full): @name as a field: within quotes if it has anything special. */
static char *
quote(const char *name)
{
    g_auto(GStrv) parts = NULL;
    g_autofree char *doubled = NULL;

    if (!strpbrk(name, ",\"\r\n"))
        return g_strdup(name);
    parts = g_strsplit(name, "\"", -1);
    doubled = g_strjoinv("\"\"", parts);
    return g_strdup_printf("\"%s\"", doubled);
}

void
series_add(Series *series, const char *policy, const GuestSpec *guests, const WorldRow *rows,
           gsize n_rows)
{
    for (gsize i = 0; i < n_rows && series->trouble == 0; i++) {
        const WorldRow *row = &rows[i];
        g_autofree char *name = quote(guests[row->guest].name);

        if (fprintf(series->file,
                    "%" G_GINT64_FORMAT ".%06d,%s,%.0f,%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT
                    ",%.0f,%" G_GUINT64_FORMAT ",%s\n",
                    row->time_us / G_USEC_PER_SEC, (int)(row->time_us % G_USEC_PER_SEC), name,
                    row->demand, row->requested, row->actual, row->cached, row->steps, policy) < 0)
            series->trouble = errno;
    }
}

gboolean
series_close(Series *series, GError **error)
{
    int trouble = series->trouble;

    if (fclose(series->file) == EOF && trouble == 0)
        trouble = errno;
    if (trouble != 0)
        set_error(series->path, trouble, error);
    g_free(series->path);
    g_free(series);
    return trouble == 0;
}
