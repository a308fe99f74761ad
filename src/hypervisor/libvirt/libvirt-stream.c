/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *   guest's port ─▶ QEMU's socket ─▶ libvirtd ─▶ connection ─event─▶ buffer ─read─▶
 *                                                     ◀──────────────────── write
 *
 * libvirt's streams know no flow control that a client could use, in either direction, and all
 * of them share the connection by which memplug does everything else. So each is bounded here:
 *
 * - What comes is taken out of libvirt's queue, which has no bound, at each event, into a
 *   buffer that has one. If nobody reads that for several turns of the main loop the guest is
 *   sending faster than anybody wants to know, and the stream ends.
 *
 * - What a guest does not read stays in QEMU's socket. When that is full it stays in
 *   libvirtd, as a request that has not ended, and with a few of these
 *   (max_client_requests in libvirtd.conf) libvirtd reads nothing more of the whole
 *   connection: seen on 9.0. So the stream ends before a socket can be full. Whoever
 *   opens it anew begins with an empty one, and a guest that does read has lost nothing
 *   but some milliseconds.
 *
 * Ending a stream has to be told to libvirtd, whose answer is waited for in a thread; it comes
 * at once, or the connection ends.
 */
#include "hypervisor/libvirt/libvirt-stream.h"

#include <string.h>

#include "hypervisor/libvirt/libvirt-error.h"

/* Several of the largest frames of the stats channel (guest/PROTOCOL.md). */
#define BUFFER_MOST ((gsize)64 * 1024)

/* Events that find the buffer full; whoever reads at all does so within two turns. */
#define FULL_MOST 8

/*
 * What an unread write takes of a socket's buffer: the kernel counts whole buffers with their
 * head, for few bytes some 768, and powers of two for more. Half of the kernel's
 * least usual bound (net.core.wmem_default, 212992) is left over.
 */
#define WRITE_COST(size) (1024 + 2 * (size))
#define COST_MOST        ((gsize)104 * 1024)

/* libvirt packs no more into one message on an old connection than 256 KiB. */
#define WRITE_MOST ((gsize)16 * 1024)

struct LibvirtStream {
    guint references;
    virStreamPtr stream; /* NULL: it has ended */
    GError *why;
    guint8 *buffer; /* of BUFFER_MOST */
    gsize filled;
    guint full; /* events in a row that found no room */
    gsize cost; /* of all that was written */
};

/* In a thread. */
static void
abort_stream(GTask *task, gpointer source, gpointer stream, GCancellable *cancellable)
{
    virStreamAbort(stream);
    virStreamFree(stream);
    g_task_return_boolean(task, TRUE);
}

void
libvirt_stream_discard(gpointer stream)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, NULL, NULL);

    g_task_set_task_data(task, stream, NULL);
    g_task_run_in_thread(task, abort_stream);
}

void
libvirt_stream_end(LibvirtStream *stream, const GError *why)
{
    virStreamPtr ended = g_steal_pointer(&stream->stream);

    if (!ended)
        return;
    if (why)
        stream->why = g_error_copy(why);
    virStreamEventRemoveCallback(ended);
    libvirt_stream_discard(ended);
}

gboolean
libvirt_stream_has_ended(const LibvirtStream *stream)
{
    return stream->stream == NULL;
}

/*
 * In
 */

static void
end_with_libvirts_word(LibvirtStream *stream)
{
    g_autoptr(GError) error = NULL;

    libvirt_error_take("the stats channel", &error);
    libvirt_stream_end(stream, error);
}

static void
take_bytes(LibvirtStream *stream)
{
    while (stream->stream && stream->filled < BUFFER_MOST) {
        int n = virStreamRecv(stream->stream, (char *)stream->buffer + stream->filled,
                              BUFFER_MOST - stream->filled);

        if (n == -2)
            return;
        if (n > 0)
            stream->filled += (gsize)n;
        else if (n == 0)
            libvirt_stream_end(stream, NULL);
        else
            end_with_libvirts_word(stream);
    }
}

static void
on_event(virStreamPtr unused, int events, void *data)
{
    LibvirtStream *stream = libvirt_stream_ref(data);

    if (stream->stream && stream->filled < BUFFER_MOST) {
        stream->full = 0;
        take_bytes(stream);
    } else if (stream->stream && ++stream->full >= FULL_MOST) {
        g_autoptr(GError) error = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                                                      "the guest sends faster than anybody reads");

        libvirt_stream_end(stream, error);
    }
    if (events & (VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP))
        libvirt_stream_end(stream, NULL);
    libvirt_stream_unref(stream);
}

gboolean
libvirt_stream_is_readable(const LibvirtStream *stream)
{
    return stream->filled > 0 || !stream->stream;
}

gssize
libvirt_stream_read(LibvirtStream *stream, void *buffer, gsize size, GError **error)
{
    gsize n = MIN(size, stream->filled);

    if (n > 0) {
        memcpy(buffer, stream->buffer, n);
        stream->filled -= n;
        memmove(stream->buffer, stream->buffer + n, stream->filled);
        return (gssize)n;
    }
    if (stream->stream) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "nothing has come");
        return -1;
    }
    if (!stream->why)
        return 0;
    g_propagate_error(error, g_error_copy(stream->why));
    return -1;
}

/*
 * Out
 */

static gboolean
afford(LibvirtStream *stream, gsize size, GError **error)
{
    stream->cost += WRITE_COST(size);
    if (stream->cost <= COST_MOST)
        return TRUE;
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                        "as much was written as a guest can leave unread; it is to be opened anew");
    libvirt_stream_end(stream, NULL);
    return FALSE;
}

gssize
libvirt_stream_write(LibvirtStream *stream, const void *buffer, gsize size, GError **error)
{
    int n;

    size = MIN(size, WRITE_MOST);
    if (!stream->stream) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "the channel has ended");
        return -1;
    }
    if (!afford(stream, size, error))
        return -1;
    n = virStreamSend(stream->stream, buffer, size);
    if (n >= 0)
        return n;
    if (n == -2) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "libvirt takes nothing now");
        return -1;
    }
    end_with_libvirts_word(stream);
    g_propagate_error(error, g_error_copy(stream->why));
    return -1;
}

/*
 * Life
 */

static void
release(void *data)
{
    libvirt_stream_unref(data);
}

LibvirtStream *
libvirt_stream_new(virStreamPtr opened)
{
    LibvirtStream *stream = g_new0(LibvirtStream, 1);

    stream->references = 1;
    stream->stream = opened;
    stream->buffer = g_malloc(BUFFER_MOST);
    /* Not VIR_STREAM_EVENT_WRITABLE, which comes without end. */
    if (virStreamEventAddCallback(
            opened, VIR_STREAM_EVENT_READABLE | VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP,
            on_event, libvirt_stream_ref(stream), release) < 0) {
        libvirt_stream_unref(stream);
        end_with_libvirts_word(stream);
    }
    return stream;
}

LibvirtStream *
libvirt_stream_ref(LibvirtStream *stream)
{
    stream->references++;
    return stream;
}

void
libvirt_stream_unref(LibvirtStream *stream)
{
    if (--stream->references > 0)
        return;
    g_clear_error(&stream->why);
    g_free(stream->buffer);
    g_free(stream);
}
