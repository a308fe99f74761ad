/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * simulate: what a policy would have done to a recorded load. It needs no daemon.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command-line.h"
#include "cli/simulate-outcome.h"
#include "simulate/html-report.h"
#include "simulate/recording.h"
#include "simulate/series.h"
#include "simulate/trace-file.h"

/* Whoever waits longer is told how far it got. */
#define PATIENCE_US (2 * G_USEC_PER_SEC)
#define TELL_US     (G_USEC_PER_SEC / 4)

/* A run of one rule, as it is watched. */
typedef struct {
    const Simulation *simulation;
    const char *rule;
    Series *series;     /* (nullable) */
    Timeline *timeline; /* (nullable): of this rule */
    gint64 begun_us;    /* all runs; 0: nobody is told */
    gint64 told_us;
} Watch;

static void
tell_progress(Watch *watch, double done)
{
    gint64 now = watch->begun_us > 0 ? g_get_monotonic_time() : 0;

    if (now < watch->begun_us + PATIENCE_US || now < watch->told_us + TELL_US ||
        watch->begun_us == 0)
        return;
    watch->told_us = now;
    fprintf(stderr, "\r\033[K%s: %.0f %%", watch->rule, done * 100);
}

static void
end_progress(const Watch *watch)
{
    if (watch->told_us > 0)
        fputs("\r\033[K", stderr);
}

static gboolean
on_progress(double done, gpointer data)
{
    tell_progress(data, done);
    return TRUE;
}

static void
on_rows(const WorldRow *rows, gsize n_rows, gpointer data)
{
    Watch *watch = data;

    if (watch->series)
        series_add(watch->series, watch->rule, simulation_guest(watch->simulation, 0), rows,
                   n_rows);
    if (watch->timeline)
        timeline_add(watch->timeline, rows, n_rows);
}

/*
 * What is wanted
 */

/* What is played back. */
typedef struct {
    GPtrArray *traces;    /* Trace */
    Recording *recording; /* (nullable): what of them memplugd recorded */
    guint n_recorded;
} Loads;

static void
loads_clear(Loads *loads)
{
    g_clear_pointer(&loads->traces, g_ptr_array_unref);
    g_clear_pointer(&loads->recording, recording_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Loads, loads_clear)

static gboolean
load_file(Loads *loads, const char *path, GError **error)
{
    Trace *trace;

    if (recording_is_one(path)) {
        if (!loads->recording)
            loads->recording = recording_new();
        return recording_read(loads->recording, path, error);
    }
    trace = trace_file_load(path, error);
    if (trace)
        g_ptr_array_add(loads->traces, trace);
    return trace != NULL;
}

static gboolean
load_all(const CommandLine *line, Loads *loads, GError **error)
{
    GPtrArray *recorded;

    loads->traces = g_ptr_array_new_with_free_func((GDestroyNotify)trace_free);
    for (guint i = 0; command_line_argument(line, i); i++) {
        if (!load_file(loads, command_line_text(line, i), error))
            return FALSE;
    }
    if (!loads->recording)
        return TRUE;
    if (!recording_end(loads->recording, error))
        return FALSE;
    recorded = loads->recording->traces;
    loads->n_recorded = recorded->len;
    while (recorded->len > 0)
        g_ptr_array_insert(loads->traces, 0, g_ptr_array_steal_index(recorded, recorded->len - 1));
    return TRUE;
}

/* What was so when it was recorded holds, unless something else is asked for. */
static void
take_recorded(const Loads *loads, SimulationSettings *settings)
{
    const Recording *recording = loads->recording;

    settings->traces = loads->traces;
    if (!recording || loads->n_recorded < loads->traces->len)
        return;
    if (settings->budget == 0)
        settings->budget = recording->budget;
    if (settings->interval_us == 0)
        settings->interval_us = recording->interval_us;
}

static gboolean
refuse(GError **error, const char *option, const char *text, const char *wanted)
{
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s: '%s' is not %s", option,
                text, wanted);
    return FALSE;
}

