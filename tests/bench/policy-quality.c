/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How good the default policy is: what each rule lends and what the guests lack under it, on
 * recorded traces and made loads. It prints and does not judge.
 *
 *   bench-policy-quality [FOLDER]   traces of others: *.csv in FOLDER, or in
 *                                   $MEMPLUG_TRACES; three of one kind (a-0.csv, a-1.csv, a-2.csv)
 *                                   run together as well, their peaks offset by a third
 *
 * In $MEMPLUG_OWN_TRACES, recordings of memplug (*.jsonl.gz) are worlds of their own: their guests
 * run together, in the budget they had, and in one that holds their peaks.
 *
 * A rule's line ends with
 *   more     the default lends less at equal or less starvation: it wins
 *   starves  the rule lends less or the same, and its guests starve for longer
 *   LESS     the rule lends less at equal or less starvation: the default loses
 */
#include <stdio.h>
#include <string.h>

#include "simulate/recording.h"
#include "simulate/simulation.h"
#include "simulate/trace-file.h"
#include "tests/bench/load.h"

#define GIB ((double)(1 << 30))

/* The mark of the published run: 28.1 of 40.7 GiB. */
#define MARK 0.69

static void
print_row(const char *name, const Outcome *outcome, const Outcome *peak, const char *verdict)
{
    printf("  %-12s %7.2f %5.1f%% %7.2f %5.1f%% %8.3f%% %9.1f %9.1f %9.1f %7" G_GUINT64_FORMAT
           " %7.4f  %s\n",
           name, outcome->lent_mean / GIB, 100 * outcome->lent_mean / peak->lent_mean,
           (double)outcome->lent_peak / GIB,
           100 * (double)outcome->lent_peak / (double)peak->lent_peak,
           100 * outcome->starved_time_ratio, outcome->starved_byte_seconds / GIB,
           outcome->squeezed_byte_seconds / GIB, (double)outcome->churn_bytes / GIB, outcome->steps,
           outcome->jain, verdict);
}

static const char *
judge(const Outcome *ours, const Outcome *theirs)
{
    if (theirs->starved_time_ratio > ours->starved_time_ratio)
        return ours->lent_mean < theirs->lent_mean ? "more" : "starves";
    return theirs->lent_mean < ours->lent_mean                     ? "LESS"
           : theirs->starved_time_ratio < ours->starved_time_ratio ? "lends more, starves less"
                                                                   : "more";
}

/* Whoever knew what each guest uses at each moment, and moved memory at once, could not have
 * fewer of them starve than that and treat them alike: max-min fairness, looked at so often. */
#define BOUND_STEP_US (G_USEC_PER_SEC / 2)
#define BOUND_GUESTS  16

static double
level_of(const Simulation *simulation, const double *used, guint n)
{
    double low = 0, high = (double)TRACE_LARGEST;

    while (high - low > 1) {
        double middle = (low + high) / 2, sum = 0;

        for (guint i = 0; i < n; i++)
            sum += MAX(MIN(used[i], middle), (double)simulation_guest(simulation, i)->floor);
        if (sum <= (double)simulation_budget(simulation))
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* Returns: the part of the guests' time in which one starves all the same. */
static double
find_bound(const Simulation *simulation)
{
    guint n = MIN(simulation_n_guests(simulation), BOUND_GUESTS), starved = 0, looks = 0;
    TraceCursor cursors[BOUND_GUESTS];
    double used[BOUND_GUESTS], level;

    for (guint i = 0; i < n; i++)
        trace_cursor_start(&cursors[i], simulation_guest(simulation, i)->trace,
                           simulation_guest(simulation, i)->shift_us);
    for (gint64 now = 0; now < simulation_duration(simulation); now += BOUND_STEP_US) {
        for (guint i = 0; i < n; i++) {
            while (cursors[i].end_us <= now)
                trace_cursor_next(&cursors[i]);
            used[i] = trace_cursor_used(&cursors[i], now);
        }
        level = level_of(simulation, used, n);
        for (guint i = 0; i < n; i++)
            starved += used[i] > MAX(level, (double)simulation_guest(simulation, i)->floor) + 1;
        looks += n;
    }
    return (double)starved / looks;
}

static void
compare(const char *title, SimulationSettings *settings)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Simulation) simulation = simulation_new(settings, &error);
    const char *const *policies = simulation_policies();
    Outcome peak, mean, ours, theirs;

    if (!simulation) {
        printf("\n%s: %s\n", title, error->message);
        return;
    }
    printf("\n%s: %u guests, %.0f s, budget %.1f GiB\n", title, simulation_n_guests(simulation),
           (double)simulation_duration(simulation) / G_USEC_PER_SEC,
           (double)simulation_budget(simulation) / GIB);
    printf("  %-12s %7s %6s %7s %6s %9s %9s %9s %9s %7s %7s\n", "", "mean", "", "peak", "",
           "starved", "GiB s", "squeezed", "churn", "steps", "Jain");
    printf("  %-42s %8.3f%%\n", "fair and all-knowing", 100 * find_bound(simulation));
    simulation_run(simulation, SIMULATION_STATIC_PEAK, NULL, &peak);
    simulation_run(simulation, SIMULATION_STATIC_MEAN, NULL, &mean);
    simulation_run(simulation, policies[0], NULL, &ours);
    print_row(policies[0], &ours, &peak, "");
    for (guint i = 1; policies[i]; i++) {
        simulation_run(simulation, policies[i], NULL, &theirs);
        print_row(policies[i], &theirs, &peak, judge(&ours, &theirs));
    }
    print_row(SIMULATION_STATIC_PEAK, &peak, &peak, judge(&ours, &peak));
    print_row(SIMULATION_STATIC_MEAN, &mean, &peak, judge(&ours, &mean));
    fflush(stdout);
}

