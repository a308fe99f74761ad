/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * explain: why a guest has what it has, from memplugd's journal, in sentences.
 */
#include <stdio.h>

#include "cli/call.h"
#include "cli/command-line.h"
#include "cli/dict.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "size/size.h"

/* Returns: (transfer full): "2026-03-01 12:00:00.250", or only the time of the day. */
static char *
format_time(guint64 time_us, const char *format)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local((gint64)(time_us / G_USEC_PER_SEC));
    g_autofree char *clock = time ? g_date_time_format(time, format) : g_strdup("-");

    return g_strdup_printf("%s.%03u", clock, (guint)(time_us % G_USEC_PER_SEC / 1000));
}

G_GNUC_PRINTF(1, 2)
static void
say(const char *format, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *clean = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    clean = terminal_clean(text);
    puts(clean);
}

#define SIZE_TEXT(name, values, key) \
    g_autofree char *name = size_format_rounded(dict_number(values, key))

static void
print_sample(GVariant *values)
{
    g_autoptr(GVariant) sample = g_variant_lookup_value(values, "sample", G_VARIANT_TYPE_VARDICT);
    gint64 age_us = 0;

    if (!sample)
        return;
    SIZE_TEXT(total, sample, "total");
    SIZE_TEXT(available, sample, "available");
    SIZE_TEXT(cached, sample, "cached");
    g_variant_lookup(sample, "age_us", "x", &age_us);
    say("  Its %s had told %.2f s before: %s in all, %s available, %s page cache.",
        g_str_equal(dict_text(sample, "source"), "agent") ? "agent" : "balloon driver",
        (double)age_us / G_USEC_PER_SEC, total, available, cached);
}

static void
print_parts(GVariant *values)
{
    g_autoptr(GVariant) parts = g_variant_lookup_value(values, "parts", G_VARIANT_TYPE("aa{sv}"));
    GVariantIter iter;
    GVariant *part;

    if (!parts)
        return;
    g_variant_iter_init(&iter, parts);
    while ((part = g_variant_iter_next_value(&iter))) {
        SIZE_TEXT(bytes, part, "bytes");

        say("    %-20s %12s%s", dict_text(part, "name"), bytes,
            dict_flag(part, "decided") ? "  (this counted)" : "");
        g_variant_unref(part);
    }
}

static void
print_limits(GVariant *values)
{
    g_autoptr(GVariant) limits =
        g_variant_lookup_value(values, "limit_texts", G_VARIANT_TYPE("as"));
    g_autofree const char **texts = limits ? g_variant_get_strv(limits, NULL) : NULL;

    for (guint i = 0; texts && texts[i]; i++)
        say("    %s", texts[i]);
}

static void
print_decision(GVariant *values)
{
    double weight = 0;
    SIZE_TEXT(actual, values, "actual");
    SIZE_TEXT(floor, values, "floor");
    SIZE_TEXT(ceiling, values, "ceiling");
    SIZE_TEXT(budget, values, "budget");
    SIZE_TEXT(used, values, "used");
    SIZE_TEXT(demand, values, "demand");
    SIZE_TEXT(raw, values, "raw");
    SIZE_TEXT(from, values, "from");
    SIZE_TEXT(target, values, "target");

    g_variant_lookup(values, "weight", "d", &weight);
    print_sample(values);
    say("  It had %s, with a floor of %s, a ceiling of %s and weight %g; the budget was %s.",
        actual, floor, ceiling, weight, budget);
    if (dict_flag(values, "urgent"))
        say("  Its agent asked urgently for more.");
    if (dict_flag(values, "pressed"))
        say("  It was under pressure: it swapped in, or stalled.");
    say("  It used %s; the predictor '%s' made that a demand of %s: %s.", used,
        dict_text(values, "predictor"), demand, dict_text(values, "reason"));
    print_parts(values);
    say("  The policy '%s' wanted it to have %s.", dict_text(values, "policy"), raw);
    print_limits(values);
    say("  So it was asked to have %s instead of %s.", target, from);
}

static double
real_in(GVariant *values, const char *key)
{
    double real = 0;

    g_variant_lookup(values, key, "d", &real);
    return real;
}

