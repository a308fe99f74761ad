/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hotplug/follow.h"

const char *
follow_subject(const MemoryStep *step)
{
    if (step->kind == MEMORY_STEP_SET_BALLOON)
        return RECIPE_BALLOON;
    if (step->kind == MEMORY_STEP_PLUG_VIRTIO_MEM)
        return FOLLOW_NEW_VIRTIO_MEM;
    return step->kind == MEMORY_STEP_PLUG_DIMM ? RECIPE_NEW_DIMM : step->device;
}

/* What was sent from @size towards @requested and stopped may go back, not on;
 * what was never sent stays. */
static RecipeBound
one_way_bound(const char *subject, guint64 size, guint64 requested)
{
    return (RecipeBound){
        .device = subject,
        .least = requested > size ? 0 : size,
        .most = requested < size ? G_MAXUINT64 : size,
    };
}

RecipeBound
follow_bound(const GuestMemory *memory, const char *subject)
{
    const MemoryDevice *device = guest_memory_find(memory, subject);

    if (g_str_equal(subject, RECIPE_NEW_DIMM))
        return (RecipeBound){ .device = subject };
    if (!device)
        return one_way_bound(subject, memory->ballooned, memory->balloon_requested);
    if (device->kind == MEMORY_DEVICE_VIRTIO_MEM)
        return one_way_bound(subject, device->size, device->requested);
    return (RecipeBound){ subject, device->size, device->size };
}

gboolean
follow_arrived(const GuestMemory *memory, const MemoryStep *step)
{
    const MemoryDevice *device = step->device ? guest_memory_find(memory, step->device) : NULL;

    switch (step->kind) {
    case MEMORY_STEP_PLUG_DIMM:
    case MEMORY_STEP_PLUG_VIRTIO_MEM:
        return TRUE; /* the hypervisor took it, and nobody waits for it any more */
    case MEMORY_STEP_UNPLUG_DIMM:
        return device == NULL;
    case MEMORY_STEP_RESIZE_VIRTIO_MEM:
        return device && device->size == step->size;
    case MEMORY_STEP_SET_BALLOON:
        return memory->ballooned == step->size;
    }
    return FALSE;
}

/* When the bytes that @subject has change, it moves. */
static guint64
size_of(const GuestMemory *memory, const char *subject)
{
    const MemoryDevice *device = guest_memory_find(memory, subject);

    return device ? device->size : memory->ballooned;
}

gint64
follow_patience(const FollowPatience *patience, const GuestMemory *memory, const char *subject)
{
    const MemoryDevice *device = guest_memory_find(memory, subject);

    if (!device)
        return patience->progress_us;
    if (device->kind == MEMORY_DEVICE_VIRTIO_MEM)
        return device->requested > device->size ? patience->grow_us : patience->progress_us;
    return device->removing ? patience->unplug_us : patience->plug_us;
}

gboolean
follow_wait(FollowWait *wait, const FollowPatience *patience, const GuestMemory *memory,
            const char *subject, gint64 now)
{
    guint64 size = size_of(memory, subject);

    if (g_strcmp0(wait->subject, subject) != 0) {
        follow_wait_end(wait);
        *wait = (FollowWait){ g_strdup(subject), now, now, size };
    }
    if (size != wait->size) {
        wait->size = size;
        wait->progress_us = now;
    }
    return now - wait->progress_us < follow_patience(patience, memory, subject);
}

void
follow_wait_end(FollowWait *wait)
{
    g_clear_pointer(&wait->subject, g_free);
}

const char *
follow_stall_reason(const GuestMemory *memory, const char *subject)
{
    const MemoryDevice *device = guest_memory_find(memory, subject);

    if (!device)
        return memory->balloon_requested > memory->ballooned
                   ? "the balloon stopped filling: the guest has no more to give"
                   : "the balloon stopped emptying: its driver does not answer";
    if (device->kind == MEMORY_DEVICE_VIRTIO_MEM)
        return device->size > device->requested
                   ? "the guest unplugs no more: what is left cannot be moved away"
                   : "the guest plugs no more: its virtio-mem driver does not follow";
    return device->removing ? "the guest never answered the request to unplug"
                            : "the guest never acknowledged the DIMM";
}
