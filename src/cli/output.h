/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What commands print: properties of the bus as text for people and as JSON
 * for programs, by tables of fields, so that both tell the same.
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

typedef enum {
    FIELD_TEXT,
    FIELD_SIZE,   /* exact, as virsh writes it */
    FIELD_DEMAND, /* a size; 0 is not known */
    FIELD_NUMBER,
    FIELD_REAL,
    FIELD_FLAG,
} FieldKind;

typedef struct {
    const char *property; /* on the bus */
    const char *key;      /* in JSON */
    const char *label;    /* for people; NULL: told elsewhere, or in JSON only */
    FieldKind kind;
} Field;

/* Returns: (transfer full): @value for people; "-" if it is NULL. */
char *output_format(FieldKind kind, GVariant *value);

/* Prints "Label:   value", with the values of all fields under each other. */
void output_print_field(const char *label, const char *value);

/* Prints those of @fields (ends with a NULL property) that have a label and that
 * @proxy knows. */
void output_print_fields(GDBusProxy *proxy, const Field *fields);

/* Adds members to the object that @json is in: those of @fields that @proxy knows. */
void output_add_fields(JsonBuilder *json, GDBusProxy *proxy, const Field *fields);

/* Adds a member to the object that @json is in. */
void output_add_text(JsonBuilder *json, const char *key, const char *value);
void output_add_size(JsonBuilder *json, const char *key, guint64 value);
void output_add_real(JsonBuilder *json, const char *key, double value);
void output_add_flag(JsonBuilder *json, const char *key, gboolean value);
void output_add_variant(JsonBuilder *json, const char *key, GVariant *value);

/* Prints what @json holds: readable, or all in one line, which is flushed. */
void output_print_json(JsonBuilder *json);
void output_print_json_line(JsonBuilder *json);
