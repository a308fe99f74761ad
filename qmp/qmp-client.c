/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Theory of operation
 *
 * One read is always under way. What it brings goes through a QmpStream; each message is either
 * the greeting, an event or the reply to a command, which waits for it under its id (qmp-pending).
 * A reply that nobody waits for is ignored: it is late, or it is not ours at all. QEMU hands the
 * reply to a command that it was carrying out when its client went to the client that comes next
 * (seen on 7.2), so each connection begins its ids at a random number. Anything else that QMP does
 * not allow ends the connection: a peer that is confused once cannot be believed again.
 *
 * QEMU carries commands out one after the other (out-of-band execution is not enabled), but the
 * replies are matched by id alone, so nothing depends on that.
 *
 * Lifetime. Reads and writes under way hold no reference to the client, so that dropping the last
 * one ends the connection; their callbacks know by G_IO_ERROR_CANCELLED that the client is gone.
 * A pending command does hold one (its GTask's source object), and so does the negotiation; both
 * end by their time-outs at the latest. */

#include "qmp/qmp-client.h"

#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "qmp/qmp-error.h"
#include "qmp/qmp-pending.h"
#include "qmp/qmp-sender.h"
#include "qmp/qmp-stream.h"

#define READ_SIZE 16384

typedef enum {
    STATE_GREETING,    /* connected; waits for {"QMP": …} */
    STATE_NEGOTIATING, /* greeted; waits for the reply to qmp_capabilities */
    STATE_OPEN,        /* serves commands */
    STATE_CLOSED,      /* over for good */
} ClientState;

struct _QmpClient {
    GObject parent_instance;

    ClientState state;
    GMainContext *context;
    GIOStream *stream;
    GCancellable *io; /* of the read under way; cancelled when the client closes */
    QmpStream *input;
    QmpSender *output;
    QmpPending *pending;
    gint64 last_id;
    guint timeout_ms;
    QmpVersion version;

    GTask *negotiation; /* until STATE_OPEN; its task data is a reference to the client */
    GSource *negotiation_timeout;
    GSource *negotiation_cancel;
};

enum { SIGNAL_EVENT, SIGNAL_CLOSED, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE(QmpClient, qmp_client, G_TYPE_OBJECT)

static void read_next(QmpClient *client);

/* ---- Commands ---- */

/* A command that nobody waits for any more is not sent if that has not begun. */
static void
on_given_up(gint64 id, gpointer user_data)
{
    QmpClient *client = user_data;
    qmp_sender_withdraw(client->output, id);
}

/* Queues the command; returns FALSE when too much waits already. */
static gboolean
send_command(QmpClient *client, GTask *task, const char *name, JsonObject *arguments,
             guint timeout_ms)
{
    g_autoptr(GBytes) bytes = qmp_message_format_command(name, arguments, client->last_id + 1);

    if (qmp_pending_get_size(client->pending) >= QMP_CLIENT_MAX_PENDING ||
        !qmp_sender_push(client->output, client->last_id + 1, bytes))
        return FALSE;

    qmp_pending_add(client->pending, ++client->last_id, name, task, timeout_ms);
    return TRUE;
}

void
qmp_client_execute_async(QmpClient *client, const char *command, JsonObject *arguments,
                         guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
    g_autoptr(JsonObject) owned = arguments;
    g_autoptr(GTask) task = g_task_new(client, cancellable, callback, user_data);
    g_task_set_source_tag(task, qmp_client_execute_async);
    /* qmp-pending watches it. A reply that is there already counts more than a cancellation. */
    g_task_set_check_cancellable(task, FALSE);

    if (g_task_return_error_if_cancelled(task))
        return;
    if (client->state == STATE_CLOSED)
        g_task_return_new_error(task, QMP_ERROR, QMP_ERROR_CLOSED, "%s: the monitor is closed",
                                command);
    else if (!send_command(client, task, command, owned,
                           timeout_ms > 0 ? timeout_ms : client->timeout_ms))
        g_task_return_new_error(task, QMP_ERROR, QMP_ERROR_BUSY,
                                "%s: too many commands wait for QEMU", command);
}

JsonNode *
qmp_client_execute_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, client), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

gboolean
qmp_client_execute_done(QmpClient *client, GAsyncResult *result, GError **error)
{
    g_autoptr(JsonNode) value = qmp_client_execute_finish(client, result, error);
    return value != NULL;
}

/* ---- The end of the connection ---- */

static void
drop_source(GSource **source)
{
    if (*source == NULL)
        return;
    g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

/* Ends the negotiation, if one goes on, with `error` (transfer full), or successfully with NULL. */
static void
end_negotiation(QmpClient *client, GError *error)
{
    g_autoptr(GTask) negotiation = g_steal_pointer(&client->negotiation);

    drop_source(&client->negotiation_timeout);
    drop_source(&client->negotiation_cancel);
    if (error != NULL)
        g_task_return_error(negotiation, error);
    else
        g_task_return_pointer(negotiation, g_object_ref(client), g_object_unref);
}

/* Releases the socket. Idempotent. */
static void
disconnect(QmpClient *client)
{
    client->state = STATE_CLOSED;
    g_cancellable_cancel(client->io);
    g_clear_pointer(&client->output, qmp_sender_free);
    g_io_stream_close(client->stream, NULL, NULL);
}

/* Closes for `reason` (transfer full) and lets everyone know who waits. */
static void
close_for(QmpClient *client, GError *reason)
{
    g_autoptr(GError) owned = reason;
    if (client->state == STATE_CLOSED)
        return;

    g_autoptr(QmpClient) self = g_object_ref(client);
    disconnect(self);

    qmp_pending_end_all(self->pending, owned->message);

    if (self->negotiation != NULL)
        end_negotiation(self, g_steal_pointer(&owned));
    else
        g_signal_emit(self, signals[SIGNAL_CLOSED], 0, owned);
}

static void
close_for_protocol(QmpClient *client, const char *fault)
{
    close_for(client, g_error_new_literal(QMP_ERROR, QMP_ERROR_PROTOCOL, fault));
}

void
qmp_client_close(QmpClient *client)
{
    close_for(client, g_error_new_literal(QMP_ERROR, QMP_ERROR_CLOSED, "closed on this side"));
}

static void
on_send_failed(const GError *error, gpointer user_data)
{
    close_for(user_data,
              g_error_new(QMP_ERROR, QMP_ERROR_CLOSED, "cannot write to QEMU: %s", error->message));
}

/* ---- Messages ---- */

static void
take_reply(QmpClient *client, JsonObject *message)
{
    gint64 id;
    if (!qmp_message_read_id(message, &id, NULL))
        return;

    GError *error = NULL;
    JsonNode *value = qmp_message_read_result(message, &error);
    qmp_pending_end(client->pending, id, value, error);
}

static void
take_event(QmpClient *client, JsonObject *message)
{
    QmpEvent event;
    if (!qmp_message_read_event(message, &event, NULL)) {
        close_for_protocol(client, "not QMP: a malformed event");
        return;
    }
    /* A quark lives for ever, so none is made for a name that nobody here has ever asked for. */
    g_signal_emit(client, signals[SIGNAL_EVENT], g_quark_try_string(event.name), event.name,
                  event.data, event.time);
    json_object_unref(event.data);
}

static void
on_negotiated(GObject *source, GAsyncResult *result, G_GNUC_UNUSED gpointer user_data)
{
    QmpClient *client = QMP_CLIENT(source);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) value = qmp_client_execute_finish(client, result, &error);

    if (client->state != STATE_NEGOTIATING)
        return;
    if (value == NULL) {
        close_for(client, g_steal_pointer(&error));
        return;
    }
    client->state = STATE_OPEN;
    end_negotiation(client, NULL);
}

static void
take_greeting(QmpClient *client, JsonObject *message)
{
    if (!qmp_message_read_greeting(message, &client->version, NULL)) {
        close_for_protocol(client, "not QMP: a malformed greeting");
        return;
    }
    client->state = STATE_NEGOTIATING;
    /* It needs no time-out of its own: the negotiation's ends it. */
    qmp_client_execute_async(client, "qmp_capabilities", NULL, G_MAXINT, NULL, on_negotiated, NULL);
}

static void
take_message(QmpClient *client, JsonObject *message)
{
    QmpMessageKind kind = qmp_message_get_kind(message);

    if (kind == QMP_MESSAGE_REPLY)
        take_reply(client, message);
    else if (client->state == STATE_GREETING && kind == QMP_MESSAGE_GREETING)
        take_greeting(client, message);
    else if (client->state != STATE_GREETING && kind == QMP_MESSAGE_EVENT)
        take_event(client, message);
    else
        close_for_protocol(client, "not QMP: a message out of place");
}

/* Hands on what was read. Handlers may close the client at any point, which then falls silent. */
static void
take_bytes(QmpClient *client, GBytes *bytes)
{
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    GError *fault = NULL;

    qmp_stream_push(client->input, data, size, &fault);
    while (client->state != STATE_CLOSED) {
        g_autoptr(JsonObject) message = qmp_stream_pop(client->input);
        if (message == NULL)
            break;
        take_message(client, message);
    }
    if (fault != NULL)
        close_for(client, fault);
}

static void
on_read(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes =
        g_input_stream_read_bytes_finish(G_INPUT_STREAM(source), result, &error);

    /* Cancelled is the mark of a client that is closed, or gone: `user_data` may point nowhere. */
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;

    g_autoptr(QmpClient) client = g_object_ref(user_data);
    if (bytes == NULL)
        close_for(client, g_error_new(QMP_ERROR, QMP_ERROR_CLOSED, "cannot read from QEMU: %s",
                                      error->message));
    else if (g_bytes_get_size(bytes) == 0)
        close_for(client, g_error_new(QMP_ERROR, QMP_ERROR_CLOSED, "QEMU closed the monitor%s",
                                      qmp_stream_is_inside_message(client->input)
                                          ? " in the middle of a message"
                                          : ""));
    else
        take_bytes(client, bytes);
    if (client->state != STATE_CLOSED)
        read_next(client);
}

static void
read_next(QmpClient *client)
{
    g_input_stream_read_bytes_async(g_io_stream_get_input_stream(client->stream), READ_SIZE,
                                    G_PRIORITY_DEFAULT, client->io, on_read, client);
}

/* ---- The beginning of the connection ---- */

static gboolean
on_negotiation_timeout(gpointer user_data)
{
    QmpClient *client = user_data;
    close_for(client,
              g_error_new_literal(QMP_ERROR, QMP_ERROR_TIMED_OUT,
                                  client->state == STATE_GREETING
                                      ? "no greeting in time: is another client connected to "
                                        "this monitor?"
                                      : "no reply to qmp_capabilities in time"));
    return G_SOURCE_REMOVE;
}

static gboolean
on_negotiation_cancelled(G_GNUC_UNUSED GCancellable *cancellable, gpointer user_data)
{
    close_for(user_data, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
    return G_SOURCE_REMOVE;
}

static GSource *
attach(QmpClient *client, GSource *source, GSourceFunc callback)
{
    g_source_set_callback(source, callback, client, NULL);
    g_source_attach(source, client->context);
    return source;
}

static void
negotiate(GIOStream *stream, guint timeout_ms, GTask *task)
{
    GCancellable *cancellable = g_task_get_cancellable(task);
    QmpClient *client = g_object_new(QMP_TYPE_CLIENT, NULL);

    client->stream = g_object_ref(stream);
    client->output = qmp_sender_new(g_io_stream_get_output_stream(stream), QMP_CLIENT_MAX_UNSENT,
                                    on_send_failed, client);
    client->negotiation = g_object_ref(task);
    g_task_set_task_data(task, client, g_object_unref);
    client->negotiation_timeout =
        attach(client, g_timeout_source_new(timeout_ms), on_negotiation_timeout);
    if (cancellable != NULL)
        client->negotiation_cancel = attach(client, g_cancellable_source_new(cancellable),
                                            G_SOURCE_FUNC(on_negotiation_cancelled));
    read_next(client);
}

void
qmp_client_negotiate_async(GIOStream *stream, guint timeout_ms, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, user_data);
    g_task_set_source_tag(task, qmp_client_negotiate_async);
    if (!g_task_return_error_if_cancelled(task))
        negotiate(stream, timeout_ms, task);
}

/* Connects without waiting: on a UNIX socket connect() has its outcome at once. A socket in
 * blocking mode would wait for a place in the backlog of a QEMU that accepts nobody. */
static GIOStream *
connect_to(const char *path, GError **error)
{
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FILENAME_TOO_LONG,
                    "%s: too long for a UNIX socket's name", path);
        return NULL;
    }
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, error);
    if (socket == NULL)
        return NULL;
    g_socket_set_blocking(socket, FALSE);
    g_autoptr(GError) refusal = NULL;
    if (!g_socket_connect(socket, address, NULL, &refusal)) {
        /* QEMU keeps one place for a client that waits, and leaves it taken while it is busy. */
        if (g_error_matches(refusal, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
            g_set_error(error, QMP_ERROR, QMP_ERROR_BUSY,
                        "%s: another client waits for this monitor already", path);
        else
            g_propagate_prefixed_error(error, g_steal_pointer(&refusal), "%s: ", path);
        return NULL;
    }
    return G_IO_STREAM(g_socket_connection_factory_create_connection(socket));
}

void
qmp_client_connect_async(const char *path, guint timeout_ms, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, user_data);
    GError *error = NULL;

    g_task_set_source_tag(task, qmp_client_connect_async);
    if (g_task_return_error_if_cancelled(task))
        return;
    g_autoptr(GIOStream) stream = connect_to(path, &error);
    if (stream == NULL)
        g_task_return_error(task, error);
    else
        negotiate(stream, timeout_ms, task);
}

