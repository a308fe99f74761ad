/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor: what helps or hinders memplug, with what to do about it. memplugd examines;
 * only that it does not run must be found out here.
 */
#include <stdio.h>
#include <string.h>

#include "cli/call.h"
#include "cli/command-line.h"
#include "cli/dict.h"
#include "cli/output.h"
#include "cli/terminal.h"

/* The levels from the lightest on, as memplugd calls them. */
static const char *const levels[] = { "ok", "advice", "warning", "problem" };
#define N_LEVELS G_N_ELEMENTS(levels)
#define PROBLEM  (N_LEVELS - 1)

/* What was found of the host or of a guest. */
typedef struct {
    char *guest;        /* owned; "" for the host */
    GVariant *findings; /* owned: aa{sv} */
    guint counts[N_LEVELS];
} Examination;

static void
examination_free(gpointer data)
{
    Examination *examination = data;

    g_free(examination->guest);
    g_variant_unref(examination->findings);
    g_free(examination);
}

/* What we do not know is worth to be read. */
static gsize
level_of(GVariant *finding)
{
    const char *name = dict_text(finding, "level");

    for (gsize i = 0; i < N_LEVELS; i++) {
        if (g_str_equal(levels[i], name))
            return i;
    }
    return PROBLEM - 1;
}

/* @findings: (transfer full) */
static Examination *
examination_new(const char *guest, GVariant *findings)
{
    Examination *examination = g_new0(Examination, 1);

    examination->guest = g_strdup(guest);
    examination->findings = findings;
    for (gsize i = 0; i < g_variant_n_children(findings); i++) {
        g_autoptr(GVariant) finding = g_variant_get_child_value(findings, i);

        examination->counts[level_of(finding)]++;
    }
    return examination;
}

/* One finding that is made here. */
static Examination *
examination_new_single(const char *guest, const char *check, const char *text, const char *fix)
{
    GVariant *findings = g_variant_new_parsed(
        "[{'check': <%s>, 'level': <'problem'>, 'finding': <%s>, 'reason': <''>, 'fix': <%s>}]",
        check, text, fix);

    return examination_new(guest, g_variant_ref_sink(findings));
}

/* @proxy: of the manager or of a guest */
static Examination *
examine(Connection *connection, gpointer proxy, const char *guest)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = call_method(connection, proxy, "Diagnose", NULL, &error);
    g_autofree char *why = NULL;

    if (reply)
        return examination_new(guest, g_variant_get_child_value(reply, 0));
    why = connection_explain(connection, error);
    return examination_new_single(guest, "examination", why, "");
}

static Examination *
tell_absence(Connection *connection, const GError *error)
{
    g_autofree char *why = connection_explain(connection, error);

    return examination_new_single("", "memplugd", why, connection_describe_start(connection));
}

/*
 * For people
 */

static void
print_indented(const char *text, guint depth)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_autofree char *clean = terminal_clean(*line);

        printf("%*s%s\n", (int)depth, "", clean);
    }
}

static void
print_headline(GVariant *finding)
{
    g_autofree char *check = terminal_clean(dict_text(finding, "check"));
    g_autofree char *text = terminal_clean(dict_text(finding, "finding"));

    printf("  %-8s %s: %s\n", levels[level_of(finding)], check, text);
}

static void
print_finding(GVariant *finding)
{
    const char *reason = dict_text(finding, "reason");
    const char *fix = dict_text(finding, "fix");

    print_headline(finding);
    if (*reason)
        print_indented(reason, 11);
    if (*fix)
        print_indented(fix, 15);
}

/* "2 warnings, 1 advice", or "all is well". */
static char *
count_in_words(const Examination *examination)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (gsize i = N_LEVELS; i-- > 1;) {
        guint count = examination->counts[i];

        if (count > 0)
            g_string_append_printf(text, "%s%u %s%s", text->len > 0 ? ", " : "", count, levels[i],
                                   count > 1 && i > 1 ? "s" : "");
    }
    return text->len > 0 ? g_string_free(g_steal_pointer(&text), FALSE) : g_strdup("all is well");
}

/* What is well is shown if @all. */
static void
print_findings(const Examination *examination, gboolean all)
{
    g_autofree char *name = terminal_clean(examination->guest);
    g_autofree char *counts = count_in_words(examination);

    printf("%s: %s\n", *name ? name : "the host", counts);
    for (gsize i = 0; i < g_variant_n_children(examination->findings); i++) {
        g_autoptr(GVariant) finding = g_variant_get_child_value(examination->findings, i);

        if (all || level_of(finding) > 0)
            print_finding(finding);
    }
}

