/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a policy's raw targets to targets that can be asked for, in two parts.
 *
 * Damping looks at one guest alone. It passes the raw target through the stages
 * of the table below; each is a function that rises or stays when its argument
 * does, so what comes out, the *wanted* target, does too.
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
 * so only the first case is left, which never lowers a target; damped wants move
 * towards the raw target and stop at the first reachable size at or above it.
 */
#include "allocate/limits.h"

#include "allocate/proportion.h"
#include "policies/water-level.h"

typedef unsigned __int128 Wide;

/* See growth_mark(). */
#define N_GROWTH_TIERS 3

const LimitTuning limit_tuning_default = {
    /* Well below the headroom that is part of a demand, so that leaving a change
     * alone never leaves a guest without room; above what idle guests jitter by. */
    .dead_band = 0.03,
    .dead_band_min = G_GUINT64_CONSTANT(16) << 20,
    /* Below the headroom again: one wrong step does not by itself make a guest
     * swap. At a step a second seven eighths of a guest are given back in 16 s. (MOM
     * takes 5 % in 10 s, Proxmox 100 MiB in 10 s; users complain that they wait.) */
    .shrink_step = 0.125,
    .shrink_step_min = G_GUINT64_CONSTANT(64) << 20,
    /* A guest that just asked for memory fills it within seconds, if it does at
     * all; plugging costs it page tables, and unplugging migrates pages. */
    .cool_down_us = 30 * G_USEC_PER_SEC,
};

/* A guest on its way through the stages. */
typedef struct {
    const LimitTuning *tuning;
    const GuestView *view;
    const LimitGuest *guest;
    gint64 now;
    guint64 stay;    /* what leaving it as it is means: requested, within floor and ceiling */
    guint64 need;    /* what its use calls for, as a size that it can have; 0 if undamped */
    gboolean needed; /* others need what it does not: no cool-down, no dead band downwards */
} LimitCase;

static guint64
part_of(guint64 bytes, double fraction)
{
    return (guint64)((double)bytes * CLAMP(fraction, 0.0, 0.99));
}

static guint64
minus(guint64 a, guint64 b)
{
    return a > b ? a - b : 0;
}

/* Returns: the largest reachable size not above @bytes; 0 if there is none. */
static guint64
reach_down(const LimitGuest *guest, guint64 bytes)
{
    guint64 grain = MAX(guest->grain, 1), rest;

    if (guest->coarse > 0 && bytes >= guest->knee)
        return bytes - (bytes - guest->knee) % guest->coarse;
    if (bytes >= guest->grain_base)
        return bytes - (bytes - guest->grain_base) % grain;
    rest = (guest->grain_base - bytes) % grain;
    return rest == 0 ? bytes : minus(bytes, grain - rest);
}

/* Returns: the smallest size not below @bytes that is @base ± k * @grain. */
static guint64
grid_up(guint64 base, guint64 grain, guint64 bytes)
{
    guint64 rest;

    if (bytes <= base)
        return bytes + (base - bytes) % grain;
    rest = (bytes - base) % grain;
    if (rest == 0)
        return bytes;
    return bytes <= G_MAXUINT64 - (grain - rest) ? bytes + (grain - rest) : G_MAXUINT64;
}

/* Returns: the smallest reachable size not below @bytes; G_MAXUINT64 if there is none. */
static guint64
reach_up(const LimitGuest *guest, guint64 bytes)
{
    guint64 grain = MAX(guest->grain, 1);

    if (guest->coarse == 0)
        return grid_up(guest->grain_base, grain, bytes);
    if (bytes > guest->knee)
        return grid_up(guest->knee, guest->coarse, bytes);
    return MIN(grid_up(guest->grain_base, grain, bytes), guest->knee);
}

/* It would be hurt at once, so it is taken from last. */
static gboolean
is_spared(const GuestView *view)
{
    return view->pressed || view->urgent;
}

static guint64
limit_floor(const LimitCase *c, guint64 target)
{
    return MAX(target, c->view->floor);
}

static guint64
limit_ceiling(const LimitCase *c, guint64 target)
{
    return MIN(target, c->view->ceiling);
}

