/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stats: what a guest tells of its own memory, once or again and again.
 *
 * Statistics change without a signal (they would be most of the bus traffic),
 * so following them is asking for them once an interval.
 */
#include <stdio.h>

#include "cli/command-line.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "cli/wait.h"
#include "size/size.h"

typedef enum { STAT_SIZE, STAT_NUMBER } StatKind;

/* The members of the property Stats that are numbers. */
static const struct {
    const char *key;
    const char *label; /* alone */
    const char *title; /* of a column */
    StatKind kind;
} stats[] = {
    { "total", "Total", "Total", STAT_SIZE },
    { "free", "Free", "Free", STAT_SIZE },
    { "available", "Available", "Available", STAT_SIZE },
    { "cached", "Cached", "Cached", STAT_SIZE },
    { "swap_in", "Swapped in", "Swap-in", STAT_SIZE },
    { "swap_out", "Swapped out", "Swap-out", STAT_SIZE },
    { "major_faults", "Major faults", "Faults", STAT_NUMBER },
    { "alloc_stalls", "Alloc stalls", "Stalls", STAT_NUMBER },
};

/* Wide enough for "1023.9 MiB", the longest of rounded sizes, and a gap. */
#define COLUMN_WIDTH 12

static const char *
stat_text(GVariant *values, const char *key)
{
    const char *text = "";

    g_variant_lookup(values, key, "&s", &text);
    return text;
}

static char *
stat_format(StatKind kind, guint64 value, gboolean rounded)
{
    if (kind == STAT_NUMBER)
        return g_strdup_printf("%" G_GUINT64_FORMAT, value);
    return rounded ? size_format_rounded(value) : size_format(value);
}

/* "fresh, 0.4 s old", "stale, 12.0 s old (the guest does not answer)" or "never (...)". */
static char *
describe_state(GVariant *values)
{
    g_autofree char *reason = terminal_clean(stat_text(values, "reason"));
    GString *text = g_string_new(stat_text(values, "state"));
    gint64 age_us;

    if (g_variant_lookup(values, "age_us", "x", &age_us))
        g_string_append_printf(text, ", %.1f s old", (double)age_us / G_USEC_PER_SEC);
    if (*reason)
        g_string_append_printf(text, " (%s)", reason);
    return g_string_free(text, FALSE);
}

static void
print_once(const char *name, GVariant *values)
{
    g_autofree char *state = describe_state(values);

    output_print_field("Guest", name);
    output_print_field("Statistics", state);
    for (gsize i = 0; i < G_N_ELEMENTS(stats); i++) {
        g_autofree char *text = NULL;
        guint64 value;

        if (!g_variant_lookup(values, stats[i].key, "t", &value))
            continue;
        text = stat_format(stats[i].kind, value, FALSE);
        output_print_field(stats[i].label, text);
    }
}

static void
print_titles(void)
{
    printf("%-9s", "Time");
    for (gsize i = 0; i < G_N_ELEMENTS(stats); i++)
        printf("%*s", COLUMN_WIDTH, stats[i].title);
    puts("  Statistics");
}

static void
print_row(GVariant *values)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *clock = g_date_time_format(now, "%H:%M:%S");
    g_autofree char *state = describe_state(values);

    printf("%-9s", clock);
    for (gsize i = 0; i < G_N_ELEMENTS(stats); i++) {
        g_autofree char *text = NULL;
        guint64 value;

        if (g_variant_lookup(values, stats[i].key, "t", &value))
            text = stat_format(stats[i].kind, value, TRUE);
        printf("%*s", COLUMN_WIDTH, text ? text : "-");
    }
    printf("  %s\n", state);
    fflush(stdout);
}

static void
print_json(const char *name, GVariant *values, gboolean one_line)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    GVariantIter iter;
    const char *key;
    GVariant *value;

    json_builder_begin_object(json);
    output_add_text(json, "guest", name);
    g_variant_iter_init(&iter, values);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value))
        output_add_variant(json, key, value);
    json_builder_end_object(json);
    if (one_line)
        output_print_json_line(json);
    else
        output_print_json(json);
}

/* Returns: (transfer full): the statistics as the daemon has them now. */
static GVariant *
read_stats(BusGuest *guest, GError **error)
{
    g_autoptr(GVariant) reply =
        g_dbus_proxy_call_sync(G_DBUS_PROXY(guest), "org.freedesktop.DBus.Properties.Get",
                               g_variant_new("(ss)", "org.memplug1.Guest", "Stats"),
                               G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);
    g_autoptr(GVariant) value = NULL;

    if (!reply)
        return NULL;
    g_variant_get(reply, "(v)", &value);
    return g_steal_pointer(&value);
}

static gboolean
print_stats(const CommandLine *line, const char *name, GVariant *values, GError **error)
{
    gboolean follow = command_line_has(line, "follow");

    if (!values || !g_variant_is_of_type(values, G_VARIANT_TYPE_VARDICT)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: memplugd tells no statistics",
                    name);
        return FALSE;
    }
    if (command_line_has(line, "json"))
        print_json(name, values, follow);
    else if (follow)
        print_row(values);
    else
        print_once(name, values);
    return TRUE;
}

static gboolean
follow_stats(const CommandLine *line, BusGuest *guest, GError **error)
{
    const char *name = command_line_text(line, 0);
    double interval_s = command_line_seconds(line, "interval", 1.0);
    const Value *count = command_line_option(line, "count");
    g_autoptr(Wait) wait = wait_new();

    if (!command_line_has(line, "json"))
        print_titles();
    for (guint64 printed = 0; !count || printed < count->number; printed++) {
        g_autoptr(GVariant) values = NULL;

        if (printed > 0 && wait_run(wait, interval_s) == WAIT_INTERRUPTED)
            return TRUE;
        values = read_stats(guest, error);
        if (!values) {
            connection_prefix_error(error, name);
            return FALSE;
        }
        if (!print_stats(line, name, values, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
run(const CommandLine *line, Connection *connection, GError **error)
{
    g_autoptr(BusGuest) guest = NULL;

    if (!command_line_has(line, "follow") &&
        (command_line_has(line, "interval") || command_line_has(line, "count"))) {
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                            "--interval and --count need --follow");
        return FALSE;
    }
    guest = connection_get_guest(connection, command_line_text(line, 0), error);
    if (!guest)
        return FALSE;
    if (command_line_has(line, "follow"))
        return follow_stats(line, guest, error);
    return print_stats(line, command_line_text(line, 0), bus_guest_get_stats(guest), error);
}

static const CommandOption options[] = {
    { "follow", NULL, VALUE_TEXT, "print a line every interval until Ctrl-C" },
    { "interval", "SECONDS", VALUE_SECONDS, "how often; 1 if not given" },
    { "count", "N", VALUE_COUNT, "stop after so many lines" },
    { NULL },
};

const Command command_stats = {
    .name = "stats",
    .summary = "show what a guest tells of its memory",
    .description = "Shows the statistics that the guest last sent and how old they are. What it\n"
                   "does not tell is left out. Swapping, major faults and allocation stalls count\n"
                   "from the guest's boot.\n"
                   "With --follow, and --json too, each line is one JSON object.",
    .examples = "memplug stats web\n"
                "memplug stats web --follow --interval 0.5",
    .arguments = { { "GUEST", VALUE_GUEST } },
    .options = options,
    .run = run,
};
