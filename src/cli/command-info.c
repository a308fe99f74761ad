/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * info: all that is known about one guest.
 */
#include <stdio.h>

#include "cli/command-line.h"
#include "cli/guest-view.h"
#include "cli/table.h"
#include "size/size.h"

static const TableColumn columns[] = {
    { "Device" },     { "Kind" },        { "Size", TRUE }, { "Requested", TRUE },
    { "Most", TRUE }, { "Block", TRUE }, { "Node", TRUE }, { "Notes" },
};

/* A size of @device, or "-": kinds differ in what they tell. */
static char *
device_size(GVariant *device, const char *key)
{
    guint64 size;

    return g_variant_lookup(device, key, "t", &size) ? size_format_rounded(size) : NULL;
}

static gboolean
device_flag(GVariant *device, const char *key, gboolean otherwise)
{
    gboolean flag = otherwise;

    g_variant_lookup(device, key, "b", &flag);
    return flag;
}

static const char *
device_text(GVariant *device, const char *key)
{
    const char *text = NULL;

    g_variant_lookup(device, key, "&s", &text);
    return text;
}

static char *
device_notes(GVariant *device)
{
    const char *const notes[] = {
        device_flag(device, "ours", TRUE) ? NULL : "not plugged by memplug",
        device_flag(device, "acknowledged", TRUE) ? NULL : "not taken by the guest yet",
        device_flag(device, "removing", FALSE) ? "being unplugged" : NULL,
    };
    g_autoptr(GPtrArray) present = g_ptr_array_new();

    for (gsize i = 0; i < G_N_ELEMENTS(notes); i++) {
        if (notes[i])
            g_ptr_array_add(present, (gpointer)notes[i]);
    }
    g_ptr_array_add(present, NULL);
    return g_strjoinv(", ", (char **)present->pdata);
}

static void
print_devices(BusGuest *guest)
{
    GVariant *devices = bus_guest_get_devices(guest);
    g_autoptr(Table) table = NULL;

    if (!devices || g_variant_n_children(devices) == 0)
        return;
    table = table_new(columns, G_N_ELEMENTS(columns));
    for (gsize i = 0; i < g_variant_n_children(devices); i++) {
        g_autoptr(GVariant) device = g_variant_get_child_value(devices, i);
        g_autofree char *notes = device_notes(device);
        guint node = 0;

        g_variant_lookup(device, "node", "u", &node);
        table_add(table, device_text(device, "id"));
        table_add(table, device_text(device, "kind"));
        table_add_take(table, device_size(device, "size"));
        table_add_take(table, device_size(device, "requested"));
        table_add_take(table, device_size(device, "max"));
        table_add_take(table, device_size(device, "block"));
        table_add_take(table, g_strdup_printf("%u", node));
        table_add_note(table, notes);
    }
    fputc('\n', stdout);
    table_print(table);
}

/* What takes two properties to tell. */
static void
print_balloon_and_slots(BusGuest *guest)
{
    g_autofree char *held = size_format(bus_guest_get_ballooned(guest));
    g_autofree char *balloon =
        bus_guest_get_has_balloon(guest) ? g_strdup_printf("yes, holds %s", held) : g_strdup("no");
    g_autofree char *slots = g_strdup_printf("%u, %u of them free", bus_guest_get_slots(guest),
                                             bus_guest_get_slots_free(guest));

    output_print_field("Balloon", balloon);
    output_print_field("DIMM slots", slots);
}

static void
print_stats_line(BusGuest *guest)
{
    GVariant *stats = bus_guest_get_stats(guest);
    const char *state = NULL, *reason = NULL;
    gint64 age_us;
    g_autoptr(GString) text = NULL;

    if (!stats || !g_variant_lookup(stats, "state", "&s", &state))
        return;
    text = g_string_new(state);
    if (g_variant_lookup(stats, "age_us", "x", &age_us))
        g_string_append_printf(text, ", %.1f s old", (double)age_us / G_USEC_PER_SEC);
    if (g_variant_lookup(stats, "reason", "&s", &reason) && *reason)
        g_string_append_printf(text, ": %s", reason);
    output_print_field("Statistics", text->str);
}

