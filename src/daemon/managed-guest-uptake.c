/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the guest does with the memory that it is given: whether it comes into use, and how
 * far more of it can go before the guest's kernel has too little for itself.
 */
#include "allocate/kernel-zone.h"
#include "daemon/managed-guest-private.h"
#include "size/size.h"

/* Bytes that devices have given it. */
static guint64
plugged(const GuestMemory *memory)
{
    guint64 sum = 0;

    for (guint i = 0; i < memory->n_devices; i++) {
        const MemoryDevice *device = &memory->devices[i];

        if (device->kind == MEMORY_DEVICE_VIRTIO_MEM || device->acknowledged)
            sum += device->size;
    }
    return sum;
}

const StatsSample *
managed_guest_agent_sample(ManagedGuest *managed, gint64 now)
{
    const AgentClaims *claims = stats_channel_get_claims(managed->channel);

    return claims->sampled && guest_monitor_has_agent(&managed->monitor, now) ? &claims->latest
                                                                              : NULL;
}

/* Once when it begins, and once when it is over. */
static void
tell(ManagedGuest *managed, gboolean stuck)
{
    const Uptake *uptake = &managed->uptake;
    g_autofree char *missing = size_format_rounded(uptake->missing);
    g_autofree char *all = size_format_rounded(uptake->plugged);

    if (stuck == managed->stuck)
        return;
    managed->stuck = stuck;
    if (stuck)
        managed_guest_tell(managed, EVENT_ONLINING, G_LOG_LEVEL_WARNING,
                           "%s of the %s plugged are not in use: nothing in the guest brings them "
                           "online, or its driver has died; 'memplug doctor %s' tells what to do",
                           missing, all, guest_get_name(managed->guest));
    else
        managed_guest_tell(managed, EVENT_ONLINING, G_LOG_LEVEL_INFO, "uses what it was plugged");
}

void
managed_guest_uptake_plan(ManagedGuest *managed, PlanGuest *plan, gint64 now)
{
    const GuestMemory *memory = resize_get_memory(managed->resize);
    const Sample *latest = sample_ring_get(&managed->monitor.ring, 0);
    const UptakeView view = {
        .boot = memory->boot,
        .plugged = plugged(memory),
        .ballooned = memory->ballooned,
        .total = latest ? latest->total : 0,
        .moving = resize_get_phase(managed->resize) == RESIZE_MOVING ||
                  guest_get_state(managed->guest) != GUEST_STATE_RUNNING,
        .agent = managed_guest_agent_sample(managed, now),
    };
    KernelZone zone;

    uptake_look(&managed->uptake, &view, now);
    tell(managed, uptake_is_stuck(&managed->uptake, now));
    if (!view.agent) {
        plan->most = managed->growth_most = 0;
        return;
    }
    /* What has come since is not in the zones yet. */
    if (latest && latest->time_us != managed->zoned_us) {
        managed->zoned_us = latest->time_us;
        zone = managed_guest_get_zone(managed);
        managed->growth_most = kernel_zone_most(&zone, plan->actual);
        /* What the balloon holds was the zones' own, and goes back to them. */
        if (managed->growth_most > 0)
            managed->growth_most =
                MAX(managed->growth_most, plan->actual + managed_guest_urgent_balloon(managed));
    }
    plan->most = managed->growth_most;
}

KernelZone
managed_guest_get_zone(ManagedGuest *managed)
{
    const Uptake *uptake = &managed->uptake;

    return (KernelZone){ .kernel = uptake->kernel,
                         .kernel_free = uptake->kernel_free,
                         .movable = uptake->movable,
                         .movable_free = uptake->movable_free };
}

guint64
managed_guest_get_growth_most(ManagedGuest *managed)
{
    return managed->growth_most;
}

guint64
managed_guest_get_missing(ManagedGuest *managed, gint64 now)
{
    return uptake_is_stuck(&managed->uptake, now) ? managed->uptake.missing : 0;
}

const Uptake *
managed_guest_get_uptake(ManagedGuest *managed)
{
    return &managed->uptake;
}