/* A pressed or urgent guest keeps what it was asked to have and what it has, whichever
 * is more: a shrink still going on when pressure sets in ends there. */
static guint64
limit_pressed(const LimitCase *c, guint64 target)
{
    guint64 keep = MIN(MAX(c->stay, c->view->actual), c->view->ceiling);

    return is_spared(c->view) ? MAX(target, keep) : target;
}

static guint64
limit_cool_down(const LimitCase *c, guint64 target)
{
    gboolean cooling = !c->needed && c->guest->grown_us != 0 &&
                       c->now - c->guest->grown_us < c->tuning->cool_down_us;

    return cooling ? MAX(target, c->stay) : target;
}

guint64
limits_dead_band(const LimitTuning *tuning, guint64 bytes)
{
    return MAX(part_of(bytes, tuning->dead_band), tuning->dead_band_min);
}

/*
 * Small growth is left out for good, not only for a while, but it lacks less than
 * the band, which is a small part of headroom. A guest that has no more than the
 * band unused, or is pressed or urgent, or was probed down to its reserve, gets even a little.
 */
static guint64
limit_dead_band(const LimitCase *c, guint64 target)
{
    guint64 band = limits_dead_band(c->tuning, c->stay);
    gboolean tight = is_spared(c->view) || c->guest->tight || minus(c->stay, c->view->used) <= band;

    if (target < c->stay)
        return c->stay - target < band && !c->needed && !c->guest->probing ? c->stay : target;
    return target - c->stay < band && !tight ? c->stay : target;
}

/*
 * The step counts from what the guest has, not from what it was asked for: a
 * guest that does not follow is not asked for ever more. Growth has no step: it
 * answers bursts. A step of less than a grain would never be taken.
 */
static guint64
limit_step(const LimitCase *c, guint64 target)
{
    guint64 step = MAX(part_of(c->stay, c->tuning->shrink_step), c->tuning->shrink_step_min);
    guint64 lowest = minus(c->view->actual, MAX(step, c->guest->grain));

    return target < c->stay ? MAX(target, MIN(lowest, c->stay)) : target;
}

/* One step at a time, and back with what hurt. */
static guint64
limit_trial(const LimitCase *c, guint64 target)
{
    return c->needed ? target : MAX(target, MIN(c->guest->least, c->view->ceiling));
}

/* Never a reason to take anything, and never rounded up to more than the kernel bears. */
static guint64
limit_kernel_zone(const LimitCase *c, guint64 target)
{
    guint64 has = MIN(MAX(c->stay, c->view->actual), c->view->ceiling);

    return c->guest->most == 0 ? target
                               : MIN(target, MAX(reach_down(c->guest, c->guest->most), has));
}

/*
 * Up to the next reachable size, since the policy says that the guest needs that
 * much. What it has and what it was asked for count as reachable, so that rounding
 * never turns a shrink into growth or the other way round. Where all reachable
 * sizes are too small, the largest; where none is within floor and ceiling, the
 * floor.
 */
guint64
limits_round_up(const GuestView *view, const LimitGuest *guest, guint64 target)
{
    const guint64 up = reach_up(guest, target), most = reach_down(guest, view->ceiling);
    const guint64 stops[] = { up < G_MAXUINT64 ? up : most, most, view->actual, view->requested,
                              guest->least };
    guint64 above = G_MAXUINT64, largest = view->floor;

    for (gsize i = 0; i < G_N_ELEMENTS(stops); i++) {
        if (stops[i] < view->floor || stops[i] > view->ceiling)
            continue;
        largest = MAX(largest, stops[i]);
        if (stops[i] >= target)
            above = MIN(above, stops[i]);
    }
    return MIN(above, largest);
}

static guint64
limit_grain(const LimitCase *c, guint64 target)
{
    return limits_round_up(c->view, c->guest, target);
}

/* Returns: the largest reachable size within the cut @amount, or the floor. */
static guint64
round_down(const LimitCase *c, guint64 amount)
{
    const guint64 stops[] = { reach_down(c->guest, amount), c->view->actual, c->view->requested,
                              c->guest->least };
    guint64 largest = c->view->floor;

    for (gsize i = 0; i < G_N_ELEMENTS(stops); i++) {
        if (stops[i] <= amount)
            largest = MAX(largest, stops[i]);
    }
    return largest;
}

