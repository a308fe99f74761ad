/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/guest/harness/witness.h"

#define REPLY_TIMEOUT   (30 * G_USEC_PER_SEC)
#define OST_IN_PROGRESS 132 /* ACPI 6.5, 6.3.5.1: ejection in progress */

struct Witness {
    GSocketConnection *connection;
    GDataInputStream *input;
    GQueue events; /* JsonObject, oldest first */
};

static gboolean
wait_readable(Witness *witness, gint64 deadline, GError **error)
{
    GSocket *socket = g_socket_connection_get_socket(witness->connection);
    if (g_buffered_input_stream_get_available(G_BUFFERED_INPUT_STREAM(witness->input)) > 0)
        return TRUE;
    return g_socket_condition_timed_wait(socket, G_IO_IN, MAX(deadline - g_get_monotonic_time(), 0),
                                         NULL, error);
}

/* QEMU ends each message with a line end and writes it whole. */
static JsonObject *
read_message(Witness *witness, gint64 deadline, GError **error)
{
    if (!wait_readable(witness, deadline, error))
        return NULL;
    g_autoptr(GError) failure = NULL;
    g_autofree char *line = g_data_input_stream_read_line(witness->input, NULL, NULL, &failure);
    if (line == NULL) {
        if (failure != NULL)
            g_propagate_error(error, g_steal_pointer(&failure));
        else
            g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_CLOSED, "QEMU closed the monitor");
        return NULL;
    }
    g_autoptr(JsonNode) node = json_from_string(line, error);
    if (node == NULL)
        return NULL;
    return json_node_dup_object(node);
}

static void
fail_as_qemu(JsonObject *reply, const char *command, GError **error)
{
    JsonObject *detail = json_object_get_object_member(reply, "error");
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s: %s", command,
                json_object_get_string_member(detail, "class"),
                json_object_get_string_member(detail, "desc"));
}

static JsonNode *
wait_reply(Witness *witness, const char *command, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + REPLY_TIMEOUT;
    for (;;) {
        g_autoptr(JsonObject) message = read_message(witness, deadline, error);
        if (message == NULL) {
            g_prefix_error(error, "%s: ", command);
            return NULL;
        }
        if (json_object_has_member(message, "return"))
            return json_object_dup_member(message, "return");
        if (json_object_has_member(message, "error")) {
            fail_as_qemu(message, command, error);
            return NULL;
        }
        if (json_object_has_member(message, "event"))
            g_queue_push_tail(&witness->events, g_steal_pointer(&message));
    }
}

static JsonNode *
execute_variant(Witness *witness, const char *command, GVariant *arguments, GError **error)
{
    g_autoptr(JsonObject) request = json_object_new();
    json_object_set_string_member(request, "execute", command);
    if (arguments != NULL)
        json_object_set_member(request, "arguments", json_gvariant_serialize(arguments));
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), request);
    g_autofree char *text = json_to_string(node, FALSE);
    GOutputStream *output = g_io_stream_get_output_stream(G_IO_STREAM(witness->connection));
    if (!g_output_stream_write_all(output, text, strlen(text), NULL, NULL, error))
        return NULL;
    return wait_reply(witness, command, error);
}

JsonNode *
witness_execute(Witness *witness, GError **error, const char *command, const char *arguments, ...)
{
    g_autoptr(GVariant) variant = NULL;
    if (arguments != NULL) {
        va_list values;
        va_start(values, arguments);
        variant = g_variant_ref_sink(g_variant_new_parsed_va(arguments, &values));
        va_end(values);
    }
    return execute_variant(witness, command, variant, error);
}

/* For commands whose return tells nothing. */
static gboolean
done(JsonNode *reply)
{
    if (reply == NULL)
        return FALSE;
    json_node_unref(reply);
    return TRUE;
}

Witness *
witness_new(GSocketConnection *connection, GError **error)
{
    g_autoptr(Witness) witness = g_new0(Witness, 1);
    witness->connection = g_object_ref(connection);
    witness->input = g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(connection)));
    g_queue_init(&witness->events);
    g_autoptr(JsonObject) greeting =
        read_message(witness, g_get_monotonic_time() + REPLY_TIMEOUT, error);
    if (greeting == NULL || !done(witness_execute(witness, error, "qmp_capabilities", NULL)))
        return NULL;
    return g_steal_pointer(&witness);
}

