/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor/stats-line.h"

#define READ_MOST 4096

/* Frames of the host have at most eight numbers of twelve bytes. */
#define WRITE_ROOM 128

struct StatsLine {
    const StatsLineHandlers *handlers;
    gpointer owner; /* NULL once it is closed */
    GIOStream *stream;
    GCancellable *cancellable;
    guint8 in[READ_MOST];
    guint8 out[WRITE_ROOM];
    gboolean writing;
};

static void
line_clear(gpointer data)
{
    StatsLine *line = data;

    g_object_unref(line->stream);
    g_object_unref(line->cancellable);
}

static void
line_unref(StatsLine *line)
{
    g_rc_box_release_full(line, line_clear);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(StatsLine, line_unref)

StatsLine *
stats_line_new(GIOStream *stream, const StatsLineHandlers *handlers, gpointer owner)
{
    StatsLine *line = g_rc_box_new0(StatsLine);

    line->handlers = handlers;
    line->owner = owner;
    line->stream = stream;
    line->cancellable = g_cancellable_new();
    return line;
}

void
stats_line_close(StatsLine *line)
{
    if (!line)
        return;
    line->owner = NULL;
    g_cancellable_cancel(line->cancellable);
    g_io_stream_close_async(line->stream, G_PRIORITY_DEFAULT, NULL, NULL, NULL);
    line_unref(line);
}

static void
on_read(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(StatsLine) line = data;
    g_autoptr(GError) error = NULL;
    gssize length = g_input_stream_read_finish(G_INPUT_STREAM(source), result, &error);

    if (!line->owner)
        return;
    if (length <= 0) {
        line->handlers->lost(line->owner, error ? error->message : "the guest's port has gone");
        return;
    }
    line->handlers->heard(line->owner, line->in, (gsize)length);
    if (line->owner)
        stats_line_listen(line);
}

void
stats_line_listen(StatsLine *line)
{
    g_input_stream_read_async(g_io_stream_get_input_stream(line->stream), line->in, sizeof line->in,
                              G_PRIORITY_DEFAULT, line->cancellable, on_read,
                              g_rc_box_acquire(line));
}

guint8 *
stats_line_get_room(StatsLine *line, gsize *room)
{
    *room = sizeof line->out;
    return line->writing ? NULL : line->out;
}

static void
on_written(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(StatsLine) line = data;
    g_autoptr(GError) error = NULL;
    gboolean ok = g_output_stream_write_all_finish(G_OUTPUT_STREAM(source), result, NULL, &error);

    line->writing = FALSE;
    if (!line->owner)
        return;
    if (ok)
        line->handlers->written(line->owner);
    else
        line->handlers->lost(line->owner, error->message);
}

void
stats_line_write(StatsLine *line, gsize length)
{
    line->writing = TRUE;
    g_output_stream_write_all_async(g_io_stream_get_output_stream(line->stream), line->out, length,
                                    G_PRIORITY_DEFAULT, line->cancellable, on_written,
                                    g_rc_box_acquire(line));
}
