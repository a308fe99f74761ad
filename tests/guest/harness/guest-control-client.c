/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/guest/harness/guest-control-client.h"

#include <stdio.h>

struct GuestControlClient {
    GSocketConnection *connection;
    GDataInputStream *input;
    guint last_id;
};

GuestControlClient *
guest_control_client_new(GSocketConnection *connection)
{
    GuestControlClient *client = g_new0(GuestControlClient, 1);
    client->connection = g_object_ref(connection);
    client->input = g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(connection)));
    return client;
}

void
guest_control_client_free(GuestControlClient *client)
{
    if (client == NULL)
        return;
    g_object_unref(client->input);
    g_object_unref(client->connection);
    g_free(client);
}

static void
set_timeout(GuestControlClient *client, gint64 timeout_us)
{
    GSocket *socket = g_socket_connection_get_socket(client->connection);
    g_socket_set_timeout(socket, (guint)MAX(timeout_us / G_USEC_PER_SEC, 1));
}

static char *
read_line(GuestControlClient *client, GError **error)
{
    g_autoptr(GError) failure = NULL;
    char *line = g_data_input_stream_read_line(client->input, NULL, NULL, &failure);
    if (line == NULL && failure == NULL)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_CLOSED,
                            "the guest ended while the harness waited for it");
    else if (line == NULL)
        g_propagate_prefixed_error(error, g_steal_pointer(&failure),
                                   "waiting for the guest's answer: ");
    return line;
}

gboolean
guest_control_client_wait_ready(GuestControlClient *client, gint64 timeout_us, char **release,
                                GError **error)
{
    set_timeout(client, timeout_us);
    g_autofree char *line = read_line(client, error);
    if (line == NULL)
        return FALSE;
    if (!g_str_has_prefix(line, "ready ")) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "the guest said \"%s\" where it should be ready", line);
        return FALSE;
    }
    if (release != NULL)
        *release = g_strdup(line + strlen("ready "));
    return TRUE;
}

static gboolean
send_request(GuestControlClient *client, const char *verb, const char *body, GError **error)
{
    g_autofree char *request =
        g_strdup_printf("%s %u %zu\n%s", verb, ++client->last_id, strlen(body), body);
    return g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(client->connection)),
                                     request, strlen(request), NULL, NULL, error);
}

gboolean
guest_control_client_request(GuestControlClient *client, const char *verb, const char *body,
                             gint64 timeout_us, int *status, char **answer, GError **error)
{
    guint id;
    int code;
    gsize length;
    set_timeout(client, timeout_us);
    if (!send_request(client, verb, body, error))
        return FALSE;
    g_autofree char *line = read_line(client, error);
    if (line == NULL)
        return FALSE;
    if (sscanf(line, "done %u %d %zu", &id, &code, &length) != 3 || id != client->last_id) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the guest answered \"%s\"", line);
        return FALSE;
    }
    g_autofree char *text = g_malloc0(length + 1);
    if (!g_input_stream_read_all(G_INPUT_STREAM(client->input), text, length, NULL, NULL, error))
        return FALSE;
    *status = code;
    *answer = g_steal_pointer(&text);
    return TRUE;
}