/* "120" seconds, or "33.3%" of each trace. */
static gboolean
read_stagger(const CommandLine *line, SimulationSettings *settings, GError **error)
{
    const Value *value = command_line_option(line, "stagger");
    char *end = NULL;
    double number;

    if (!value)
        return TRUE;
    number = g_ascii_strtod(value->text, &end);
    if (end == value->text || !(number >= 0 && number <= 1e8) ||
        !(g_str_equal(end, "%") || g_str_equal(end, "")))
        return refuse(error, "stagger", value->text,
                      "seconds or a part of the trace, such as 120 or 33.3%");
    if (*end == '%')
        settings->stagger = number / 100;
    else
        settings->stagger_us = (gint64)(number * G_USEC_PER_SEC);
    return TRUE;
}

static gboolean
read_weights(const CommandLine *line, GArray *weights, GError **error)
{
    const Value *value = command_line_option(line, "weights");
    g_auto(GStrv) words = value ? g_strsplit(value->text, ",", -1) : NULL;

    for (char **word = words; word && *word; word++) {
        Value weight;

        if (!value_parse(VALUE_WEIGHT, *word, &weight, error)) {
            g_prefix_error(error, "--weights: ");
            return FALSE;
        }
        g_array_append_val(weights, weight.real);
    }
    return TRUE;
}

/* Adds a rule once. */
static void
add_rule(GPtrArray *rules, const char *name)
{
    if (!g_ptr_array_find_with_equal_func(rules, name, g_str_equal, NULL))
        g_ptr_array_add(rules, g_strdup(name));
}

/* The policies that are asked for; static sizing goes without saying. */
static GPtrArray *
read_rules(const CommandLine *line, const Loads *loads, GError **error)
{
    const char *recorded = loads->recording ? loads->recording->policy : NULL;
    const Value *policy = command_line_option(line, "policy");
    const Value *compare = command_line_option(line, "compare");
    g_autoptr(GPtrArray) rules = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) words = NULL;

    if (!policy && recorded && policy_find(recorded))
        add_rule(rules, recorded);
    else
        add_rule(rules, policy ? policy->text : simulation_policies()[0]);
    if (compare && g_str_equal(compare->text, "all"))
        words = g_strdupv((char **)simulation_policies());
    else if (compare)
        words = g_strsplit(compare->text, ",", -1);
    for (char **word = words; word && *word; word++) {
        Value value;

        if (!value_parse(VALUE_POLICY, *word, &value, error)) {
            g_prefix_error(error, "--compare: ");
            return NULL;
        }
        add_rule(rules, *word);
    }
    return g_steal_pointer(&rules);
}

static guint64
number_of(const CommandLine *line, const char *option, guint64 fallback)
{
    const Value *value = command_line_option(line, option);

    return value ? value->number : fallback;
}

static Mechanism
mechanism_of(const CommandLine *line)
{
    const Value *value = command_line_option(line, "mechanism");
    Mechanism mechanism = MECHANISM_AUTO;

    while (value && !g_str_equal(mechanism_name(mechanism), value->text))
        mechanism++;
    return mechanism;
}

static gboolean
read_settings(const CommandLine *line, GArray *weights, SimulationSettings *settings,
              GError **error)
{
    const Value *predictor = command_line_option(line, "predictor");

    *settings = (SimulationSettings){
        .n_guests = (guint)number_of(line, "guests", 0),
        .budget = number_of(line, "budget", 0),
        .floor = number_of(line, "floor", 0),
        .ceiling = number_of(line, "ceiling", 0),
        .mechanism = mechanism_of(line),
        .predictor = predictor ? predictor_find(predictor->text) : NULL,
        .interval_us = (gint64)(command_line_seconds(line, "interval", 0) * G_USEC_PER_SEC),
        .seed = number_of(line, "seed", 1),
        .no_agents = command_line_has(line, "no-agent"),
    };
    if (command_line_has(line, "interval") &&
        !(settings->interval_us >= 1000 && settings->interval_us <= G_TIME_SPAN_HOUR))
        return refuse(error, "interval", command_line_option(line, "interval")->text,
                      "from 0.001 to 3600 seconds");
    if (!read_stagger(line, settings, error) || !read_weights(line, weights, error))
        return FALSE;
    settings->weights = (const double *)weights->data;
    settings->n_weights = weights->len;
    return TRUE;
}

