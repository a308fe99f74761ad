/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random worlds for the property tests: a host, its guests as policies and limits
 * see them, and a tuning.
 *
 * A world follows from its seed alone. Most are small in number and in numbers:
 * with sizes of a few dozen bytes and grains of one to eight, ties, exact fits and
 * off-by-one errors turn up all the time. Some are like real hosts, some hostile.
 * Some guests are copies of others, so that equal guests are common.
 */
#pragma once

#include "allocate/limits.h"

#define WORLD_MOST_GUESTS 256

typedef struct {
    guint64 seed;
    guint64 random; /* state of world_random() */
    gsize n_guests;
    gint64 now;
    guint64 scale; /* sizes are mostly below this */
    HostView host;
    LimitTuning tuning;
    GuestView views[WORLD_MOST_GUESTS];
    LimitGuest guests[WORLD_MOST_GUESTS];
} World;

/* Makes the world of @seed. */
void world_make(World *world, guint64 seed);

/* Returns: a random number below @end (any, if that is 0), the next of this world. */
guint64 world_random(World *world, guint64 end);

/* Returns: a random size as they occur in this world. */
guint64 world_random_size(World *world);

/* Returns: whether the floors fit into the budget. */
gboolean world_floors_fit(const World *world);

/* Prints @world, @raw (nullable) and @limited (nullable) to stderr. */
void world_print(const World *world, const guint64 *raw, const LimitedTarget *limited);
