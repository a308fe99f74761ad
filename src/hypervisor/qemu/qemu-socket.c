/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *                  ┌──────────────── failed: wait, longer each time ───────────────┐
 *                  ▼                                                               │
 *   (no file) ─▶ idle ──file seen, or time over──▶ connecting ─▶ reading machine ──┤
 *                  ▲                                                    │          │
 *                  └───── no file any more ◀──┐                         ▼          │
 *                                             └── connection ended ◀─ guest        │
 *                                                        └──── at once ─▶ connecting
 *
 * A QEMU that was killed leaves its file behind, and connecting to it is refused.
 * One that starts makes the file before it listens. One that is served elsewhere,
 * or is stopped, takes the connection and never greets. All are tried again, at
 * intervals that grow to @retry_most_ms, and at once if the file is replaced.
 * What goes wrong is told in the log once for each file; that nobody listens yet
 * is nothing to be told.
 */
#include "hypervisor/qemu/qemu-socket.h"

#include "qmp/qmp-error.h"

struct QemuSocket {
    char *name;
    char *path;
    char *limits_path;
    char *channel_path;
    const QemuTuning *tuning;
    QemuSocketAnnounce announce;
    gpointer user_data;

    gboolean present;      /* the file is there */
    QemuFolderSocket file; /* as it was seen last */
    gboolean complained;   /* about this file */
    guint delay_ms;        /* before the next attempt, if this one fails */
    GSource *retry;        /* idle: the next attempt */
    GCancellable *attempt; /* connecting, or reading the machine */
    QmpClient *client;     /* reading the machine, or guest */
    QemuGuest *guest;
};

static void connect_now(QemuSocket *socket);

static void
drop_retry(QemuSocket *socket)
{
    if (socket->retry)
        g_source_destroy(socket->retry);
    g_clear_pointer(&socket->retry, g_source_unref);
}

/* Ends an attempt; its callbacks see that it was cancelled, and touch nothing. */
static void
drop_attempt(QemuSocket *socket)
{
    if (socket->attempt)
        g_cancellable_cancel(socket->attempt);
    g_clear_object(&socket->attempt);
}

static void
drop_client(QemuSocket *socket)
{
    if (!socket->client)
        return;
    g_signal_handlers_disconnect_by_data(socket->client, socket);
    qmp_client_close(socket->client);
    g_clear_object(&socket->client);
}

static gboolean
on_retry(gpointer user_data)
{
    QemuSocket *socket = user_data;

    g_clear_pointer(&socket->retry, g_source_unref);
    connect_now(socket);
    return G_SOURCE_REMOVE;
}

static void
connect_in(QemuSocket *socket, guint delay_ms)
{
    drop_retry(socket);
    socket->retry = g_timeout_source_new(delay_ms);
    g_source_set_callback(socket->retry, on_retry, socket, NULL);
    g_source_attach(socket->retry, g_main_context_get_thread_default());
}

/* Whether @error is only what is to be expected from a QEMU that starts, ends or was killed. */
static gboolean
is_expected(const QemuSocket *socket, const GError *error)
{
    return g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED) ||
           g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) ||
           g_error_matches(error, QMP_ERROR, QMP_ERROR_CLOSED) ||
           (g_error_matches(error, QMP_ERROR, QMP_ERROR_BUSY) &&
            socket->delay_ms < socket->tuning->retry_most_ms);
}

static void
failed(QemuSocket *socket, const GError *error)
{
    g_clear_object(&socket->attempt);
    drop_client(socket);
    if (!is_expected(socket, error) && !socket->complained) {
        socket->complained = TRUE;
        g_warning("guest %s: %s", socket->name, error->message);
    }
    if (!socket->present)
        return;
    connect_in(socket, socket->delay_ms);
    socket->delay_ms = MIN(2 * socket->delay_ms, socket->tuning->retry_most_ms);
}

/*
 * The guest
 */