/*
 * The runs
 */

/* What is to come of the runs. */
typedef struct {
    GArray *outcomes;   /* SimulateOutcome */
    HtmlReport *report; /* (nullable) */
} Results;

/* @shown: not only in the table */
static void
run_rule(Simulation *simulation, const char *rule, gboolean shown, Watch *watch, Results *results)
{
    gboolean charted = shown && results->report;
    const WorldWatcher watcher = {
        .rows = shown && (watch->series || charted) ? on_rows : NULL,
        .progress = on_progress,
        .data = watch,
    };
    SimulateOutcome row = { .name = rule };

    watch->rule = rule;
    watch->timeline =
        charted ? timeline_new(simulation_n_guests(simulation), simulation_duration(simulation))
                : NULL;
    simulation_run(simulation, rule, &watcher, &row.outcome);
    g_array_append_val(results->outcomes, row);
    if (watch->timeline)
        timeline_end(watch->timeline);
    if (results->report)
        html_report_add(results->report, rule, &row.outcome, g_steal_pointer(&watch->timeline));
}

static void
run_all(Simulation *simulation, GPtrArray *rules, Series *series, Results *results)
{
    Watch watch = { .simulation = simulation, .series = series };

    if (isatty(STDERR_FILENO))
        watch.begun_us = g_get_monotonic_time();
    run_rule(simulation, SIMULATION_STATIC_PEAK, FALSE, &watch, results);
    run_rule(simulation, SIMULATION_STATIC_MEAN, FALSE, &watch, results);
    for (guint i = 0; i < rules->len; i++)
        run_rule(simulation, rules->pdata[i], TRUE, &watch, results);
    end_progress(&watch);
}

static gboolean
write_report(const CommandLine *line, const HtmlReport *report, GError **error)
{
    const Value *path = command_line_option(line, "html");
    g_autofree char *page = path ? html_report_render(report) : NULL;

    return !path || g_file_set_contents(path->text, page, -1, error);
}

/* Settings that contradict each other are wrong usage. */
static Simulation *
make_simulation(const SimulationSettings *settings, GError **error)
{
    g_autoptr(GError) why = NULL;
    Simulation *simulation = simulation_new(settings, &why);

    if (!simulation)
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, why->message);
    return simulation;
}

static gboolean
simulate(const CommandLine *line, Simulation *simulation, const Loads *loads, GPtrArray *rules,
         const SimulationSettings *settings, GError **error)
{
    const Value *path = command_line_option(line, "series");
    g_autoptr(HtmlReport) report =
        command_line_has(line, "html") ? html_report_new(simulation) : NULL;
    g_autoptr(GArray) outcomes = g_array_new(FALSE, TRUE, sizeof(SimulateOutcome));
    Results results = { outcomes, report };
    Series *series = NULL;

    if (path && !(series = series_open(path->text, error)))
        return FALSE;
    run_all(simulation, rules, series, &results);
    if ((series && !series_close(series, error)) || !write_report(line, report, error))
        return FALSE;
    if (command_line_has(line, "json"))
        simulate_outcome_print_json(simulation, settings, outcomes, loads->recording);
    else
        simulate_outcome_print_table(simulation, outcomes, loads->recording);
    return TRUE;
}

static gboolean
run(const CommandLine *line, Connection *connection, GError **error)
{
    g_autoptr(GArray) weights = g_array_new(FALSE, FALSE, sizeof(double));
    g_autoptr(GPtrArray) rules = NULL;
    g_autoptr(Simulation) simulation = NULL;
    g_auto(Loads) loads = { 0 };
    SimulationSettings settings;

    /* What is written wrongly is told before what is read. */
    rules = read_rules(line, &loads, error);
    if (!rules || !read_settings(line, weights, &settings, error) || !load_all(line, &loads, error))
        return FALSE;
    g_ptr_array_unref(rules);
    rules = read_rules(line, &loads, error);
    take_recorded(&loads, &settings);
    simulation = make_simulation(&settings, error);
    return simulation && simulate(line, simulation, &loads, rules, &settings, error);
}

