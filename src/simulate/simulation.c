/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/simulation.h"

#include "size/size.h"

#define INTERVAL_DEFAULT_US (G_USEC_PER_SEC / 4)
#define FLOOR_DEFAULT       (512 * SIZE_MIB)
#define FLOOR_LEAST         (64 * SIZE_MIB) /* no Linux guest lives on less */

struct _Simulation {
    SimulationSettings settings;
    GPtrArray *traces;
    GPtrArray *names;
    GuestSpec *guests;
    guint n_guests;
    guint64 budget;
    gint64 duration_us;
};

static const Trace *
trace_of(const Simulation *simulation, guint i)
{
    return simulation->traces->pdata[i % simulation->traces->len];
}

/* "web", and "web-2" where there is a web already. */
static char *
unique_name(GHashTable *taken, const char *name)
{
    char *unique = g_strdup(name);

    for (guint k = 2; g_hash_table_contains(taken, unique); k++) {
        g_free(unique);
        unique = g_strdup_printf("%s-%u", name, k);
    }
    g_hash_table_add(taken, unique);
    return unique;
}

static void
name_guests(Simulation *simulation)
{
    g_autoptr(GHashTable) taken = g_hash_table_new(g_str_hash, g_str_equal);

    simulation->names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < simulation->n_guests; i++) {
        guint turn = i / simulation->traces->len;
        g_autofree char *name =
            turn > 0 ? g_strdup_printf("%s-%u", trace_of(simulation, i)->name, turn + 1)
                     : g_strdup(trace_of(simulation, i)->name);

        g_ptr_array_add(simulation->names, unique_name(taken, name));
        simulation->guests[i].name = simulation->names->pdata[i];
    }
}

static guint64
default_floor(const Simulation *simulation, const Trace *trace)
{
    guint64 share = simulation->budget / simulation->n_guests / 2;
    guint64 least = MIN(MIN(FLOOR_DEFAULT, trace->most_total / 4), share);

    return MIN(MAX(least, FLOOR_LEAST), trace->most_total);
}

/* What it uses at first and a quarter more, as the default predictor would have it. */
static guint64
first_size(const GuestSpec *guest)
{
    TraceCursor cursor;
    double takes;

    trace_cursor_start(&cursor, guest->trace, guest->shift_us);
    takes = trace_cursor_used(&cursor, 0) + trace_cursor_cached(&cursor, 0);
    return CLAMP((guint64)(takes * 1.25), guest->floor, guest->ceiling);
}

static void
place_guests(Simulation *simulation)
{
    const SimulationSettings *settings = &simulation->settings;

    for (guint i = 0; i < simulation->n_guests; i++) {
        GuestSpec *guest = &simulation->guests[i];
        const Trace *trace = trace_of(simulation, i);
        double shift = (double)trace->period_us * settings->stagger + (double)settings->stagger_us;

        guest->trace = trace;
        guest->shift_us = (gint64)(shift * i) % trace->period_us;
        guest->ceiling = settings->ceiling > 0 ? settings->ceiling
                         : trace->ceiling > 0  ? trace->ceiling
                                               : trace->most_total;
        guest->floor = settings->floor > 0 ? settings->floor
                       : trace->floor > 0  ? trace->floor
                                           : default_floor(simulation, trace);
        if (settings->floor == 0)
            guest->floor = MIN(guest->floor, guest->ceiling);
        guest->weight = settings->n_weights > 0 ? settings->weights[i % settings->n_weights]
                        : trace->weight > 0     ? trace->weight
                                                : 1;
        guest->mechanism = settings->mechanism;
        guest->size = first_size(guest);
    }
}

/* They begin within the budget: what is too much is cut above the floors, in proportion. */
static void
fit_sizes(Simulation *simulation)
{
    double floors = 0, above = 0, part;

    for (guint i = 0; i < simulation->n_guests; i++) {
        const GuestSpec *guest = &simulation->guests[i];

        floors += (double)guest->floor;
        above += (double)(guest->size - guest->floor);
    }
    if (floors + above <= (double)simulation->budget)
        return;
    part = MAX(0, (double)simulation->budget - floors) / above;
    for (guint i = 0; i < simulation->n_guests; i++) {
        GuestSpec *guest = &simulation->guests[i];

        guest->size = guest->floor + (guint64)((double)(guest->size - guest->floor) * part);
        guest->size -= MIN(guest->size - guest->floor, guest->size % (2 * SIZE_MIB));
    }
}

