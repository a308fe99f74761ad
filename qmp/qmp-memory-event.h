/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* QEMU's events that concern a guest's memory, read into one struct. */

#include <glib.h>
#include <json-glib/json-glib.h>

typedef enum {
    QMP_MEMORY_EVENT_ACPI_DEVICE_OST, /* the guest's firmware interface reports: device, slot,
                                         slot_type, source, status */
    QMP_MEMORY_EVENT_DEVICE_DELETED,  /* device, path */
    QMP_MEMORY_EVENT_DEVICE_UNPLUG_GUEST_ERROR, /* the guest refuses: device, path */
    QMP_MEMORY_EVENT_MEM_UNPLUG_ERROR,          /* the same before QEMU 6.2: device, message */
    QMP_MEMORY_EVENT_SIZE_CHANGE,    /* MEMORY_DEVICE_SIZE_CHANGE, virtio-mem: device, path, size;
                                        at most one a second and device */
    QMP_MEMORY_EVENT_BALLOON_CHANGE, /* size; at most one a second */
    QMP_MEMORY_EVENT_RESET,          /* by_guest, reason */
    QMP_MEMORY_EVENT_SHUTDOWN,       /* by_guest, reason */
    QMP_MEMORY_EVENT_STOP,
    QMP_MEMORY_EVENT_RESUME,
} QmpMemoryEventKind;

/* What an event does not tell is NULL, 0 or FALSE. */
typedef struct {
    QmpMemoryEventKind kind;
    char *device;      /* its id; NULL for a device that has none */
    char *path;        /* its QOM path */
    char *message;     /* why, for people */
    char *reason;      /* of a reset or shutdown: "guest-reset", "host-qmp-quit", … */
    char *slot;        /* of an ACPI report */
    char *slot_type;   /* "DIMM", "CPU", … */
    gint64 source;     /* ACPI 6, table 6.57 */
    gint64 status;     /* 0: success; table 6.58 and after */
    guint64 size;      /* bytes: plugged by the virtio-mem device, or left by the balloon */
    gboolean by_guest; /* the guest asked for the reset or shutdown itself */
} QmpMemoryEvent;

/* Reads the arguments of a QmpClient::event. Returns a new event, or NULL: without an error if
 * `name` is none of the above, with QMP_ERROR_REPLY if `data` is not what it should be. */
QmpMemoryEvent *qmp_memory_event_read(const char *name, JsonObject *data, GError **error);

void qmp_memory_event_free(QmpMemoryEvent *event);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpMemoryEvent, qmp_memory_event_free)
