/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The limits that every policy obeys, in the order in which they are applied;
 * each that changed a target is remembered in LimitedTarget.limits, so that a
 * decision can be explained.
 *
 * Where two of them disagree, the earlier in this list wins:
 *
 *   1. floor and ceiling: an administrator's word;
 *   2. the budget: the host has no more;
 *   3. donors before acceptors: what a donor still holds is not there yet;
 *   4. the rest, which only damps. Where the budget cannot hold all that is wanted,
 *      cool-down, dead band and what a shrink trial holds back give way: they spare a
 *      guest some to and fro, or another's need is there and its own is feared. The
 *      last is told as LIMIT_FORCED.
 */
#pragma once

#include "policies/policy.h"

typedef enum {
    LIMIT_FLOOR = 1 << 0,        /* raised to the floor */
    LIMIT_CEILING = 1 << 1,      /* lowered to the ceiling */
    LIMIT_PRESSED = 1 << 2,      /* not shrunk: the guest is under pressure, or asks urgently */
    LIMIT_COOL_DOWN = 1 << 3,    /* not shrunk: too soon after it last grew */
    LIMIT_DEAD_BAND = 1 << 4,    /* left as it is: the change is too small to matter */
    LIMIT_TRIAL = 1 << 5,        /* not shrunk, or given back: see ShrinkHold */
    LIMIT_STEP = 1 << 6,         /* shrinks by one step only, or waits until it has done the last */
    LIMIT_GRAIN = 1 << 7,        /* rounded to what the guest's devices can reach */
    LIMIT_BUDGET = 1 << 8,       /* cut, since the budget is lent out */
    LIMIT_DONORS = 1 << 9,       /* growth waits until donors have shrunk */
    LIMIT_KERNEL_ZONE = 1 << 10, /* not grown: its kernel has too little memory for more */
    LIMIT_FORCED = 1 << 11,      /* shrunk without or against a trial: others need it */
} Limit;

/* How hard the targets are damped. */
typedef struct {
    double dead_band;        /* of requested: smaller changes are left alone */
    guint64 dead_band_min;   /* bytes: the dead band is never narrower than this */
    double shrink_step;      /* of requested: the most that is taken at once */
    guint64 shrink_step_min; /* bytes: the shrink step is never smaller than this */
    gint64 cool_down_us;     /* no shrink for so long after the guest grew */
    gboolean undamped;       /* all of the above is left out, and what spares a guest under
                              * pressure: the policy has its own pace */
} LimitTuning;

/* Defaults, each with its reason in limits-damping.c. */
extern const LimitTuning limit_tuning_default;

/* What the limits need to know of a guest besides its view. */
typedef struct {
    guint64 grain;      /* bytes: the smallest step its devices can take */
    guint64 grain_base; /* the reachable sizes are grain_base ± k * grain */
    guint64 knee;       /* beyond this size they are knee + k * coarse instead, ... */
    guint64 coarse;     /* ... unless this is 0: a balloon is fine where DIMMs are not */
    gint64 grown_us;    /* when it last was asked to grow; 0: never */
    guint64 least;      /* less than this is not asked for: see shrink-trial.h; 0: anything is */
    guint64 most;       /* it does not grow beyond this: see kernel-zone.h; 0: it may */
    gboolean probing;   /* a small shrink is what is wanted */
    gboolean tight;     /* probing left it no more than a reserve: it gets even a little */
} LimitGuest;

typedef struct {
    guint64 target;
    guint limits; /* Limit: which of them changed the policy's target */
    guint64 wish; /* what it would be asked for if nothing were held back; 0 if the policy is
                   * undamped */
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
 *   - the targets sum to at most the budget, if the floors do; if not, each
 *     guest gets its floor;
 *   - nobody grows beyond its floor on memory that a donor still holds: the sum of
 *     max(actual, target) is at most the budget, or at most the sum of
 *     max(actual, floor) if that exceeds it;
 *   - a guest under pressure, or that asks urgently, keeps what it has, unless its
 *     ceiling or the budget forbids it, and the budget only after all other guests were
 *     cut to their raw targets (not if @tuning is undamped);
 *   - while what an urgent guest wants is cut, no other guest grows beyond what it has or
 *     its floor;
 *   - once guests have followed, none that wants it is left without the size that its need
 *     takes (but for the dead band), if all these sizes fit the budget beside what those
 *     keep that are pressed, or that cannot give in steps as small as the dead band. What
 *     this takes below raw targets is taken of what is beyond others' needs (not if @tuning
 *     is undamped, nor while an urgent guest wants more than it needs);
 *   - a target is a size that the guest's devices can reach, or what the guest has,
 *     was asked for, or had before a shrink that hurt; or its floor, where none of these
 *     serves;
 *   - a guest is asked for less than its trial allows only with LIMIT_FORCED, if the budget
 *     or its ceiling demands it;
 *   - none grows beyond what its kernel bears, unless its floor demands it;
 *   - raising one guest's raw target never lowers its limited one, nor raises that
 *     of another;
 *   - guests that are equal in all get equal targets. Where rounding to grains leaves
 *     memory that would serve one of them but not all, it stays free.
 *
 * O(n_guests) with the cost of a water level and of a proportion (some 50 and 65 steps) for
 * each, five allocations at most.
 */
void limits_apply(const LimitTuning *tuning, const HostView *host, const GuestView *views,
                  const LimitGuest *guests, gsize n_guests, const guint64 *raw, gint64 now,
                  LimitedTarget *limited);

/* Returns: how small a change of @bytes is left alone. */
guint64 limits_dead_band(const LimitTuning *tuning, guint64 bytes);

/* Returns: the smallest size not below @target that the guest's devices can reach within its
 *   floor and ceiling, or that it has or was asked for; where none is, the largest, or the
 *   floor. */
guint64 limits_round_up(const GuestView *view, const LimitGuest *guest, guint64 target);

/* Returns: static text for one Limit, for people: "raised to its floor". */
const char *limit_describe(Limit limit);
