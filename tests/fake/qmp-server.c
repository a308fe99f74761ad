/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/fake/qmp-server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#define GREETING                                                                       \
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, " \
    "\"package\": \"fake\"}, \"capabilities\": [\"oob\"]}}\r\n"

typedef enum { ACT_REPLY, ACT_HOLD, ACT_RAW, ACT_CLOSE } Act;

/* A command to come and what to do then. */
typedef struct {
    char *command;
    JsonNode *arguments; /* NULL: any */
    Act act;
    char *reply;     /* "return": … or "error": … without the id; ACT_RAW: the bytes */
    GString *before; /* events */
    GString *after;
} Step;

typedef struct {
    char *command;
    gint64 id;
    char *reply;
} Held;

struct FakeQmpServer {
    char *folder; /* to be removed; NULL if the path was given */
    char *path;
    char *greeting;
    gsize piece;
    gboolean hung;
    gboolean reading;

    GQueue script;       /* of Step */
    GPtrArray *standing; /* of Step */
    GQueue held;         /* of Held */
    GHashTable *counts;  /* command to how often it came */
    gboolean negotiated;

    GSocket *listener;
    GSource *accept;
    GSocketConnection *client;
    GCancellable *cancellable; /* of what goes on with `client` */
    GDataInputStream *input;
    gboolean read_pending;
    GString *output;
    gboolean write_pending;
};

static void read_next(FakeQmpServer *server);
static void write_next(FakeQmpServer *server);
static void wait_for_client(FakeQmpServer *server);

/* ---- Text ---- */

static char *
to_json(const char *text)
{
    return g_strdelimit(g_strdup(text), "'", '"');
}

static JsonNode *
parse(const char *text)
{
    GError *error = NULL;
    g_autofree char *json = to_json(text);
    JsonNode *node = json_from_string(json, &error);
    if (node == NULL)
        fail_msg("the test's own JSON is wrong: %s: %s", text, error->message);
    return node;
}

static void
step_free(Step *step)
{
    g_free(step->command);
    g_clear_pointer(&step->arguments, json_node_unref);
    g_free(step->reply);
    g_string_free(step->before, TRUE);
    g_string_free(step->after, TRUE);
    g_free(step);
}

static void
held_free(Held *held)
{
    g_free(held->command);
    g_free(held->reply);
    g_free(held);
}

static char *
format_event(const char *name, const char *data)
{
    g_autofree char *json = to_json(data ? data : "{}");
    return g_strdup_printf("{\"timestamp\": {\"seconds\": 1700000000, \"microseconds\": 5}, "
                           "\"event\": \"%s\", \"data\": %s}\r\n",
                           name, json);
}

static char *
format_error(const char *class_name, const char *description)
{
    return g_strdup_printf("\"error\": {\"class\": \"%s\", \"desc\": \"%s\"}", class_name,
                           description);
}

static char *
format_value(const char *value)
{
    g_autofree char *json = to_json(value);
    return g_strdup_printf("\"return\": %s", json);
}

/* ---- The client's side ---- */

static void
drop_client(FakeQmpServer *server)
{
    if (server->client == NULL)
        return;
    g_cancellable_cancel(server->cancellable);
    g_io_stream_close(G_IO_STREAM(server->client), NULL, NULL);
    g_clear_object(&server->cancellable);
    g_clear_object(&server->input);
    g_clear_object(&server->client);
    g_string_truncate(server->output, 0);
    g_queue_clear_full(&server->held, (GDestroyNotify)held_free);
    server->read_pending = FALSE;
    server->write_pending = FALSE;
    server->negotiated = FALSE;
    if (server->listener != NULL)
        wait_for_client(server);
}

static void
send_text(FakeQmpServer *server, const char *text)
{
    fake_qmp_server_send_bytes(server, text, strlen(text));
}

static void
send_reply(FakeQmpServer *server, gint64 id, const char *reply)
{
    g_autofree char *line = g_strdup_printf("{%s, \"id\": %" G_GINT64_FORMAT "}\r\n", reply, id);
    send_text(server, line);
}

static void
send_raw(FakeQmpServer *server, gint64 id, const char *bytes)
{
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, id);
    g_auto(GStrv) parts = g_strsplit(bytes, "$ID", -1);
    g_autofree char *text = g_strjoinv(number, parts);
    send_text(server, text);
}

