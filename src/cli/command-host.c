/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host: the host's memory, what of it is for guests, and who has it.
 */
#include <stdio.h>

#include "cli/call.h"
#include "cli/command-line.h"
#include "cli/guest-view.h"
#include "cli/lease-view.h"
#include "cli/table.h"
#include "size/size.h"

/* What DescribeHost tells, in the order in which it is shown. */
static const struct {
    const char *key, *label;
    gboolean only_if_any; /* hosts without it need not read of it */
} fields[] = {
    { "total", "Memory", FALSE },         { "available", "Available", FALSE },
    { "cache", "Page cache", FALSE },     { "arc", "ZFS cache", TRUE },
    { "huge", "Huge pages", TRUE },       { "huge_free", "  of them free", TRUE },
    { "reserve", "Reserve", FALSE },      { "budget", "Budget", FALSE },
    { "granted", "Held free", FALSE },    { "free", "Free", FALSE },
    { "obtainable", "To be had", FALSE },
};

static GVariant *
load_host(Connection *connection, GError **error)
{
    g_autoptr(BusManager) manager = connection_get_manager(connection, error);
    g_autoptr(GVariant) reply = NULL;

    if (!manager)
        return NULL;
    reply = call_method(connection, manager, "DescribeHost", NULL, error);
    return reply ? g_variant_get_child_value(reply, 0) : NULL;
}

/* "1.5 of the budget", in two ways. */
static void
print_overcommit(GVariant *host)
{
    double sizes, promises;
    guint64 bytes;

    if (!g_variant_lookup(host, "overcommit", "d", &sizes) ||
        !g_variant_lookup(host, "overcommit_promises", "d", &promises) ||
        !g_variant_lookup(host, "promises", "t", &bytes))
        return;
    {
        g_autofree char *most = size_format_rounded(bytes);
        g_autofree char *text = g_strdup_printf(
            "%g of sizes, %g of promises (floors and leases: %s)", sizes, promises, most);

        output_print_field("Over-commit", text);
    }
}

/* Below what is available the host counts as short. */
static void
print_marks(GVariant *host)
{
    static const char *const keys[] = { "soft", "hard", "emergency" };
    g_autoptr(GString) text = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autofree char *size = NULL;
        guint64 bytes;

        if (!g_variant_lookup(host, keys[i], "t", &bytes))
            return;
        size = size_format_rounded(bytes);
        g_string_append_printf(text, "%s%s below %s", i > 0 ? ", " : "", keys[i], size);
    }
    output_print_field("Marks", text->str);
}

static void
print_fields(GVariant *host)
{
    const char *level;

    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_autofree char *size = NULL;
        guint64 bytes;

        if (!g_variant_lookup(host, fields[i].key, "t", &bytes) ||
            (fields[i].only_if_any && bytes == 0))
            continue;
        size = size_format_rounded(bytes);
        output_print_field(fields[i].label, size);
    }
    print_overcommit(host);
    print_marks(host);
    if (g_variant_lookup(host, "level", "&s", &level))
        output_print_field("Pressure", g_str_equal(level, "well") ? "none" : level);
}

static const TableColumn columns[] = {
    { "Guest" }, { "Actual", TRUE }, { "Requested", TRUE }, { "Demand", TRUE }, { "Floor", TRUE },
};

static void
print_holders(GPtrArray *guests, GVariant *leases)
{
    g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));

    for (guint i = 0; i < guests->len; i++) {
        BusGuest *guest = guests->pdata[i];

        table_add(table, bus_guest_get_name(guest));
        table_add_take(table, size_format_rounded(bus_guest_get_actual(guest)));
        table_add_take(table, size_format_rounded(bus_guest_get_requested(guest)));
        table_add_take(table, size_format_rounded(bus_guest_get_demand(guest)));
        table_add_take(table, size_format_rounded(bus_guest_get_floor(guest)));
    }
    putchar('\n');
    table_print(table);
    if (g_variant_n_children(leases) > 0) {
        putchar('\n');
        lease_view_print(leases);
    }
}

static void
print_json(GVariant *host, GPtrArray *guests, GVariant *leases)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    GVariantIter iter;
    const char *key;
    GVariant *value;

    json_builder_begin_object(json);
    g_variant_iter_init(&iter, host);
    while (g_variant_iter_next(&iter, "{&sv}", &key, &value)) {
        output_add_variant(json, key, value);
        g_variant_unref(value);
    }
    json_builder_set_member_name(json, "guests");
    json_builder_begin_array(json);
    for (guint i = 0; i < guests->len; i++) {
        json_builder_begin_object(json);
        output_add_fields(json, guests->pdata[i], guest_view_identity);
        output_add_fields(json, guests->pdata[i], guest_view_memory);
        output_add_fields(json, guests->pdata[i], guest_view_limits);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    json_builder_set_member_name(json, "leases");
    lease_view_add_json(json, leases);
    json_builder_end_object(json);
    output_print_json(json);
}

static gboolean
run(const CommandLine *line, Connection *connection, GError **error)
{
    g_autoptr(GVariant) host = load_host(connection, error);
    g_autoptr(GPtrArray) guests = host ? connection_list_guests(connection, error) : NULL;
    g_autoptr(GVariant) leases = guests ? lease_view_load(connection, error) : NULL;

    if (!leases)
        return FALSE;
    if (command_line_has(line, "json")) {
        print_json(host, guests, leases);
    } else {
        print_fields(host);
        print_holders(guests, leases);
    }
    return TRUE;
}

const Command command_host = {
    .name = "host",
    .summary = "show the host's memory, and who has it",
    .description =
        "Shows what memory the host has (Available is what can be had without\n"
        "swapping, ZFS's cache included; pools of huge pages stand apart), what it keeps\n"
        "for itself, the budget that is for guests, what of it leases hold, what is\n"
        "free, and what could be had without hurting any guest; how far it may be\n"
        "over-committed; the marks below which the host counts as short of memory, and\n"
        "whether it does; then each guest and each lease with what it has.",
    .examples = "memplug host\n"
                "memplug host --json",
    .run = run,
};
