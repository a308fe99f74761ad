/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From traces and what a person wants to know to worlds and their outcomes: which guests
 * there are, what they are given at first, and what each rule makes of it.
 *
 * Beside the policies there are two more rules, static sizing: "static-peak", each guest has
 * all the time what it took at its peak, page cache included; and "static-mean",
 * what it took on average.
 */
#pragma once

#include <gio/gio.h>

#include "simulate/trace.h"
#include "simulate/world.h"

/* What is 0 or NULL has a default, told here; floor, ceiling and weight first that of the trace,
 * if it was recorded with one. */
typedef struct {
    GPtrArray *traces;     /* Trace; one or more. The guests take them in turn */
    guint n_guests;        /* as many as traces */
    gint64 stagger_us;     /* guest k began with its trace k times so long before, ... */
    double stagger;        /* ... and k times this part of its trace */
    guint64 budget;        /* the sum of the guests' peaks: what static sizing takes */
    guint64 floor;         /* of each: 512 MiB, a quarter of the trace's total, or half of an
                            * equal share of the budget, whichever is least */
    guint64 ceiling;       /* of each: the trace's total */
    const double *weights; /* the guests take them in turn; 1 */
    guint n_weights;
    Mechanism mechanism;
    const Predictor *predictor; /* the default one */
    gint64 interval_us;         /* a quarter of a second, as with the daemon */
    guint64 seed;
    gboolean no_agents; /* no guest has an agent that asks urgently */
} SimulationSettings;

typedef struct _Simulation Simulation;

/* Returns: (transfer full): NULL with @error set (G_IO_ERROR_INVALID_ARGUMENT) if the
 *   settings contradict each other. It holds on to the traces. */
Simulation *simulation_new(const SimulationSettings *settings, GError **error);
void simulation_free(Simulation *simulation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Simulation, simulation_free)

/* What it is about. */
guint simulation_n_guests(const Simulation *simulation);
const GuestSpec *simulation_guest(const Simulation *simulation, guint i);
guint64 simulation_budget(const Simulation *simulation);
gint64 simulation_duration(const Simulation *simulation);

/* Returns: (array zero-terminated=1): the names of all policies; the first is the default. */
const char *const *simulation_policies(void);
const char *const *simulation_predictors(void);

#define SIMULATION_STATIC_PEAK "static-peak"
#define SIMULATION_STATIC_MEAN "static-mean"

/*
 * simulation_run:
 * @rule: a policy, or static-peak or static-mean
 * @watcher: (nullable)
 *
 * Returns: FALSE if @watcher ended it; @outcome is untouched then.
 */
gboolean simulation_run(Simulation *simulation, const char *rule, const WorldWatcher *watcher,
                        Outcome *outcome);
