/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Memory devices: what there is, plugging, unplugging, resizing. The backends that they need are
 * in qmp-memory-backend.h, the events that tell what became of it in qmp-memory-event.h. */

#include "qmp/qmp-client.h"

typedef enum {
    QMP_MEMORY_DIMM,
    QMP_MEMORY_VIRTIO_MEM,
    QMP_MEMORY_OTHER, /* nvdimm, virtio-pmem, …: only the ids are read */
} QmpMemoryKind;

typedef struct {
    QmpMemoryKind kind;
    char *id;            /* NULL for a device that was given none */
    char *memdev;        /* its backend's QOM path; NULL for some of QMP_MEMORY_OTHER */
    guint64 address;     /* guest-physical */
    guint64 size;        /* a DIMM's, or what a virtio-mem device has plugged */
    gint64 node;         /* the guest's NUMA node */
    gint64 slot;         /* DIMM only */
    gboolean hotplugged; /* DIMM only: came after the machine was made */
    guint64 requested;   /* virtio-mem only: what it asks its driver for */
    guint64 max;         /* virtio-mem only */
    guint64 block;       /* virtio-mem only */
} QmpMemoryDevice;

void qmp_memory_device_free(QmpMemoryDevice *device);

/* query-memory-size-summary */
typedef struct {
    guint64 base;    /* boot memory */
    guint64 plugged; /* DIMMs and what virtio-mem has plugged; 0 for a machine without hot plug */
} QmpMemorySummary;

/* query-memory-devices: ends with an array of QmpMemoryDevice (transfer full), or NULL. */
void qmp_memory_query_devices_async(QmpClient *client, GCancellable *cancellable,
                                    GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *qmp_memory_query_devices_finish(QmpClient *client, GAsyncResult *result, GError **error);

void qmp_memory_query_summary_async(QmpClient *client, GCancellable *cancellable,
                                    GAsyncReadyCallback callback, gpointer user_data);
gboolean qmp_memory_query_summary_finish(QmpClient *client, GAsyncResult *result,
                                         QmpMemorySummary *summary, GError **error);

/* device_add pc-dimm: plugs the backend `backend_id` as DIMM `id` into the guest's NUMA node
 * `node`. Ends with qmp_client_execute_done(). */
void qmp_memory_plug_dimm_async(QmpClient *client, const char *id, const char *backend_id,
                                guint node, GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data);

/* device_del: asks the guest to let the device `id` (or QOM path) go. Ends with
 * qmp_client_execute_done(), which says only that the guest was asked. */
void qmp_memory_unplug_async(QmpClient *client, const char *id, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);

/* qom-set requested-size of the virtio-mem device `id` (or QOM path); a multiple of its block
 * size. Ends with qmp_client_execute_done(), which says only that the guest was asked. */
void qmp_memory_request_size_async(QmpClient *client, const char *id, guint64 requested,
                                   GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data);

/* qom-get size of the virtio-mem device `id` (or QOM path): what it has plugged now. Ends with
 * qmp_qom_get_size_finish(). */
void qmp_memory_get_size_async(QmpClient *client, const char *id, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
