/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/guest-memory.h"

#include "size/size.h"

void
guest_memory_clear(GuestMemory *memory)
{
    if (!memory)
        return;
    for (guint i = 0; i < memory->n_devices; i++)
        g_free(memory->devices[i].id);
    g_free(memory->devices);
    g_free(memory->nodes);
    g_free(memory->cap_reason);
    g_free(memory->obstacle);
    *memory = (GuestMemory){ 0 };
}

GuestMemory *
guest_memory_copy(const GuestMemory *memory)
{
    GuestMemory *copy = g_new(GuestMemory, 1);

    *copy = *memory;
    copy->devices = g_new(MemoryDevice, memory->n_devices);
    for (guint i = 0; i < memory->n_devices; i++) {
        copy->devices[i] = memory->devices[i];
        copy->devices[i].id = g_strdup(memory->devices[i].id);
    }
    copy->nodes = g_memdup2(memory->nodes, memory->n_nodes * sizeof(*memory->nodes));
    copy->cap_reason = g_strdup(memory->cap_reason);
    copy->obstacle = g_strdup(memory->obstacle);
    return copy;
}

void
guest_memory_free(GuestMemory *memory)
{
    guest_memory_clear(memory);
    g_free(memory);
}

gboolean
guest_memory_equal(const GuestMemory *a, const GuestMemory *b)
{
    if (!a || a->boot != b->boot || a->max != b->max || a->slots != b->slots ||
        a->ballooned != b->ballooned || a->balloon_requested != b->balloon_requested ||
        a->has_balloon != b->has_balloon || a->n_devices != b->n_devices || a->given != b->given ||
        a->cap != b->cap || g_strcmp0(a->obstacle, b->obstacle) != 0)
        return FALSE;
    for (guint i = 0; i < a->n_devices; i++) {
        const MemoryDevice *left = &a->devices[i];
        const MemoryDevice *right = &b->devices[i];

        if (g_strcmp0(left->id, right->id) != 0 || left->size != right->size ||
            left->requested != right->requested || left->removing != right->removing ||
            left->acknowledged != right->acknowledged)
            return FALSE;
    }
    return TRUE;
}

guint64
guest_memory_actual(const GuestMemory *memory)
{
    guint64 plugged = memory->boot;

    for (guint i = 0; i < memory->n_devices; i++)
        plugged += memory->devices[i].size;
    return plugged - MIN(plugged, memory->ballooned);
}

guint64
guest_memory_requested(const GuestMemory *memory)
{
    guint64 plugged = memory->boot;

    for (guint i = 0; i < memory->n_devices; i++) {
        const MemoryDevice *device = &memory->devices[i];

        if (device->kind == MEMORY_DEVICE_VIRTIO_MEM)
            plugged += device->requested;
        else if (!device->removing)
            plugged += device->size;
    }
    return plugged - MIN(plugged, memory->balloon_requested);
}

guint64
guest_memory_dimms(const GuestMemory *memory)
{
    guint64 bytes = 0;

    for (guint i = 0; i < memory->n_devices; i++) {
        if (memory->devices[i].kind == MEMORY_DEVICE_DIMM)
            bytes += memory->devices[i].size;
    }
    return bytes;
}

guint
guest_memory_free_slots(const GuestMemory *memory)
{
    guint used = 0;

    for (guint i = 0; i < memory->n_devices; i++)
        used += memory->devices[i].kind == MEMORY_DEVICE_DIMM;
    return memory->slots - MIN(memory->slots, used);
}

guint64
guest_memory_headroom(const GuestMemory *memory)
{
    guint64 taken = memory->boot;

    for (guint i = 0; i < memory->n_devices; i++) {
        const MemoryDevice *device = &memory->devices[i];

        taken += device->kind == MEMORY_DEVICE_DIMM ? device->size : device->max;
    }
    return memory->max - MIN(memory->max, taken);
}

gboolean
guest_memory_has_virtio_mem(const GuestMemory *memory)
{
    for (guint i = 0; i < memory->n_devices; i++) {
        if (memory->devices[i].kind == MEMORY_DEVICE_VIRTIO_MEM)
            return TRUE;
    }
    return FALSE;
}

const MemoryDevice *
guest_memory_find(const GuestMemory *memory, const char *id)
{
    for (guint i = 0; i < memory->n_devices; i++) {
        if (g_strcmp0(memory->devices[i].id, id) == 0)
            return &memory->devices[i];
    }
    return NULL;
}

char *
memory_step_describe(const MemoryStep *step, const GuestMemory *memory)
{
    g_autofree char *size = size_format(step->size);
    g_autofree char *node =
        memory && memory->n_nodes > 1 ? g_strdup_printf(" on node %u", step->node) : g_strdup("");

    switch (step->kind) {
    case MEMORY_STEP_PLUG_DIMM:
        return g_strdup_printf("plug a DIMM of %s%s", size, node);
    case MEMORY_STEP_PLUG_VIRTIO_MEM:
        return g_strdup_printf("plug a virtio-mem device of up to %s%s", size, node);
    case MEMORY_STEP_UNPLUG_DIMM:
        return g_strdup_printf("unplug DIMM %s of %s%s", step->device, size, node);
    case MEMORY_STEP_RESIZE_VIRTIO_MEM:
        return g_strdup_printf("resize virtio-mem %s%s to %s", step->device, node, size);
    case MEMORY_STEP_SET_BALLOON:
        return g_strdup_printf("set the balloon to hold %s", size);
    }
    g_return_val_if_reached(NULL);
}