static void
compare_traces(const char *title, GPtrArray *traces, double stagger, double budget_part)
{
    SimulationSettings settings = { .traces = traces, .stagger = stagger, .seed = 1 };

    for (guint i = 0; i < traces->len && budget_part > 0; i++)
        settings.budget += (guint64)((double)((const Trace *)traces->pdata[i])->peak * budget_part);
    compare(title, &settings);
}

static GPtrArray *
trace_array(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)trace_free);
}

/*
 * Recorded
 */

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Returns: (transfer full): the paths of what ends with @ending, compressed or not, in order. */
static GPtrArray *
list_folder(const char *folder, const char *ending)
{
    g_autofree char *compressed = g_strconcat(ending, ".gz", NULL);
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = folder ? g_dir_open(folder, 0, NULL) : NULL;
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if (g_str_has_suffix(name, ending) || g_str_has_suffix(name, compressed))
            g_ptr_array_add(paths, g_build_filename(folder, name, NULL));
    }
    g_ptr_array_sort(paths, compare_names);
    return paths;
}

static GPtrArray *
load_traces(const char *const *paths, guint n)
{
    g_autoptr(GPtrArray) traces = trace_array();

    for (guint i = 0; i < n; i++) {
        g_autoptr(GError) error = NULL;
        Trace *trace = trace_file_load(paths[i], &error);

        if (!trace) {
            printf("\n%s\n", error->message);
            return NULL;
        }
        g_ptr_array_add(traces, trace);
    }
    return g_steal_pointer(&traces);
}

/* Whether @paths are three whose names differ in a number at their end only. */
static gboolean
are_three_of_a_kind(const char *const *paths)
{
    gsize kind = strcspn(paths[0], "0123456789");
    const char *number = g_strrstr(paths[0], "-0.csv");

    kind = number ? (gsize)(number - paths[0]) + 1 : kind;
    return number && strncmp(paths[0], paths[1], kind) == 0 &&
           strncmp(paths[0], paths[2], kind) == 0;
}

static void
compare_three(const char *const *paths)
{
    g_autoptr(GPtrArray) traces = load_traces(paths, 3);
    g_autofree char *title = NULL;

    if (!traces)
        return;
    title = g_strdup_printf("three of %s, offset by a third", ((Trace *)traces->pdata[0])->name);
    compare_traces(title, traces, 1.0 / 3, 0);
    compare_traces(title, traces, 1.0 / 3, MARK);
}

static void
compare_folder(const char *folder)
{
    g_autoptr(GPtrArray) paths = list_folder(folder, ".csv");

    for (guint i = 0; i < paths->len; i++) {
        const char *const *these = (const char *const *)paths->pdata + i;
        g_autoptr(GPtrArray) one = load_traces(these, 1);

        if (one)
            compare_traces(((Trace *)one->pdata[0])->name, one, 0, 0);
        if (i + 2 < paths->len && are_three_of_a_kind(these))
            compare_three(these);
    }
}

static void
compare_recording(const char *path)
{
    g_autoptr(Recording) recording = recording_new();
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *title = g_strdup_printf("%s, in the budget it had", name);
    g_autoptr(GError) error = NULL;
    SimulationSettings settings = { .traces = recording->traces, .seed = 1 };

    if (!recording_read(recording, path, &error) || !recording_end(recording, &error)) {
        printf("\n%s\n", error->message);
        return;
    }
    compare(name, &settings);
    settings.budget = recording->budget;
    compare(title, &settings);
}

static void
compare_recordings(const char *folder)
{
    g_autoptr(GPtrArray) paths = list_folder(folder, ".jsonl");

    for (guint i = 0; i < paths->len; i++)
        compare_recording(paths->pdata[i]);
}

/*
 * Made
 */

static void
compare_loads(void)
{
    g_autoptr(GPtrArray) mixed = trace_array();

    for (const Load *load = loads; load->name; load++) {
        g_autoptr(GPtrArray) traces = trace_array();

        for (guint64 seed = 1; seed <= 3; seed++)
            g_ptr_array_add(traces, load_make(load, seed));
        compare_traces(load->name, traces, 0, 0);
        if (load->length_s <= 7200)
            g_ptr_array_add(mixed, load_make(load, 4));
    }
    compare_traces("one of each, budget for half of their peaks", mixed, 0, 0.5);
}

