/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads the members of a JSON object into a struct, by a table, and trusts nothing: what QEMU says
 * may have been said by a guest that broke out into it. A member that is missing, of another type
 * or out of range gives QMP_ERROR_REPLY and leaves the struct as it was. */

#include <glib.h>
#include <json-glib/json-glib.h>

typedef enum {
    QMP_FIELD_BOOL,   /* gboolean */
    QMP_FIELD_SIZE,   /* guint64, 0 … 2^63-1; a size in bytes or an address */
    QMP_FIELD_INT,    /* gint64, any */
    QMP_FIELD_BITS,   /* guint64, any 64 bits: 2^64-1 reads as G_MAXUINT64 */
    QMP_FIELD_STRING, /* char *, newly allocated, replacing (and freeing) what was there */
} QmpFieldType;

typedef struct {
    const char *name;
    QmpFieldType type;
    gsize offset;      /* of the struct's member */
    gboolean optional; /* when it is absent the struct's member keeps its value */
} QmpField;

#define QMP_FIELD(kind, json_name, type_name, member)  \
    {                                                  \
        .name = (json_name), .type = QMP_FIELD_##kind, \
        .offset = G_STRUCT_OFFSET(type_name, member)   \
    }

#define QMP_FIELD_OPTIONAL(kind, json_name, type_name, member)         \
    {                                                                  \
        .name = (json_name), .type = QMP_FIELD_##kind,                 \
        .offset = G_STRUCT_OFFSET(type_name, member), .optional = TRUE \
    }

/* A struct and the table that fills it. */
typedef struct {
    const QmpField *fields;
    guint n_fields;
    gsize size; /* of the struct */
} QmpRecordType;

#define QMP_RECORD_TYPE(type_name, table)                                             \
    {                                                                                 \
        .fields = (table), .n_fields = G_N_ELEMENTS(table), .size = sizeof(type_name) \
    }

/* Reads `object` into `record`, a struct of `type`. Its strings must be NULL or allocated. */
gboolean qmp_record_read(const QmpRecordType *type, JsonObject *object, gpointer record,
                         GError **error);

/* Frees the strings of `record` and sets them to NULL. */
void qmp_record_clear(const QmpRecordType *type, gpointer record);

/* The same, and frees `record`, which g_malloc0(type->size) made. NULL is allowed. */
void qmp_record_free(const QmpRecordType *type, gpointer record);

/* Whether `value` is of `type` and in its range. `name` is for the error's message. */
gboolean qmp_record_check(JsonNode *value, const char *name, QmpFieldType type, GError **error);

/* `value` as an object or array (both transfer none), or NULL with QMP_ERROR_REPLY. */
JsonObject *qmp_record_as_object(JsonNode *value, const char *name, GError **error);
JsonArray *qmp_record_as_array(JsonNode *value, const char *name, GError **error);

/* `object`'s member `name` as an object (transfer none), or NULL with QMP_ERROR_REPLY. */
JsonObject *qmp_record_get_object(JsonObject *object, const char *name, GError **error);
