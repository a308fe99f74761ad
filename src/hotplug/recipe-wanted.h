/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a guest's devices should stand for its target. A part of the recipe; for nobody else.
 * Pure.
 */
#pragma once

#include "hotplug/recipe-question.h"

/* As far as the next change goes. */
typedef struct {
    gboolean change;  /* there is a coarse change to make: */
    MemoryStep step;  /*   this one, */
    const char *wait; /*   or none until this device is where it was sent */
    guint64 balloon;  /* what the balloon should hold after it */
    guint64 passing;  /* Recipe.passing */
} RecipeWanted;

RecipeWanted recipe_wanted(const RecipeQuestion *question);

/*
 * recipe_wanted_goes_before:
 *
 * Returns: whether the DIMM @a is to go before @b: from the node that is most above its
 *   part, then by size.
 */
gboolean recipe_wanted_goes_before(const RecipeQuestion *question, const MemoryDevice *a,
                                   const MemoryDevice *b);