/*
 * Mixed: worlds that nothing was tuned on
 */

#define MIXES        12
#define MIX_LEAST    3
#define MIX_MOST     8
#define BUDGET_LEAST 0.35
#define BUDGET_MOST  0.85

/* Of one rule in all mixes. */
typedef struct {
    double lent, starved, lacked, churn, steps, bound;
    guint won, lost;
} Tally;

/* Returns: (transfer full): guests of any load, with a budget for a part of their peaks. */
static Simulation *
make_mix(guint64 seed)
{
    Chance chance = chance_new(seed, 0);
    g_autoptr(GPtrArray) traces = trace_array();
    SimulationSettings settings = { .traces = traces, .seed = seed };
    guint n = MIX_LEAST + (guint)(chance_next(&chance) % (MIX_MOST - MIX_LEAST + 1)), n_loads = 0;
    double part = chance_between(&chance, BUDGET_LEAST, BUDGET_MOST), budget = 0;

    while (loads[n_loads].name)
        n_loads++;
    for (guint i = 0; i < n; i++) {
        Load load = loads[chance_next(&chance) % n_loads];

        load.length_s = MIN(load.length_s, 7200);
        g_ptr_array_add(traces, load_make(&load, seed * MIX_MOST + i + 100));
        budget += (double)((const Trace *)traces->pdata[i])->peak * part;
    }
    settings.budget = (guint64)budget;
    return simulation_new(&settings, NULL);
}

static void
tally_add(Tally *tally, const Outcome *outcome, const Outcome *ours, const Outcome *peak)
{
    tally->lent += outcome->lent_mean / peak->lent_mean;
    tally->starved += outcome->starved_time_ratio;
    tally->lacked += outcome->starved_byte_seconds / GIB;
    tally->churn += (double)outcome->churn_bytes / GIB;
    tally->steps += (double)outcome->steps;
    if (outcome == ours)
        return;
    tally->won += outcome->starved_time_ratio >= ours->starved_time_ratio &&
                  outcome->lent_mean >= ours->lent_mean;
    tally->lost += outcome->starved_time_ratio <= ours->starved_time_ratio &&
                   outcome->lent_mean < ours->lent_mean;
}

static void
print_tallies(const Tally *tallies, guint64 seed)
{
    const char *const *rules = simulation_policies();

    printf("\n%u mixes from seed %" G_GUINT64_FORMAT
           ", budgets for %.0f to %.0f %% of their peaks: means\n",
           MIXES, seed, BUDGET_LEAST * 100, BUDGET_MOST * 100);
    printf("  %-12s %7s %9s %9s %9s %9s  %s\n", "", "lent", "starved", "GiB s", "churn", "steps",
           "against the default");
    printf("  %-12s %7s %8.3f%%\n", "fair, knowing", "", 100 * tallies[0].bound / MIXES);
    for (guint i = 0; rules[i]; i++) {
        const Tally *tally = &tallies[i];

        printf("  %-12s %6.1f%% %8.3f%% %9.1f %9.1f %9.0f", rules[i], 100 * tally->lent / MIXES,
               100 * tally->starved / MIXES, tally->lacked / MIXES, tally->churn / MIXES,
               tally->steps / MIXES);
        if (i > 0)
            printf("  worse in %u, better in %u", tally->won, tally->lost);
        printf("\n");
    }
}

static void
compare_mixes(guint64 seed)
{
    const char *const *rules = simulation_policies();
    Tally tallies[16] = { { 0 } };

    for (guint k = 0; k < MIXES; k++) {
        g_autoptr(Simulation) simulation = make_mix(seed + k);
        Outcome peak, ours, theirs;

        tallies[0].bound += find_bound(simulation);
        simulation_run(simulation, SIMULATION_STATIC_PEAK, NULL, &peak);
        simulation_run(simulation, rules[0], NULL, &ours);
        tally_add(&tallies[0], &ours, &ours, &peak);
        for (guint i = 1; rules[i] && i < G_N_ELEMENTS(tallies); i++) {
            simulation_run(simulation, rules[i], NULL, &theirs);
            tally_add(&tallies[i], &theirs, &ours, &peak);
        }
    }
    print_tallies(tallies, seed);
}

static guint64
mix_seed(void)
{
    const char *text = g_getenv("MEMPLUG_TEST_SEED");

    return text ? g_ascii_strtoull(text, NULL, 10) : 1;
}

int
main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    compare_folder(argc > 1 ? argv[1] : g_getenv("MEMPLUG_TRACES"));
    compare_folder(g_getenv("MEMPLUG_OWN_TRACES"));
    compare_recordings(g_getenv("MEMPLUG_OWN_TRACES"));
    compare_loads();
    compare_mixes(mix_seed());
    return 0;
}