static void
on_written(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    gssize size = g_output_stream_write_bytes_finish(G_OUTPUT_STREAM(source), result, &error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;

    FakeQmpServer *server = user_data;
    server->write_pending = FALSE;
    if (size < 0) {
        drop_client(server);
        return;
    }
    g_string_erase(server->output, 0, size);
    write_next(server);
}

static void
write_next(FakeQmpServer *server)
{
    if (server->client == NULL || server->write_pending || server->output->len == 0)
        return;
    gsize size = server->output->len;
    if (server->piece > 0)
        size = MIN(size, server->piece);

    g_autoptr(GBytes) bytes = g_bytes_new(server->output->str, size);
    server->write_pending = TRUE;
    g_output_stream_write_bytes_async(g_io_stream_get_output_stream(G_IO_STREAM(server->client)),
                                      bytes, G_PRIORITY_DEFAULT, server->cancellable, on_written,
                                      server);
}

void
fake_qmp_server_send_bytes(FakeQmpServer *server, const char *bytes, gsize size)
{
    if (server->client == NULL)
        fail_msg("no client is connected to the fake monitor");
    g_string_append_len(server->output, bytes, (gssize)size);
    write_next(server);
}

static void
play(FakeQmpServer *server, const Step *step, gint64 id)
{
    send_text(server, step->before->str);
    switch (step->act) {
    case ACT_REPLY:
        send_reply(server, id, step->reply);
        break;
    case ACT_RAW:
        send_raw(server, id, step->reply);
        break;
    case ACT_HOLD: {
        Held *held = g_new0(Held, 1);
        held->command = g_strdup(step->command);
        held->id = id;
        held->reply = g_strdup(step->reply);
        g_queue_push_tail(&server->held, held);
        break;
    }
    case ACT_CLOSE:
        drop_client(server);
        return;
    }
    send_text(server, step->after->str);
}

static gboolean
matches(const Step *step, const char *command, JsonNode *arguments)
{
    return step != NULL && g_str_equal(step->command, command) &&
           (step->arguments == NULL || json_node_equal(step->arguments, arguments));
}

/* The standing answer for exactly these arguments, else the one for any. */
static const Step *
find_standing(FakeQmpServer *server, const char *command, JsonNode *arguments)
{
    const Step *any = NULL;
    for (guint i = 0; i < server->standing->len; i++) {
        const Step *step = server->standing->pdata[i];
        if (!matches(step, command, arguments))
            continue;
        if (step->arguments != NULL)
            return step;
        any = step;
    }
    return any;
}

static void
take_command(FakeQmpServer *server, const char *command, JsonNode *arguments, gint64 id)
{
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(server->counts, command));
    g_hash_table_replace(server->counts, g_strdup(command), GUINT_TO_POINTER(count + 1));

    if (g_str_equal(command, "qmp_capabilities")) {
        server->negotiated = TRUE;
        send_reply(server, id, "\"return\": {}");
        return;
    }
    Step *next = g_queue_peek_head(&server->script);
    if (matches(next, command, arguments)) {
        g_queue_pop_head(&server->script);
        play(server, next, id);
        step_free(next);
        return;
    }
    const Step *standing = find_standing(server, command, arguments);
    if (standing != NULL) {
        if (!server->hung)
            play(server, standing, id);
        return;
    }
    g_autofree char *text = json_to_string(arguments, FALSE);
    g_autofree char *wanted =
        next && next->arguments ? json_to_string(next->arguments, FALSE) : g_strdup("…");
    fail_msg("the fake monitor got %s %.300s, but expected %s %s", command, text,
             next ? next->command : "nothing", next ? wanted : "");
}

