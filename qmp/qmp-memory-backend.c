/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qmp/qmp-memory-backend.h"

#include "qmp/qmp-error.h"
#include "qmp/qmp-qom.h"
#include "qmp/qmp-record.h"
#include "qmp/qmp-reply.h"

/* How fast a host touches preallocated memory at the least, one thread, huge pages cleared. */
#define PREALLOC_BYTES_PER_MS (256 * 1024)

struct QmpMemoryBackend {
    char *qom_type;
    JsonObject *properties; /* as object-add takes them */
};

static const char *const qom_types[] = { "memory-backend-ram", "memory-backend-memfd",
                                         "memory-backend-file", "memory-backend-shm" };

/* What is mirrored. A size of 0 means "not set" for each of these, and object-add refuses it. */
static const struct {
    const char *name;
    QmpFieldType type;
} mirrored[] = {
    { "share", QMP_FIELD_BOOL },        { "merge", QMP_FIELD_BOOL },
    { "dump", QMP_FIELD_BOOL },         { "reserve", QMP_FIELD_BOOL },
    { "prealloc", QMP_FIELD_BOOL },     { "prealloc-threads", QMP_FIELD_SIZE },
    { "policy", QMP_FIELD_STRING },     { "hugetlb", QMP_FIELD_BOOL }, /* memfd */
    { "hugetlbsize", QMP_FIELD_SIZE },                                 /* memfd */
    { "seal", QMP_FIELD_BOOL },                                        /* memfd */
    { "mem-path", QMP_FIELD_STRING },                                  /* file */
    { "align", QMP_FIELD_SIZE },                                       /* file */
    { "pmem", QMP_FIELD_BOOL },                                        /* file */
    { "discard-data", QMP_FIELD_BOOL },                                /* file */
};

/* The one that is no scalar: the host's NUMA nodes, an array of their numbers. */
static const char host_nodes[] = "host-nodes";

static const QmpField info_fields[] = {
    QMP_FIELD_OPTIONAL(STRING, "id", QmpMemoryBackendInfo, id),
    QMP_FIELD(SIZE, "size", QmpMemoryBackendInfo, size),
};
static const QmpRecordType info_type = QMP_RECORD_TYPE(QmpMemoryBackendInfo, info_fields);

void
qmp_memory_backend_info_free(QmpMemoryBackendInfo *info)
{
    qmp_record_free(&info_type, info);
}

void
qmp_memory_backend_list_async(QmpClient *client, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
    qmp_client_execute_async(client, "query-memdev", NULL, 0, cancellable, callback, user_data);
}

GPtrArray *
qmp_memory_backend_list_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    return qmp_reply_read_list(client, result, "query-memdev", &info_type,
                               (GDestroyNotify)qmp_memory_backend_info_free, error);
}

static QmpMemoryBackend *
backend_new(const char *qom_type)
{
    QmpMemoryBackend *backend = g_new0(QmpMemoryBackend, 1);
    backend->qom_type = g_strdup(qom_type);
    backend->properties = json_object_new();
    return backend;
}

QmpMemoryBackend *
qmp_memory_backend_new(void)
{
    return backend_new("memory-backend-ram");
}

void
qmp_memory_backend_free(QmpMemoryBackend *backend)
{
    if (backend == NULL)
        return;
    g_free(backend->qom_type);
    json_object_unref(backend->properties);
    g_free(backend);
}

const char *
qmp_memory_backend_get_qom_type(const QmpMemoryBackend *backend)
{
    return backend->qom_type;
}

const char *
qmp_memory_backend_get_path(const QmpMemoryBackend *backend)
{
    return json_object_get_string_member_with_default(backend->properties, "mem-path", NULL);
}

void
qmp_memory_backend_set_path(QmpMemoryBackend *backend, const char *path)
{
    json_object_set_string_member(backend->properties, "mem-path", path);
}

/* ---- Reading: the type, the names of the properties, then each mirrored one in turn ---- */

typedef struct {
    char *path;
    QmpMemoryBackend *backend;
    GQueue wanted; /* of char *, names of properties still to read; the head is being read */
} Reading;

static void read_next_property(GTask *task);

static void
reading_free(Reading *reading)
{
    g_free(reading->path);
    qmp_memory_backend_free(reading->backend);
    g_queue_clear_full(&reading->wanted, g_free);
    g_free(reading);
}

