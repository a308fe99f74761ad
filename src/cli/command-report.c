/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * report: what memplugd made of its guests' memory in a span of time, from its journal.
 */
#include <stdio.h>

#include "cli/call.h"
#include "cli/command-line.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "size/size.h"

#define LAST_DEFAULT_S 3600.0
#define HOUR_US        (3600.0 * G_USEC_PER_SEC)

static guint64
number_in(GVariant *account, const char *key)
{
    guint64 number = 0;

    g_variant_lookup(account, key, "t", &number);
    return number;
}

static const char *
name_in(GVariant *account)
{
    const char *name = "";

    g_variant_lookup(account, "guest", "&s", &name);
    return name;
}

/* Against a guest that has all the time what it had at its peak: bytes · µs. */
static double
saved_of(GVariant *account)
{
    return ((double)number_in(account, "actual_peak") - (double)number_in(account, "actual_mean")) *
           (double)number_in(account, "known_us");
}

static double
lent_of(GVariant *account)
{
    return (double)number_in(account, "actual_mean") * (double)number_in(account, "known_us");
}

static double
percent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

static double
gib_hours(double area)
{
    return area / (double)SIZE_GIB / HOUR_US;
}

/*
 * For people
 */

/* Returns: (transfer full): "0:59:58". */
static char *
format_duration(guint64 us)
{
    guint64 s = us / G_USEC_PER_SEC;

    return g_strdup_printf("%" G_GUINT64_FORMAT ":%02u:%02u", s / 3600, (guint)(s / 60 % 60),
                           (guint)(s % 60));
}

static char *
format_part(guint64 part, guint64 whole)
{
    return g_strdup_printf("%.2f %%", percent((double)part, (double)whole));
}

static char *
format_count(guint64 count)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT, count);
}

/* What a guest never told of is shown as nothing. */
static char *
format_seen(guint64 size)
{
    return size > 0 ? size_format_rounded(size) : NULL;
}

static void
add_row(Table *table, GVariant *account)
{
    guint64 known = number_in(account, "known_us");

    table_add(table, name_in(account));
    table_add_take(table, format_duration(known));
    table_add_take(table, size_format_rounded(number_in(account, "actual_mean")));
    table_add_take(table, size_format_rounded(number_in(account, "actual_peak")));
    table_add_take(table, format_seen(number_in(account, "demand_mean")));
    table_add_take(table, format_seen(number_in(account, "demand_peak")));
    table_add_take(table, format_part(number_in(account, "short_us"), known));
    table_add_take(table, format_seen(number_in(account, "swap_in")));
    table_add_take(table, format_part(number_in(account, "stall_some_us"), known));
    table_add_take(table, format_count(number_in(account, "decisions")));
    table_add_take(table, format_count(number_in(account, "steps")));
    table_add_take(table, format_count(number_in(account, "urgents")));
    table_add_take(
        table, g_strdup_printf("%.0f %%",
                               percent(saved_of(account), lent_of(account) + saved_of(account))));
}

static void
print_sum(GVariant *accounts)
{
    double saved = 0, lent = 0;

    for (gsize i = 0; i < g_variant_n_children(accounts); i++) {
        g_autoptr(GVariant) account = g_variant_get_child_value(accounts, i);

        saved += saved_of(account);
        lent += lent_of(account);
    }
    printf(
        "\n%.2f GiB h were lent. Each guest at its own peak all the time, it had been %.2f GiB h: "
        "%.0f %% more.\n",
        gib_hours(lent), gib_hours(lent + saved), percent(saved, lent));
}

static void
print_text(GVariant *accounts)
{
    static const TableColumn columns[] = {
        { "Guest", FALSE },    { "Known", TRUE },        { "Lent, mean", TRUE },
        { "peak", TRUE },      { "Demand, mean", TRUE }, { "peak", TRUE },
        { "Short", TRUE },     { "Swapped in", TRUE },   { "Stalled", TRUE },
        { "Decisions", TRUE }, { "Steps", TRUE },        { "Urgent", TRUE },
        { "Saved", TRUE },
    };
    g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));

    for (gsize i = 0; i < g_variant_n_children(accounts); i++) {
        g_autoptr(GVariant) account = g_variant_get_child_value(accounts, i);

        add_row(table, account);
    }
    table_print(table);
    print_sum(accounts);
}

