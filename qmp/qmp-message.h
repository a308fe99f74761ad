/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The four shapes of QMP messages (docs/interop/qmp-spec of QEMU), read and written without any
 * state. For qmp-client only, QmpVersion excepted. */

#include <glib.h>
#include <json-glib/json-glib.h>

/* What QEMU tells of itself in its greeting. */
typedef struct {
    guint64 major;
    guint64 minor;
    guint64 micro;
    char *package; /* the distribution's own words; may be empty */
} QmpVersion;

typedef struct {
    const char *name; /* of the message */
    JsonObject *data; /* transfer full; empty when QEMU sent none */
    gint64 time;      /* µs since 1970, -1 when QEMU did not know or told nonsense */
} QmpEvent;

typedef enum {
    QMP_MESSAGE_GREETING,
    QMP_MESSAGE_EVENT,
    QMP_MESSAGE_REPLY, /* a command's result or error */
    QMP_MESSAGE_OTHER, /* not QMP */
} QmpMessageKind;

QmpMessageKind qmp_message_get_kind(JsonObject *message);

/* The readers return FALSE with QMP_ERROR_REPLY when the message is not as the protocol says. */
gboolean qmp_message_read_greeting(JsonObject *message, QmpVersion *version, GError **error);
gboolean qmp_message_read_event(JsonObject *message, QmpEvent *event, GError **error);
gboolean qmp_message_read_id(JsonObject *message, gint64 *id, GError **error);

/* A reply's value (transfer full), or NULL with the error that QEMU sent. */
JsonNode *qmp_message_read_result(JsonObject *message, GError **error);

/* The line that asks QEMU to carry out `command`. `arguments` (transfer none) may be NULL. */
GBytes *qmp_message_format_command(const char *command, JsonObject *arguments, gint64 id);