static void
on_line(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *line =
        g_data_input_stream_read_line_finish(G_DATA_INPUT_STREAM(source), result, NULL, &error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;

    FakeQmpServer *server = user_data;
    server->read_pending = FALSE;
    if (line == NULL) {
        drop_client(server);
        return;
    }
    g_autoptr(JsonNode) node = json_from_string(line, &error);
    if (node == NULL || !JSON_NODE_HOLDS_OBJECT(node))
        fail_msg("the fake monitor got no JSON object: %s", line);
    JsonObject *object = json_node_get_object(node);
    if (!json_object_has_member(object, "execute") || !json_object_has_member(object, "id"))
        fail_msg("the fake monitor got no command: %s", line);
    g_autoptr(JsonNode) arguments = json_object_has_member(object, "arguments")
                                        ? json_object_dup_member(object, "arguments")
                                        : parse("{}");
    take_command(server, json_object_get_string_member(object, "execute"), arguments,
                 json_object_get_int_member(object, "id"));
    read_next(server);
}

static void
read_next(FakeQmpServer *server)
{
    if (server->client == NULL || server->read_pending || !server->reading)
        return;
    server->read_pending = TRUE;
    g_data_input_stream_read_line_async(server->input, G_PRIORITY_DEFAULT, server->cancellable,
                                        on_line, server);
}

/* ---- Listening ---- */

static gboolean
on_client(GSocket *listener, G_GNUC_UNUSED GIOCondition condition, gpointer user_data)
{
    FakeQmpServer *server = user_data;
    g_autoptr(GSocket) socket = g_socket_accept(listener, NULL, NULL);
    if (socket == NULL)
        return G_SOURCE_CONTINUE;

    server->client = g_socket_connection_factory_create_connection(socket);
    server->cancellable = g_cancellable_new();
    server->input =
        g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(server->client)));
    g_data_input_stream_set_newline_type(server->input, G_DATA_STREAM_NEWLINE_TYPE_ANY);
    g_clear_pointer(&server->accept, g_source_unref);
    if (server->greeting != NULL)
        send_text(server, server->greeting);
    read_next(server);
    return G_SOURCE_REMOVE;
}

static void
wait_for_client(FakeQmpServer *server)
{
    server->accept = g_socket_create_source(server->listener, G_IO_IN, NULL);
    g_source_set_callback(server->accept, G_SOURCE_FUNC(on_client), server, NULL);
    g_source_attach(server->accept, NULL);
}

static GSocket *
listen_on(const char *path)
{
    GError *error = NULL;
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, &error);
    g_unlink(path);
    if (socket != NULL)
        g_socket_set_listen_backlog(socket, 1); /* as QEMU does */
    if (socket == NULL || !g_socket_bind(socket, address, FALSE, &error) ||
        !g_socket_listen(socket, &error))
        fail_msg("the fake monitor cannot listen on %s: %s", path, error->message);
    g_socket_set_blocking(socket, FALSE);
    return g_steal_pointer(&socket);
}

FakeQmpServer *
fake_qmp_server_new(const char *path)
{
    FakeQmpServer *server = g_new0(FakeQmpServer, 1);
    if (path == NULL) {
        server->folder = g_dir_make_tmp("fake-qmp-XXXXXX", NULL);
        assert_non_null(server->folder);
        server->path = g_build_filename(server->folder, "qmp", NULL);
    } else {
        server->path = g_strdup(path);
    }
    server->greeting = g_strdup(GREETING);
    server->reading = TRUE;
    server->output = g_string_new(NULL);
    server->standing = g_ptr_array_new_with_free_func((GDestroyNotify)step_free);
    server->counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_queue_init(&server->script);
    g_queue_init(&server->held);
    server->listener = listen_on(server->path);
    wait_for_client(server);
    return server;
}

static void
stop_listening(FakeQmpServer *server)
{
    if (server->accept != NULL)
        g_source_destroy(server->accept);
    g_clear_pointer(&server->accept, g_source_unref);
    g_socket_close(server->listener, NULL);
    g_clear_object(&server->listener);
}

void
fake_qmp_server_kill(FakeQmpServer *server)
{
    if (server == NULL)
        return;
    stop_listening(server);
    drop_client(server);
    if (server->folder != NULL) {
        g_unlink(server->path);
        g_rmdir(server->folder);
    }
    g_queue_clear_full(&server->script, (GDestroyNotify)step_free);
    g_queue_clear_full(&server->held, (GDestroyNotify)held_free);
    g_ptr_array_unref(server->standing);
    g_hash_table_unref(server->counts);
    g_string_free(server->output, TRUE);
    g_free(server->greeting);
    g_free(server->folder);
    g_free(server->path);
    g_free(server);
}

void
fake_qmp_server_free(FakeQmpServer *server)
{
    if (server == NULL)
        return;
    g_unlink(server->path);
    fake_qmp_server_kill(server);
}

/* ---- The script ---- */

static Step *
step_new(const char *command, const char *arguments, Act act, char *reply)
{
    Step *step = g_new0(Step, 1);
    step->command = g_strdup(command);
    step->arguments = arguments ? parse(arguments) : NULL;
    step->act = act;
    step->reply = reply;
    step->before = g_string_new(NULL);
    step->after = g_string_new(NULL);
    return step;
}