static void
append_size(GString *text, GVariant *dict, const char *key, const char *what)
{
    guint64 size;
    g_autofree char *formatted = NULL;

    if (!g_variant_lookup(dict, key, "t", &size))
        return;
    formatted = size_format_rounded(size);
    g_string_append_printf(text, "%s%s %s", text->len ? ", " : "", formatted, what);
}

/* Plugged against in use, and where the guest's kernel put it. */
static void
print_uptake(BusGuest *guest)
{
    GVariant *uptake = bus_guest_get_uptake(guest);
    g_autoptr(GString) use = g_string_new(NULL), zones = g_string_new(NULL);
    guint64 missing = 0;
    gboolean stuck = FALSE;

    if (!uptake)
        return;
    append_size(use, uptake, "plugged", "by devices");
    append_size(use, uptake, "total", "in the guest's use");
    if (g_variant_lookup(uptake, "missing", "t", &missing) && missing > 0)
        append_size(use, uptake, "missing", "not in use");
    if (g_variant_lookup(uptake, "stuck", "b", &stuck) && stuck)
        g_string_append(use, ": see memplug doctor");
    output_print_field("Plugged", use->str);
    append_size(zones, uptake, "online_movable", "movable");
    append_size(zones, uptake, "online_kernel", "for its kernel too");
    append_size(zones, uptake, "kernel_free", "of that free");
    append_size(zones, uptake, "offline", "offline");
    append_size(zones, uptake, "most", "at most for its kernel's sake");
    if (zones->len > 0)
        output_print_field("Onlined", zones->str);
}

static void
print_text(BusGuest *guest, BusManager *manager)
{
    GDBusProxy *proxy = G_DBUS_PROXY(guest);
    g_autofree char *trouble = guest_view_connection_trouble(manager);

    output_print_fields(proxy, guest_view_identity);
    if (trouble)
        output_print_field("Connection", trouble);
    print_stats_line(guest);
    fputc('\n', stdout);
    output_print_fields(proxy, guest_view_memory);
    fputc('\n', stdout);
    output_print_fields(proxy, guest_view_limits);
    fputc('\n', stdout);
    output_print_fields(proxy, guest_view_reasons);
    fputc('\n', stdout);
    output_print_fields(proxy, guest_view_range);
    print_balloon_and_slots(guest);
    print_uptake(guest);
    print_devices(guest);
}

static void
print_json(BusGuest *guest, BusManager *manager)
{
    static const Field source[] = {
        { "Uri", "uri" },
        { "Connection", "connection" },
        { NULL },
    };
    static const Field rest[] = {
        { "Devices", "devices" },
        { "Stats", "stats" },
        { "Uptake", "uptake" },
        { NULL },
    };
    const Field *const groups[] = { guest_view_identity, guest_view_memory, guest_view_limits,
                                    guest_view_reasons,  guest_view_range,  rest };
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_object(json);
    for (gsize group = 0; group < G_N_ELEMENTS(groups); group++)
        output_add_fields(json, G_DBUS_PROXY(guest), groups[group]);
    output_add_fields(json, G_DBUS_PROXY(manager), source);
    json_builder_end_object(json);
    output_print_json(json);
}

static gboolean
run(const CommandLine *line, Connection *connection, GError **error)
{
    g_autoptr(BusGuest) guest = connection_get_guest(connection, command_line_text(line, 0), error);
    g_autoptr(BusManager) manager = guest ? connection_get_manager(connection, error) : NULL;

    if (!manager)
        return FALSE;
    if (command_line_has(line, "json"))
        print_json(guest, manager);
    else
        print_text(guest, manager);
    return TRUE;
}

const Command command_info = {
    .name = "info",
    .summary = "show all that is known about a guest",
    .description = "Shows what the guest has and why: its memory, how the latest change goes\n"
                   "(Phase, and Reason where it stopped), the limits in force, what the policy\n"
                   "thinks of it (Forecast; Pinned where the policy leaves it as it is; Held back\n"
                   "where it did not get what the policy would give it), what sizes its devices\n"
                   "can make, and the devices.",
    .examples = "memplug info web",
    .arguments = { { "GUEST", VALUE_GUEST } },
    .run = run,
};
