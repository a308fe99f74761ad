/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The limits that every policy obeys, in the order in which they are applied;
 * each that changed a target is remembered in LimitedTarget.limits, so that a
 * decision can be explained.
 */
#pragma once

#include "policies/policy.h"

typedef enum {
    LIMIT_FLOOR = 1 << 0,     /* raised to the floor */
    LIMIT_CEILING = 1 << 1,   /* lowered to the ceiling */
    LIMIT_PRESSED = 1 << 2,   /* not shrunk: the guest is under pressure */
    LIMIT_COOL_DOWN = 1 << 3, /* not shrunk: too soon after it last grew */
    LIMIT_DEAD_BAND = 1 << 4, /* left as it is: the change is too small to matter */
    LIMIT_STEP = 1 << 5,      /* the change was cut to the largest step */
    LIMIT_GRAIN = 1 << 6,     /* rounded to what the guest's devices can reach */
    LIMIT_BUDGET = 1 << 7,    /* cut, since the budget is lent out */
    LIMIT_DONORS = 1 << 8,    /* growth waits until donors have shrunk */
} Limit;

/* How hard the targets are damped. */
typedef struct {
    double dead_band;        /* of requested: smaller changes are left alone */
    guint64 dead_band_min;   /* bytes: the dead band is never narrower than this */
    double shrink_step;      /* of requested: the most that is taken at once */
    guint64 shrink_step_min; /* bytes: the shrink step is never smaller than this */
    gint64 cool_down_us;     /* no shrink for so long after the guest grew */
} LimitTuning;

/* Defaults, each with its reason in limits.c. */
extern const LimitTuning limit_tuning_default;

/* What the limits need to know of a guest besides its view. */
typedef struct {
    guint64 grain;      /* bytes: the smallest step its devices can take */
    guint64 grain_base; /* the reachable sizes are grain_base ± k * grain */
    gint64 grown_us;    /* when it last was asked to grow; 0: never */
} LimitGuest;

typedef struct {
    guint64 target;
    guint limits; /* Limit: which of them changed the policy's target */
} LimitedTarget;

/*
 * limits_apply:
 * @tuning: how hard to damp
 * @host, @views, @n_guests: what the policy saw
 * @guests: (array length=n_guests)
 * @raw: (array length=n_guests): the policy's targets
 * @now: monotonic
 * @limited: (out) (array length=n_guests)
 *
 * Guarantees, for whatever @raw says:
 *   - each target is within the guest's [floor, ceiling];
 *   - the targets sum to at most the budget, if the floors do;
 *   - the sum of max(actual, target) exceeds the budget only where the sum of
 *     actual already did: nobody grows on memory that a donor still holds;
 *   - raising one guest's raw target never lowers its limited one.
 */
void limits_apply(const LimitTuning *tuning, const HostView *host, const GuestView *views,
                  const LimitGuest *guests, gsize n_guests, const guint64 *raw, gint64 now,
                  LimitedTarget *limited);

/* Returns: static text for one Limit, for people: "raised to its floor". */
const char *limit_describe(Limit limit);
