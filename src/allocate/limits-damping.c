/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What damping makes of one guest's raw target: it passes through the stages of the table
 * below; each is a function that rises or stays when its argument does, so what comes out
 * does, too.
 */
#include "allocate/limits-damping.h"

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

guint64
limits_reach_down(const LimitGuest *guest, guint64 bytes)
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

gboolean
limits_spare(const GuestView *view)
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

    return limits_spare(c->view) ? MAX(target, keep) : target;
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
    gboolean tight =
        limits_spare(c->view) || c->guest->tight || minus(c->stay, c->view->used) <= band;

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
                               : MIN(target, MAX(limits_reach_down(c->guest, c->guest->most), has));
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
    const guint64 up = reach_up(guest, target), most = limits_reach_down(guest, view->ceiling);
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

guint64
limits_round_down(const LimitCase *c, guint64 amount)
{
    const guint64 stops[] = { limits_reach_down(c->guest, amount), c->view->actual,
                              c->view->requested, c->guest->least };
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

LimitedTarget
limits_damp(const LimitCase *c, guint64 raw)
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

guint64
limits_size_of(const LimitCase *c, guint64 bytes)
{
    return limit_grain(c, limit_kernel_zone(c, CLAMP(bytes, c->view->floor, c->view->ceiling)));
}
