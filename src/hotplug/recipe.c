/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A guest's memory is a coarse part, made of devices, less what the balloon
 * holds of it:
 *
 *      capacity = boot + virtio-mem + DIMMs          actual = capacity - balloon
 *
 * For a target the recipe first says how the devices should stand (`Wanted`),
 * then derives the one step that comes next:
 *
 *      1. let the balloon go     memory at once, at no cost to the guest
 *      2. plug or unplug         one device
 *      3. fill the balloon       the fine rest
 *
 * In this order a guest never has less than both its target and what it has
 * now: what an unplug takes is given by the balloon before, and the balloon
 * takes only what a plug gave too much. But it may have more than either in between, by up
 * to the DIMM that goes; where there is no room for that, the balloon holds the DIMM until there
 * is.
 *
 * The coarse part is virtio-mem where the mechanism allows it and there is a
 * device, else DIMMs. Capacity is rounded up to what the devices can make, so
 * without a balloon a guest ends up to one grain above its target, never below.
 *
 * Where the guest has several NUMA nodes, what comes and goes keeps their proportions
 * (node-balance.h).
 *
 * A device under a bound stays where it is or goes as far as the bound lets it.
 */
#include "hotplug/recipe.h"

#include "hotplug/recipe-short.h"
#include "hotplug/recipe-wanted.h"

static Recipe
recipe_step(const MemoryStep *step)
{
    return (Recipe){ .verdict = RECIPE_STEP, .step = *step };
}

static Recipe
recipe_wait(const char *device)
{
    return (Recipe){ .verdict = RECIPE_WAIT, .waiting_for = device };
}

static Recipe
recipe_balloon(guint64 size)
{
    return recipe_step(&(MemoryStep){ .kind = MEMORY_STEP_SET_BALLOON, .size = size });
}

/* What brings the guest's devices to where they are @wanted. */
static Recipe
towards(const RecipeQuestion *question, const RecipeWanted *wanted)
{
    const GuestMemory *memory = question->memory;
    gboolean balloon_moves = question->means.balloon &&
                             memory->ballooned != memory->balloon_requested &&
                             !recipe_question_is_bounded(question, RECIPE_BALLOON);

    if (question->means.balloon && memory->balloon_requested > wanted->balloon)
        return recipe_balloon(wanted->balloon);
    /* It lets go what is wanted, but on its way to more it is stopped where that is too much:
     * the host has no room for what comes in between. */
    if (balloon_moves && memory->ballooned > wanted->balloon)
        return memory->balloon_requested < wanted->balloon ? recipe_balloon(wanted->balloon)
                                                           : recipe_wait(RECIPE_BALLOON);

    if (wanted->wait)
        return recipe_wait(wanted->wait);
    if (wanted->change)
        return recipe_step(&wanted->step);

    if (question->means.balloon && memory->balloon_requested < wanted->balloon)
        return recipe_balloon(wanted->balloon);
    if (balloon_moves)
        return recipe_wait(RECIPE_BALLOON);
    return (Recipe){ .verdict = RECIPE_DONE, .reason = recipe_short_reason(question) };
}

Recipe
recipe_next_step_within(const GuestMemory *memory, guint64 target, Mechanism mechanism,
                        const RecipeBound *bounds, guint n_bounds, guint64 most)
{
    const RecipeQuestion question = {
        .memory = memory,
        .means = recipe_question_means(memory, mechanism),
        .target = target,
        .bounds = bounds,
        .n_bounds = n_bounds,
        .most = most,
    };
    const RecipeWanted wanted = recipe_wanted(&question);
    Recipe recipe = towards(&question, &wanted);

    recipe.passing = wanted.passing;
    return recipe;
}

Recipe
recipe_next_step(const GuestMemory *memory, guint64 target, Mechanism mechanism,
                 const RecipeBound *bounds, guint n_bounds)
{
    return recipe_next_step_within(memory, target, mechanism, bounds, n_bounds, G_MAXUINT64);
}
