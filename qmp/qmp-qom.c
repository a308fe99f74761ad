/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qmp/qmp-qom.h"

#include "qmp/qmp-record.h"
#include "qmp/qmp-reply.h"

static const QmpField property_fields[] = {
    QMP_FIELD(STRING, "name", QmpQomProperty, name),
    QMP_FIELD(STRING, "type", QmpQomProperty, type),
};
static const QmpRecordType property_type = QMP_RECORD_TYPE(QmpQomProperty, property_fields);

/* Where QEMU keeps the devices that the user made, with an id and without. */
static const char *const device_containers[] = { "/machine/peripheral",
                                                 "/machine/peripheral-anon" };

static char *
path_in(const char *container, const char *id)
{
    return id[0] == '/' ? g_strdup(id) : g_strdup_printf("%s/%s", container, id);
}

char *
qmp_qom_device_path(const char *id)
{
    return path_in("/machine/peripheral", id);
}

char *
qmp_qom_object_path(const char *id)
{
    return path_in("/objects", id);
}

void
qmp_qom_list_async(QmpClient *client, const char *path, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
    JsonObject *arguments = json_object_new();
    json_object_set_string_member(arguments, "path", path);
    qmp_client_execute_async(client, "qom-list", arguments, 0, cancellable, callback, user_data);
}

static void
property_free(gpointer property)
{
    qmp_record_free(&property_type, property);
}

GPtrArray *
qmp_qom_list_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    return qmp_reply_read_list(client, result, "qom-list", &property_type, property_free, error);
}

void
qmp_qom_get_async(QmpClient *client, const char *path, const char *property,
                  GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
    JsonObject *arguments = json_object_new();
    json_object_set_string_member(arguments, "path", path);
    json_object_set_string_member(arguments, "property", property);
    qmp_client_execute_async(client, "qom-get", arguments, 0, cancellable, callback, user_data);
}

JsonNode *
qmp_qom_get_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    return qmp_client_execute_finish(client, result, error);
}

/* The value, known to be of `type`, or NULL. */
static JsonNode *
get_checked(QmpClient *client, GAsyncResult *result, QmpFieldType type, GError **error)
{
    g_autoptr(JsonNode) value = qmp_client_execute_finish(client, result, error);
    if (value == NULL)
        return NULL;
    if (!qmp_record_check(value, "return", type, error)) {
        g_prefix_error(error, "qom-get: ");
        return NULL;
    }
    return g_steal_pointer(&value);
}

char *
qmp_qom_get_string_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    g_autoptr(JsonNode) value = get_checked(client, result, QMP_FIELD_STRING, error);
    return value ? json_node_dup_string(value) : NULL;
}

gboolean
qmp_qom_get_size_finish(QmpClient *client, GAsyncResult *result, guint64 *size, GError **error)
{
    g_autoptr(JsonNode) value = get_checked(client, result, QMP_FIELD_SIZE, error);
    if (value == NULL)
        return FALSE;
    *size = (guint64)json_node_get_int(value);
    return TRUE;
}

void
qmp_qom_set_size_async(QmpClient *client, const char *path, const char *property, guint64 value,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
    g_return_if_fail(value <= G_MAXINT64);
    JsonObject *arguments = json_object_new();
    json_object_set_string_member(arguments, "path", path);
    json_object_set_string_member(arguments, "property", property);
    json_object_set_int_member(arguments, "value", (gint64)value);
    qmp_client_execute_async(client, "qom-set", arguments, 0, cancellable, callback, user_data);
}

/* ---- Looking for devices, one container after the other ---- */

typedef struct {
    char *child_type; /* what the type of a property that is such a device begins with */
    guint container;  /* the one being listed */
    GPtrArray *paths; /* found so far */
} Search;

static void list_container(GTask *task);

static void
search_free(Search *search)
{
    g_free(search->child_type);
    g_ptr_array_unref(search->paths);
    g_free(search);
}

static void
on_container_listed(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Search *search = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(GPtrArray) properties = qmp_qom_list_finish(QMP_CLIENT(source), result, &error);

    if (properties == NULL) {
        g_task_return_error(task, error);
        return;
    }
    for (guint i = 0; i < properties->len; i++) {
        const QmpQomProperty *property = properties->pdata[i];
        if (g_str_has_prefix(property->type, search->child_type))
            g_ptr_array_add(search->paths,
                            path_in(device_containers[search->container], property->name));
    }
    if (++search->container < G_N_ELEMENTS(device_containers))
        list_container(g_steal_pointer(&task));
    else
        g_task_return_pointer(task, g_ptr_array_ref(search->paths),
                              (GDestroyNotify)g_ptr_array_unref);
}

/* `task` is transfer full. */
static void
list_container(GTask *task)
{
    const Search *search = g_task_get_task_data(task);
    qmp_qom_list_async(g_task_get_source_object(task), device_containers[search->container],
                       g_task_get_cancellable(task), on_container_listed, task);
}

void
qmp_qom_find_devices_async(QmpClient *client, const char *type, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
    GTask *task = g_task_new(client, cancellable, callback, user_data);
    g_task_set_source_tag(task, qmp_qom_find_devices_async);

    Search *search = g_new0(Search, 1);
    search->child_type = g_strdup_printf("child<%s", type);
    search->paths = g_ptr_array_new_with_free_func(g_free);
    g_task_set_task_data(task, search, (GDestroyNotify)search_free);
    list_container(task);
}

GPtrArray *
qmp_qom_find_devices_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, client), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}
