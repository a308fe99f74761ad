/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/qemu/qemu-channel.h"

#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Whether @path can be connected to at all. */
static gboolean
check_path(const char *path, GError **error)
{
    struct stat status;

    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FILENAME_TOO_LONG,
                    "%s: too long for a UNIX socket's name", path);
        return FALSE;
    }
    if (stat(path, &status) < 0) {
        int code = errno;

        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "%s: %s", path,
                    g_strerror(code));
        return FALSE;
    }
    if (!S_ISSOCK(status.st_mode)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: not a socket", path);
        return FALSE;
    }
    return TRUE;
}

/* On a UNIX socket connect() has its outcome at once; in blocking mode it would wait for a
 * place in the backlog. */
static GIOStream *
connect_to(const char *path, GError **error)
{
    g_autoptr(GSocketAddress) address = NULL;
    g_autoptr(GSocket) socket = NULL;
    g_autoptr(GError) refusal = NULL;

    if (!check_path(path, error))
        return NULL;
    address = g_unix_socket_address_new(path);
    socket =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, error);
    if (!socket)
        return NULL;
    g_socket_set_blocking(socket, FALSE);
    if (!g_socket_connect(socket, address, NULL, &refusal)) {
        if (g_error_matches(refusal, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY, "%s: another client has it", path);
        else
            g_propagate_prefixed_error(error, g_steal_pointer(&refusal), "%s: ", path);
        return NULL;
    }
    return G_IO_STREAM(g_socket_connection_factory_create_connection(socket));
}

void
qemu_channel_open_async(gpointer source, const char *path, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(source, cancellable, callback, user_data);
    GError *error = NULL;
    GIOStream *stream;

    g_task_set_source_tag(task, qemu_channel_open_async);
    if (g_task_return_error_if_cancelled(task))
        return;
    stream = connect_to(path, &error);
    if (stream)
        g_task_return_pointer(task, stream, g_object_unref);
    else
        g_task_return_error(task, error);
}

GIOStream *
qemu_channel_open_finish(gpointer source, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, source), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}
