/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The commands that wait for their replies. Each ends exactly once: by its reply, its time-out, its
 * GCancellable or the end of the connection. For qmp-client only. */

#include <gio/gio.h>
#include <json-glib/json-glib.h>

typedef struct QmpPending QmpPending;

/* Called when a command ended by time-out or cancellation, before its task returns. */
typedef void (*QmpPendingGivenUp)(gint64 id, gpointer user_data);

/* Timers run in `context`. */
QmpPending *qmp_pending_new(GMainContext *context, QmpPendingGivenUp given_up, gpointer user_data);

/* All commands must have ended. */
void qmp_pending_free(QmpPending *pending);

guint qmp_pending_get_size(const QmpPending *pending);

/* Has `task` wait at most `timeout_ms` for the reply `id`. `name` is the command's; every error
 * begins with it. */
void qmp_pending_add(QmpPending *pending, gint64 id, const char *name, GTask *task,
                     guint timeout_ms);

/* Ends command `id` with `value` or, if that is NULL, `error` (both transfer full). Does nothing
 * for a command that waits no more. */
void qmp_pending_end(QmpPending *pending, gint64 id, JsonNode *value, GError *error);

/* Ends all, the oldest first, with QMP_ERROR_CLOSED and `reason`. */
void qmp_pending_end_all(QmpPending *pending, const char *reason);
