/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * list: all guests in a table.
 */
#include <stdio.h>

#include "cli/command-line.h"
#include "cli/guest-view.h"
#include "cli/table.h"
#include "size/size.h"

static const TableColumn columns[] = {
    { "Name" },         { "State" },       { "Actual", TRUE },  { "Requested", TRUE },
    { "Demand", TRUE }, { "Floor", TRUE }, { "Ceiling", TRUE }, { "Weight", TRUE },
    { "Mechanism" },    { "Notes" },
};

static void
add_note(GString *notes, const char *note)
{
    g_string_append_printf(notes, "%s%s", notes->len > 0 ? ", " : "", note);
}

/* What an administrator should know before reading the numbers. */
static char *
describe_notes(BusGuest *guest)
{
    const char *obstacle = bus_guest_get_obstacle(guest);
    const char *phase = bus_guest_get_phase(guest);
    const char *reason = bus_guest_get_reason(guest);
    GString *notes = g_string_new(NULL);

    if (bus_guest_get_held(guest))
        add_note(notes, "held");
    if (!bus_guest_get_managed(guest))
        add_note(notes, "unmanaged");
    if (obstacle && *obstacle) {
        add_note(notes, "cannot be resized: ");
        g_string_append(notes, obstacle);
        return g_string_free(notes, FALSE);
    }
    if (phase && *phase && !g_str_equal(phase, "settled"))
        add_note(notes, phase);
    if (reason && *reason)
        g_string_append_printf(notes, "%s%s", notes->len > 0 ? ": " : "", reason);
    return g_string_free(notes, FALSE);
}

static void
add_guest(Table *table, BusGuest *guest)
{
    guint64 demand = bus_guest_get_demand(guest);
    g_autofree char *notes = describe_notes(guest);

    table_add(table, bus_guest_get_name(guest));
    table_add(table, bus_guest_get_state(guest));
    table_add_take(table, size_format_rounded(bus_guest_get_actual(guest)));
    table_add_take(table, size_format_rounded(bus_guest_get_requested(guest)));
    table_add_take(table, demand > 0 ? size_format_rounded(demand) : NULL);
    table_add_take(table, size_format_rounded(bus_guest_get_floor(guest)));
    table_add_take(table, size_format_rounded(bus_guest_get_ceiling(guest)));
    table_add_take(table, g_strdup_printf("%g", bus_guest_get_weight(guest)));
    table_add(table, bus_guest_get_mechanism(guest));
    table_add_note(table, notes);
}

static void
print_table(GPtrArray *guests)
{
    g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));

    for (guint i = 0; i < guests->len; i++)
        add_guest(table, guests->pdata[i]);
    table_print(table);
}

static void
print_json(GPtrArray *guests)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    const Field *const groups[] = { guest_view_identity, guest_view_memory, guest_view_limits,
                                    guest_view_reasons };

    json_builder_begin_array(json);
    for (guint i = 0; i < guests->len; i++) {
        json_builder_begin_object(json);
        for (gsize group = 0; group < G_N_ELEMENTS(groups); group++)
            output_add_fields(json, G_DBUS_PROXY(guests->pdata[i]), groups[group]);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    output_print_json(json);
}

/* Says so if the table is not what is so now, or cannot be changed. */
static void
print_connection(Connection *connection)
{
    g_autoptr(BusManager) manager = connection_get_manager(connection, NULL);
    g_autofree char *trouble = manager ? guest_view_connection_trouble(manager) : NULL;

    if (trouble)
        printf("\nConnection: %s\n", trouble);
}

static gboolean
run(const CommandLine *line, Connection *connection, GError **error)
{
    g_autoptr(GPtrArray) guests = connection_list_guests(connection, error);

    if (!guests)
        return FALSE;
    if (command_line_has(line, "json"))
        print_json(guests);
    else
        print_table(guests);
    if (!command_line_has(line, "json"))
        print_connection(connection);
    return TRUE;
}

const Command command_list = {
    .name = "list",
    .summary = "list the guests and their memory",
    .description =
        "Lists all guests: what each has (Actual), what memplugd asks of it\n"
        "(Requested), what it is forecast to need (Demand; - if not known), and the\n"
        "limits in force. Notes tell what is unusual: held (an administrator has set\n"
        "its memory), unmanaged (opted out), that a guest cannot be resized and why, and\n"
        "a change that is under way or that stopped short, with the reason.\n"
        "Sizes in the table are rounded; --json and 'info' have them exact.",
    .examples = "memplug list\n"
                "memplug list --json",
    .run = run,
};
