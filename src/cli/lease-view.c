/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/lease-view.h"

#include "cli/dict.h"
#include "cli/table.h"
#include "size/size.h"

GVariant *
lease_view_load(Connection *connection, GError **error)
{
    GDBusConnection *dbus = connection_get_bus(connection, error);
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) leases = NULL;

    if (!dbus)
        return NULL;
    reply = g_dbus_connection_call_sync(
        dbus, CONNECTION_BUS_NAME, CONNECTION_OBJECT_PATH, "org.freedesktop.DBus.Properties", "Get",
        g_variant_new("(ss)", CONNECTION_BUS_NAME ".Manager", "Leases"), G_VARIANT_TYPE("(v)"),
        G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);
    if (!reply)
        return NULL;
    g_variant_get(reply, "(v)", &leases);
    if (!g_variant_is_of_type(leases, G_VARIANT_TYPE("aa{sv}"))) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                            "memplugd tells its leases in words that this memplug does not know");
        return NULL;
    }
    return g_steal_pointer(&leases);
}

static char *
seconds(GVariant *lease, const char *key)
{
    gint64 us = 0;

    g_variant_lookup(lease, key, "x", &us);
    return us > 0 ? g_strdup_printf("%.0f s", (double)us / G_USEC_PER_SEC) : NULL;
}

/* What there is of it: what is granted, or gathered until then. */
static char *
held(GVariant *lease)
{
    guint64 granted = dict_number(lease, "granted");

    return size_format_rounded(granted > 0 ? granted : dict_number(lease, "gathered"));
}

static const TableColumn columns[] = {
    { "Lease", TRUE }, { "State" },      { "For" }, { "Asked", TRUE },
    { "Has", TRUE },   { "Left", TRUE }, { "By" },  { "Notes" },
};

static void
add_row(Table *table, GVariant *lease)
{
    guint64 process = dict_number(lease, "process");
    const char *guest = dict_text(lease, "guest");

    table_add_take(table, g_strdup_printf("%" G_GUINT64_FORMAT, dict_number(lease, "id")));
    table_add(table, dict_text(lease, "state"));
    if (*guest || process == 0)
        table_add(table, guest);
    else
        table_add_take(table, g_strdup_printf("process %" G_GUINT64_FORMAT, process));
    table_add_take(table, size_format_rounded(dict_number(lease, "asked")));
    table_add_take(table, held(lease));
    table_add_take(table, seconds(lease, "left_us"));
    table_add(table, dict_text(lease, "purpose"));
    table_add_note(table, dict_text(lease, "reason"));
}

void
lease_view_print(GVariant *leases)
{
    g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));
    GVariantIter iter;
    GVariant *lease;

    g_variant_iter_init(&iter, leases);
    while ((lease = g_variant_iter_next_value(&iter))) {
        add_row(table, lease);
        g_variant_unref(lease);
    }
    table_print(table);
}

void
lease_view_add_json(JsonBuilder *json, GVariant *leases)
{
    GVariantIter iter;
    GVariant *lease;

    json_builder_begin_array(json);
    g_variant_iter_init(&iter, leases);
    while ((lease = g_variant_iter_next_value(&iter))) {
        GVariantIter members;
        const char *key;
        GVariant *value;

        json_builder_begin_object(json);
        g_variant_iter_init(&members, lease);
        while (g_variant_iter_next(&members, "{&sv}", &key, &value)) {
            output_add_variant(json, key, value);
            g_variant_unref(value);
        }
        json_builder_end_object(json);
        g_variant_unref(lease);
    }
    json_builder_end_array(json);
}

static gboolean
is_open(GVariant *lease)
{
    static const char *const open[] = { "asked", "gathering", "granted", NULL };

    return g_strv_contains(open, dict_text(lease, "state"));
}

guint64
lease_view_open_for(GVariant *leases, const char *guest)
{
    guint64 found = 0;
    GVariantIter iter;
    GVariant *lease;

    g_variant_iter_init(&iter, leases);
    while ((lease = g_variant_iter_next_value(&iter))) {
        if (is_open(lease) && g_str_equal(dict_text(lease, "guest"), guest))
            found = dict_number(lease, "id");
        g_variant_unref(lease);
    }
    return found;
}

char **
lease_view_open_ids(GVariant *leases)
{
    g_autoptr(GStrvBuilder) ids = g_strv_builder_new();
    GVariantIter iter;
    GVariant *lease;

    g_variant_iter_init(&iter, leases);
    while ((lease = g_variant_iter_next_value(&iter))) {
        g_autofree char *id = g_strdup_printf("%" G_GUINT64_FORMAT, dict_number(lease, "id"));

        if (is_open(lease))
            g_strv_builder_add(ids, id);
        g_variant_unref(lease);
    }
    return g_strv_builder_end(ids);
}
