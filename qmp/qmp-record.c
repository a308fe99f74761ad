/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qmp/qmp-record.h"

#include "qmp/qmp-error.h"

static const struct {
    const char *noun;
    GType type;
} field_types[] = {
    [QMP_FIELD_BOOL] = { "true or false", G_TYPE_BOOLEAN },
    [QMP_FIELD_SIZE] = { "a size", G_TYPE_INT64 },
    [QMP_FIELD_INT] = { "an integer", G_TYPE_INT64 },
    [QMP_FIELD_BITS] = { "an integer", G_TYPE_INT64 },
    [QMP_FIELD_STRING] = { "a string", G_TYPE_STRING },
};

gboolean
qmp_record_check(JsonNode *value, const char *name, QmpFieldType type, GError **error)
{
    if (!JSON_NODE_HOLDS_VALUE(value) ||
        json_node_get_value_type(value) != field_types[type].type) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_REPLY, "'%s' is not %s", name,
                    field_types[type].noun);
        return FALSE;
    }
    if (type == QMP_FIELD_SIZE && json_node_get_int(value) < 0) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_REPLY, "'%s' is out of range: %" G_GUINT64_FORMAT,
                    name, (guint64)json_node_get_int(value));
        return FALSE;
    }
    return TRUE;
}

static void
store(JsonNode *value, QmpFieldType type, gpointer member)
{
    switch (type) {
    case QMP_FIELD_BOOL:
        *(gboolean *)member = json_node_get_boolean(value);
        break;
    case QMP_FIELD_INT:
        *(gint64 *)member = json_node_get_int(value);
        break;
    case QMP_FIELD_SIZE:
    case QMP_FIELD_BITS:
        *(guint64 *)member = (guint64)json_node_get_int(value);
        break;
    case QMP_FIELD_STRING:
        g_free(*(char **)member);
        *(char **)member = json_node_dup_string(value);
        break;
    }
}

static gboolean
check_field(JsonObject *object, const QmpField *field, GError **error)
{
    JsonNode *value = json_object_get_member(object, field->name);
    if (value != NULL)
        return qmp_record_check(value, field->name, field->type, error);
    if (!field->optional)
        g_set_error(error, QMP_ERROR, QMP_ERROR_REPLY, "'%s' is missing", field->name);
    return field->optional;
}

gboolean
qmp_record_read(const QmpRecordType *type, JsonObject *object, gpointer record, GError **error)
{
    for (guint i = 0; i < type->n_fields; i++) {
        if (!check_field(object, &type->fields[i], error))
            return FALSE;
    }
    for (guint i = 0; i < type->n_fields; i++) {
        const QmpField *field = &type->fields[i];
        JsonNode *value = json_object_get_member(object, field->name);
        if (value != NULL)
            store(value, field->type, G_STRUCT_MEMBER_P(record, field->offset));
    }
    return TRUE;
}

void
qmp_record_clear(const QmpRecordType *type, gpointer record)
{
    for (guint i = 0; i < type->n_fields; i++) {
        if (type->fields[i].type == QMP_FIELD_STRING)
            g_clear_pointer((char **)G_STRUCT_MEMBER_P(record, type->fields[i].offset), g_free);
    }
}

void
qmp_record_free(const QmpRecordType *type, gpointer record)
{
    if (record == NULL)
        return;
    qmp_record_clear(type, record);
    g_free(record);
}

JsonObject *
qmp_record_as_object(JsonNode *value, const char *name, GError **error)
{
    if (value != NULL && JSON_NODE_HOLDS_OBJECT(value))
        return json_node_get_object(value);
    g_set_error(error, QMP_ERROR, QMP_ERROR_REPLY, "'%s' is not an object", name);
    return NULL;
}

JsonArray *
qmp_record_as_array(JsonNode *value, const char *name, GError **error)
{
    if (value != NULL && JSON_NODE_HOLDS_ARRAY(value))
        return json_node_get_array(value);
    g_set_error(error, QMP_ERROR, QMP_ERROR_REPLY, "'%s' is not an array", name);
    return NULL;
}

JsonObject *
qmp_record_get_object(JsonObject *object, const char *name, GError **error)
{
    return qmp_record_as_object(json_object_get_member(object, name), name, error);
}
