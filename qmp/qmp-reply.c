/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qmp/qmp-reply.h"

gboolean
qmp_reply_read(QmpClient *client, GAsyncResult *result, const char *command,
               const QmpRecordType *type, gpointer record, GError **error)
{
    g_autoptr(JsonNode) value = qmp_client_execute_finish(client, result, error);
    if (value == NULL)
        return FALSE;

    JsonObject *object = qmp_record_as_object(value, "return", error);
    if (object != NULL && qmp_record_read(type, object, record, error))
        return TRUE;
    g_prefix_error(error, "%s: ", command);
    return FALSE;
}

/* Appends `value`'s elements to `records`. */
static gboolean
read_elements(JsonNode *value, const QmpRecordType *type, GPtrArray *records, GError **error)
{
    JsonArray *array = qmp_record_as_array(value, "return", error);
    if (array == NULL)
        return FALSE;

    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonObject *object =
            qmp_record_as_object(json_array_get_element(array, i), "element", error);
        if (object == NULL)
            return FALSE;
        gpointer record = g_malloc0(type->size);
        g_ptr_array_add(records, record);
        if (!qmp_record_read(type, object, record, error))
            return FALSE;
    }
    return TRUE;
}

GPtrArray *
qmp_reply_read_list(QmpClient *client, GAsyncResult *result, const char *command,
                    const QmpRecordType *type, GDestroyNotify free, GError **error)
{
    g_autoptr(JsonNode) value = qmp_client_execute_finish(client, result, error);
    if (value == NULL)
        return NULL;

    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func(free);
    if (!read_elements(value, type, records, error)) {
        g_prefix_error(error, "%s: ", command);
        return NULL;
    }
    return g_steal_pointer(&records);
}

char *
qmp_reply_read_string(QmpClient *client, GAsyncResult *result, const char *command,
                      const char *name, const char *absent, GError **error)
{
    const QmpField field = { .name = name, .type = QMP_FIELD_STRING, .optional = absent != NULL };
    const QmpRecordType type = { .fields = &field, .n_fields = 1, .size = sizeof(char *) };
    char *string = NULL;

    if (!qmp_reply_read(client, result, command, &type, &string, error))
        return NULL;
    return string ? string : g_strdup(absent);
}
