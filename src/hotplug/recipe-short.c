/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why a guest ends elsewhere than at its target.
 */
#include "hotplug/recipe-short.h"

static gboolean
has_dimm_of_ours(const GuestMemory *memory)
{
    for (guint i = 0; i < memory->n_devices; i++) {
        if (memory->devices[i].kind == MEMORY_DEVICE_DIMM && memory->devices[i].ours &&
            memory->devices[i].id)
            return TRUE;
    }
    return FALSE;
}

static RecipeShort
why_above(const RecipeQuestion *question, guint64 beyond)
{
    const GuestMemory *memory = question->memory;

    if (recipe_question_is_any_bounded(question))
        return RECIPE_SHORT_REFUSED;
    if (question->means.virtio_mem) {
        for (guint i = 0; i < memory->n_devices; i++) {
            if (memory->devices[i].kind == MEMORY_DEVICE_VIRTIO_MEM && memory->devices[i].size > 0)
                return RECIPE_SHORT_GRAIN;
        }
    }
    if (question->means.balloon && beyond < MEMORY_BALLOON_GRAIN)
        return RECIPE_SHORT_GRAIN;
    if (question->means.dimm && guest_memory_dimms(memory) > 0)
        return beyond < MEMORY_DIMM_GRAIN ? RECIPE_SHORT_GRAIN
               : has_dimm_of_ours(memory) ? RECIPE_SHORT_WHOLE
                                          : RECIPE_SHORT_NOT_OURS;
    return question->target < memory->boot ? RECIPE_SHORT_BOOT : RECIPE_SHORT_NOT_OURS;
}

static RecipeShort
why_below(const RecipeQuestion *question)
{
    const RecipeMeans *means = &question->means;

    if (recipe_question_is_any_bounded(question))
        return RECIPE_SHORT_REFUSED;
    if (means->virtio_mem)
        return RECIPE_SHORT_MAXIMUM;
    if (means->dimm)
        return guest_memory_free_slots(question->memory) == 0 ? RECIPE_SHORT_SLOTS
                                                              : RECIPE_SHORT_MAXIMUM;
    return means->balloon ? RECIPE_SHORT_MAXIMUM : RECIPE_SHORT_MECHANISM;
}

RecipeShort
recipe_short_reason(const RecipeQuestion *question)
{
    guint64 actual = guest_memory_actual(question->memory);

    return actual > question->target   ? why_above(question, actual - question->target)
           : actual < question->target ? why_below(question)
                                       : RECIPE_AT_TARGET;
}

const char *
recipe_short_describe(RecipeShort reason)
{
    static const char *const texts[] = {
        [RECIPE_AT_TARGET] = "at its target",
        [RECIPE_SHORT_GRAIN] = "the nearest size above that its devices can make",
        [RECIPE_SHORT_MAXIMUM] = "its maximum memory is plugged",
        [RECIPE_SHORT_SLOTS] = "no DIMM slot is free",
        [RECIPE_SHORT_MECHANISM] = "it has no device for this mechanism",
        [RECIPE_SHORT_BOOT] = "boot memory can only be taken by a balloon",
        [RECIPE_SHORT_NOT_OURS] = "what is left to take is not memplug's to unplug",
        [RECIPE_SHORT_WHOLE] = ("a DIMM goes only whole, and each that memplug may unplug is "
                                "larger than what is too much"),
        [RECIPE_SHORT_REFUSED] = "the guest does not follow",
    };

    return texts[reason];
}
