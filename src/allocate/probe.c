/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate/probe.h"

#include <string.h>

/* Senpai's: at most 1 % a step, a step every six seconds (the watch of the trial). */
#define STEP_FRACTION 0.01
/* In a small guest 1 % is below what its devices can move, and below what counts. */
#define STEP_MIN (G_GUINT64_CONSTANT(8) << 20)
/* A guest whose devices take no smaller steps than this many is not probed: it would lose at
 * once what Senpai takes in a minute. */
#define GRAIN_STEPS 2

/* What donors give comes within seconds; who still has less than it demands then does not
 * get it. */
#define CUT_US (10 * (gint64)G_USEC_PER_SEC)

static const char *const mode_names[] = {
    [PROBE_WANTED] = "wanted", [PROBE_ALWAYS] = "always", [PROBE_NEVER] = "never"
};
G_STATIC_ASSERT(G_N_ELEMENTS(mode_names) == PROBE_NEVER + 1);

gboolean
probe_mode_parse(const char *name, ProbeMode *mode)
{
    for (guint i = 0; i < G_N_ELEMENTS(mode_names); i++) {
        if (g_strcmp0(name, mode_names[i]) == 0) {
            *mode = (ProbeMode)i;
            return TRUE;
        }
    }
    return FALSE;
}

const char *
probe_mode_name(ProbeMode mode)
{
    return mode_names[mode];
}

void
probe_start(Probe *probe)
{
    memset(probe, 0, sizeof *probe);
}

static guint64
minus(guint64 a, guint64 b)
{
    return a > b ? a - b : 0;
}

/* What the guest had when the latest sample was taken, less what was available beyond the
 * reserve: so a change of its size between two samples is no change of its use. */
static guint64
lowest_of(Probe *probe, const ProbeView *view)
{
    const Sample *latest = sample_ring_get(view->ring, 0);
    guint64 reserve, used;

    if (!latest)
        return G_MAXUINT64;
    if (latest->time_us != probe->sample_us) {
        probe->sample_us = latest->time_us;
        probe->actual = view->actual;
    }
    reserve = shrink_signs_reserve(latest->total);
    used = minus(probe->actual, latest->available);
    return used <= G_MAXUINT64 - reserve ? used + reserve : G_MAXUINT64;
}

/* The nearer the last step came to the stall budget, the smaller the next: quadratically,
 * as Senpai does. */
static guint64
step_size(const ProbeView *view)
{
    double most = MAX((double)view->actual * STEP_FRACTION, STEP_MIN);
    double left = 1 - view->trial->stalled;
    guint64 step = (guint64)(most * left * left), grain = MAX(view->grain, 1);

    if ((double)grain > GRAIN_STEPS * most)
        return 0;
    return MAX(step - step % grain, grain);
}

static gboolean
is_in_hand(const ShrinkTrial *trial)
{
    return trial->kind == SHRINK_PROBE && trial->state != SHRINK_TRIAL_REST &&
           trial->state != SHRINK_TRIAL_UNDOING;
}

/* Whether the guest is where its demand, less what was found, wants it; or, for a while, below,
 * since the budget does not hold more: it may not need it. */
static gboolean
is_at_rest(Probe *probe, const ProbeView *view, guint64 wanted, gint64 now)
{
    if (minus(wanted, view->requested) < view->band)
        probe->short_us = 0;
    else if (probe->short_us == 0)
        probe->short_us = now;
    return view->actual <= view->requested && minus(view->requested, wanted) < view->band &&
           (probe->short_us == 0 || now - probe->short_us >= CUT_US);
}

/* Whether a step could begin at once: while it could not, the demand is not to be
 * made smaller by it. */
static gboolean
may_begin(const ProbeView *view, gint64 now)
{
    return view->trial->state == SHRINK_TRIAL_REST && now >= view->not_before_us &&
           now >= view->trial->not_before[SHRINK_PROBE] &&
           now >= view->trial->not_before[SHRINK_PLAIN] &&
           !shrink_trial_find_pressed(view->trial, view->ring, SHRINK_PROBE, now);
}

static void
take_in(Probe *probe, const ProbeView *view)
{
    const ShrinkTrial *trial = view->trial;

    if (trial->outcomes == probe->outcomes)
        return;
    probe->outcomes = trial->outcomes;
    if (trial->ended_kind == SHRINK_PROBE && trial->outcome == SHRINK_OUTCOME_KEPT)
        probe->found = minus(view->demand, view->requested);
}

static ProbeAim
aim_at(const ProbeView *view, guint64 target, guint64 lowest, gboolean probing)
{
    return (ProbeAim){ minus(view->demand, target), lowest, probing };
}

ProbeAim
probe_look(Probe *probe, const ProbeView *view, gint64 now)
{
    guint64 lowest = lowest_of(probe, view), wanted, target, step;
    gboolean at_rest;

    if (view->pressed || !view->allowed)
        probe->found = 0;
    take_in(probe, view);
    if (view->pressed || !view->allowed || lowest >= view->demand)
        return (ProbeAim){ 0, lowest, FALSE };

    wanted = MAX(minus(view->demand, probe->found), lowest);
    /* A demand that has risen meanwhile ends the step. */
    if (is_in_hand(view->trial) && minus(wanted, probe->wanted) < view->band)
        return aim_at(view, MAX(MIN(wanted, view->trial->after), lowest), lowest, TRUE);
    at_rest = is_at_rest(probe, view, wanted, now);
    step = step_size(view);
    target = MAX(minus(view->requested, step), view->floor);
    if (step > 0 && at_rest && may_begin(view, now) && target < view->requested &&
        target >= lowest) {
        probe->wanted = wanted;
        return aim_at(view, target, lowest, TRUE);
    }
    return aim_at(view, wanted, lowest, FALSE);
}
