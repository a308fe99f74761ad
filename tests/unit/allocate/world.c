/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/allocate/world.h"

#include <string.h>

/* SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
 * OOPSLA 2014): every seed is as good as any other, also 0, 1, 2... */
static guint64
next_random(guint64 *state)
{
    guint64 z = *state += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

guint64
world_random(World *world, guint64 end)
{
    guint64 value = next_random(&world->random);

    return end == 0 ? value : value % end;
}

static gboolean
one_in(World *world, guint64 n)
{
    return world_random(world, n) == 0;
}

guint64
world_random_size(World *world)
{
    guint64 value = world_random(world, world->scale);

    /* The extremes of a hostile world. */
    if (world->scale == G_MAXUINT64 && one_in(world, 4))
        return one_in(world, 2) ? G_MAXUINT64 : 0;
    /* A real host's sizes are round, mostly. */
    if (world->scale > G_MAXUINT16 && one_in(world, 2))
        return value & ~((G_GUINT64_CONSTANT(1) << 21) - 1);
    return value;
}

static double
random_weight(World *world)
{
    static const double weights[] = { 1, 1, 1, 2, 0.5, 3, 1000, 0.001, 1.0 / 3 };

    return weights[world_random(world, G_N_ELEMENTS(weights))];
}

static guint64
random_grain(World *world)
{
    static const guint64 real[] = { 4096, 2 << 20, 128 << 20 };

    if (world->scale > G_MAXUINT16)
        return real[world_random(world, G_N_ELEMENTS(real))];
    return 1 + world_random(world, 8);
}

static void
make_guest(World *world, GuestView *view, LimitGuest *guest)
{
    guint64 a = world_random_size(world), b = world_random_size(world);

    *view = (GuestView){
        .floor = one_in(world, 4) ? 0 : MIN(a, b) / 2,
        .ceiling = MAX(a, b),
        .actual = world_random_size(world),
        .requested = world_random_size(world),
        .used = world_random_size(world),
        .need = world_random_size(world),
        .demand = world_random_size(world),
        .weight = random_weight(world),
        .pressed = one_in(world, 5),
        .urgent = one_in(world, 5),
        .total = world_random_size(world),
        .free = world_random_size(world),
        .cached = world_random_size(world),
        .committed = world_random_size(world),
        .swapped = one_in(world, 2) ? 0 : world_random_size(world),
    };
    if (one_in(world, 2))
        view->actual = view->requested; /* at rest */
    if (one_in(world, 2))
        view->used = MIN(view->used, view->demand);
    *guest = (LimitGuest){
        .grain = random_grain(world),
        .grain_base = world_random(world, world->scale / 2 + 1),
        .knee = world_random_size(world),
        .coarse = one_in(world, 2) ? 0 : random_grain(world) * (1 + world_random(world, 4)),
        .least = one_in(world, 3)   ? view->requested
                 : one_in(world, 6) ? world_random_size(world)
                                    : 0,
        .most = one_in(world, 4) ? world_random_size(world) : 0,
        .probing = one_in(world, 4),
        .tight = one_in(world, 4),
        .grown_us = one_in(world, 2) ? 0 : (gint64)world_random(world, (guint64)world->now),
    };
}

static void
make_tuning(World *world)
{
    world->tuning = (LimitTuning){
        .dead_band = (double)world_random(world, 20) / 100,
        .dead_band_min = one_in(world, 3) ? 0 : world_random(world, world->scale / 10 + 1),
        .shrink_step = (double)(5 + world_random(world, 90)) / 100,
        .shrink_step_min = world->scale / 50 + 1,
        .cool_down_us = (gint64)world_random(world, 60 * G_USEC_PER_SEC),
        .undamped = one_in(world, 8),
    };
}

/* Around what the guests' sizes sum to, so that it is met, missed and hit exactly. */
static void
make_budget(World *world)
{
    guint64 whole = 0;

    for (gsize i = 0; i < world->n_guests; i++) {
        guint64 part = one_in(world, 2) ? world->views[i].requested : world->views[i].floor;

        whole = whole <= G_MAXUINT64 - part ? whole + part : G_MAXUINT64;
    }
    if (!one_in(world, 3))
        whole = whole / 100 * world_random(world, 200) + world_random(world, 4);
    world->host = (HostView){
        .budget = whole,
        .total = MAX(whole, world_random_size(world)),
        .share = one_in(world, 2),
    };
    world->host.free = world_random(world, 0) % (world->host.total / 2 + 1);
}

void
world_make(World *world, guint64 seed)
{
    world->seed = world->random = seed;
    world->n_guests = one_in(world, 4096) ? 1 + world_random(world, WORLD_MOST_GUESTS)
                                          : 1 + world_random(world, 12);
    world->now = 3600 * (gint64)G_USEC_PER_SEC;
    world->scale = one_in(world, 8)   ? G_MAXUINT64
                   : one_in(world, 2) ? G_GUINT64_CONSTANT(8) << 30
                                      : 8 + world_random(world, 120);
    make_tuning(world);
    for (gsize i = 0; i < world->n_guests; i++) {
        make_guest(world, &world->views[i], &world->guests[i]);
        if (i > 0 && one_in(world, 4)) {
            gsize twin = world_random(world, i);

            world->views[i] = world->views[twin];
            world->guests[i] = world->guests[twin];
        }
    }
    make_budget(world);
}

gboolean
world_floors_fit(const World *world)
{
    guint64 left = world->host.budget;

    for (gsize i = 0; i < world->n_guests; i++) {
        if (world->views[i].floor > left)
            return FALSE;
        left -= world->views[i].floor;
    }
    return TRUE;
}

#define U G_GUINT64_FORMAT

void
world_print(const World *world, const guint64 *raw, const LimitedTarget *limited)
{
    g_printerr("world of seed %" U ": budget %" U ", dead band %g of at least %" U
               ", step %g of at least %" U ", cool-down %" G_GINT64_FORMAT " us\n",
               world->seed, world->host.budget, world->tuning.dead_band,
               world->tuning.dead_band_min, world->tuning.shrink_step,
               world->tuning.shrink_step_min, world->tuning.cool_down_us);
    for (gsize i = 0; i < world->n_guests; i++) {
        const GuestView *view = &world->views[i];
        const LimitGuest *guest = &world->guests[i];

        g_printerr("  %" G_GSIZE_FORMAT ": floor %" U " ceiling %" U " actual %" U " requested %" U
                   " used %" U " demand %" U " weight %g%s%s grain %" U "+k*%" U
                   " grown %" G_GINT64_FORMAT,
                   i, view->floor, view->ceiling, view->actual, view->requested, view->used,
                   view->demand, view->weight, view->pressed ? " pressed" : "",
                   view->urgent ? " urgent" : "", guest->grain_base, guest->grain, guest->grown_us);
        if (raw)
            g_printerr(" raw %" U, raw[i]);
        if (limited)
            g_printerr(" target %" U " limits %#x", limited[i].target, limited[i].limits);
        g_printerr("\n");
    }
}
