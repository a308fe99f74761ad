/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What sizes a guest can be brought to.
 */
#include "hotplug/recipe-question.h"

/* A policy that moves a balloon by less moves noise. */
#define BALLOON_POLICY_GRAIN (G_GUINT64_CONSTANT(1) << 20)

static guint64
virtio_mem_bytes(const GuestMemory *memory)
{
    return recipe_question_capacity(memory) - memory->boot - guest_memory_dimms(memory);
}

static guint64
foreign_dimms(const GuestMemory *memory)
{
    guint64 bytes = 0;

    for (guint i = 0; i < memory->n_devices; i++) {
        if (memory->devices[i].kind == MEMORY_DEVICE_DIMM && !memory->devices[i].ours)
            bytes += memory->devices[i].size;
    }
    return bytes;
}

RecipeRange
recipe_range(const GuestMemory *memory, Mechanism mechanism)
{
    const RecipeMeans means = recipe_question_means(memory, mechanism);
    guint64 capacity = recipe_question_capacity(memory);
    guint64 held = means.balloon ? 0 : MIN(memory->ballooned, capacity);
    guint64 dimms = guest_memory_dimms(memory);
    /* What stays when the coarse devices are as empty as they can be. */
    guint64 ram = memory->boot + (means.dimm ? foreign_dimms(memory) : dimms);
    guint64 virtio_mem = means.virtio_mem ? 0 : virtio_mem_bytes(memory);
    guint64 kept = means.balloon ? MIN(ram, RECIPE_LEAST_LEFT) : ram - MIN(ram, held);
    RecipeRange range = {
        .lowest = kept + virtio_mem,
        .highest = capacity - held,
        .grain = MEMORY_BALLOON_GRAIN,
        .base = ram - MIN(ram, held) + virtio_mem,
    };

    if (means.virtio_mem) {
        range.highest = memory->boot + dimms - MIN(held, memory->boot + dimms);
        for (guint i = 0; i < memory->n_devices; i++) {
            const MemoryDevice *device = &memory->devices[i];

            if (device->kind != MEMORY_DEVICE_VIRTIO_MEM)
                continue;
            range.highest += device->max;
            range.grain = MAX(range.grain, device->block);
        }
    } else if (means.dimm) {
        if (guest_memory_free_slots(memory) > 0)
            range.highest += recipe_round_down(guest_memory_headroom(memory), MEMORY_DIMM_GRAIN);
        range.grain = means.balloon ? BALLOON_POLICY_GRAIN : MEMORY_DIMM_GRAIN;
        range.knee = means.balloon ? capacity : 0;
        range.coarse = means.balloon ? MEMORY_DIMM_GRAIN : 0;
    } else if (means.balloon) {
        range.grain = BALLOON_POLICY_GRAIN;
    }
    return range;
}