static gboolean
check(const Simulation *simulation, GError **error)
{
    guint64 floors = 0;

    for (guint i = 0; i < simulation->n_guests; i++) {
        const GuestSpec *guest = &simulation->guests[i];
        g_autofree char *floor = size_format_rounded(guest->floor);
        g_autofree char *ceiling = size_format_rounded(guest->ceiling);

        floors += guest->floor;
        if (guest->floor <= guest->ceiling)
            continue;
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "the floor of %s is above the ceiling of %s, %s", floor, guest->name, ceiling);
        return FALSE;
    }
    if (floors > simulation->budget) {
        g_autofree char *sum = size_format_rounded(floors);
        g_autofree char *budget = size_format_rounded(simulation->budget);

        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "the guests' floors, %s, exceed the budget of %s; give a lower --floor", sum,
                    budget);
        return FALSE;
    }
    return TRUE;
}

static void
choose_defaults(Simulation *simulation)
{
    SimulationSettings *settings = &simulation->settings;
    guint64 peaks = 0;

    simulation->n_guests = settings->n_guests > 0 ? settings->n_guests : simulation->traces->len;
    for (guint i = 0; i < simulation->n_guests; i++) {
        const Trace *trace = trace_of(simulation, i);

        peaks += trace->peak;
        simulation->duration_us = MAX(simulation->duration_us, trace_length(trace));
    }
    simulation->budget = settings->budget > 0 ? settings->budget : peaks;
    if (settings->interval_us == 0)
        settings->interval_us = INTERVAL_DEFAULT_US;
    if (!settings->predictor)
        settings->predictor = predictor_list()[0];
}

Simulation *
simulation_new(const SimulationSettings *settings, GError **error)
{
    g_autoptr(Simulation) simulation = g_new0(Simulation, 1);

    simulation->settings = *settings;
    simulation->traces = g_ptr_array_ref(settings->traces);
    choose_defaults(simulation);
    simulation->guests = g_new0(GuestSpec, simulation->n_guests);
    name_guests(simulation);
    place_guests(simulation);
    if (!check(simulation, error))
        return NULL;
    fit_sizes(simulation);
    return g_steal_pointer(&simulation);
}

void
simulation_free(Simulation *simulation)
{
    if (!simulation)
        return;
    g_free(simulation->guests);
    g_clear_pointer(&simulation->names, g_ptr_array_unref);
    g_ptr_array_unref(simulation->traces);
    g_free(simulation);
}

guint
simulation_n_guests(const Simulation *simulation)
{
    return simulation->n_guests;
}

const GuestSpec *
simulation_guest(const Simulation *simulation, guint i)
{
    return &simulation->guests[i];
}

guint64
simulation_budget(const Simulation *simulation)
{
    return simulation->budget;
}

gint64
simulation_duration(const Simulation *simulation)
{
    return simulation->duration_us;
}

const char *const *
simulation_policies(void)
{
    static const char **names;

    if (!names) {
        g_autoptr(GPtrArray) list = g_ptr_array_new();

        for (const Policy *const *policy = policy_list(); *policy; policy++)
            g_ptr_array_add(list, (gpointer)(*policy)->name);
        g_ptr_array_add(list, NULL);
        names = (const char **)g_ptr_array_steal(list, NULL);
    }
    return names;
}

const char *const *
simulation_predictors(void)
{
    static const char **names;

    if (!names) {
        g_autoptr(GPtrArray) list = g_ptr_array_new();

        for (const Predictor *const *predictor = predictor_list(); *predictor; predictor++)
            g_ptr_array_add(list, (gpointer)(*predictor)->name);
        g_ptr_array_add(list, NULL);
        names = (const char **)g_ptr_array_steal(list, NULL);
    }
    return names;
}

/* The guests with one size for good. */
static GuestSpec *
with_static_sizes(const Simulation *simulation, gboolean peak)
{
    GuestSpec *guests = g_memdup2(simulation->guests, simulation->n_guests * sizeof(GuestSpec));

    for (guint i = 0; i < simulation->n_guests; i++) {
        guests[i].size = peak ? guests[i].trace->peak : guests[i].trace->mean;
        guests[i].floor = guests[i].ceiling = guests[i].size;
        guests[i].mechanism = MECHANISM_BALLOON;
    }
    return guests;
}

gboolean
simulation_run(Simulation *simulation, const char *rule, const WorldWatcher *watcher,
               Outcome *outcome)
{
    const SimulationSettings *settings = &simulation->settings;
    const WorldSettings world = {
        .policy = policy_find(rule),
        .predictor = settings->predictor,
        .devices = &device_tuning_default,
        .interval_us = settings->interval_us,
        .duration_us = simulation->duration_us,
        .budget = simulation->budget,
        .seed = settings->seed,
        .agents = !settings->no_agents,
    };
    g_autofree GuestSpec *fixed = NULL;

    if (!world.policy)
        fixed = with_static_sizes(simulation, g_str_equal(rule, SIMULATION_STATIC_PEAK));
    return world_run(&world, fixed ? fixed : simulation->guests, simulation->n_guests, watcher,
                     outcome);
}
