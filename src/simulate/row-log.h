/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rows of a world (world.h) on their way to who watches: sorted by time, some at once. */
#pragma once

#include "simulate/world.h"

typedef struct _RowLog RowLog;

/* Returns: (transfer full) (nullable): NULL if nobody wants rows. */
RowLog *row_log_new(const WorldWatcher *watcher);
void row_log_free(RowLog *log);

/* The rows of one guest come in order of time. */
void row_log_add(RowLog *log, const WorldRow *row);

/* Hands on what has come: nothing earlier will. */
void row_log_flush(RowLog *log);
