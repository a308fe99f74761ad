/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/qemu/qemu-orphans.h"

#include "hypervisor/guest-memory.h"
#include "qmp/qmp-memory-backend.h"
#include "qmp/qmp-memory.h"
#include "qmp/qmp-qom.h"

static gboolean
is_used(const QmpMemoryBackendInfo *backend, const GPtrArray *devices)
{
    g_autofree char *path = qmp_qom_object_path(backend->id);

    for (guint i = 0; i < devices->len; i++) {
        const QmpMemoryDevice *device = devices->pdata[i];

        if (g_strcmp0(device->memdev, path) == 0)
            return TRUE;
    }
    return FALSE;
}

/* The task data are the backends, read before the devices: a backend that is plugged
 * meanwhile is then seen in use. */
static void
on_devices(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    const GPtrArray *backends = g_task_get_task_data(task);
    g_autoptr(GPtrArray) orphans = g_ptr_array_new_with_free_func(g_free);
    GError *error = NULL;
    g_autoptr(GPtrArray) devices =
        qmp_memory_query_devices_finish(QMP_CLIENT(source), result, &error);

    if (!devices) {
        g_task_return_error(task, error);
        return;
    }
    for (guint i = 0; i < backends->len; i++) {
        const QmpMemoryBackendInfo *backend = backends->pdata[i];

        if (backend->id && g_str_has_prefix(backend->id, MEMORY_DEVICE_ID_PREFIX) &&
            !is_used(backend, devices))
            g_ptr_array_add(orphans, g_strdup(backend->id));
    }
    g_task_return_pointer(task, g_steal_pointer(&orphans), (GDestroyNotify)g_ptr_array_unref);
}

static void
on_backends(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    GError *error = NULL;
    GPtrArray *backends = qmp_memory_backend_list_finish(QMP_CLIENT(source), result, &error);
    GCancellable *cancellable = g_task_get_cancellable(task);

    if (!backends) {
        g_task_return_error(task, error);
        return;
    }
    g_task_set_task_data(task, backends, (GDestroyNotify)g_ptr_array_unref);
    qmp_memory_query_devices_async(QMP_CLIENT(source), cancellable, on_devices,
                                   g_steal_pointer(&task));
}

void
qemu_orphans_find_async(QmpClient *client, GCancellable *cancellable, GAsyncReadyCallback callback,
                        gpointer user_data)
{
    GTask *task = g_task_new(client, cancellable, callback, user_data);

    g_task_set_source_tag(task, qemu_orphans_find_async);
    qmp_memory_backend_list_async(client, cancellable, on_backends, task);
}

GPtrArray *
qemu_orphans_find_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, client), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}
