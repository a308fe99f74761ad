/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One connection to one QEMU monitor, asynchronous on GIO.
 *
 *     qmp_client_connect_async()  or  qmp_client_negotiate_async() on a stream at hand
 *        │   greeting, qmp_capabilities (no capability is enabled), within one time-out
 *        ▼
 *     open ── qmp_client_execute_async() any number of times ── signal "event"
 *        │   QEMU ends, garbage, or qmp_client_close()
 *        ▼
 *     closed: every command that waited has got an error; signal "closed"
 *
 * A closed client stays closed; who wants QEMU back connects anew. Dropping the last reference
 * ends the connection too, without a signal; a command that waits holds a reference.
 *
 * All callbacks and signals come in the thread-default main context of the thread that began the
 * connection, and the client is to be used from there only.
 *
 * Signals:
 *   "event" (char *name, JsonObject *data, gint64 time), detailed by the event's name. `data` is an
 *           empty object if QEMU sent none, `time` is QEMU's wall clock in µs since 1970, or -1
 *           when it did not know.
 *   "closed" (GError *reason), once.
 */

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <sys/types.h>

#include "qmp/qmp-message.h"

#define QMP_TYPE_CLIENT (qmp_client_get_type())
G_DECLARE_FINAL_TYPE(QmpClient, qmp_client, QMP, CLIENT, GObject)

/* How long a greeting or a command may take unless told otherwise. QEMU answers memory commands in
 * milliseconds; seconds pass only when its main loop is held up (a snapshot, a slow host). */
#define QMP_CLIENT_DEFAULT_TIMEOUT_MS 5000

/* The most commands that wait for a reply at once, and the most bytes of them that QEMU has not
 * read yet. Beyond, qmp_client_execute_async() ends with QMP_ERROR_BUSY. */
#define QMP_CLIENT_MAX_PENDING 256
#define QMP_CLIENT_MAX_UNSENT  (256 * 1024)

/* Connects to the UNIX socket `path` and negotiates. `timeout_ms` holds for all of it. QEMU serves
 * one client per monitor and lets others connect, but greets them only when the first one left:
 * then the error is QMP_ERROR_TIMED_OUT, or QMP_ERROR_BUSY at once if another one waits already. A
 * socket that nobody listens on gives G_IO_ERROR_CONNECTION_REFUSED, none at all
 * G_IO_ERROR_NOT_FOUND. */
void qmp_client_connect_async(const char *path, guint timeout_ms, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);

/* The same on a stream that is connected already. The client closes it when it closes itself. */
void qmp_client_negotiate_async(GIOStream *stream, guint timeout_ms, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);

/* Ends either. Returns the open client (transfer full), or NULL. */
QmpClient *qmp_client_connect_finish(GAsyncResult *result, GError **error);

/* Sends `command` with `arguments` (transfer full; NULL for none) and waits at most `timeout_ms`
 * for the reply; 0 stands for the client's own time-out. Commands are sent in the order of the
 * calls, without waiting for earlier replies.
 *
 * A command that was cancelled or ran out of time before its first byte left is never sent;
 * later than that QEMU carries it out, and the reply is ignored. */
void qmp_client_execute_async(QmpClient *client, const char *command, JsonObject *arguments,
                              guint timeout_ms, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);

/* Returns the reply's "return" (transfer full), or NULL with QEMU's error or ours. */
JsonNode *qmp_client_execute_finish(QmpClient *client, GAsyncResult *result, GError **error);

/* The same for a command whose "return" says nothing: TRUE when QEMU carried it out. */
gboolean qmp_client_execute_done(QmpClient *client, GAsyncResult *result, GError **error);

/* Ends the connection now. Does nothing when it has ended. */
void qmp_client_close(QmpClient *client);

gboolean qmp_client_is_open(QmpClient *client);

/* Sets the time-out of commands that are executed with 0. */
void qmp_client_set_timeout(QmpClient *client, guint timeout_ms);

const QmpVersion *qmp_client_get_version(QmpClient *client);

/* The process at the socket's other end, as the kernel tells it (SO_PEERCRED: who called listen(),
 * which is a launcher if that opened the socket for QEMU); 0 if it is not known. */
pid_t qmp_client_get_peer_pid(QmpClient *client);
