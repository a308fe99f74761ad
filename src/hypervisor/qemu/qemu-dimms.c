/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/qemu/qemu-dimms.h"

/*
 * What an _OST of the guest is about (ACPI 6.4, table 6.57) and what it says
 * (tables 6.58 to 6.60). Linux reports DEVICE_CHECK when it has taken a DIMM or
 * not; EJECT_REQUEST with IN_PROGRESS when it begins to offline one, then again
 * if it gives up. When it succeeds, the DIMM is just gone.
 */
enum {
    OST_SOURCE_DEVICE_CHECK = 0x1,
    OST_SOURCE_EJECT_REQUEST = 0x3,
    OST_SOURCE_EJECT_PROCESSING = 0x103,
};

enum {
    OST_STATUS_SUCCESS = 0x00,
    OST_STATUS_EJECT_IN_PROGRESS = 0x84,
};

static const struct {
    gint64 status;
    const char *reason;
} eject_refusals[] = {
    { 0x01, "the guest could not let it go" },
    { 0x02, "the guest does not know how to let it go" },
    { 0x80, "the guest keeps it: the device is locked" },
    { 0x81, "the guest keeps it: the device is in use" },
    { 0x82, "the guest keeps it: the memory is in use" },
    { 0x83, "the guest keeps it: what depends on it is in use" },
};

struct QemuDimms {
    gint64 removal_us;
    GHashTable *unacknowledged; /* ids, a set */
    GHashTable *removing;       /* id → when it was asked for, µs (gint64 *) */
};

QemuDimms *
qemu_dimms_new(gint64 removal_us)
{
    QemuDimms *dimms = g_new0(QemuDimms, 1);

    dimms->removal_us = removal_us;
    dimms->unacknowledged = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    dimms->removing = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return dimms;
}

void
qemu_dimms_free(QemuDimms *dimms)
{
    if (!dimms)
        return;
    g_hash_table_unref(dimms->unacknowledged);
    g_hash_table_unref(dimms->removing);
    g_free(dimms);
}

void
qemu_dimms_plug_ordered(QemuDimms *dimms, const char *id)
{
    g_hash_table_add(dimms->unacknowledged, g_strdup(id));
}

void
qemu_dimms_unplug_ordered(QemuDimms *dimms, const char *id, gint64 now)
{
    gint64 *since = g_new(gint64, 1);

    *since = now;
    g_hash_table_replace(dimms->removing, g_strdup(id), since);
}

void
qemu_dimms_plug_failed(QemuDimms *dimms, const char *id)
{
    g_hash_table_remove(dimms->unacknowledged, id);
}

void
qemu_dimms_unplug_failed(QemuDimms *dimms, const char *id)
{
    g_hash_table_remove(dimms->removing, id);
}

gboolean
qemu_dimms_is_acknowledged(const QemuDimms *dimms, const char *id)
{
    return !g_hash_table_contains(dimms->unacknowledged, id);
}

gboolean
qemu_dimms_is_removing(const QemuDimms *dimms, const char *id, gint64 now)
{
    const gint64 *since = g_hash_table_lookup(dimms->removing, id);

    return since && now - *since < dimms->removal_us;
}

static gboolean
tell(GuestMemoryEvent *told, GuestMemoryEventKind kind, const char *device, const char *reason)
{
    *told = (GuestMemoryEvent){ .kind = kind, .device = device, .reason = reason };
    return TRUE;
}

static gboolean
take_refusal(QemuDimms *dimms, const char *id, const char *reason, GuestMemoryEvent *told)
{
    if (id)
        g_hash_table_remove(dimms->removing, id);
    return tell(told, GUEST_MEMORY_EVENT_UNPLUG_REFUSED, id, reason);
}

static gboolean
take_ost(QemuDimms *dimms, const QmpMemoryEvent *event, GuestMemoryEvent *told)
{
    if (!event->device || !g_str_equal(event->slot_type, "DIMM"))
        return FALSE;

    if (event->source == OST_SOURCE_DEVICE_CHECK) {
        if (event->status != OST_STATUS_SUCCESS)
            return tell(told, GUEST_MEMORY_EVENT_CHANGED, event->device,
                        "the guest could not take it");
        g_hash_table_remove(dimms->unacknowledged, event->device);
        return tell(told, GUEST_MEMORY_EVENT_CHANGED, event->device, NULL);
    }
    if ((event->source != OST_SOURCE_EJECT_REQUEST &&
         event->source != OST_SOURCE_EJECT_PROCESSING) ||
        event->status == OST_STATUS_SUCCESS || event->status == OST_STATUS_EJECT_IN_PROGRESS)
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(eject_refusals); i++) {
        if (eject_refusals[i].status == event->status)
            return take_refusal(dimms, event->device, eject_refusals[i].reason, told);
    }
    return take_refusal(dimms, event->device, "the guest keeps it", told);
}

gboolean
qemu_dimms_take_event(QemuDimms *dimms, const QmpMemoryEvent *event, GuestMemoryEvent *told)
{
    switch (event->kind) {
    case QMP_MEMORY_EVENT_ACPI_DEVICE_OST:
        return take_ost(dimms, event, told);
    case QMP_MEMORY_EVENT_DEVICE_DELETED:
        if (!event->device)
            return tell(told, GUEST_MEMORY_EVENT_CHANGED, NULL, NULL);
        g_hash_table_remove(dimms->unacknowledged, event->device);
        g_hash_table_remove(dimms->removing, event->device);
        return tell(told, GUEST_MEMORY_EVENT_UNPLUGGED, event->device, NULL);
    case QMP_MEMORY_EVENT_DEVICE_UNPLUG_GUEST_ERROR:
        return take_refusal(dimms, event->device, "the guest keeps it", told);
    case QMP_MEMORY_EVENT_MEM_UNPLUG_ERROR:
        return take_refusal(dimms, event->device, event->message, told);
    case QMP_MEMORY_EVENT_RESET:
        g_hash_table_remove_all(dimms->unacknowledged);
        g_hash_table_remove_all(dimms->removing);
        return tell(told, GUEST_MEMORY_EVENT_RESET, NULL, event->reason);
    case QMP_MEMORY_EVENT_SIZE_CHANGE:
        return tell(told, GUEST_MEMORY_EVENT_CHANGED, event->device ? event->device : event->path,
                    NULL);
    case QMP_MEMORY_EVENT_BALLOON_CHANGE:
        return tell(told, GUEST_MEMORY_EVENT_CHANGED, NULL, NULL);
    case QMP_MEMORY_EVENT_SHUTDOWN:
    case QMP_MEMORY_EVENT_STOP:
    case QMP_MEMORY_EVENT_RESUME:
        return FALSE;
    }
    g_return_val_if_reached(FALSE);
}
