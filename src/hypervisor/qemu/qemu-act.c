/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *   plug     devices and backends there are ─▶ a free id ─▶ object-add ─▶ device_add
 *                                                              refused: object-del ◀─┘
 *   unplug   device_del
 *   resize   qom-set requested-size
 *   balloon  devices there are ─▶ balloon: boot + DIMMs − what it shall hold
 *
 * What a step needs to know is read right before it, not taken from an earlier
 * observation. Ids are memplug-dimmN for the device and memplug-dimmN-memory for
 * its backend, N being the smallest number that neither uses.
 */
#include "hypervisor/qemu/qemu-act.h"

#include "qmp/qmp-balloon.h"
#include "qmp/qmp-memory.h"
#include "qmp/qmp-qom.h"

#define DIMM_ID    MEMORY_DEVICE_ID_PREFIX "dimm%u"
#define BACKEND_ID MEMORY_DEVICE_ID_PREFIX "dimm%u-memory"

typedef struct {
    const QemuMachine *machine;
    DimmBook *dimms;
    MemoryStep step;    /* step.device is not used */
    char *device;       /* id or QOM path, given or chosen */
    char *backend;      /* plug only */
    GPtrArray *devices; /* plug only: QmpMemoryDevice */
    GError *refusal;    /* plug only: why device_add failed, while it is undone */
} Action;

static void
action_free(Action *action)
{
    g_free(action->device);
    g_free(action->backend);
    g_clear_pointer(&action->devices, g_ptr_array_unref);
    g_clear_error(&action->refusal);
    g_free(action);
}

/*
 * Plugging
 */

static void
on_undone(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Action *action = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;

    if (!qmp_client_execute_done(QMP_CLIENT(source), result, &error))
        g_debug("%s stays behind for now: %s", action->backend, error->message);
    g_task_return_error(task, g_steal_pointer(&action->refusal));
}

static void
on_plugged(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Action *action = g_task_get_task_data(task);

    if (qmp_client_execute_done(QMP_CLIENT(source), result, &action->refusal)) {
        g_task_return_boolean(task, TRUE);
        return;
    }
    dimm_book_plug_failed(action->dimms, action->device);
    /* Not to be cancelled. If only the reply is late, the backend is in use and stays. */
    qmp_memory_backend_del_async(QMP_CLIENT(source), action->backend, NULL, on_undone,
                                 g_steal_pointer(&task));
}

static void
on_backend_added(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Action *action = g_task_get_task_data(task);
    GError *error = NULL;

    if (!qmp_client_execute_done(QMP_CLIENT(source), result, &error)) {
        g_task_return_error(task, error);
        return;
    }
    /* From here on to the end, whoever cancels: a backend without device helps nobody. */
    dimm_book_plug_ordered(action->dimms, action->device, g_get_monotonic_time());
    qmp_memory_plug_dimm_async(QMP_CLIENT(source), action->device, action->backend,
                               action->step.node, NULL, on_plugged, g_steal_pointer(&task));
}

static gboolean
is_used(const char *device, const char *backend, const GPtrArray *devices,
        const GPtrArray *backends)
{
    for (guint i = 0; i < devices->len; i++) {
        const QmpMemoryDevice *other = devices->pdata[i];

        if (g_strcmp0(other->id, device) == 0)
            return TRUE;
    }
    for (guint i = 0; i < backends->len; i++) {
        const QmpMemoryBackendInfo *other = backends->pdata[i];

        if (g_strcmp0(other->id, backend) == 0)
            return TRUE;
    }
    return FALSE;
}

static void
on_backends(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Action *action = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(GPtrArray) backends =
        qmp_memory_backend_list_finish(QMP_CLIENT(source), result, &error);

    if (!backends) {
        g_task_return_error(task, error);
        return;
    }
    /* Ends, since each of the finitely many ids rules out one number. */
    guint number = 0;

    do {
        g_free(action->device);
        g_free(action->backend);
        action->device = g_strdup_printf(DIMM_ID, number);
        action->backend = g_strdup_printf(BACKEND_ID, number);
        number++;
    } while (is_used(action->device, action->backend, action->devices, backends));

    GCancellable *cancellable = g_task_get_cancellable(task);

    qmp_memory_backend_add_async(QMP_CLIENT(source), action->machine->kind, action->backend,
                                 action->step.size, cancellable, on_backend_added,
                                 g_steal_pointer(&task));
}

