/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stats channel while it is open: bytes in and out, of which nothing is understood here.
 *
 * One read is in flight, of at most 4096 bytes. What came of it is handed out at once, and the
 * next read is left to the main loop, so that a guest that talks without end has its turn among
 * all others and no more. One write is in flight; what else there is to say waits with the owner.
 *
 * Reading and writing have callbacks that may come after the line was closed: each has a
 * reference to the line, and a closed line is heard no more.
 */
#pragma once

#include <gio/gio.h>

typedef struct StatsLine StatsLine;

/* The owner may close the line in each of them. */
typedef struct {
    void (*heard)(gpointer owner, const guint8 *bytes, gsize length);
    void (*written)(gpointer owner); /* the line can be written to again */
    /* It failed, or ended: to be closed. @reason: for people */
    void (*lost)(gpointer owner, const char *reason);
} StatsLineHandlers;

/* @stream: (transfer full). @owner: outlives the line, until that is closed. Nothing is read before
 * stats_line_listen(). */
StatsLine *stats_line_new(GIOStream *stream, const StatsLineHandlers *handlers, gpointer owner);

void stats_line_listen(StatsLine *line);

/* Returns: (nullable): where the next @room bytes are to be put before stats_line_write(); NULL
 *   while a write is in flight. */
guint8 *stats_line_get_room(StatsLine *line, gsize *room);

/* Writes the first @length bytes of what was put there. */
void stats_line_write(StatsLine *line, gsize length);

/* Ends the line; what is in flight is given up. @line: (transfer full) (nullable) */
void stats_line_close(StatsLine *line);
