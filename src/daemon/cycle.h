/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cycle: collect → predict → allocate → apply, once an interval, and out of
 * turn when memory came free that somebody waits for.
 */
#pragma once

#include "allocate/planner.h"
#include "daemon/host-watch.h"
#include "daemon/journal.h"
#include "daemon/reservations.h"
#include "daemon/roster.h"

typedef struct _Cycle Cycle;

/*
 * cycle_new:
 * @hypervisor, @roster: (transfer none): outlive the cycle
 * @config: (transfer none): see cycle_configure()
 * @host_memory: bytes of the host, for a budget that nobody gives
 */
Cycle *cycle_new(Hypervisor *hypervisor, Roster *roster, const Config *config, guint64 host_memory);
void cycle_free(Cycle *cycle);

/* Looks at the host below @root ("" for this one) from now on, and has guests give way to its
 * other users. */
void cycle_watch_host(Cycle *cycle, const char *root);

/* Returns: (transfer none) (nullable) */
const HostWatch *cycle_get_host_watch(const Cycle *cycle);

/* Has the leases of @reservations (transfer none, outlives the cycle) counted from now on. */
void cycle_set_reservations(Cycle *cycle, Reservations *reservations);

Reservations *cycle_get_reservations(const Cycle *cycle);

/* Has every cycle written there from now on. @journal: (nullable): outlives the cycle */
void cycle_set_journal(Cycle *cycle, Journal *journal);

/* Takes policy, budget and interval from @config. */
void cycle_configure(Cycle *cycle, const Config *config);

/* Begins; before that nothing happens. */
void cycle_start(Cycle *cycle);

/* Asks for a cycle out of turn; many such wishes make one. */
void cycle_soon(Cycle *cycle);

/* Runs the four stages now, on what is known. The statistics are those that the
 * guests were last read with. */
void cycle_run(Cycle *cycle, gint64 now);

/* What the configuration says of the host, besides the budget. */
typedef struct {
    guint64 reserve;   /* bytes that no guest may have, over-commit left out */
    guint64 promises;  /* bytes that floors and leases may come to */
    double overcommit; /* ratios: of what guests may have, ... */
    double promise;    /* ... and of what may be promised */
} CycleHost;

/* Returns: (transfer none) */
const CycleHost *cycle_get_host(const Cycle *cycle);

/* Returns: (transfer none): what the latest cycle came to. */
const PlanSummary *cycle_get_summary(const Cycle *cycle);
const PlanSettings *cycle_get_settings(const Cycle *cycle);