static void
on_devices_before_plug(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Action *action = g_task_get_task_data(task);
    GError *error = NULL;

    action->devices = qmp_memory_query_devices_finish(QMP_CLIENT(source), result, &error);
    if (!action->devices) {
        g_task_return_error(task, error);
        return;
    }
    GCancellable *cancellable = g_task_get_cancellable(task);

    qmp_memory_backend_list_async(QMP_CLIENT(source), cancellable, on_backends,
                                  g_steal_pointer(&task));
}

static void
plug_dimm(QmpClient *client, Action *action, GTask *task)
{
    if (!action->machine->kind) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "%s",
                                action->machine->no_kind);
        g_object_unref(task);
        return;
    }
    qmp_memory_query_devices_async(client, g_task_get_cancellable(task), on_devices_before_plug,
                                   task);
}

/*
 * The others
 */

static void
on_done(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    GError *error = NULL;

    if (qmp_client_execute_done(QMP_CLIENT(source), result, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
on_unplug_ordered(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    const Action *action = g_task_get_task_data(task);
    GError *error = NULL;

    if (qmp_client_execute_done(QMP_CLIENT(source), result, &error)) {
        g_task_return_boolean(task, TRUE);
        return;
    }
    dimm_book_unplug_failed(action->dimms, action->device);
    g_task_return_error(task, error);
}

static void
unplug_dimm(QmpClient *client, Action *action, GTask *task)
{
    dimm_book_unplug_ordered(action->dimms, action->device, g_get_monotonic_time());
    qmp_memory_unplug_async(client, action->device, g_task_get_cancellable(task), on_unplug_ordered,
                            task);
}

static void
resize_virtio_mem(QmpClient *client, Action *action, GTask *task)
{
    qmp_memory_request_size_async(client, action->device, action->step.size,
                                  g_task_get_cancellable(task), on_done, task);
}

static void
on_devices_before_balloon(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    const Action *action = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(GPtrArray) devices =
        qmp_memory_query_devices_finish(QMP_CLIENT(source), result, &error);
    guint64 fillable = action->machine->memory.size;

    if (!devices) {
        g_task_return_error(task, error);
        return;
    }
    for (guint i = 0; i < devices->len; i++) {
        const QmpMemoryDevice *device = devices->pdata[i];

        if (device->kind == QMP_MEMORY_DIMM)
            fillable += MIN(device->size, QEMU_MACHINE_SIZE_MAX);
    }
    if (action->step.size >= fillable) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                                "the balloon cannot hold all of the guest's memory");
        return;
    }
    GCancellable *cancellable = g_task_get_cancellable(task);

    qmp_balloon_resize_async(QMP_CLIENT(source), fillable - action->step.size, cancellable, on_done,
                             g_steal_pointer(&task));
}

static void
set_balloon(QmpClient *client, Action *action, GTask *task)
{
    qmp_memory_query_devices_async(client, g_task_get_cancellable(task), on_devices_before_balloon,
                                   task);
}

static void
plug_virtio_mem(QmpClient *client, Action *action, GTask *task)
{
    g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                            "a virtio-mem device can only be given to a bare QEMU on its command "
                            "line");
    g_object_unref(task);
}

/* Each takes a reference to its task. */
static void (*const actions[])(QmpClient *client, Action *action, GTask *task) = {
    [MEMORY_STEP_PLUG_DIMM] = plug_dimm,
    [MEMORY_STEP_UNPLUG_DIMM] = unplug_dimm,
    [MEMORY_STEP_RESIZE_VIRTIO_MEM] = resize_virtio_mem,
    [MEMORY_STEP_SET_BALLOON] = set_balloon,
    [MEMORY_STEP_PLUG_VIRTIO_MEM] = plug_virtio_mem,
};

void
qemu_act_async(QmpClient *client, const QemuMachine *machine, DimmBook *dimms,
               const MemoryStep *step, GCancellable *cancellable, GAsyncReadyCallback callback,
               gpointer user_data)
{
    GTask *task = g_task_new(client, cancellable, callback, user_data);
    Action *action = g_new0(Action, 1);

    g_task_set_source_tag(task, qemu_act_async);
    g_task_set_task_data(task, action, (GDestroyNotify)action_free);
    /* What QEMU has taken is not undone by a cancellation, so it is told as success. */
    g_task_set_check_cancellable(task, FALSE);
    action->machine = machine;
    action->dimms = dimms;
    action->step = *step;
    action->device = g_strdup(step->device);
    actions[step->kind](client, action, task);
}

gboolean
qemu_act_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, client), FALSE);
    return g_task_propagate_boolean(G_TASK(result), error);
}
