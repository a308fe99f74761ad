/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a guest is and does as a whole. Each call begins one command and has its own finish. */

#include "qmp/qmp-client.h"

/* qom-get /machine memory: what -m said. Without maxmem, `max` is `size` and `slots` 0. */
typedef struct {
    guint64 size;
    guint64 max;
    guint64 slots;
} QmpMachineMemory;

/* One ACPI memory slot as the guest's _OST method last left it (query-acpi-ospm-status). */
typedef struct {
    char *device; /* id of the DIMM in it; NULL for an empty slot or a DIMM without an id */
    char *slot;
    char *slot_type; /* "DIMM", "CPU", … */
    gint64 source;   /* ACPI 6, table 6.57: 0x103 ejection processing, 3 ejection request */
    gint64 status;   /* 0 success, 130 device in use, 132 ejection in progress, … */
} QmpMachineOst;

void qmp_machine_ost_free(QmpMachineOst *ost);

void qmp_machine_get_memory_async(QmpClient *client, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data);
gboolean qmp_machine_get_memory_finish(QmpClient *client, GAsyncResult *result,
                                       QmpMachineMemory *memory, GError **error);

/* query-status: QEMU's run state ("running", "paused", "prelaunch", "inmigrate", …; newly
 * allocated), and in `running` (may be NULL) whether the vCPUs run. */
void qmp_machine_query_status_async(QmpClient *client, GCancellable *cancellable,
                                    GAsyncReadyCallback callback, gpointer user_data);
char *qmp_machine_query_status_finish(QmpClient *client, GAsyncResult *result, gboolean *running,
                                      GError **error);

/* query-name: what -name said (newly allocated), the empty string if nothing. */
void qmp_machine_query_name_async(QmpClient *client, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data);
char *qmp_machine_query_name_finish(QmpClient *client, GAsyncResult *result, GError **error);

/* query-uuid (newly allocated): all zeros if -uuid said nothing. */
void qmp_machine_query_uuid_async(QmpClient *client, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data);
char *qmp_machine_query_uuid_finish(QmpClient *client, GAsyncResult *result, GError **error);

/* query-migrate: the state of the last outgoing or incoming migration (newly allocated): "active",
 * "completed", …, or "none" if there was none. */
void qmp_machine_query_migrate_async(QmpClient *client, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data);
char *qmp_machine_query_migrate_finish(QmpClient *client, GAsyncResult *result, GError **error);

/* query-acpi-ospm-status: an array of QmpMachineOst (transfer full), or NULL. */
void qmp_machine_query_ost_async(QmpClient *client, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *qmp_machine_query_ost_finish(QmpClient *client, GAsyncResult *result, GError **error);