/* In the order of application. The last two are not for one guest to decide. */
static const struct {
    Limit limit;
    const char *text;
    guint64 (*apply)(const LimitCase *c, guint64 target);
    gboolean damps; /* left out for a policy that has its own pace */
} stages[] = {
    { LIMIT_FLOOR, "raised to its floor", limit_floor, FALSE },
    { LIMIT_CEILING, "lowered to its ceiling", limit_ceiling, FALSE },
    { LIMIT_PRESSED, "not shrunk while under pressure or asking urgently", limit_pressed, TRUE },
    { LIMIT_COOL_DOWN, "not shrunk so soon after it grew", limit_cool_down, TRUE },
    { LIMIT_DEAD_BAND, "left alone for so small a change", limit_dead_band, TRUE },
    { LIMIT_STEP, "shrunk by no more than one step at a time", limit_step, TRUE },
    { LIMIT_TRIAL, "not shrunk further than is known to do no harm", limit_trial, TRUE },
    { LIMIT_KERNEL_ZONE, "not grown: its kernel has too little memory of its own for more",
      limit_kernel_zone, FALSE },
    { LIMIT_GRAIN, "rounded to what its devices can reach", limit_grain, FALSE },
    { LIMIT_BUDGET, "cut to the budget", NULL, FALSE },
    { LIMIT_DONORS, "grows when others have given back", NULL, FALSE },
    { LIMIT_FORCED, "shrunk without a trial, since others need it", NULL, FALSE },
};

const char *
limit_describe(Limit limit)
{
    for (gsize i = 0; i < G_N_ELEMENTS(stages); i++) {
        if (stages[i].limit == limit)
            return stages[i].text;
    }
    return "not limited";
}

static LimitedTarget
damp(const LimitCase *c, guint64 raw)
{
    LimitedTarget limited = { .target = raw };

    for (gsize i = 0; i < G_N_ELEMENTS(stages); i++) {
        guint64 before = limited.target;

        if (!stages[i].apply || (stages[i].damps && c->tuning->undamped))
            continue;
        if (stages[i].limit == LIMIT_TRIAL)
            limited.wish = before;
        limited.target = stages[i].apply(c, before);
        if (limited.target != before)
            limited.limits |= stages[i].limit;
    }
    return limited;
}

/* Returns: the size that @bytes take, if nothing is damped. */
static guint64
size_of(const LimitCase *c, guint64 bytes)
{
    return limit_grain(c, limit_kernel_zone(c, CLAMP(bytes, c->view->floor, c->view->ceiling)));
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
        least[i] = damp(&cases[i], raw[i]);
        if (limited[i].target > base_of(cases[i].view) || least[i].target > limited[i].target)
            least[i] = limited[i];
        spare += limited[i].target - least[i].target;
    }
    missing = MIN(missing, spare);
    for (gsize i = 0; i < n_guests && spare > 0; i++) {
        Wide given = (limited[i].target - least[i].target) * missing / spare;

        limited[i].target =
            MAX(least[i].target, reach_down(cases[i].guest, limited[i].target - (guint64)given));
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
    return !is_spared(c->view) && gives_finely(c);
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
    gboolean shrinks = !is_spared(c->view) && wanted <= base_of(c->view);

    return shrinks ? MIN(needed, size_of(c, raw)) : needed;
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
        guint64 left = left_of(&cases[i], raw[i], limited[i].target) - gives[i];

        if (!gives_for_need(&cases[i]))
            continue;
        if (gives[i] > 0)
            left = MAX(cases[i].need, reach_down(cases[i].guest, left));
        left = MAX(left, damp(&cases[i], left).target);
        if (left < limited[i].target) {
            limited[i].target = left;
            limited[i].limits |= LIMIT_BUDGET;
        }
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
            if (!is_spared(&views[i]) == !cuts[cut].spared)
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
    reached = round_down(c, amount);
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
            cases[i].need = size_of(&cases[i], MAX(view->used, view->need));
        limited[i] = damp(&cases[i], raw[i]);
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