static void
on_closed(QmpClient *client, const GError *reason, gpointer user_data)
{
    QemuSocket *socket = user_data;
    g_autoptr(QemuGuest) guest = g_steal_pointer(&socket->guest);

    /* While the machine is read, the reading ends by itself and tells. */
    if (!guest)
        return;
    if (g_error_matches(reason, QMP_ERROR, QMP_ERROR_PROTOCOL))
        g_warning("guest %s: %s", socket->name, reason->message);
    drop_client(socket);
    socket->announce(guest, FALSE, socket->user_data);
    if (socket->present)
        connect_in(socket, 0);
}

static void
on_machine(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(QemuMachine) machine = qemu_machine_read_finish(QMP_CLIENT(source), result, &error);

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    QemuSocket *socket = user_data;

    if (!machine) {
        failed(socket, error);
        return;
    }
    if (!qmp_client_is_open(socket->client)) {
        g_set_error_literal(&error, QMP_ERROR, QMP_ERROR_CLOSED, "closed");
        failed(socket, error);
        return;
    }
    g_clear_object(&socket->attempt);
    socket->complained = FALSE;
    socket->delay_ms = socket->tuning->retry_first_ms;
    socket->guest =
        qemu_guest_new(socket->name, socket->client, g_steal_pointer(&machine),
                       qemu_limits_new(socket->limits_path), socket->channel_path, socket->tuning);
    socket->announce(socket->guest, TRUE, socket->user_data);
}

static void
on_connected(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(QmpClient) client = qmp_client_connect_finish(result, &error);

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    QemuSocket *socket = user_data;

    if (!client) {
        failed(socket, error);
        return;
    }
    socket->client = g_steal_pointer(&client);
    qmp_client_set_timeout(socket->client, socket->tuning->timeout_ms);
    g_signal_connect(socket->client, "closed", G_CALLBACK(on_closed), socket);
    qemu_machine_read_async(socket->client, socket->path, socket->attempt, on_machine, socket);
}

static void
connect_now(QemuSocket *socket)
{
    socket->attempt = g_cancellable_new();
    qmp_client_connect_async(socket->path, socket->tuning->timeout_ms, socket->attempt,
                             on_connected, socket);
}

/*
 * What the scans see
 */

void
qemu_socket_seen(QemuSocket *socket, const QemuFolderSocket *file)
{
    gboolean same = socket->present && socket->file.inode == file->inode &&
                    socket->file.changed_ns == file->changed_ns;

    socket->present = TRUE;
    socket->file = *file;
    if (same || socket->guest)
        return;
    socket->complained = FALSE;
    socket->delay_ms = socket->tuning->retry_first_ms;
    drop_attempt(socket);
    drop_client(socket);
    connect_in(socket, 0);
}

void
qemu_socket_missed(QemuSocket *socket)
{
    socket->present = FALSE;
    drop_retry(socket);
}

QemuGuest *
qemu_socket_get_guest(QemuSocket *socket)
{
    return socket->guest;
}

QemuSocket *
qemu_socket_new(const char *folder, const char *name, const QemuTuning *tuning,
                QemuSocketAnnounce announce, gpointer user_data)
{
    QemuSocket *socket = g_new0(QemuSocket, 1);

    socket->name = g_strdup(name);
    socket->path = g_strdup_printf("%s/%s.qmp", folder, name);
    socket->limits_path = g_strdup_printf("%s/%s.conf", folder, name);
    socket->channel_path = g_strdup_printf("%s/%s.stats", folder, name);
    socket->tuning = tuning;
    socket->announce = announce;
    socket->user_data = user_data;
    return socket;
}

void
qemu_socket_free(QemuSocket *socket)
{
    if (!socket)
        return;
    drop_retry(socket);
    drop_attempt(socket);
    drop_client(socket);
    g_clear_object(&socket->guest);
    g_free(socket->name);
    g_free(socket->path);
    g_free(socket->limits_path);
    g_free(socket->channel_path);
    g_free(socket);
}