void
witness_free(Witness *witness)
{
    if (witness == NULL)
        return;
    witness_drop_events(witness);
    g_object_unref(witness->input);
    g_object_unref(witness->connection);
    g_free(witness);
}

static JsonObject *
take_event(Witness *witness, const char *name)
{
    for (GList *link = witness->events.head; link != NULL; link = link->next) {
        JsonObject *event = link->data;
        if (g_str_equal(json_object_get_string_member(event, "event"), name)) {
            JsonObject *data = json_object_has_member(event, "data")
                                   ? json_object_ref(json_object_get_object_member(event, "data"))
                                   : json_object_new();
            g_queue_delete_link(&witness->events, link);
            json_object_unref(event);
            return data;
        }
    }
    return NULL;
}

JsonObject *
witness_wait_event(Witness *witness, const char *name, gint64 timeout_us, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + timeout_us;
    for (;;) {
        JsonObject *data = take_event(witness, name);
        if (data != NULL)
            return data;
        JsonObject *message = read_message(witness, deadline, error);
        if (message == NULL) {
            g_prefix_error(error, "waiting for %s: ", name);
            return NULL;
        }
        g_queue_push_tail(&witness->events, message);
    }
}

void
witness_drop_events(Witness *witness)
{
    g_queue_clear_full(&witness->events, (GDestroyNotify)json_object_unref);
}

gboolean
witness_total(Witness *witness, guint64 *boot, guint64 *plugged, GError **error)
{
    g_autoptr(JsonNode) reply = witness_execute(witness, error, "query-memory-size-summary", NULL);
    if (reply == NULL)
        return FALSE;
    JsonObject *summary = json_node_get_object(reply);
    *boot = (guint64)json_object_get_int_member(summary, "base-memory");
    *plugged = (guint64)json_object_get_int_member_with_default(summary, "plugged-memory", 0);
    return TRUE;
}

/* The memory of DIMMs, of all that are plugged. */
static gboolean
sum_dimms(Witness *witness, guint64 *dimms, GError **error)
{
    g_autoptr(JsonNode) reply = witness_execute(witness, error, "query-memory-devices", NULL);
    if (reply == NULL)
        return FALSE;
    JsonArray *devices = json_node_get_array(reply);
    *dimms = 0;
    for (guint i = 0; i < json_array_get_length(devices); i++) {
        JsonObject *device = json_array_get_object_element(devices, i);
        if (g_str_equal(json_object_get_string_member(device, "type"), "dimm"))
            *dimms += (guint64)json_object_get_int_member(
                json_object_get_object_member(device, "data"), "size");
    }
    return TRUE;
}

gboolean
witness_actual(Witness *witness, guint64 *actual, guint64 *ballooned, GError **error)
{
    guint64 boot, plugged, dimms;
    g_autoptr(GError) failure = NULL;
    if (!witness_total(witness, &boot, &plugged, error) || !sum_dimms(witness, &dimms, error))
        return FALSE;
    g_autoptr(JsonNode) reply = witness_execute(witness, &failure, "query-balloon", NULL);
    if (reply == NULL && strstr(failure->message, "DeviceNotActive") == NULL) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    *ballooned =
        reply == NULL
            ? 0
            : boot + dimms -
                  (guint64)json_object_get_int_member(json_node_get_object(reply), "actual");
    *actual = boot + plugged - *ballooned;
    return TRUE;
}

gboolean
witness_get_number(Witness *witness, const char *path, const char *property, guint64 *number,
                   GError **error)
{
    g_autoptr(JsonNode) reply = witness_execute(witness, error, "qom-get",
                                                "{'path': <%s>, 'property': <%s>}", path, property);
    if (reply == NULL)
        return FALSE;
    *number = (guint64)json_node_get_int(reply);
    return TRUE;
}