/* The counts in one line; problems are worth one each. */
static void
print_summary(const Examination *examination)
{
    g_autofree char *name = terminal_clean(examination->guest);
    g_autofree char *counts = count_in_words(examination);
    gboolean well = examination->counts[0] == g_variant_n_children(examination->findings);

    if (well)
        printf("%s: %s\n", name, counts);
    else
        printf("%s: %s; see 'memplug doctor %s'\n", name, counts, name);
    for (gsize i = 0; i < g_variant_n_children(examination->findings); i++) {
        g_autoptr(GVariant) finding = g_variant_get_child_value(examination->findings, i);

        if (level_of(finding) == PROBLEM)
            print_headline(finding);
    }
}

/* With only one examination, or everything asked for, all of it. */
static void
print_text(const GPtrArray *examinations, gboolean all)
{
    for (guint i = 0; i < examinations->len; i++) {
        if (i == 0 || all)
            print_findings(examinations->pdata[i], all);
        else
            print_summary(examinations->pdata[i]);
    }
}

/*
 * For programs
 */

static void
print_json(const GPtrArray *examinations)
{
    static const char *const keys[] = { "check", "level", "finding", "reason", "fix" };
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_array(json);
    for (guint i = 0; i < examinations->len; i++) {
        const Examination *examination = examinations->pdata[i];

        for (gsize j = 0; j < g_variant_n_children(examination->findings); j++) {
            g_autoptr(GVariant) finding = g_variant_get_child_value(examination->findings, j);

            json_builder_begin_object(json);
            output_add_text(json, "guest", examination->guest);
            for (gsize k = 0; k < G_N_ELEMENTS(keys); k++)
                output_add_text(json, keys[k], dict_text(finding, keys[k]));
            json_builder_end_object(json);
        }
    }
    json_builder_end_array(json);
    output_print_json(json);
}

/*
 * The command
 */

/* The host and all guests. */
static gboolean
examine_all(Connection *connection, GPtrArray *examinations, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(BusManager) manager = connection_get_manager(connection, &local);
    g_autoptr(GPtrArray) guests = NULL;

    if (!manager) {
        g_ptr_array_add(examinations, tell_absence(connection, local));
        return TRUE;
    }
    g_ptr_array_add(examinations, examine(connection, manager, ""));
    guests = connection_list_guests(connection, error);
    for (guint i = 0; guests && i < guests->len; i++) {
        BusGuest *guest = guests->pdata[i];

        g_ptr_array_add(examinations, examine(connection, guest, bus_guest_get_name(guest)));
    }
    return guests != NULL;
}

static gboolean
examine_guest(Connection *connection, const char *name, GPtrArray *examinations, GError **error)
{
    g_autoptr(BusGuest) guest = connection_get_guest(connection, name, error);

    if (guest)
        g_ptr_array_add(examinations, examine(connection, guest, name));
    return guest != NULL;
}

static gboolean
run(const CommandLine *line, Connection *connection, GError **error)
{
    const char *name = command_line_text(line, 0);
    g_autoptr(GPtrArray) examinations = g_ptr_array_new_with_free_func(examination_free);
    guint problems = 0;

    if (*name ? !examine_guest(connection, name, examinations, error)
              : !examine_all(connection, examinations, error))
        return FALSE;
    if (command_line_has(line, "json"))
        print_json(examinations);
    else
        print_text(examinations, command_line_has(line, "all"));

    for (guint i = 0; i < examinations->len; i++)
        problems += ((const Examination *)examinations->pdata[i])->counts[PROBLEM];
    if (problems > 0)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%u problem%s found", problems,
                    problems == 1 ? "" : "s");
    return problems == 0;
}

static const CommandOption options[] = {
    { "all", NULL, VALUE_TEXT, "show what is well, too, and all of every guest" },
    { NULL },
};

const Command command_doctor = {
    .name = "doctor",
    .summary = "examine the host and the guests, and tell what to mend",
    .description = "Tells what hinders memplug on the host, or with GUEST, why that matters, and\n"
                   "the command or the text that mends it: a domain's XML for guests of libvirt,\n"
                   "options for QEMU's own. Without GUEST the guests are summed up. A problem\n"
                   "(memplug cannot do its work so) makes it end with status 1; warnings and\n"
                   "advice do not.",
    .examples = "memplug doctor\n"
                "memplug doctor web --all",
    .arguments = { { "GUEST", VALUE_GUEST, .optional = TRUE } },
    .options = options,
    .run = run,
};