QmpClient *
qmp_client_connect_finish(GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, NULL), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* ---- The object ---- */

gboolean
qmp_client_is_open(QmpClient *client)
{
    return client->state == STATE_OPEN;
}

void
qmp_client_set_timeout(QmpClient *client, guint timeout_ms)
{
    g_return_if_fail(timeout_ms > 0);
    client->timeout_ms = timeout_ms;
}

const QmpVersion *
qmp_client_get_version(QmpClient *client)
{
    return &client->version;
}

pid_t
qmp_client_get_peer_pid(QmpClient *client)
{
    if (client->state == STATE_CLOSED || !G_IS_SOCKET_CONNECTION(client->stream))
        return 0;
    GSocket *socket = g_socket_connection_get_socket(G_SOCKET_CONNECTION(client->stream));
    g_autoptr(GCredentials) credentials = g_socket_get_credentials(socket, NULL);
    return credentials ? MAX(0, g_credentials_get_unix_pid(credentials, NULL)) : 0;
}

static void
qmp_client_dispose(GObject *object)
{
    QmpClient *client = QMP_CLIENT(object);
    if (client->state != STATE_CLOSED)
        disconnect(client);
    G_OBJECT_CLASS(qmp_client_parent_class)->dispose(object);
}

static void
qmp_client_finalize(GObject *object)
{
    QmpClient *client = QMP_CLIENT(object);
    g_object_unref(client->stream);
    g_object_unref(client->io);
    qmp_stream_free(client->input);
    qmp_pending_free(client->pending);
    g_free(client->version.package);
    g_main_context_unref(client->context);
    G_OBJECT_CLASS(qmp_client_parent_class)->finalize(object);
}

