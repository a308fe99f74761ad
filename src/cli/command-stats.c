/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stats: what a guest tells of its own memory, once or again and again.
 *
 * Statistics change without a signal (they would be most of the bus traffic),
 * so following them is asking for them once an interval.
 */
#include <stdio.h>

#include "cli/command-line.h"
#include "cli/dict.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "cli/wait.h"
#include "size/size.h"

typedef enum {
    STAT_SIZE,
    STAT_RATE, /* bytes a second */
    STAT_NUMBER,
    STAT_TIME, /* µs */
    STAT_AGE,  /* the same, signed */
    STAT_TEXT,
} StatKind;

/* The members of the property Stats. */
static const struct {
    const char *key;
    const char *label; /* alone */
    const char *title; /* of a column; NULL: it has none */
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
    { "stall_some_us", "Some stalled", "Stalled", STAT_TIME },
    { "stall_full_us", "All stalled", NULL, STAT_TIME },
    { "refaults_anon", "Refaults", NULL, STAT_NUMBER },
    { "refaults_file", "of files", NULL, STAT_NUMBER },
    { "direct_scans", "Scanned", NULL, STAT_NUMBER },
    { "direct_steals", "Reclaimed", NULL, STAT_NUMBER },
    { "oom_kills", "OOM kills", NULL, STAT_NUMBER },
    { "committed", "Committed", NULL, STAT_SIZE },
    { "dirty", "Dirty", NULL, STAT_SIZE },
    { "shmem", "Shared", NULL, STAT_SIZE },
    { "slab_reclaimable", "Slab", NULL, STAT_SIZE },
    { "swap_total", "Swap", NULL, STAT_SIZE },
    { "swap_free", "Swap free", NULL, STAT_SIZE },
    { "balloon_age_us", "By balloon", NULL, STAT_AGE },
    { "agent_age_us", "By agent", NULL, STAT_AGE },
    { "agent", "Agent", NULL, STAT_TEXT },
    { "kernel", "Kernel", NULL, STAT_TEXT },
    { "fastest", "Fastest", NULL, STAT_RATE },
    { "frames", "Frames", NULL, STAT_NUMBER },
    { "frames_lost", "Lost", NULL, STAT_NUMBER },
    { "frames_damaged", "Damaged", NULL, STAT_NUMBER },
    { "frames_refused", "Refused", NULL, STAT_NUMBER },
    { "noise", "Noise", NULL, STAT_SIZE },
    { "agent_dropped", "Dropped", NULL, STAT_NUMBER },
    { "urgent_requests", "Urgent", NULL, STAT_NUMBER },
    { "urgent_unheard", "Not heard", NULL, STAT_NUMBER },
    { "urgent_first_us", "Met after", NULL, STAT_TIME },
};

/* Wide enough for "1023.9 MiB", the longest of rounded sizes, and a gap. */
#define COLUMN_WIDTH 12

/* Returns: (nullable) (transfer full): the member for people; NULL if it was not told. */
static char *
stat_format(GVariant *values, gsize i, gboolean rounded)
{
    g_autoptr(GVariant) value = g_variant_lookup_value(values, stats[i].key, NULL);
    g_autofree char *size = NULL;

    if (value && stats[i].kind == STAT_TEXT && g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
        return terminal_clean(g_variant_get_string(value, NULL));
    if (value && g_variant_is_of_type(value, G_VARIANT_TYPE_INT64))
        return g_strdup_printf(stats[i].kind == STAT_AGE ? "%.1f s ago" : "%.3f s",
                               (double)g_variant_get_int64(value) / G_USEC_PER_SEC);
    if (!value || !g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64))
        return NULL;
    if (stats[i].kind == STAT_NUMBER)
        return g_strdup_printf("%" G_GUINT64_FORMAT, g_variant_get_uint64(value));
    if (stats[i].kind == STAT_TIME)
        return g_strdup_printf("%.3f s", (double)g_variant_get_uint64(value) / G_USEC_PER_SEC);
    if (stats[i].kind == STAT_RATE) {
        size = size_format_rounded(g_variant_get_uint64(value));
        return g_strconcat(size, "/s", NULL);
    }
    return rounded ? size_format_rounded(g_variant_get_uint64(value))
                   : size_format(g_variant_get_uint64(value));
}

/* "fresh, 0.4 s old, by its agent", "stale, 12.0 s old (the guest does not answer)" or
 * "never (...)". */
static char *
describe_state(GVariant *values)
{
    g_autofree char *reason = terminal_clean(dict_text(values, "reason"));
    GString *text = g_string_new(dict_text(values, "state"));
    gint64 age_us;

    if (g_variant_lookup(values, "age_us", "x", &age_us))
        g_string_append_printf(text, ", %.1f s old", (double)age_us / G_USEC_PER_SEC);
    if (g_str_equal(dict_text(values, "source"), "agent"))
        g_string_append(text, ", by its agent");
    if (*reason)
        g_string_append_printf(text, " (%s)", reason);
    return g_string_free(text, FALSE);
}

