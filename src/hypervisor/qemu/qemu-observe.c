/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *   query-memory-devices ─┬─▶ both there ─▶ a virtio-mem device without id? ─▶ GuestMemory
 *   query-balloon ────────┘                        │ its QOM path is not known yet
 *                                                  └─▶ find it by its memdev ─▶
 *
 * The two commands leave together, so QEMU answers them as one view unless the
 * guest moves just between them. The balloon's "actual" counts boot memory and
 * DIMMs, not virtio-mem (QEMU, hw/virtio/virtio-balloon.c), hence
 *
 *   ballooned = boot + DIMMs − actual
 */
#include "hypervisor/qemu/qemu-observe.h"

#include "qmp/qmp-balloon.h"
#include "qmp/qmp-error.h"
#include "qmp/qmp-memory.h"
#include "qmp/qmp-qom.h"

/* ACPI has 256 slots, and a machine far fewer places for virtio-mem. */
#define DEVICES_MAX 1024
#define SLOTS_MAX   256

typedef struct {
    const QemuMachine *machine;
    GHashTable *paths;
    guint waiting;      /* commands that have not been answered */
    GError *error;      /* the first */
    GPtrArray *devices; /* QmpMemoryDevice */
    gboolean has_balloon;
    guint64 actual;   /* as query-balloon tells */
    GPtrArray *found; /* QOM paths of all virtio-mem devices, being looked at … */
    guint next;       /* … from here on */
} Observation;

static void look_at_next(GTask *task);

static void
observation_free(Observation *observation)
{
    g_hash_table_unref(observation->paths);
    g_clear_error(&observation->error);
    g_clear_pointer(&observation->devices, g_ptr_array_unref);
    g_clear_pointer(&observation->found, g_ptr_array_unref);
    g_free(observation);
}

/* Returns: an error if no device can be as @device is said to be. */
static gboolean
check_device(const QmpMemoryDevice *device, GError **error)
{
    gboolean sane =
        device->size <= QEMU_MACHINE_SIZE_MAX && device->node >= 0 && device->node <= G_MAXUINT16;

    if (device->kind == QMP_MEMORY_VIRTIO_MEM)
        sane = sane && device->block > 0 && device->max <= QEMU_MACHINE_SIZE_MAX &&
               device->size <= device->max && device->requested <= device->max;
    if (!sane)
        g_set_error(error, QMP_ERROR, QMP_ERROR_REPLY,
                    "query-memory-devices: memory device '%s' cannot be as it is told",
                    device->id ? device->id : device->memdev);
    return sane;
}

static MemoryDevice
convert(const Observation *observation, const QmpMemoryDevice *device)
{
    const char *id = device->id;

    if (!id)
        id = g_hash_table_lookup(observation->paths, device->memdev);
    return (MemoryDevice){
        .id = g_strdup(id),
        .kind = device->kind == QMP_MEMORY_DIMM ? MEMORY_DEVICE_DIMM : MEMORY_DEVICE_VIRTIO_MEM,
        .ours = id && g_str_has_prefix(id, MEMORY_DEVICE_ID_PREFIX),
        .node = (guint)device->node,
        .size = device->size,
        .acknowledged = TRUE,
        .requested = device->requested,
        .max = device->max,
        .block = device->block,
    };
}

static GuestMemory *
build(const Observation *observation, GError **error)
{
    const QemuMachine *machine = observation->machine;
    g_autoptr(GuestMemory) memory = g_new0(GuestMemory, 1);

    if (observation->devices->len > DEVICES_MAX) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_REPLY, "query-memory-devices: %u devices",
                    observation->devices->len);
        return NULL;
    }
    memory->boot = machine->memory.size;
    memory->max = machine->memory.max;
    memory->slots = (guint)MIN(machine->memory.slots, SLOTS_MAX);
    memory->devices = g_new0(MemoryDevice, observation->devices->len);

    for (guint i = 0; i < observation->devices->len; i++) {
        const QmpMemoryDevice *device = observation->devices->pdata[i];

        if (device->kind == QMP_MEMORY_OTHER)
            continue;
        if (!check_device(device, error))
            return NULL;
        memory->devices[memory->n_devices++] = convert(observation, device);
    }
    if (observation->has_balloon) {
        guint64 fillable = memory->boot + guest_memory_dimms(memory);

        memory->has_balloon = TRUE;
        memory->ballooned = fillable - MIN(fillable, observation->actual);
        memory->balloon_requested = memory->ballooned;
    }
    return g_steal_pointer(&memory);
}

