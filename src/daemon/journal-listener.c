/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/journal-listener.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

/* A minute of a thousand busy guests; a client that is stopped for longer has lost it. */
#define WAITING_MOST (8 * 1024 * 1024)

struct _JournalListener {
    JournalEncoder *encoder;
    GString *text; /* not written yet */
    int fd;        /* -1: he is gone */
    guint watch;   /* until the pipe has room */
    gboolean begun;
};

JournalListener *
journal_listener_new(const char *const *only, int *end, GError **error)
{
    JournalListener *listener;
    int fds[2];

    /* Rather than a pipe: it can be written to without a signal when he has gone. */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "no pair of sockets: %s",
                    g_strerror(errno));
        return NULL;
    }
    shutdown(fds[0], SHUT_WR);
    listener = g_new0(JournalListener, 1);
    listener->encoder = journal_encoder_new(only);
    listener->text = g_string_new(NULL);
    listener->fd = fds[1];
    *end = fds[0];
    return listener;
}

static void
leave(JournalListener *listener)
{
    g_clear_handle_id(&listener->watch, g_source_remove);
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
    g_string_truncate(listener->text, 0);
}

void
journal_listener_free(JournalListener *listener)
{
    leave(listener);
    journal_encoder_free(listener->encoder);
    g_string_free(listener->text, TRUE);
    g_free(listener);
}

JournalEncoder *
journal_listener_encoder(JournalListener *listener)
{
    return listener->encoder;
}

GString *
journal_listener_text(JournalListener *listener)
{
    return listener->text;
}

static gboolean
on_room(int fd, GIOCondition condition, gpointer data)
{
    JournalListener *listener = data;

    listener->watch = 0;
    journal_listener_send(listener);
    return G_SOURCE_REMOVE;
}

void
journal_listener_send(JournalListener *listener)
{
    if (listener->watch != 0 && listener->text->len <= WAITING_MOST)
        return;
    while (listener->fd >= 0 && listener->text->len > 0) {
        gssize n = send(listener->fd, listener->text->str, listener->text->len,
                        MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n >= 0)
            g_string_erase(listener->text, 0, n);
        else if (errno == EAGAIN && listener->text->len <= WAITING_MOST) {
            listener->watch = g_unix_fd_add(listener->fd, G_IO_OUT | G_IO_ERR, on_room, listener);
            return;
        } else if (errno != EINTR) {
            leave(listener);
        }
    }
}

gboolean
journal_listener_is_gone(const JournalListener *listener)
{
    return listener->fd < 0;
}

gboolean
journal_listener_take_begun(JournalListener *listener)
{
    gboolean begun = listener->begun;

    listener->begun = TRUE;
    return begun;
}
