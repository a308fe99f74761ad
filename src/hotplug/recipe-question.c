/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arithmetic about a guest and its target that all parts of the recipe share.
 */
#include "hotplug/recipe-question.h"

static gboolean
has_virtio_mem(const GuestMemory *memory)
{
    for (guint i = 0; i < memory->n_devices; i++) {
        if (memory->devices[i].kind == MEMORY_DEVICE_VIRTIO_MEM && memory->devices[i].id)
            return TRUE;
    }
    return FALSE;
}

RecipeMeans
recipe_question_means(const GuestMemory *memory, Mechanism mechanism)
{
    gboolean virtio_mem = has_virtio_mem(memory);

    switch (mechanism) {
    case MECHANISM_DIMM:
        return (RecipeMeans){ .dimm = memory->slots > 0 };
    case MECHANISM_VIRTIO_MEM:
        return (RecipeMeans){ .virtio_mem = virtio_mem };
    case MECHANISM_BALLOON:
        return (RecipeMeans){ .balloon = memory->has_balloon };
    case MECHANISM_AUTO:
        break;
    }
    return (RecipeMeans){
        .virtio_mem = virtio_mem,
        .dimm = !virtio_mem && memory->slots > 0,
        .balloon = memory->has_balloon,
    };
}

RecipeBound
recipe_question_bound(const RecipeQuestion *question, const char *device)
{
    for (guint i = 0; i < question->n_bounds; i++) {
        if (g_strcmp0(question->bounds[i].device, device) == 0)
            return question->bounds[i];
    }
    return (RecipeBound){ .device = device, .most = G_MAXUINT64 };
}

gboolean
recipe_question_is_bounded(const RecipeQuestion *question, const char *device)
{
    RecipeBound bound = recipe_question_bound(question, device);

    return bound.least > 0 || bound.most < G_MAXUINT64;
}

gboolean
recipe_question_is_any_bounded(const RecipeQuestion *question)
{
    for (guint i = 0; i < question->n_bounds; i++) {
        if (!question->bounds[i].lapsed)
            return TRUE;
    }
    return FALSE;
}

guint64
recipe_question_capacity(const GuestMemory *memory)
{
    guint64 capacity = memory->boot;

    for (guint i = 0; i < memory->n_devices; i++)
        capacity += memory->devices[i].size;
    return capacity;
}

/* QEMU's balloon holds boot memory and DIMMs, not what virtio-mem has plugged,
 * and some of it must be left for the guest's kernel. */
static guint64
balloon_most(const GuestMemory *memory)
{
    guint64 fillable = memory->boot + guest_memory_dimms(memory);

    return fillable - MIN(fillable, RECIPE_LEAST_LEFT);
}

guint64
recipe_question_balloon(const RecipeQuestion *question, guint64 capacity)
{
    RecipeBound bound = recipe_question_bound(question, RECIPE_BALLOON);
    guint64 beyond = capacity - MIN(capacity, question->target);
    guint64 most = MIN(balloon_most(question->memory), bound.most);

    return CLAMP(recipe_round_down(MIN(beyond, most), MEMORY_BALLOON_GRAIN), bound.least,
                 MAX(bound.least, most));
}

gboolean
recipe_question_may_go(const RecipeQuestion *question, const MemoryDevice *device)
{
    return device->kind == MEMORY_DEVICE_DIMM && device->ours && device->id &&
           !recipe_question_is_bounded(question, device->id);
}
