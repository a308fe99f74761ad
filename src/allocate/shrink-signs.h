/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a guest shows that it lacks the memory that was just taken from it. Pure.
 *
 * All signs are claims of the guest. One that lies moves its own allocation only: what
 * it can win is that it keeps what it has for as long as nobody else needs it.
 */
#pragma once

#include "monitor/sample.h"

/* What goes on in a guest, each a second. */
typedef struct {
    double stall_us;
    double refaults;
    double swap_in; /* bytes */
    double faults;
    double alloc_stalls;
} ShrinkAmbient;

/* What went on before anything was taken, which is what the rest is held against. */
typedef struct {
    ShrinkAmbient mean;
    ShrinkAmbient noise; /* by how much it differed from sample to sample: standard deviations */
} ShrinkBaseline;

/* How much of a sign is borne. */
typedef struct {
    double stall_us;     /* of waiting for memory, in the whole watch of six seconds */
    double refaults;     /* pages a second beyond the baseline */
    double swap_in;      /* bytes a second */
    double faults;       /* major faults a second */
    double alloc_stalls; /* a second */
} ShrinkBudget;

/* Defaults, each with its source in shrink-signs.c. */
extern const ShrinkBudget shrink_budget_plain; /* for what the guest does not use */
extern const ShrinkBudget shrink_budget_probe; /* for what it may use */

/* Returns: the rates from one sample to a later one, as far as both tell them. */
ShrinkAmbient shrink_signs_rates(const Sample *from, const Sample *to);

/*
 * shrink_signs_baseline:
 * @since: what is older is no part of it: the guest was giving up memory then; 0: all is
 *
 * Returns: the rates within the last seconds before @now, as far as they were told.
 */
ShrinkBaseline shrink_signs_baseline(const SampleRing *ring, gint64 since, gint64 now);

/* Returns: (nullable): static text: the sign that the guest shows more of already than would
 *   be borne, before anything is taken. From such a guest nothing is to be taken: it lacks
 *   memory as it is, and what more of that would be harm could not be told. */
const char *shrink_signs_find_before(const ShrinkBudget *budget, const ShrinkBaseline *baseline);

/* Returns: what is to stay available in a guest of @total bytes (a sixteenth of it, 256 MiB
 *   at most): as the agent is told to keep when it answers. */
guint64 shrink_signs_reserve(guint64 total);

/*
 * shrink_signs_find:
 * @base: the latest sample before the first byte was taken
 * @arrived: (nullable): the first sample since the guest has followed; stalls count from
 *   there, for the work of giving memory up is waiting, too
 * @latest: the latest sample, later than @base
 *
 * Returns: (nullable): static text: the sign that was found; NULL if there is none.
 */
const char *shrink_signs_find(const ShrinkBudget *budget, const ShrinkBaseline *baseline,
                              const Sample *base, const Sample *arrived, const Sample *latest);

/* Returns: which part of the stall budget was used up from @arrived to @latest, 0…1. */
double shrink_signs_stalled(const ShrinkBudget *budget, const Sample *arrived,
                            const Sample *latest);
