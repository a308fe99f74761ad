/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the recipe is asked: a guest as just observed, where it is to be brought, and by
 * what. Shared by the recipe's parts; for nobody else. Pure.
 */
#pragma once

#include "hotplug/recipe.h"

/* Which devices a mechanism uses on a given guest. */
typedef struct {
    gboolean virtio_mem;
    gboolean dimm;
    gboolean balloon;
} RecipeMeans;

typedef struct {
    const GuestMemory *memory;
    RecipeMeans means;
    guint64 target;
    const RecipeBound *bounds;
    guint n_bounds;
    guint64 most; /* what the guest may have for a moment */
} RecipeQuestion;

static inline guint64
recipe_round_down(guint64 value, guint64 grain)
{
    return value - value % grain;
}

static inline guint64
recipe_round_up(guint64 value, guint64 grain)
{
    return recipe_round_down(value, grain) + (value % grain ? grain : 0);
}

RecipeMeans recipe_question_means(const GuestMemory *memory, Mechanism mechanism);

/* Returns: the bound of @device; one that bounds nothing if it has none. */
RecipeBound recipe_question_bound(const RecipeQuestion *question, const char *device);
gboolean recipe_question_is_bounded(const RecipeQuestion *question, const char *device);

/* Returns: whether any device is bounded now. */
gboolean recipe_question_is_any_bounded(const RecipeQuestion *question);

/* Returns: whether @device is a DIMM that may be unplugged. */
gboolean recipe_question_may_go(const RecipeQuestion *question, const MemoryDevice *device);

/* Returns: the bytes of boot memory and every device as it is now, whatever the balloon
 *   holds of them. */
guint64 recipe_question_capacity(const GuestMemory *memory);

/* Returns: what the balloon is to hold of @capacity bytes: what is beyond the target, as far
 *   as it may. */
guint64 recipe_question_balloon(const RecipeQuestion *question, guint64 capacity);