static void
qmp_client_class_init(QmpClientClass *class)
{
    G_OBJECT_CLASS(class)->dispose = qmp_client_dispose;
    G_OBJECT_CLASS(class)->finalize = qmp_client_finalize;

    signals[SIGNAL_EVENT] =
        g_signal_new("event", QMP_TYPE_CLIENT, G_SIGNAL_RUN_LAST | G_SIGNAL_DETAILED, 0, NULL, NULL,
                     NULL, G_TYPE_NONE, 3, G_TYPE_STRING, JSON_TYPE_OBJECT, G_TYPE_INT64);
    signals[SIGNAL_CLOSED] = g_signal_new("closed", QMP_TYPE_CLIENT, G_SIGNAL_RUN_LAST, 0, NULL,
                                          NULL, NULL, G_TYPE_NONE, 1, G_TYPE_ERROR);
}

static void
qmp_client_init(QmpClient *client)
{
    client->state = STATE_GREETING;
    client->context = g_main_context_ref_thread_default();
    client->io = g_cancellable_new();
    client->input = qmp_stream_new(QMP_STREAM_DEFAULT_LIMITS);
    client->last_id = (gint64)g_random_int() << 20;
    client->timeout_ms = QMP_CLIENT_DEFAULT_TIMEOUT_MS;
    client->pending = qmp_pending_new(client->context, on_given_up, client);
}
