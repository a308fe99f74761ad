/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a policy's raw targets to targets that can be asked for, in two parts.
 *
 * Damping (limits-damping.c) looks at one guest alone. What comes out of it, the *wanted*
 * target, rises or stays when the raw target does.
 *
 * Sharing looks at all guests. What a guest has, or its floor if it has less, is
 * its *base*; the bases say what of the budget is taken as of now.
 *   - If they fit the budget, nobody needs to be cut. What is left of the budget
 *     is shared among those that want more than their base.
 *   - If not, nobody grows. If what is wanted exceeds the budget even so, it is
 *     cut: first the damping of unpressed guests is undone, down to their raw
 *     targets (which a proper policy has kept within the budget), then that of
 *     pressed ones, then unpressed guests go down to their floors, then pressed.
 * Which of the two holds follows from what guests have, never from what they
 * want: so wanting more cannot tip a guest into getting less.
 *
 * Who asks urgently is served first of what is left, since it can only be helped now; by
 * how much it may grow in all is the policy's to say, whose target is no larger for it. And
 * like a pressed guest it is spared what would take from it.
 *
 * In between, where more is wanted than the budget holds, guests that are merely
 * damped give way: see give_way(). A guest's own raw target has no part in what
 * is missing while it is damped, and what it gives falls as it rises.
 *
 * A policy shares bytes, but devices have sizes. Where all damping has given way and the
 * next size up of somebody who has less than it needs is still out of reach, those that have
 * more than they need give the rest below their raw targets: see give_for_need(). Else a
 * guest of coarse sizes lacks most of a size for want of a few MiB, and what it was to have
 * lies idle. Two things keep this in order. Whether it can help is judged by what guests have
 * and need alone, before anything is taken, so nobody gives in vain. And it goes on where
 * giving way ended, so both are one scale: wanting more makes others give more, never less.
 * Growth is then served up to the need first, so that no donor, whose raw target has
 * remained where it was, takes back what it gave before it has served.
 *
 * Both share by water level (policies/water-level.h), whose promises carry over
 * to the targets. In the second case the tiers are one long scale: the end of one
 * is the beginning of the next, and its proof holds along all of it.
 *
 * Why it comes to rest when demands do: guests that have followed fit the budget,
 * so only the first case is left. Damped wants move towards the raw target and stop at
 * the first reachable size at or above it; what is given below it for another's need is
 * given once, and ends when that has its size. All that may come back of it is what
 * rounding took too much, less than a grain of each that gave, and what those that it was for
 * leave because it lies within their dead bands.
 */
#include "allocate/limits.h"

#include "allocate/limits-damping.h"
#include "allocate/proportion.h"
#include "policies/water-level.h"

typedef unsigned __int128 Wide;

/* See growth_mark(). */
#define N_GROWTH_TIERS 3

static guint64
minus(guint64 a, guint64 b)
{
    return a > b ? a - b : 0;
}

static guint64
base_of(const GuestView *view)
{
    return MAX(view->actual, view->floor);
}

/*
 * More is wanted than the budget holds: guests that are only damped give way, each
 * in proportion to what cool-down and dead band leave it beyond its raw target,
 * but together no more than is missing. Only of what they have: growth that is
 * still to come is shared anyway.
 */
static void
give_way(LimitCase *cases, gsize n_guests, const guint64 *raw, Wide missing, LimitedTarget *limited)
{
    g_autofree LimitedTarget *least = g_new(LimitedTarget, n_guests);
    Wide spare = 0;

    for (gsize i = 0; i < n_guests; i++) {
        cases[i].needed = TRUE;
        least[i] = limits_damp(&cases[i], raw[i]);
        if (limited[i].target > base_of(cases[i].view) || least[i].target > limited[i].target)
            least[i] = limited[i];
        spare += limited[i].target - least[i].target;
    }
    missing = MIN(missing, spare);
    for (gsize i = 0; i < n_guests && spare > 0; i++) {
        Wide given = (limited[i].target - least[i].target) * missing / spare;

        limited[i].target = MAX(
            least[i].target, limits_reach_down(cases[i].guest, limited[i].target - (guint64)given));
        if (limited[i].target == least[i].target)
            limited[i].limits = least[i].limits;
    }
}

/* Rounding what it gives to a size that it can have takes no more of it than the dead band
 * leaves alone anyway. */