/*
 * For programs
 */

static void
add_json(JsonBuilder *json, GVariant *account)
{
    GVariantIter iter;
    const char *key;
    GVariant *value;

    json_builder_begin_object(json);
    g_variant_iter_init(&iter, account);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value))
        output_add_variant(json, key, value);
    output_add_real(json, "saved_gib_hours", gib_hours(saved_of(account)));
    json_builder_end_object(json);
}

static void
print_json(GVariant *accounts, guint64 since, guint64 until)
{
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_object(json);
    output_add_size(json, "since_us", since);
    output_add_size(json, "until_us", until);
    json_builder_set_member_name(json, "guests");
    json_builder_begin_array(json);
    for (gsize i = 0; i < g_variant_n_children(accounts); i++) {
        g_autoptr(GVariant) account = g_variant_get_child_value(accounts, i);

        add_json(json, account);
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
    output_print_json(json);
}

/* A name that the journal does not know is told, rather than left out. */
static gboolean
check_names(const CommandLine *line, GVariant *accounts, GError **error)
{
    for (guint i = 0; command_line_argument(line, i); i++) {
        const char *name = command_line_text(line, i);
        gboolean found = FALSE;

        for (gsize k = 0; k < g_variant_n_children(accounts) && !found; k++) {
            g_autoptr(GVariant) account = g_variant_get_child_value(accounts, k);

            found = g_str_equal(name_in(account), name);
        }
        if (!found) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                        "%s: the journal tells nothing of it for that time", name);
            return FALSE;
        }
    }
    if (g_variant_n_children(accounts) > 0)
        return TRUE;
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                        "the journal tells of no guest for that time");
    return FALSE;
}

static GVariant *
names_of(const CommandLine *line)
{
    g_auto(GVariantBuilder) names = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_STRING_ARRAY);

    for (guint i = 0; command_line_argument(line, i); i++)
        g_variant_builder_add(&names, "s", command_line_text(line, i));
    return g_variant_builder_end(&names);
}

static gboolean
run(const CommandLine *line, Connection *connection, GError **error)
{
    double last_s = MIN(command_line_seconds(line, "last", LAST_DEFAULT_S), 1e9);
    guint64 until = (guint64)g_get_real_time();
    guint64 since = until - MIN((guint64)(last_s * 1e6), until - 1);
    g_autoptr(BusManager) manager = connection_get_manager(connection, error);
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) accounts = NULL;

    if (!manager)
        return FALSE;
    reply = call_method(connection, manager, "Report",
                        g_variant_new("(@astt)", names_of(line), since, until), error);
    if (!reply)
        return FALSE;
    accounts = g_variant_get_child_value(reply, 0);
    if (!check_names(line, accounts, error))
        return FALSE;
    if (command_line_has(line, "json"))
        print_json(accounts, since, until);
    else
        print_text(accounts);
    return TRUE;
}

static const CommandOption options[] = {
    { "last", "SECONDS", VALUE_SECONDS, "of so long a time; an hour if not given" },
    { NULL },
};

const Command command_report = {
    .name = "report",
    .summary = "sum up what guests were lent over time",
    .description =
        "Sums up, from the journal that memplugd keeps, what became of the guests'\n"
        "memory: what they had (mean and peak) and demanded; Short, the part of the\n"
        "time in which one had less than it demanded; what it read back from swap, and\n"
        "the part of the time in which its tasks waited for memory (PSI, of a guest\n"
        "with an agent); the policy's decisions, device actions, and how often its\n"
        "agent began to ask urgently. Saved is against the same guest with all the time\n"
        "what it had at its peak. Known is the time of which the journal tells: of the\n"
        "rest nothing is made. With --json it is an object with an array guests; times\n"
        "are microseconds.",
    .examples = "memplug report\n"
                "memplug report web db --last 86400\n"
                "memplug report --last 604800 --json",
    .arguments = { { "GUEST", VALUE_GUEST, .optional = TRUE, .repeated = TRUE } },
    .options = options,
    .run = run,
};