static gboolean
check_host_nodes(JsonNode *value, GError **error)
{
    JsonArray *nodes = qmp_record_as_array(value, host_nodes, error);
    if (nodes == NULL)
        return FALSE;
    for (guint i = 0; i < json_array_get_length(nodes); i++) {
        if (!qmp_record_check(json_array_get_element(nodes, i), host_nodes, QMP_FIELD_SIZE, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
is_unset(JsonNode *value)
{
    if (JSON_NODE_HOLDS_ARRAY(value))
        return json_array_get_length(json_node_get_array(value)) == 0;
    return json_node_get_value_type(value) == G_TYPE_INT64 && json_node_get_int(value) == 0;
}

/* Adds the property to the kind, if it says something. */
static gboolean
mirror(QmpMemoryBackend *backend, const char *name, JsonNode *value, GError **error)
{
    if (g_str_equal(name, host_nodes) && !check_host_nodes(value, error))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(mirrored); i++) {
        if (g_str_equal(name, mirrored[i].name) &&
            !qmp_record_check(value, name, mirrored[i].type, error))
            return FALSE;
    }
    if (!is_unset(value))
        json_object_set_member(backend->properties, name, json_node_copy(value));
    return TRUE;
}

static void
on_property(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Reading *reading = g_task_get_task_data(task);
    g_autofree char *name = g_queue_pop_head(&reading->wanted);
    GError *error = NULL;
    g_autoptr(JsonNode) value = qmp_qom_get_finish(QMP_CLIENT(source), result, &error);

    if (value == NULL || !mirror(reading->backend, name, value, &error))
        g_task_return_error(task, error);
    else
        read_next_property(g_steal_pointer(&task));
}

/* `task` is transfer full. */
static void
read_next_property(GTask *task)
{
    g_autoptr(GTask) owned = task;
    Reading *reading = g_task_get_task_data(task);
    const char *name = g_queue_peek_head(&reading->wanted);

    if (name == NULL)
        g_task_return_pointer(owned, g_steal_pointer(&reading->backend),
                              (GDestroyNotify)qmp_memory_backend_free);
    else
        qmp_qom_get_async(g_task_get_source_object(task), reading->path, name,
                          g_task_get_cancellable(task), on_property, g_steal_pointer(&owned));
}

static gboolean
is_mirrored(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(mirrored); i++) {
        if (g_str_equal(name, mirrored[i].name))
            return TRUE;
    }
    return g_str_equal(name, host_nodes);
}

static void
on_properties_listed(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Reading *reading = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(GPtrArray) properties = qmp_qom_list_finish(QMP_CLIENT(source), result, &error);

    if (properties == NULL) {
        g_task_return_error(task, error);
        return;
    }
    for (guint i = 0; i < properties->len; i++) {
        const QmpQomProperty *property = properties->pdata[i];
        if (is_mirrored(property->name))
            g_queue_push_tail(&reading->wanted, g_strdup(property->name));
    }
    read_next_property(g_steal_pointer(&task));
}

static gboolean
is_mirrored_type(const char *qom_type)
{
    for (guint i = 0; i < G_N_ELEMENTS(qom_types); i++) {
        if (g_str_equal(qom_type, qom_types[i]))
            return TRUE;
    }
    return FALSE;
}

static void
on_type(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Reading *reading = g_task_get_task_data(task);
    GError *error = NULL;
    g_autofree char *qom_type = qmp_qom_get_string_finish(QMP_CLIENT(source), result, &error);

    if (qom_type == NULL) {
        g_task_return_error(task, error);
        return;
    }
    if (!is_mirrored_type(qom_type)) {
        g_task_return_new_error(task, QMP_ERROR, QMP_ERROR_REPLY,
                                "%s: memory of type %s cannot be mirrored", reading->path,
                                qom_type);
        return;
    }
    reading->backend = backend_new(qom_type);
    GCancellable *cancellable = g_task_get_cancellable(task);
    qmp_qom_list_async(QMP_CLIENT(source), reading->path, cancellable, on_properties_listed,
                       g_steal_pointer(&task));
}

void
qmp_memory_backend_read_async(QmpClient *client, const char *id, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
    GTask *task = g_task_new(client, cancellable, callback, user_data);
    g_task_set_source_tag(task, qmp_memory_backend_read_async);

    Reading *reading = g_new0(Reading, 1);
    reading->path = qmp_qom_object_path(id);
    g_queue_init(&reading->wanted);
    g_task_set_task_data(task, reading, (GDestroyNotify)reading_free);
    qmp_qom_get_async(client, reading->path, "type", cancellable, on_type, task);
}

QmpMemoryBackend *
qmp_memory_backend_read_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, client), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* ---- Making and removing ---- */

static void
copy_member(G_GNUC_UNUSED JsonObject *object, const char *name, JsonNode *value, gpointer copy)
{
    json_object_set_member(copy, name, json_node_copy(value));
}

void
qmp_memory_backend_add_async(QmpClient *client, const QmpMemoryBackend *backend, const char *id,
                             guint64 size, GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data)
{
    g_return_if_fail(size <= G_MAXINT64);
    guint timeout_ms = 0;
    if (json_object_get_boolean_member_with_default(backend->properties, "prealloc", FALSE))
        timeout_ms = (guint)MIN(QMP_CLIENT_DEFAULT_TIMEOUT_MS + size / PREALLOC_BYTES_PER_MS,
                                (guint64)G_MAXINT);

    JsonObject *arguments = json_object_new();
    json_object_foreach_member(backend->properties, copy_member, arguments);
    json_object_set_string_member(arguments, "qom-type", backend->qom_type);
    json_object_set_string_member(arguments, "id", id);
    json_object_set_int_member(arguments, "size", (gint64)size);
    qmp_client_execute_async(client, "object-add", arguments, timeout_ms, cancellable, callback,
                             user_data);
}

void
qmp_memory_backend_del_async(QmpClient *client, const char *id, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data)
{
    JsonObject *arguments = json_object_new();
    json_object_set_string_member(arguments, "id", id);
    qmp_client_execute_async(client, "object-del", arguments, 0, cancellable, callback, user_data);
}