static gboolean
gives_finely(const LimitCase *c)
{
    const LimitGuest *guest = c->guest;
    guint64 step =
        guest->coarse > 0 && base_of(c->view) > guest->knee ? guest->coarse : guest->grain;

    return step <= limits_dead_band(c->tuning, 0);
}

static gboolean
gives_for_need(const LimitCase *c)
{
    return !limits_spare(c->view) && gives_finely(c);
}

/* Returns: what of @wanted it has or needs. */
static guint64
needed_of(const LimitCase *c, guint64 wanted)
{
    return MIN(wanted, MAX(base_of(c->view), c->need));
}

/* Returns: what of @wanted it has or needs when a shrink has come down to its raw target: that
 * may take some steps, and who gave for it meanwhile would get it back. */
static guint64
left_of(const LimitCase *c, guint64 raw, guint64 wanted)
{
    guint64 needed = needed_of(c, wanted);
    gboolean shrinks = !limits_spare(c->view) && wanted <= base_of(c->view);

    return shrinks ? MIN(needed, limits_size_of(c, raw)) : needed;
}

/* Whether all needs fit, as sizes that can be had, when those that give have given. That says
 * nothing of what anybody wants, so wanting more cannot change it. */
static gboolean
needs_fit(const LimitCase *cases, gsize n_guests, guint64 budget)
{
    Wide sum = 0;

    for (gsize i = 0; i < n_guests; i++)
        sum +=
            gives_for_need(&cases[i]) ? cases[i].need : MAX(cases[i].need, base_of(cases[i].view));
    return sum <= budget;
}

/* Of what @left says, a step at a time, and as sizes that it can have. */
static void
take_for_need(const LimitCase *c, guint64 left, guint64 gives, LimitedTarget *limited)
{
    if (gives > 0)
        left = MAX(c->need, limits_reach_down(c->guest, left - gives));
    left = MAX(left, limits_damp(c, left).target);
    if (left < limited->target) {
        limited->target = left;
        limited->limits |= LIMIT_BUDGET;
    }
}

/*
 * Nobody is damped any more, and yet somebody has less than it needs, since the size that
 * would serve it is a little more than its raw target: others give the rest, below their raw
 * targets, but never of what they need. Where that would not do, nobody does.
 */
static void
give_for_need(LimitCase *cases, gsize n_guests, guint64 budget, const guint64 *raw,
              LimitedTarget *limited)
{
    g_autofree guint64 *spare = NULL, *gives = NULL;
    Wide sum = 0;

    for (gsize i = 0; i < n_guests; i++)
        sum += left_of(&cases[i], raw[i], limited[i].target);
    if (sum <= budget || !needs_fit(cases, n_guests, budget))
        return;
    spare = g_new0(guint64, n_guests);
    gives = g_new(guint64, n_guests);
    for (gsize i = 0; i < n_guests; i++) {
        if (gives_for_need(&cases[i]))
            spare[i] = minus(left_of(&cases[i], raw[i], limited[i].target), cases[i].need);
    }
    proportion_give(spare, n_guests, sum - budget, gives);
    for (gsize i = 0; i < n_guests; i++) {
        if (gives_for_need(&cases[i]))
            take_for_need(&cases[i], left_of(&cases[i], raw[i], limited[i].target), gives[i],
                          &limited[i]);
    }
}

/* Returns: how far a guest may grow when it is served up to @tier: who asks urgently, then who
 * has less than it needs, then all. */
static guint64
growth_mark(const LimitCase *c, guint64 wanted, guint tier)
{
    guint64 low = base_of(c->view);

    if (tier == N_GROWTH_TIERS || (tier > 0 && c->view->urgent))
        return MAX(low, wanted);
    return tier < 2 ? low : MAX(low, needed_of(c, wanted));
}

/* The bases fit: each guest keeps its base, and those that want more share the rest, tier
 * after tier: one is served only if there is enough for all of the one before. */
static void
share_growth(const LimitCase *cases, gsize n_guests, guint64 budget, const LimitedTarget *wanted,
             WaterVessel *vessels)
{
    Wide sum = 0;

    for (gsize i = 0; i < n_guests; i++)
        vessels[i].high = growth_mark(&cases[i], wanted[i].target, 0);
    for (guint tier = 1; tier <= N_GROWTH_TIERS && sum <= budget; tier++) {
        sum = 0;
        for (gsize i = 0; i < n_guests; i++) {
            vessels[i].low = vessels[i].high;
            vessels[i].high = growth_mark(&cases[i], wanted[i].target, tier);
            sum += vessels[i].high;
        }
    }
}