gboolean
witness_plug_dimm(Witness *witness, const char *id, guint64 size, GError **error)
{
    g_autofree char *backend = g_strdup_printf("mem-%s", id);
    return done(witness_execute(witness, error, "object-add",
                                "{'qom-type': <'memory-backend-ram'>, 'id': <%s>, 'size': <%t>}",
                                backend, size)) &&
           done(witness_execute(witness, error, "device_add",
                                "{'driver': <'pc-dimm'>, 'id': <%s>, 'memdev': <%s>}", id,
                                backend));
}

gboolean
witness_has_memory_device(Witness *witness, const char *id, gboolean *present, GError **error)
{
    g_autoptr(JsonNode) reply = witness_execute(witness, error, "query-memory-devices", NULL);
    if (reply == NULL)
        return FALSE;
    JsonArray *devices = json_node_get_array(reply);
    *present = FALSE;
    for (guint i = 0; i < json_array_get_length(devices); i++) {
        JsonObject *data =
            json_object_get_object_member(json_array_get_object_element(devices, i), "data");
        if (g_str_equal(json_object_get_string_member_with_default(data, "id", ""), id))
            *present = TRUE;
    }
    return TRUE;
}

static gboolean
count_elements(Witness *witness, JsonNode *reply, guint *count)
{
    if (reply == NULL)
        return FALSE;
    *count = json_array_get_length(json_node_get_array(reply));
    json_node_unref(reply);
    return TRUE;
}

gboolean
witness_count_memory_devices(Witness *witness, guint *count, GError **error)
{
    return count_elements(witness, witness_execute(witness, error, "query-memory-devices", NULL),
                          count);
}

gboolean
witness_count_prefix(Witness *witness, const char *path, const char *prefix, guint *count,
                     GError **error)
{
    g_autoptr(JsonNode) reply = witness_execute(witness, error, "qom-list", "{'path': <%s>}", path);
    if (reply == NULL)
        return FALSE;
    JsonArray *properties = json_node_get_array(reply);
    *count = 0;
    for (guint i = 0; i < json_array_get_length(properties); i++) {
        JsonObject *property = json_array_get_object_element(properties, i);
        *count += g_str_has_prefix(json_object_get_string_member(property, "name"), prefix);
    }
    return TRUE;
}

gboolean
witness_count_objects(Witness *witness, guint *count, GError **error)
{
    /* One of the elements is the property "type". */
    if (!count_elements(
            witness, witness_execute(witness, error, "qom-list", "{'path': <'/objects'>}"), count))
        return FALSE;
    *count -= 1;
    return TRUE;
}

/*
 * A refusal is an ACPI_DEVICE_OST that is neither success nor "in progress";
 * QEMU's own error event comes too, or not, as its version pleases.
 */
static gboolean
has_refused(Witness *witness)
{
    for (;;) {
        g_autoptr(JsonObject) data = take_event(witness, "ACPI_DEVICE_OST");
        if (data == NULL)
            return FALSE;
        gint64 status =
            json_object_get_int_member(json_object_get_object_member(data, "info"), "status");
        if (status != 0 && status != OST_IN_PROGRESS)
            return TRUE;
    }
}

gboolean
witness_unplug_dimm(Witness *witness, const char *id, gint64 timeout_us, GError **error)
{
    g_autofree char *backend = g_strdup_printf("mem-%s", id);
    gint64 deadline = g_get_monotonic_time() + timeout_us;
    gboolean present = TRUE;
    witness_drop_events(witness);
    if (!done(witness_execute(witness, error, "device_del", "{'id': <%s>}", id)))
        return FALSE;
    for (;;) {
        if (!witness_has_memory_device(witness, id, &present, error))
            return FALSE;
        if (!present)
            return done(witness_execute(witness, error, "object-del", "{'id': <%s>}", backend));
        if (has_refused(witness)) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY, "the guest refused to give up %s", id);
            return FALSE;
        }
        if (g_get_monotonic_time() > deadline) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "%s is still plugged", id);
            return FALSE;
        }
        g_usleep(20 * 1000);
    }
}
