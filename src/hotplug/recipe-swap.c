/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Where no balloon holds the rest, a guest whose DIMMs are each larger than what is too
 * much cannot come nearer to its target by letting one go:
 *
 *      boot 256 | A 512                target 512: 256 too many, A is more than that
 *      boot 256 | A 512 | B 256        B is plugged, ...
 *      boot 256 | B 256                ... and now A can go
 *
 * The swap is begun by plugging B, which is what this file decides; after that A is no
 * more than what is too much, and the recipe takes it by itself. So the guest has at no
 * time less than its target, and nothing is to be remembered: whatever becomes of A, what
 * comes next is derived from what there is. If the guest keeps A, that is under a bound;
 * then B is the one that is too much, and goes again.
 *
 * Why the recipe does not do this of its own accord, for a policy: the guest has in
 * between B more than before, in the very moment in which the host wants memory; and a
 * guest that lets neither A nor B go ends with more than it began with. A person who
 * asks for that size can judge this, and says by @peak how far it may go.
 *
 * A is the smallest that can serve, since the smaller A is the smaller is B, and the easier it
 * goes; of its size, the one that the recipe will take first. B comes on A's node, so that A stays
 * the first to go.
 */
#include "hotplug/recipe-wanted.h"

/* Returns: (nullable): the DIMM to be replaced by a smaller one. */
static const MemoryDevice *
outgoing(const RecipeQuestion *question)
{
    const MemoryDevice *best = NULL;

    for (guint i = 0; i < question->memory->n_devices; i++) {
        const MemoryDevice *device = &question->memory->devices[i];

        if (!recipe_question_may_go(question, device))
            continue;
        if (!best || device->size < best->size ||
            (device->size == best->size && recipe_wanted_goes_before(question, device, best)))
            best = device;
    }
    return best;
}

Recipe
recipe_swap(const GuestMemory *memory, guint64 target, Mechanism mechanism,
            const RecipeBound *bounds, guint n_bounds, guint64 peak)
{
    const RecipeQuestion question = {
        .memory = memory,
        .means = recipe_question_means(memory, mechanism),
        .target = target,
        .bounds = bounds,
        .n_bounds = n_bounds,
        .most = G_MAXUINT64,
    };
    Recipe recipe = recipe_next_step(memory, target, mechanism, bounds, n_bounds);
    guint64 actual = guest_memory_actual(memory);
    const MemoryDevice *large;
    guint64 spare, size;

    if (recipe.verdict != RECIPE_DONE || recipe.reason != RECIPE_SHORT_WHOLE ||
        question.means.balloon)
        return recipe;
    large = outgoing(&question);
    spare = actual - target;
    if (!large || large->size <= spare)
        return recipe;
    size = recipe_round_up(large->size - spare, MEMORY_DIMM_GRAIN);
    if (size >= large->size || guest_memory_free_slots(memory) == 0 ||
        guest_memory_headroom(memory) < size || peak < actual || peak - actual < size)
        return recipe;
    return (Recipe){ .verdict = RECIPE_STEP,
                     .step = { .kind = MEMORY_STEP_PLUG_DIMM, .size = size, .node = large->node } };
}