/* What became of a step on trial: what was taken, and how the guest bore it. */
static void
print_shrink(GVariant *event)
{
    g_autoptr(GVariant) shrink = g_variant_lookup_value(event, "shrink", G_VARIANT_TYPE_VARDICT);
    g_autofree char *taken = NULL;
    gint64 watched_us = 0;

    if (!shrink)
        return;
    SIZE_TEXT(margin, shrink, "margin");
    SIZE_TEXT(before, shrink, "available_before");
    SIZE_TEXT(after, shrink, "available_after");
    taken = size_format_rounded(dict_number(shrink, "before") -
                                MIN(dict_number(shrink, "after"), dict_number(shrink, "before")));
    if (dict_number(shrink, "margin") > 0)
        say("    Its agent had said that %s more than these %s could go.", margin, taken);
    if (!g_variant_lookup(shrink, "watched_us", "x", &watched_us))
        return;
    say("    %s were taken and watched for %.1f s. Before and after it had %s and %s available,",
        taken, (double)watched_us / G_USEC_PER_SEC, before, after);
    say("    and in a second tasks waited %.1f and %.1f ms for memory, %.0f and %.0f pages were",
        real_in(shrink, "stall_us_before") / 1000, real_in(shrink, "stall_us_after") / 1000,
        real_in(shrink, "refaults_before"), real_in(shrink, "refaults_after"));
    say("    read again, and %.0f and %.0f KiB read back from swap.",
        real_in(shrink, "swap_in_before") / 1024, real_in(shrink, "swap_in_after") / 1024);
}

static void
print_events(GVariant *values)
{
    g_autoptr(GVariant) events = g_variant_lookup_value(values, "events", G_VARIANT_TYPE("aa{sv}"));
    GVariantIter iter;
    GVariant *event;

    if (!events)
        return;
    g_variant_iter_init(&iter, events);
    while ((event = g_variant_iter_next_value(&iter))) {
        g_autofree char *clock = format_time(dict_number(event, "time_us"), "%T");

        say("  %s  %s: %s", clock, dict_text(event, "kind"), dict_text(event, "message"));
        print_shrink(event);
        g_variant_unref(event);
    }
}

static void
print_outcome(GVariant *values)
{
    static const struct {
        const char *outcome, *text;
    } texts[] = {
        { "settled", "It got there." },
        { "short", "It stopped short of that." },
        { "moving", "It is not there yet, or nobody looked since." },
        { "proposed", "Nothing was done: memplugd runs with --dry-run." },
    };
    const char *outcome = dict_text(values, "outcome");

    if (g_str_equal(outcome, "superseded"))
        say("  Before it got there, decision %" G_GUINT64_FORMAT " asked for something else.",
            dict_number(values, "next"));
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (g_str_equal(outcome, texts[i].outcome))
            say("  %s", texts[i].text);
    }
}

static void
print_text(GVariant *values)
{
    const char *kind = dict_text(values, "kind");
    const char *guest = dict_text(values, "guest");
    g_autofree char *clock = format_time(dict_number(values, "time_us"), "%F %T");

    if (*kind) {
        say("%s, decision %" G_GUINT64_FORMAT " at %s:", guest, dict_number(values, "decision"),
            clock);
        if (g_str_equal(kind, "policy"))
            print_decision(values);
        else
            say("  An administrator's word: %s.", dict_text(values, "reason"));
        print_events(values);
        print_outcome(values);
    }
    if (*dict_text(values, "now"))
        say("%s now: %s.", guest, dict_text(values, "now"));
}

static void
print_json(GVariant *values)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    GVariantIter iter;
    const char *key;
    GVariant *value;

    json_builder_begin_object(json);
    g_variant_iter_init(&iter, values);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
        json_builder_set_member_name(json, key);
        json_builder_add_value(json, json_gvariant_serialize(value));
    }
    json_builder_end_object(json);
    output_print_json(json);
}

static gboolean
run(const CommandLine *line, Connection *connection, GError **error)
{
    const char *guest = command_line_text(line, 0);
    const Value *decision = command_line_argument(line, 1);
    g_autoptr(BusManager) manager = connection_get_manager(connection, error);
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) values = NULL;

    if (!manager)
        return FALSE;
    reply = call_method(connection, manager, "Explain",
                        g_variant_new("(st)", guest, decision ? decision->number : 0), error);
    if (!reply) {
        connection_prefix_error(error, guest);
        return FALSE;
    }
    values = g_variant_get_child_value(reply, 0);
    if (command_line_has(line, "json"))
        print_json(values);
    else
        print_text(values);
    return TRUE;
}

const Command command_explain = {
    .name = "explain",
    .summary = "tell why a guest has what it has",
    .description = "Tells what memplugd knew when it took a decision on a guest, what each part\n"
                   "of the predictor came to, what the policy wanted, which limits changed\n"
                   "that, and what came of it; and why nothing happens now. DECISION is a\n"
                   "number as 'memplug events --json' prints it; without it, the latest one.\n"
                   "It is read from the journal that memplugd keeps.",
    .examples = "memplug explain web\n"
                "memplug explain web 1764087507000001 --json",
    .arguments = { { "GUEST", VALUE_GUEST }, { "DECISION", VALUE_DECISION, .optional = TRUE } },
    .run = run,
};
