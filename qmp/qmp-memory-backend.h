/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Memory backends: the host's side of a DIMM. A new one should be of the kind that the guest's boot
 * memory is: with a vhost-user device all memory must be shared, with huge pages from the same
 * pool, with a NUMA policy bound to the same host nodes. So the boot memory's backend is read once,
 * and new ones are made like it. */

#include "qmp/qmp-client.h"

/* The kind of a backend: its QOM type and those of its properties that a new backend should share.
 * What cannot be shared (a file's name, an offset in it) is left out. */
typedef struct QmpMemoryBackend QmpMemoryBackend;

/* A backend in use or not, as query-memdev lists it. */
typedef struct {
    char *id; /* NULL for some that QEMU makes by itself */
    guint64 size;
} QmpMemoryBackendInfo;

void qmp_memory_backend_info_free(QmpMemoryBackendInfo *info);

/* query-memdev: ends with an array of QmpMemoryBackendInfo (transfer full), or NULL. */
void qmp_memory_backend_list_async(QmpClient *client, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *qmp_memory_backend_list_finish(QmpClient *client, GAsyncResult *result, GError **error);

/* Private anonymous memory: QEMU's own default. */
QmpMemoryBackend *qmp_memory_backend_new(void);

void qmp_memory_backend_free(QmpMemoryBackend *backend);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpMemoryBackend, qmp_memory_backend_free)

/* Reads the kind of the backend `id` (or QOM path), by qom-list and one qom-get a property. Ends
 * with it (transfer full), or NULL; QMP_ERROR_REPLY also if it is of a type that cannot be
 * mirrored (memory-backend-epc). */
void qmp_memory_backend_read_async(QmpClient *client, const char *id, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer user_data);
QmpMemoryBackend *qmp_memory_backend_read_finish(QmpClient *client, GAsyncResult *result,
                                                 GError **error);

/* Its QOM type: "memory-backend-ram", "-file", "-memfd" or "-shm". */
const char *qmp_memory_backend_get_qom_type(const QmpMemoryBackend *backend);

/* The file or folder that holds a memory-backend-file's memory; NULL for the others. */
const char *qmp_memory_backend_get_path(const QmpMemoryBackend *backend);

/* Replaces it. Given a folder, QEMU makes a nameless file of its own there. Given the name of a
 * file that is in use, it would map the same memory a second time: a new backend must not have
 * the path that was read, unless that is a folder. */
void qmp_memory_backend_set_path(QmpMemoryBackend *backend, const char *path);

/* object-add: makes a backend like `backend` called `id`. QEMU stands still while it touches every
 * page of a preallocated one, so the time-out grows with `size`. Ends with
 * qmp_client_execute_done(). */
void qmp_memory_backend_add_async(QmpClient *client, const QmpMemoryBackend *backend,
                                  const char *id, guint64 size, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data);

/* object-del. Refused by QEMU while a device uses it. Ends with qmp_client_execute_done(). */
void qmp_memory_backend_del_async(QmpClient *client, const char *id, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data);