static void
end(GTask *task)
{
    GError *error = NULL;
    GuestMemory *memory = build(g_task_get_task_data(task), &error);

    if (memory)
        g_task_return_pointer(task, memory, (GDestroyNotify)guest_memory_free);
    else
        g_task_return_error(task, error);
}

/*
 * Devices without an id
 */

static void
on_memdev(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Observation *observation = g_task_get_task_data(task);
    g_autofree char *memdev = qmp_qom_get_string_finish(QMP_CLIENT(source), result, NULL);
    const char *path = observation->found->pdata[observation->next++];

    /* A device that vanished meanwhile is as good as not there. */
    if (memdev)
        g_hash_table_replace(observation->paths, g_strdup(memdev), g_strdup(path));
    look_at_next(g_steal_pointer(&task));
}

/* @task is transfer full. */
static void
look_at_next(GTask *task)
{
    g_autoptr(GTask) owned = task;
    const Observation *observation = g_task_get_task_data(task);

    if (g_task_return_error_if_cancelled(task))
        return;
    if (observation->next == observation->found->len) {
        end(task);
        return;
    }
    qmp_qom_get_async(g_task_get_source_object(task), observation->found->pdata[observation->next],
                      "memdev", g_task_get_cancellable(task), on_memdev, g_steal_pointer(&owned));
}

static void
on_found(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Observation *observation = g_task_get_task_data(task);
    GError *error = NULL;

    observation->found = qmp_qom_find_devices_finish(QMP_CLIENT(source), result, &error);
    if (observation->found)
        look_at_next(g_steal_pointer(&task));
    else
        g_task_return_error(task, error);
}

static gboolean
is_nameless(const Observation *observation)
{
    for (guint i = 0; i < observation->devices->len; i++) {
        const QmpMemoryDevice *device = observation->devices->pdata[i];

        if (device->kind == QMP_MEMORY_VIRTIO_MEM && !device->id &&
            !g_hash_table_contains(observation->paths, device->memdev))
            return TRUE;
    }
    return FALSE;
}

/*
 * The two commands
 */

/* One of them has ended; @task is transfer full, one reference for each. */
static void
answered(GTask *task, GError *error)
{
    g_autoptr(GTask) owned = task;
    Observation *observation = g_task_get_task_data(task);

    if (!observation->error)
        observation->error = g_steal_pointer(&error);
    g_clear_error(&error);
    if (--observation->waiting > 0)
        return;
    if (observation->error)
        g_task_return_error(task, g_steal_pointer(&observation->error));
    else if (is_nameless(observation))
        qmp_qom_find_devices_async(g_task_get_source_object(task), "virtio-mem",
                                   g_task_get_cancellable(task), on_found, g_steal_pointer(&owned));
    else
        end(task);
}

static void
on_devices(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Observation *observation = g_task_get_task_data(user_data);
    GError *error = NULL;

    observation->devices = qmp_memory_query_devices_finish(QMP_CLIENT(source), result, &error);
    answered(user_data, error);
}

static void
on_balloon(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Observation *observation = g_task_get_task_data(user_data);
    GError *error = NULL;

    observation->has_balloon =
        qmp_balloon_query_finish(QMP_CLIENT(source), result, &observation->actual, &error);
    /* The device was there once, and may have been removed. */
    if (g_error_matches(error, QMP_ERROR, QMP_ERROR_DEVICE_NOT_ACTIVE))
        g_clear_error(&error);
    answered(user_data, error);
}

void
qemu_observe_async(QmpClient *client, const QemuMachine *machine, GHashTable *paths,
                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(client, cancellable, callback, user_data);
    Observation *observation = g_new0(Observation, 1);

    g_task_set_source_tag(task, qemu_observe_async);
    g_task_set_task_data(task, observation, (GDestroyNotify)observation_free);
    observation->machine = machine;
    observation->paths = g_hash_table_ref(paths);
    observation->waiting = machine->balloon ? 2 : 1;
    qmp_memory_query_devices_async(client, cancellable, on_devices, g_object_ref(task));
    if (machine->balloon)
        qmp_balloon_query_async(client, cancellable, on_balloon, g_object_ref(task));
}

GuestMemory *
qemu_observe_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, client), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}
