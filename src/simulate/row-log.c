/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/row-log.h"

struct _RowLog {
    const WorldWatcher *watcher;
    GArray *rows; /* WorldRow */
};

RowLog *
row_log_new(const WorldWatcher *watcher)
{
    RowLog *log;

    if (!watcher || !watcher->rows)
        return NULL;
    log = g_new0(RowLog, 1);
    log->watcher = watcher;
    log->rows = g_array_new(FALSE, FALSE, sizeof(WorldRow));
    return log;
}

void
row_log_free(RowLog *log)
{
    if (!log)
        return;
    g_array_unref(log->rows);
    g_free(log);
}

void
row_log_add(RowLog *log, const WorldRow *row)
{
    g_array_append_vals(log->rows, row, 1);
}

static gint
compare_rows(gconstpointer a, gconstpointer b)
{
    const WorldRow *left = a, *right = b;

    return left->time_us < right->time_us ? -1 : left->time_us > right->time_us;
}

void
row_log_flush(RowLog *log)
{
    if (!log || log->rows->len == 0)
        return;
    /* Stable, so that the rows of a guest at one moment stay in order. */
    g_array_sort(log->rows, compare_rows);
    log->watcher->rows((const WorldRow *)log->rows->data, log->rows->len, log->watcher->data);
    g_array_set_size(log->rows, 0);
}