static const CommandOption options[] = {
    { "policy", "POLICY", VALUE_POLICY, "the policy to try; else the default one" },
    { "compare", "POLICIES", VALUE_TEXT, "others beside it, parted by commas, or 'all'" },
    { "budget", "SIZE", VALUE_SIZE, "what the host lends; else what static sizing takes" },
    { "guests", "N", VALUE_COUNT, "how many; they take the traces in turn" },
    { "stagger", "S", VALUE_TEXT, "each begins S seconds (or S% of its trace) further on" },
    { "floor", "SIZE", VALUE_SIZE, "no guest gets less; else up to 512 MiB" },
    { "ceiling", "SIZE", VALUE_SIZE, "no guest gets more; else its trace's total" },
    { "weights", "W,W", VALUE_TEXT, "the guests take them in turn; else 1" },
    { "mechanism", "MECHANISM", VALUE_MECHANISM,
      "the guests' devices: auto is balloon and "
      "virtio-mem" },
    { "predictor", "PREDICTOR", VALUE_PREDICTOR, "what forecasts demand; else the default one" },
    { "interval", "SECONDS", VALUE_SECONDS, "between two cycles; else 0.25" },
    { "no-agent", NULL, VALUE_TEXT, "no agent in the guests asks urgently" },
    { "seed", "N", VALUE_SEED, "of all that chance decides; else 1" },
    { "series", "FILE", VALUE_FILE, "write what happened as CSV" },
    { "html", "FILE", VALUE_FILE, "write a report with charts" },
    { NULL },
};

const Command command_simulate = {
    .name = "simulate",
    .summary = "try policies on recorded loads",
    .description =
        "Plays traces back to guests that do not exist, through the same predictor,\n"
        "policy, limits and recipe that move real ones, and tells what it would have\n"
        "been: memory lent (mean, peak and GiB hours), starvation (the part of the\n"
        "guests' time in which they needed more than they had, and what they lacked\n"
        "in GiB seconds), page cache squeezed out (GiB seconds), bytes that came and\n"
        "went, device actions, and fairness (Jain's index of the parts of their demand\n"
        "that the guests got; 1 is fair). Beside the policies stands static sizing: each\n"
        "guest at its own peak, and at its mean, page cache included.\n"
        "\n"
        "A TRACE is CSV (or that compressed by gzip), one look at a guest a line:\n"
        "time_s,total_bytes,free_bytes,cached_bytes\n"
        "Or it is what memplugd recorded (memplug record, or its journal): then budget,\n"
        "floors, ceilings, weights and policy are those of the recording, and each\n"
        "decision is taken once more from what was known, to see that it comes out the\n"
        "same. In CSV, what a guest cannot give up without swapping,\n"
        "total - free - cached, is its demand. Between lines it is a straight line; a\n"
        "trace that ends before the longest one begins anew. Each guest begins with\n"
        "what it uses then and a quarter more. Rules of other systems keep their own\n"
        "pace, and their guests have no agent. The same input and seed give the same\n"
        "outcome, byte by byte. No daemon is needed.\n"
        "\n"
        "--series writes time, guest, demand, requested, actual, cached, steps and\n"
        "policy: from each line to the guest's next, demand and cached are a straight\n"
        "line and all else stays, so that anyone can work out the table again (static\n"
        "sizing from demand + cached). --html writes one page with charts that needs\n"
        "nothing else.",
    .examples = "memplug simulate web.csv db.csv --policy balance --compare all\n"
                "memplug simulate build.csv --guests 3 --stagger 33.3% --budget 28G\n"
                "memplug simulate web.csv --json --series web-series.csv\n"
                "memplug simulate web.csv db.csv --compare all --html report.html\n"
                "memplug simulate recording.jsonl --compare all",
    .arguments = { { "TRACE", VALUE_FILE, .repeated = TRUE } },
    .options = options,
    .run = run,
};