static void
expect(FakeQmpServer *server, const char *command, const char *arguments, Act act, char *reply)
{
    g_queue_push_tail(&server->script, step_new(command, arguments, act, reply));
}

void
fake_qmp_server_expect(FakeQmpServer *server, const char *command, const char *arguments,
                       const char *value)
{
    expect(server, command, arguments, ACT_REPLY, format_value(value));
}

void
fake_qmp_server_expect_error(FakeQmpServer *server, const char *command, const char *arguments,
                             const char *class_name, const char *description)
{
    expect(server, command, arguments, ACT_REPLY, format_error(class_name, description));
}

void
fake_qmp_server_expect_held(FakeQmpServer *server, const char *command, const char *arguments,
                            const char *value)
{
    expect(server, command, arguments, ACT_HOLD, format_value(value));
}

void
fake_qmp_server_expect_raw(FakeQmpServer *server, const char *command, const char *arguments,
                           const char *bytes)
{
    expect(server, command, arguments, ACT_RAW, g_strdup(bytes));
}

void
fake_qmp_server_expect_then_close(FakeQmpServer *server, const char *command, const char *arguments)
{
    expect(server, command, arguments, ACT_CLOSE, NULL);
}

void
fake_qmp_server_with_event(FakeQmpServer *server, gboolean before, const char *name,
                           const char *data)
{
    Step *step = g_queue_peek_tail(&server->script);
    assert_non_null(step);
    g_autofree char *event = format_event(name, data);
    g_string_append(before ? step->before : step->after, event);
}

static gboolean
same_arguments(JsonNode *a, JsonNode *b)
{
    return a && b ? json_node_equal(a, b) : a == b;
}

static void
stand(FakeQmpServer *server, Step *step)
{
    for (guint i = 0; i < server->standing->len; i++) {
        const Step *other = server->standing->pdata[i];
        if (g_str_equal(other->command, step->command) &&
            same_arguments(other->arguments, step->arguments)) {
            g_ptr_array_remove_index(server->standing, i);
            break;
        }
    }
    g_ptr_array_add(server->standing, step);
}

void
fake_qmp_server_stand(FakeQmpServer *server, const char *command, const char *arguments,
                      const char *value)
{
    stand(server, step_new(command, arguments, ACT_REPLY, format_value(value)));
}

void
fake_qmp_server_stand_error(FakeQmpServer *server, const char *command, const char *arguments,
                            const char *class_name, const char *description)
{
    stand(server, step_new(command, arguments, ACT_REPLY, format_error(class_name, description)));
}

/* ---- At once ---- */

void
fake_qmp_server_release(FakeQmpServer *server, const char *command)
{
    for (GList *link = server->held.head; link != NULL; link = link->next) {
        Held *held = link->data;
        if (!g_str_equal(held->command, command))
            continue;
        g_queue_delete_link(&server->held, link);
        send_reply(server, held->id, held->reply);
        held_free(held);
        return;
    }
    fail_msg("no %s is held", command);
}

void
fake_qmp_server_send_event(FakeQmpServer *server, const char *name, const char *data)
{
    g_autofree char *event = format_event(name, data);
    send_text(server, event);
}

void
fake_qmp_server_disconnect(FakeQmpServer *server)
{
    drop_client(server);
}

const char *
fake_qmp_server_get_path(FakeQmpServer *server)
{
    return server->path;
}

void
fake_qmp_server_assert_done(FakeQmpServer *server)
{
    const Step *next = g_queue_peek_head(&server->script);
    if (next != NULL)
        fail_msg("the fake monitor still expects %s", next->command);
}

gboolean
fake_qmp_server_is_done(gpointer server)
{
    return g_queue_is_empty(&((FakeQmpServer *)server)->script);
}

gboolean
fake_qmp_server_is_connected(gpointer server)
{
    return ((FakeQmpServer *)server)->negotiated;
}

guint
fake_qmp_server_count(FakeQmpServer *server, const char *command)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(server->counts, command));
}

void
fake_qmp_server_set_hung(FakeQmpServer *server, gboolean hung)
{
    server->hung = hung;
}

void
fake_qmp_server_set_greeting(FakeQmpServer *server, const char *greeting)
{
    g_free(server->greeting);
    server->greeting = g_strdup(greeting);
}

void
fake_qmp_server_set_piece(FakeQmpServer *server, gsize size)
{
    server->piece = size;
}

void
fake_qmp_server_set_reading(FakeQmpServer *server, gboolean reading)
{
    server->reading = reading;
    read_next(server);
}
