/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/journal-text.h"

#include <math.h>
#include <string.h>

void
journal_text_append_string(GString *line, const char *text)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_VALUE);
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autofree char *quoted = NULL;

    json_node_set_string(node, valid);
    quoted = json_to_string(node, FALSE);
    g_string_append(line, quoted);
}

void
journal_text_append_key(GString *line, const char *key)
{
    char last = line->len > 0 ? line->str[line->len - 1] : '{';

    if (last != '{' && last != '[')
        g_string_append_c(line, ',');
    g_string_append_c(line, '"');
    g_string_append(line, key);
    g_string_append(line, "\":");
}

void
journal_text_add_string(GString *line, const char *key, const char *value)
{
    journal_text_append_key(line, key);
    journal_text_append_string(line, value);
}

void
journal_text_add_unsigned(GString *line, const char *key, guint64 value)
{
    journal_text_add_signed(line, key, journal_text_bounded(value));
}

void
journal_text_add_signed(GString *line, const char *key, gint64 value)
{
    journal_text_append_key(line, key);
    g_string_append_printf(line, "%" G_GINT64_FORMAT, value);
}

void
journal_text_add_flag(GString *line, const char *key, gboolean value)
{
    journal_text_append_key(line, key);
    g_string_append(line, value ? "true" : "false");
}

void
journal_text_add_real(GString *line, const char *key, double value)
{
    char digits[G_ASCII_DTOSTR_BUF_SIZE];

    journal_text_append_key(line, key);
    if (!isfinite(value))
        g_string_append(line, "null");
    else
        g_string_append(line, g_ascii_dtostr(digits, sizeof digits, value));
}

void
journal_text_add_bytes(GString *line, const char *key, gconstpointer bytes, gsize size)
{
    g_autofree char *text = g_base64_encode(bytes, size);

    journal_text_append_key(line, key);
    g_string_append_printf(line, "\"%s\"", text);
}

gint64
journal_text_bounded(guint64 value)
{
    return (gint64)MIN(value, (guint64)G_MAXINT64);
}

/* Returns: FALSE if the member is there and holds none of @type. */
static gboolean
find(JsonObject *object, const char *key, GType type, JsonNode **node)
{
    *node = json_object_get_member(object, key);
    if (!*node)
        return TRUE;
    return JSON_NODE_HOLDS_VALUE(*node) && json_node_get_value_type(*node) == type;
}

gboolean
journal_text_get_signed(JsonObject *object, const char *key, gint64 *value)
{
    JsonNode *node;

    if (!find(object, key, G_TYPE_INT64, &node))
        return FALSE;
    if (node)
        *value = json_node_get_int(node);
    return TRUE;
}

gboolean
journal_text_get_unsigned(JsonObject *object, const char *key, guint64 *value)
{
    gint64 number = journal_text_bounded(*value);

    if (!json_object_has_member(object, key))
        return TRUE;
    if (!journal_text_get_signed(object, key, &number) || number < 0)
        return FALSE;
    *value = (guint64)number;
    return TRUE;
}

gboolean
journal_text_get_real(JsonObject *object, const char *key, double *value)
{
    JsonNode *node;

    if (!find(object, key, G_TYPE_DOUBLE, &node) && !find(object, key, G_TYPE_INT64, &node))
        return FALSE;
    if (node)
        *value = json_node_get_double(node);
    return TRUE;
}

gboolean
journal_text_get_flag(JsonObject *object, const char *key, gboolean *value)
{
    JsonNode *node;

    if (!find(object, key, G_TYPE_BOOLEAN, &node))
        return FALSE;
    if (node)
        *value = json_node_get_boolean(node);
    return TRUE;
}

const char *
journal_text_get_string(JsonObject *object, const char *key)
{
    JsonNode *node;

    return find(object, key, G_TYPE_STRING, &node) && node ? json_node_get_string(node) : NULL;
}

gboolean
journal_text_get_bytes(JsonObject *object, const char *key, gpointer bytes, gsize size)
{
    const char *text = journal_text_get_string(object, key);
    g_autofree guchar *decoded = NULL;
    gsize length = 0;

    if (!text)
        return FALSE;
    decoded = g_base64_decode(text, &length);
    if (length != size)
        return FALSE;
    memcpy(bytes, decoded, size);
    return TRUE;
}

JsonObject *
journal_text_get_object(JsonObject *object, const char *key)
{
    JsonNode *node = json_object_get_member(object, key);

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonArray *
journal_text_get_array(JsonObject *object, const char *key)
{
    JsonNode *node = json_object_get_member(object, key);

    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

gboolean
journal_text_element(JsonArray *array, guint index, gint64 *value)
{
    JsonNode *node =
        index < json_array_get_length(array) ? json_array_get_element(array, index) : NULL;

    if (!node || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64)
        return FALSE;
    *value = json_node_get_int(node);
    return TRUE;
}