/* Who is cut, and how far, in this order, until the budget is met. */
static const struct {
    gboolean spared;
    gboolean to_floor; /* if not, to the raw target */
} cuts[] = {
    { .spared = FALSE, .to_floor = FALSE },
    { .spared = TRUE, .to_floor = FALSE },
    { .spared = FALSE, .to_floor = TRUE },
    { .spared = TRUE, .to_floor = TRUE },
};

/* The bases exceed the budget: nobody grows, and the first cut that reaches the
 * budget is made as far as needed. */
static void
cut_to_budget(const GuestView *views, gsize n_guests, guint64 budget, const guint64 *raw,
              const LimitedTarget *wanted, WaterVessel *vessels)
{
    Wide lowest = 0;

    for (gsize i = 0; i < n_guests; i++) {
        vessels[i].low = vessels[i].high = MIN(wanted[i].target, base_of(&views[i]));
        lowest += vessels[i].low;
    }
    for (gsize cut = 0; cut < G_N_ELEMENTS(cuts) && lowest > budget; cut++) {
        lowest = 0;
        for (gsize i = 0; i < n_guests; i++) {
            guint64 to = cuts[cut].to_floor ? 0 : raw[i];

            vessels[i].high = vessels[i].low;
            if (!limits_spare(&views[i]) == !cuts[cut].spared)
                vessels[i].low = MIN(vessels[i].low, MAX(to, views[i].floor));
            lowest += vessels[i].low;
        }
    }
}

/* Takes over what sharing left of a wanted target. */
static void
settle(const LimitCase *c, guint64 amount, Limit cause, LimitedTarget *limited)
{
    guint64 reached;

    if (amount >= limited->target)
        return;
    reached = limits_round_down(c, amount);
    limited->target = reached;
    limited->limits |= cause | (reached != amount ? LIMIT_GRAIN : 0);
}

/* Who is asked for less than its trial would have it. */
static void
tell_forced(const LimitCase *c, LimitedTarget *limited)
{
    if (!c->tuning->undamped && limited->target < MIN(c->guest->least, c->stay))
        limited->limits = (limited->limits | LIMIT_FORCED) & ~(guint)LIMIT_TRIAL;
}

void
limits_apply(const LimitTuning *tuning, const HostView *host, const GuestView *views,
             const LimitGuest *guests, gsize n_guests, const guint64 *raw, gint64 now,
             LimitedTarget *limited)
{
    g_autofree WaterVessel *vessels = g_new0(WaterVessel, n_guests);
    g_autofree LimitCase *cases = g_new(LimitCase, n_guests);
    Wide bases = 0, wanted = 0;
    Limit cause;

    for (gsize i = 0; i < n_guests; i++) {
        const GuestView *view = &views[i];

        cases[i] = (LimitCase){ .tuning = tuning, .view = view, .guest = &guests[i], .now = now };
        cases[i].stay = CLAMP(view->requested, view->floor, view->ceiling);
        if (!tuning->undamped)
            cases[i].need = limits_size_of(&cases[i], MAX(view->used, view->need));
        limited[i] = limits_damp(&cases[i], raw[i]);
        vessels[i].weight = view->weight;
        bases += base_of(view);
        wanted += limited[i].target;
    }

    if (bases <= host->budget && wanted > host->budget) {
        give_way(cases, n_guests, raw, wanted - host->budget, limited);
        give_for_need(cases, n_guests, host->budget, raw, limited);
    }
    if (bases <= host->budget)
        share_growth(cases, n_guests, host->budget, limited, vessels);
    else
        cut_to_budget(views, n_guests, host->budget, raw, limited, vessels);
    water_level_fill(vessels, n_guests, host->budget);

    /* If all that is wanted fits, whoever does not get it only waits for its donors. */
    wanted = 0;
    for (gsize i = 0; i < n_guests; i++)
        wanted += limited[i].target;
    cause = wanted <= host->budget ? LIMIT_DONORS : LIMIT_BUDGET;
    for (gsize i = 0; i < n_guests; i++)
        settle(&cases[i], vessels[i].amount, cause, &limited[i]);
    for (gsize i = 0; i < n_guests; i++)
        tell_forced(&cases[i], &limited[i]);
}
