/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The planner: from samples to targets, in one pure call.
 *
 *   samples ─▶ predictor ─▶ demand ─▶ policy ─▶ raw target ─▶ limits ─▶ target
 *
 * The daemon's cycle and the simulator call the same planner on the same
 * structs; it does no I/O, reads no clock, logs nothing.
 *
 * The caller fills the upper part of a PlanGuest anew for each plan and owns the
 * array; the planner fills the lower part. Guests that the policy must not move
 * (held by an administrator, not managed, not to be resized, paused, without statistics) are
 * pinned: they keep what they were asked for, the policy does not see them, and what they have or
 * were asked for, whichever is more, counts against the budget.
 */
#pragma once

#include "allocate/limits.h"
#include "allocate/probe.h"
#include "allocate/shrink-trial.h"
#include "policies/policy.h"
#include "predict/predictor.h"

typedef enum {
    PLAN_PIN_NONE,
    PLAN_PIN_UNMANAGED, /* opted out of memplug */
    PLAN_PIN_OBSTACLE,  /* its memory cannot be changed, or must not be */
    PLAN_PIN_HELD,      /* an administrator has set its memory */
    PLAN_PIN_FROZEN,    /* paused, migrating or unreachable: it could not follow */
    PLAN_PIN_NO_SAMPLE, /* nothing is known of its use, or nothing recent: set by the planner */
} PlanPin;

typedef struct {
    /* in */
    const SampleRing *ring;
    const Predictor *predictor;
    PredictorState *state; /* changed by the predictor */
    guint64 actual;
    guint64 requested;
    guint64 floor;   /* within what its devices can reach */
    guint64 ceiling; /* within what its devices can reach; >= floor */
    double weight;
    guint64 grain;
    guint64 grain_base;
    guint64 knee; /* as in LimitGuest */
    guint64 coarse;
    gint64 grown_us;  /* when it last was asked to grow, ... */
    gint64 shrunk_us; /* ... and to shrink; 0: never */
    gboolean stuck;   /* it stopped short of a shrink: what it has it will not give */
    PlanPin pin;      /* in and out: see planner_predict() */
    guint64 raw;      /* in and out: the policy's target; as it was in the last plan of this
                       * guest, 0 if there was none, for policies that speak only now and then */

    /* What is known by the guest's agent; 0 where there is none. */
    gboolean asking;  /* its request is valid, ... */
    guint64 urgent;   /* ... and this many bytes beyond @actual have not come yet */
    guint64 burst;    /* as in PredictorState */
    gboolean answers; /* it is to be asked before something is taken */

    ShrinkTrial *trial; /* (nullable): changed by the planner, together with ... */
    Probe *probe;       /* ... this. Without them a shrink is not watched */
    guint64 most;       /* as in LimitGuest */

    /* out */
    Forecast forecast;
    guint64 target;  /* after the limits */
    ShrinkHold hold; /* of LIMIT_TRIAL: why */
    guint64 found;   /* what probing took off the demand before the policy saw it */
    guint limits;    /* Limit: which changed it */
} PlanGuest;

typedef struct {
    const Policy *policy;
    LimitTuning tuning;
    guint64 budget;
    guint64 claimed;    /* bytes of the budget that are held, or gathered, for leases (leases.h) */
    guint64 host_total; /* the host's memory; 0, or less than the budget: the budget */
    ProbeMode probe;
    gboolean share;    /* what nobody demands is handed out, not kept */
    gint64 *spoken_us; /* (nullable): when the policy last spoke, 0: never. The caller's, changed
                        * by the planner; without it the policy speaks in every plan */
} PlanSettings;

/* What came of a plan as a whole. */
typedef struct {
    guint64 lent;      /* sum of the targets, those of pinned guests included */
    guint64 demand;    /* sum of the demands of the guests with a valid forecast */
    guint64 shortfall; /* by how much floors, pinned guests and leases exceed the budget; 0 is
                        * well */
} PlanSummary;

/*
 * Fills in each guest's forecast, also that of a pinned guest, for people to see.
 * A guest without a valid forecast and not pinned yet becomes PLAN_PIN_NO_SAMPLE.
 *
 * A guest that asks urgently needs at least what it has and what it asks for, whatever the
 * predictor makes of its samples; and its request serves as a forecast where there
 * is none, so that it is not left alone for lack of statistics.
 */
void planner_predict(PlanGuest *guests, gsize n_guests, gint64 now);

/*
 * Lets each guest's trial look at it. Fills in each guest's raw target, target and limits from
 * its forecast. Never puts a target outside of [floor, ceiling], unless the guest is pinned.
 *
 * What is claimed counts against the budget like a pinned guest. As long as guests have some
 * of it, each gives the same part of what it can spare (proportion.h): what it has beyond its
 * raw target and what it keeps (planner_keep()); if that does not suffice, beyond what it
 * keeps. So as long as no more is claimed than room.h finds obtainable, no policy's rule makes
 * anybody pay with what he needs.
 */
PlanSummary planner_allocate(const PlanSettings *settings, PlanGuest *guests, gsize n_guests,
                             gint64 now);

/*
 * planner_serve:
 * @guest: one whose agent asks
 * @others: what all others have or were asked to have, whichever is more of each, summed up
 *
 * Plans @guest alone, by what the others leave of the budget. As long as that holds all that it
 * demands, and under a policy that is separable (policy.h), a plan of all guests would give it
 * the same: so one guest's burst is answered at the same cost on a host of ten guests and of
 * ten thousand.
 *
 * Returns: FALSE if that is not so: then all are to be planned, and nothing is changed but
 *   the guest's forecast.
 */
gboolean planner_serve(const PlanSettings *settings, PlanGuest *guest, guint64 others, gint64 now);

/* Returns: what a guest that the policy may move keeps when room is made: what its use calls
 *   for now, within floor and ceiling, rounded up to a size that its devices can reach. */
guint64 planner_keep(const PlanGuest *guest);

/* Returns: static text for people: "held by an administrator". */
const char *plan_pin_describe(PlanPin pin);
