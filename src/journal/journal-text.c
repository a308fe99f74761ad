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

/* All fractions of units that divide it end within so many digits. */
#define FRACTION_DIGITS 16
#define FRACTION_WHOLE  G_GINT64_CONSTANT(10000000000000000)

void
journal_text_append_scaled(GString *line, gint64 value, guint unit)
{
    gint64 whole = value / unit, rest = ABS(value % unit);

    if (value >= JOURNAL_TEXT_FRACTION_MOST || value <= -JOURNAL_TEXT_FRACTION_MOST)
        rest = 0;
    if (value < 0 && whole == 0 && rest > 0)
        g_string_append_c(line, '-');
    g_string_append_printf(line, "%" G_GINT64_FORMAT, whole);
    if (rest == 0)
        return;
    g_string_append_printf(line, ".%0*" G_GINT64_FORMAT, FRACTION_DIGITS,
                           rest * (FRACTION_WHOLE / unit));
    while (line->str[line->len - 1] == '0')
        g_string_truncate(line, line->len - 1);
}

void
journal_text_add_scaled(GString *line, const char *key, gint64 value, guint unit)
{
    journal_text_append_key(line, key);
    journal_text_append_scaled(line, value, unit);
}

static void
append_base64(GString *line, const guint8 *bytes, gsize size)
{
    g_autofree char *text = g_base64_encode(bytes, size);

    g_string_append_printf(line, "\"%s\"", text);
}

/* What is alike between two runs is written with them where an offset would be longer. */
#define RUN_GAP 8

static void
append_runs(GString *line, const guint8 *bytes, const guint8 *before, gsize size)
{
    gsize at = 0;

    g_string_append_c(line, '[');
    while (at < size) {
        gsize end = at + 1;

        if (bytes[at] == before[at]) {
            at++;
            continue;
        }
        for (gsize next = end; next < MIN(end + RUN_GAP, size); next++) {
            if (bytes[next] != before[next])
                end = next + 1;
        }
        g_string_append_printf(line, "%s%" G_GSIZE_FORMAT ",",
                               line->str[line->len - 1] == '[' ? "" : ",", at);
        append_base64(line, bytes + at, end - at);
        at = end;
    }
    g_string_append_c(line, ']');
}

void
journal_text_add_bytes(GString *line, const char *key, gconstpointer bytes, gconstpointer before,
                       gsize size)
{
    journal_text_append_key(line, key);
    if (before)
        append_runs(line, bytes, before, size);
    else
        append_base64(line, bytes, size);
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

/* Returns: FALSE if it is no number of @unit. */
static gboolean
read_scaled(JsonNode *node, guint unit, gint64 *value)
{
    double number, nearest;

    if (!JSON_NODE_HOLDS_VALUE(node))
        return FALSE;
    if (json_node_get_value_type(node) == G_TYPE_INT64) {
        /* Unsigned, so that what is nonsense cannot overflow. */
        *value = (gint64)((guint64)json_node_get_int(node) * unit);
        return TRUE;
    }
    if (json_node_get_value_type(node) != G_TYPE_DOUBLE)
        return FALSE;
    number = json_node_get_double(node) * unit;
    nearest = round(number);
    if (!(fabs(number) < (double)(G_GINT64_CONSTANT(1) << 53)) || fabs(number - nearest) > 0.01)
        return FALSE;
    *value = (gint64)nearest;
    return TRUE;
}

gboolean
journal_text_get_scaled(JsonObject *object, const char *key, guint unit, gint64 *value)
{
    JsonNode *node = json_object_get_member(object, key);

    return !node || read_scaled(node, unit, value);
}

gboolean
journal_text_element_scaled(JsonArray *array, guint index, guint unit, gint64 *value)
{
    return index < json_array_get_length(array) &&
           read_scaled(json_array_get_element(array, index), unit, value);
}

/* Writes the runs of @array into @bytes. Returns: FALSE if one of them is bad. */
static gboolean
read_runs(JsonArray *array, guint8 *bytes, gsize size)
{
    for (guint i = 0; i < json_array_get_length(array); i += 2) {
        JsonNode *text =
            i + 1 < json_array_get_length(array) ? json_array_get_element(array, i + 1) : NULL;
        g_autofree guchar *decoded = NULL;
        gsize length = 0;
        gint64 at;

        if (!text || !JSON_NODE_HOLDS_VALUE(text) ||
            json_node_get_value_type(text) != G_TYPE_STRING ||
            !journal_text_element(array, i, &at) || at < 0)
            return FALSE;
        decoded = g_base64_decode(json_node_get_string(text), &length);
        if ((guint64)at > size || length > size - (gsize)at)
            return FALSE;
        memcpy(bytes + at, decoded, length);
    }
    return TRUE;
}

gboolean
journal_text_get_bytes(JsonObject *object, const char *key, gpointer bytes, gsize size)
{
    const char *text = journal_text_get_string(object, key);
    JsonArray *runs = journal_text_get_array(object, key);
    g_autofree guchar *decoded = NULL;
    gsize length = 0;

    if (runs) {
        g_autofree guint8 *changed = g_memdup2(bytes, size);
        gboolean good = read_runs(runs, changed, size);

        if (good)
            memcpy(bytes, changed, size);
        return good;
    }
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
