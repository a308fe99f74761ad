/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/qemu/qemu-dimms.h"

static gboolean
tell(GuestMemoryEvent *told, GuestMemoryEventKind kind, const char *device, const char *reason)
{
    *told = (GuestMemoryEvent){ .kind = kind, .device = device, .reason = reason };
    return TRUE;
}

static gboolean
take_refusal(DimmBook *book, const char *id, const char *reason, GuestMemoryEvent *told)
{
    if (id)
        dimm_book_kept(book, id);
    return tell(told, GUEST_MEMORY_EVENT_UNPLUG_REFUSED, id, reason);
}

gboolean
qemu_dimms_take_event(DimmBook *book, const QmpMemoryEvent *event, GuestMemoryEvent *told)
{
    switch (event->kind) {
    case QMP_MEMORY_EVENT_ACPI_DEVICE_OST:
        return event->device && g_str_equal(event->slot_type, "DIMM") &&
               dimm_book_take_ost(book, event->device, event->source, event->status, told);
    case QMP_MEMORY_EVENT_DEVICE_DELETED:
        if (!event->device)
            return tell(told, GUEST_MEMORY_EVENT_CHANGED, NULL, NULL);
        dimm_book_gone(book, event->device);
        return tell(told, GUEST_MEMORY_EVENT_UNPLUGGED, event->device, NULL);
    case QMP_MEMORY_EVENT_DEVICE_UNPLUG_GUEST_ERROR:
        return take_refusal(book, event->device, "the guest keeps it", told);
    case QMP_MEMORY_EVENT_MEM_UNPLUG_ERROR:
        return take_refusal(book, event->device, event->message, told);
    case QMP_MEMORY_EVENT_RESET:
        dimm_book_clear(book);
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
