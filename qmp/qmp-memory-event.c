/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qmp/qmp-memory-event.h"

#include "qmp/qmp-record.h"

#define FIELD(kind, json_name, member) QMP_FIELD(kind, json_name, QmpMemoryEvent, member)
#define OPTIONAL(kind, json_name, member) \
    QMP_FIELD_OPTIONAL(kind, json_name, QmpMemoryEvent, member)

static const QmpField ost_fields[] = {
    OPTIONAL(STRING, "device", device),    FIELD(STRING, "slot", slot),
    FIELD(STRING, "slot-type", slot_type), FIELD(INT, "source", source),
    FIELD(INT, "status", status),
};

static const QmpField device_fields[] = {
    OPTIONAL(STRING, "device", device),
    FIELD(STRING, "path", path),
};

static const QmpField unplug_error_fields[] = {
    FIELD(STRING, "device", device),
    FIELD(STRING, "msg", message),
};

/* "qom-path" came with QEMU 6.0. */
static const QmpField size_fields[] = {
    OPTIONAL(STRING, "id", device),
    OPTIONAL(STRING, "qom-path", path),
    FIELD(SIZE, "size", size),
};

static const QmpField balloon_fields[] = {
    FIELD(SIZE, "actual", size),
};

static const QmpField reason_fields[] = {
    FIELD(BOOL, "guest", by_guest),
    OPTIONAL(STRING, "reason", reason),
};

#define TYPE(table) QMP_RECORD_TYPE(QmpMemoryEvent, table)

static const struct {
    const char *name;
    QmpMemoryEventKind kind;
    const char *member; /* of the event's data that holds the fields; NULL for the data itself */
    QmpRecordType type;
} events[] = {
    { "ACPI_DEVICE_OST", QMP_MEMORY_EVENT_ACPI_DEVICE_OST, "info", TYPE(ost_fields) },
    { "DEVICE_DELETED", QMP_MEMORY_EVENT_DEVICE_DELETED, NULL, TYPE(device_fields) },
    { "DEVICE_UNPLUG_GUEST_ERROR", QMP_MEMORY_EVENT_DEVICE_UNPLUG_GUEST_ERROR, NULL,
      TYPE(device_fields) },
    { "MEM_UNPLUG_ERROR", QMP_MEMORY_EVENT_MEM_UNPLUG_ERROR, NULL, TYPE(unplug_error_fields) },
    { "MEMORY_DEVICE_SIZE_CHANGE", QMP_MEMORY_EVENT_SIZE_CHANGE, NULL, TYPE(size_fields) },
    { "BALLOON_CHANGE", QMP_MEMORY_EVENT_BALLOON_CHANGE, NULL, TYPE(balloon_fields) },
    { "RESET", QMP_MEMORY_EVENT_RESET, NULL, TYPE(reason_fields) },
    { "SHUTDOWN", QMP_MEMORY_EVENT_SHUTDOWN, NULL, TYPE(reason_fields) },
    { "STOP", QMP_MEMORY_EVENT_STOP, NULL, { .n_fields = 0 } },
    { "RESUME", QMP_MEMORY_EVENT_RESUME, NULL, { .n_fields = 0 } },
};

void
qmp_memory_event_free(QmpMemoryEvent *event)
{
    if (event == NULL)
        return;
    g_free(event->device);
    g_free(event->path);
    g_free(event->message);
    g_free(event->reason);
    g_free(event->slot);
    g_free(event->slot_type);
    g_free(event);
}

QmpMemoryEvent *
qmp_memory_event_read(const char *name, JsonObject *data, GError **error)
{
    guint row = 0;
    while (row < G_N_ELEMENTS(events) && !g_str_equal(events[row].name, name))
        row++;
    if (row == G_N_ELEMENTS(events))
        return NULL;

    g_autoptr(QmpMemoryEvent) event = g_new0(QmpMemoryEvent, 1);
    event->kind = events[row].kind;
    if (events[row].member != NULL)
        data = qmp_record_get_object(data, events[row].member, error);
    if (data == NULL || !qmp_record_read(&events[row].type, data, event, error)) {
        g_prefix_error(error, "%s: ", name);
        return NULL;
    }
    return g_steal_pointer(&event);
}
