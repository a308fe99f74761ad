/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Probing: how much less than its demand a guest can live on, found out step by step.
 *
 * A demand holds headroom and remembers peaks; page cache that nobody reads again lives
 * there, and cold memory that could go to swap. What of it can go no counter tells, so a
 * little is taken and the guest watched, in the manner of Senpai (facebookincubator/senpai;
 * Weiner et al., "TMO", ASPLOS 2022). What was taken without harm, the guest's *found*
 * memory, is taken off its demand from then on. The taking itself is a ShrinkTrial like
 * any other, with a narrower budget; nothing is probed that is not first demand, so
 * the policy, the limits and the guest's floor hold as ever.
 *
 * It ends at what the guest uses and a reserve (as an agent keeps it when it answers):
 * below, no counter would warn in time. Pure.
 */
#pragma once

#include "allocate/shrink-trial.h"

/* When guests are probed. */
typedef enum {
    PROBE_WANTED, /* while the budget does not hold what all guests demand */
    PROBE_ALWAYS,
    PROBE_NEVER,
} ProbeMode;

/* Returns: whether @name is one; then @mode is set. "wanted", "always", "never" */
gboolean probe_mode_parse(const char *name, ProbeMode *mode);
const char *probe_mode_name(ProbeMode mode);

typedef struct {
    guint64 found; /* bytes below its demand on which the guest lives well */

    /* private */
    guint64 wanted;  /* the demand less what was found when the step in hand began */
    gint64 short_us; /* since when the guest has less than is wanted; 0: it has not */
    guint outcomes;  /* of the trial, as far as they were taken in */
    gint64 sample_us;
    guint64 actual; /* when that sample came */
} Probe;

typedef struct {
    const SampleRing *ring;
    const ShrinkTrial *trial;
    guint64 actual;
    guint64 requested;
    guint64 floor;
    guint64 grain;
    guint64 demand;
    guint64 band;         /* a difference to the demand that is left alone */
    gint64 not_before_us; /* no step begins until then: it grew lately */
    gboolean pressed;     /* or asks for memory */
    gboolean allowed;
} ProbeView;

typedef struct {
    guint64 discount; /* to be taken off the demand */
    guint64 lowest;   /* the guest is not probed below this */
    gboolean probing; /* the last step of @discount is one to find out */
} ProbeAim;

/* Makes @probe one that has found nothing. */
void probe_start(Probe *probe);

/* Once a cycle, after shrink_trial_look(). A guest that comes under pressure, or that may not
 * be probed any longer, has its demand back at once. */
ProbeAim probe_look(Probe *probe, const ProbeView *view, gint64 now);