/* "open" or "dropped (it sends what is no frame)". */
static void
print_channel(GVariant *values)
{
    const char *state = dict_text(values, "channel");
    g_autofree char *reason = terminal_clean(dict_text(values, "channel_reason"));
    g_autofree char *text = *reason ? g_strdup_printf("%s (%s)", state, reason) : g_strdup(state);

    if (*state)
        output_print_field("Channel", text);
}

/* A line for each kind of zone: "Movable       256 MiB, 120 MiB free". */
static void
print_zones(GVariant *values)
{
    g_autoptr(GVariant) zones = g_variant_lookup_value(values, "zones", G_VARIANT_TYPE("aa{sv}"));

    for (gsize i = 0; zones && i < g_variant_n_children(zones); i++) {
        g_autoptr(GVariant) zone = g_variant_get_child_value(zones, i);
        g_autofree char *name = g_strdup_printf("Zone %s", dict_text(zone, "zone"));
        g_autofree char *managed = NULL, *left = NULL, *text = NULL;

        managed = size_format(dict_number(zone, "managed"));
        left = size_format(dict_number(zone, "free"));
        text = g_strdup_printf("%s, %s free", managed, left);
        output_print_field(name, text);
    }
}

/* Returns: (transfer full): "online in Movable", "offline". */
static char *
describe_onlining(GVariant *blocks)
{
    const char *state = dict_text(blocks, "state");

    return g_str_equal(state, "online") ? g_strdup_printf("online in %s", dict_text(blocks, "zone"))
                                        : g_strdup(state);
}

/* "2 online in Movable, 256 MiB". */
static void
print_blocks(GVariant *values)
{
    g_autoptr(GVariant) blocks = g_variant_lookup_value(values, "blocks", G_VARIANT_TYPE("aa{sv}"));

    for (gsize i = 0; blocks && i < g_variant_n_children(blocks); i++) {
        g_autoptr(GVariant) block = g_variant_get_child_value(blocks, i);
        g_autofree char *how = describe_onlining(block), *all = NULL, *text = NULL;

        all = size_format(dict_number(block, "size"));
        text =
            g_strdup_printf("%" G_GUINT64_FORMAT " %s, %s", dict_number(block, "count"), how, all);
        output_print_field("Blocks", text);
    }
}

/* "32 to 37: online in Movable". */
static void
print_runs(GVariant *values)
{
    g_autoptr(GVariant) runs = g_variant_lookup_value(values, "runs", G_VARIANT_TYPE("aa{sv}"));

    for (gsize i = 0; runs && i < g_variant_n_children(runs); i++) {
        g_autoptr(GVariant) run = g_variant_get_child_value(runs, i);
        g_autofree char *how = describe_onlining(run), *text = NULL;
        guint64 first = dict_number(run, "first"), count = dict_number(run, "count");

        text = count > 1 ? g_strdup_printf("%" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT ": %s",
                                           first, first + count - 1, how)
                         : g_strdup_printf("%" G_GUINT64_FORMAT ": %s", first, how);
        output_print_field("Block", text);
    }
}

static void
print_once(const char *name, GVariant *values)
{
    g_autofree char *state = describe_state(values);

    output_print_field("Guest", name);
    output_print_field("Statistics", state);
    for (gsize i = 0; i < G_N_ELEMENTS(stats); i++) {
        g_autofree char *text = stat_format(values, i, FALSE);

        if (text)
            output_print_field(stats[i].label, text);
    }
    print_channel(values);
    print_zones(values);
    print_blocks(values);
    print_runs(values);
}

static void
print_titles(void)
{
    printf("%-9s", "Time");
    for (gsize i = 0; i < G_N_ELEMENTS(stats); i++) {
        if (stats[i].title)
            printf("%*s", COLUMN_WIDTH, stats[i].title);
    }
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
        g_autofree char *text = stat_format(values, i, TRUE);

        if (stats[i].title)
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
    .description =
        "Shows the statistics that the guest last sent and how old they are: by its\n"
        "agent where there is one, else by its balloon; who the agent is, how its\n"
        "channel fares, and how often it asked urgently. What is not told is left\n"
        "out. Swapping, faults, stalls, scans and refaults count from the guest's boot.\n"
        "With --follow, and --json too, each line is one JSON object.",
    .examples = "memplug stats web\n"
                "memplug stats web --follow --interval 0.5",
    .arguments = { { "GUEST", VALUE_GUEST } },
    .options = options,
    .run = run,
};
