/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/output.h"

#include <stdio.h>

#include "cli/terminal.h"
#include "size/size.h"

/* Where the values begin: the longest label, its colon and a blank. */
#define LABEL_WIDTH 14

/* The D-Bus types of whole numbers that the interface uses. */
static guint64
whole(GVariant *value)
{
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64))
        return g_variant_get_uint64(value);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_UINT32))
        return g_variant_get_uint32(value);
    return 0;
}

static char *
format_text(GVariant *value)
{
    return terminal_clean(g_variant_get_string(value, NULL));
}

static char *
format_size(GVariant *value)
{
    return size_format(whole(value));
}

static char *
format_demand(GVariant *value)
{
    return whole(value) == 0 ? g_strdup("not known") : size_format(whole(value));
}

static char *
format_number(GVariant *value)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT, whole(value));
}

static char *
format_real(GVariant *value)
{
    return g_strdup_printf("%g", g_variant_get_double(value));
}

static char *
format_flag(GVariant *value)
{
    return g_strdup(g_variant_get_boolean(value) ? "yes" : "no");
}

static char *(*const formats[])(GVariant *) = {
    [FIELD_TEXT] = format_text,     [FIELD_SIZE] = format_size, [FIELD_DEMAND] = format_demand,
    [FIELD_NUMBER] = format_number, [FIELD_REAL] = format_real, [FIELD_FLAG] = format_flag,
};

char *
output_format(FieldKind kind, GVariant *value)
{
    return value ? formats[kind](value) : g_strdup("-");
}

void
output_print_field(const char *label, const char *value)
{
    g_autofree char *title = g_strconcat(label, ":", NULL);

    printf("%-*s%s\n", LABEL_WIDTH, title, value);
}

void
output_print_fields(GDBusProxy *proxy, const Field *fields)
{
    for (const Field *field = fields; field->property; field++) {
        g_autoptr(GVariant) value = g_dbus_proxy_get_cached_property(proxy, field->property);
        g_autofree char *text = NULL;

        if (!value || !field->label)
            continue;
        text = output_format(field->kind, value);
        if (*text)
            output_print_field(field->label, text);
    }
}

void
output_add_fields(JsonBuilder *json, GDBusProxy *proxy, const Field *fields)
{
    for (const Field *field = fields; field->property; field++) {
        g_autoptr(GVariant) value = g_dbus_proxy_get_cached_property(proxy, field->property);

        if (value)
            output_add_variant(json, field->key, value);
    }
}

void
output_add_text(JsonBuilder *json, const char *key, const char *value)
{
    json_builder_set_member_name(json, key);
    json_builder_add_string_value(json, value);
}

void
output_add_size(JsonBuilder *json, const char *key, guint64 value)
{
    json_builder_set_member_name(json, key);
    json_builder_add_int_value(json, (gint64)value);
}

void
output_add_real(JsonBuilder *json, const char *key, double value)
{
    json_builder_set_member_name(json, key);
    json_builder_add_double_value(json, value);
}

void
output_add_flag(JsonBuilder *json, const char *key, gboolean value)
{
    json_builder_set_member_name(json, key);
    json_builder_add_boolean_value(json, value);
}

void
output_add_variant(JsonBuilder *json, const char *key, GVariant *value)
{
    json_builder_set_member_name(json, key);
    json_builder_add_value(json, json_gvariant_serialize(value));
}

static void
print_json(JsonBuilder *json, gboolean pretty)
{
    g_autoptr(JsonNode) root = json_builder_get_root(json);
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autofree char *text = NULL;

    json_generator_set_pretty(generator, pretty);
    json_generator_set_root(generator, root);
    text = json_generator_to_data(generator, NULL);
    puts(text);
    fflush(stdout);
}

void
output_print_json(JsonBuilder *json)
{
    print_json(json, TRUE);
}

void
output_print_json_line(JsonBuilder *json)
{
    print_json(json, FALSE);
}
