/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

typedef struct QmpStream QmpStream;

/* The most that one message may hold. */
typedef struct {
    gsize bytes;  /* from its first brace to its last */
    guint depth;  /* objects and arrays inside one another, the message itself included */
    guint values; /* members and elements, in all: json-glib needs about 100 bytes for each */
} QmpStreamLimits;

/* The longest replies that memplug asks for list 256 DIMMs or a few hundred QOM properties: some
 * 50 KiB, 5 levels, 3,000 values. */
#define QMP_STREAM_DEFAULT_LIMITS \
    ((QmpStreamLimits){ .bytes = 1024 * 1024, .depth = 64, .values = 64 * 1024 })

/* Makes an empty stream. */
QmpStream *qmp_stream_new(QmpStreamLimits limits);

void qmp_stream_free(QmpStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpStream, qmp_stream_free)

/* Takes the next `size` bytes that came from the socket, split anywhere. Messages that became
 * whole wait for qmp_stream_pop().
 *
 * Returns FALSE with QMP_ERROR_PROTOCOL when the bytes cannot be QMP. There is then no way to tell
 * where a next message would begin, so the same error answers every later call; messages that were
 * whole before the fault can still be popped. */
gboolean qmp_stream_push(QmpStream *stream, const char *data, gsize size, GError **error);

/* The oldest whole message (transfer full), or NULL when there is none.
 *
 * Integers are gint64. One between 2^63 and 2^64-1, which QEMU writes for unsigned values, is
 * given in two's complement: 2^64-1, its "no value", reads as -1. */
JsonObject *qmp_stream_pop(QmpStream *stream);

/* TRUE when a message has begun and not ended: an end of file here cuts it off. */
gboolean qmp_stream_is_inside_message(const QmpStream *stream);
