/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qmp/qmp-memory.h"

#include "qmp/qmp-qom.h"
#include "qmp/qmp-reply.h"

static const QmpField dimm_fields[] = {
    QMP_FIELD_OPTIONAL(STRING, "id", QmpMemoryDevice, id),
    QMP_FIELD(STRING, "memdev", QmpMemoryDevice, memdev),
    QMP_FIELD(SIZE, "addr", QmpMemoryDevice, address),
    QMP_FIELD(SIZE, "size", QmpMemoryDevice, size),
    QMP_FIELD(INT, "node", QmpMemoryDevice, node),
    QMP_FIELD(INT, "slot", QmpMemoryDevice, slot),
    QMP_FIELD(BOOL, "hotplugged", QmpMemoryDevice, hotplugged),
};

static const QmpField virtio_mem_fields[] = {
    QMP_FIELD_OPTIONAL(STRING, "id", QmpMemoryDevice, id),
    QMP_FIELD(STRING, "memdev", QmpMemoryDevice, memdev),
    QMP_FIELD(SIZE, "memaddr", QmpMemoryDevice, address),
    QMP_FIELD(SIZE, "size", QmpMemoryDevice, size),
    QMP_FIELD(INT, "node", QmpMemoryDevice, node),
    QMP_FIELD(SIZE, "requested-size", QmpMemoryDevice, requested),
    QMP_FIELD(SIZE, "max-size", QmpMemoryDevice, max),
    QMP_FIELD(SIZE, "block-size", QmpMemoryDevice, block),
};

static const QmpField other_fields[] = {
    QMP_FIELD_OPTIONAL(STRING, "id", QmpMemoryDevice, id),
    QMP_FIELD_OPTIONAL(STRING, "memdev", QmpMemoryDevice, memdev),
};

/* By query-memory-devices' "type"; the last row is for every other. */
static const struct {
    const char *name;
    QmpMemoryKind kind;
    QmpRecordType type;
} kinds[] = {
    { "dimm", QMP_MEMORY_DIMM, QMP_RECORD_TYPE(QmpMemoryDevice, dimm_fields) },
    { "virtio-mem", QMP_MEMORY_VIRTIO_MEM, QMP_RECORD_TYPE(QmpMemoryDevice, virtio_mem_fields) },
    { NULL, QMP_MEMORY_OTHER, QMP_RECORD_TYPE(QmpMemoryDevice, other_fields) },
};

static const QmpField summary_fields[] = {
    QMP_FIELD(SIZE, "base-memory", QmpMemorySummary, base),
    QMP_FIELD_OPTIONAL(SIZE, "plugged-memory", QmpMemorySummary, plugged),
};
static const QmpRecordType summary_type = QMP_RECORD_TYPE(QmpMemorySummary, summary_fields);

void
qmp_memory_device_free(QmpMemoryDevice *device)
{
    if (device == NULL)
        return;
    g_free(device->id);
    g_free(device->memdev);
    g_free(device);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpMemoryDevice, qmp_memory_device_free)

void
qmp_memory_query_devices_async(QmpClient *client, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data)
{
    qmp_client_execute_async(client, "query-memory-devices", NULL, 0, cancellable, callback,
                             user_data);
}

/* {"type": …, "data": {…}} */
static QmpMemoryDevice *
read_device(JsonNode *element, GError **error)
{
    JsonObject *object = qmp_record_as_object(element, "element", error);
    JsonObject *data = object ? qmp_record_get_object(object, "data", error) : NULL;
    if (data == NULL)
        return NULL;

    static const QmpField name_fields[] = {
        { .name = "type", .type = QMP_FIELD_STRING, .offset = 0 },
    };
    static const QmpRecordType name_type = QMP_RECORD_TYPE(char *, name_fields);
    g_autofree char *name = NULL;
    if (!qmp_record_read(&name_type, object, &name, error))
        return NULL;

    guint row = 0;
    while (kinds[row].name != NULL && !g_str_equal(kinds[row].name, name))
        row++;
    g_autoptr(QmpMemoryDevice) device = g_new0(QmpMemoryDevice, 1);
    device->kind = kinds[row].kind;
    if (!qmp_record_read(&kinds[row].type, data, device, error))
        return NULL;
    return g_steal_pointer(&device);
}

static GPtrArray *
read_devices(JsonNode *value, GError **error)
{
    JsonArray *array = qmp_record_as_array(value, "return", error);
    if (array == NULL)
        return NULL;

    g_autoptr(GPtrArray) devices =
        g_ptr_array_new_with_free_func((GDestroyNotify)qmp_memory_device_free);
    for (guint i = 0; i < json_array_get_length(array); i++) {
        QmpMemoryDevice *device = read_device(json_array_get_element(array, i), error);
        if (device == NULL)
            return NULL;
        g_ptr_array_add(devices, device);
    }
    return g_steal_pointer(&devices);
}

GPtrArray *
qmp_memory_query_devices_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    g_autoptr(JsonNode) value = qmp_client_execute_finish(client, result, error);
    if (value == NULL)
        return NULL;
    GPtrArray *devices = read_devices(value, error);
    if (devices == NULL)
        g_prefix_error(error, "query-memory-devices: ");
    return devices;
}

void
qmp_memory_query_summary_async(QmpClient *client, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data)
{
    qmp_client_execute_async(client, "query-memory-size-summary", NULL, 0, cancellable, callback,
                             user_data);
}

gboolean
qmp_memory_query_summary_finish(QmpClient *client, GAsyncResult *result, QmpMemorySummary *summary,
                                GError **error)
{
    QmpMemorySummary read = { .plugged = 0 };
    if (!qmp_reply_read(client, result, "query-memory-size-summary", &summary_type, &read, error))
        return FALSE;
    *summary = read;
    return TRUE;
}

void
qmp_memory_plug_dimm_async(QmpClient *client, const char *id, const char *backend_id, guint node,
                           GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data)
{
    JsonObject *arguments = json_object_new();
    json_object_set_string_member(arguments, "driver", "pc-dimm");
    json_object_set_string_member(arguments, "id", id);
    json_object_set_string_member(arguments, "memdev", backend_id);
    json_object_set_int_member(arguments, "node", node);
    qmp_client_execute_async(client, "device_add", arguments, 0, cancellable, callback, user_data);
}

void
qmp_memory_unplug_async(QmpClient *client, const char *id, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
    JsonObject *arguments = json_object_new();
    json_object_set_string_member(arguments, "id", id);
    qmp_client_execute_async(client, "device_del", arguments, 0, cancellable, callback, user_data);
}

void
qmp_memory_request_size_async(QmpClient *client, const char *id, guint64 requested,
                              GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data)
{
    g_autofree char *path = qmp_qom_device_path(id);
    qmp_qom_set_size_async(client, path, "requested-size", requested, cancellable, callback,
                           user_data);
}

void
qmp_memory_get_size_async(QmpClient *client, const char *id, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
    g_autofree char *path = qmp_qom_device_path(id);
    qmp_qom_get_async(client, path, "size", cancellable, callback, user_data);
}
