/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qmp/qmp-machine.h"

#include "qmp/qmp-qom.h"
#include "qmp/qmp-record.h"
#include "qmp/qmp-reply.h"

typedef struct {
    char *status;
    gboolean running;
} Status;

static const QmpField memory_fields[] = {
    QMP_FIELD(SIZE, "size", QmpMachineMemory, size),
    QMP_FIELD_OPTIONAL(SIZE, "max-size", QmpMachineMemory, max),
    QMP_FIELD_OPTIONAL(SIZE, "slots", QmpMachineMemory, slots),
};
static const QmpRecordType memory_type = QMP_RECORD_TYPE(QmpMachineMemory, memory_fields);

static const QmpField status_fields[] = {
    QMP_FIELD(STRING, "status", Status, status),
    QMP_FIELD(BOOL, "running", Status, running),
};
static const QmpRecordType status_type = QMP_RECORD_TYPE(Status, status_fields);

static const QmpField ost_fields[] = {
    QMP_FIELD_OPTIONAL(STRING, "device", QmpMachineOst, device),
    QMP_FIELD(STRING, "slot", QmpMachineOst, slot),
    QMP_FIELD(STRING, "slot-type", QmpMachineOst, slot_type),
    QMP_FIELD(INT, "source", QmpMachineOst, source),
    QMP_FIELD(INT, "status", QmpMachineOst, status),
};
static const QmpRecordType ost_type = QMP_RECORD_TYPE(QmpMachineOst, ost_fields);

void
qmp_machine_ost_free(QmpMachineOst *ost)
{
    qmp_record_free(&ost_type, ost);
}

void
qmp_machine_get_memory_async(QmpClient *client, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data)
{
    qmp_qom_get_async(client, "/machine", "memory", cancellable, callback, user_data);
}

gboolean
qmp_machine_get_memory_finish(QmpClient *client, GAsyncResult *result, QmpMachineMemory *memory,
                              GError **error)
{
    QmpMachineMemory read = { .size = 0 };
    if (!qmp_reply_read(client, result, "qom-get /machine memory", &memory_type, &read, error))
        return FALSE;
    *memory = read;
    memory->max = MAX(read.max, read.size);
    return TRUE;
}

void
qmp_machine_query_status_async(QmpClient *client, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data)
{
    qmp_client_execute_async(client, "query-status", NULL, 0, cancellable, callback, user_data);
}

char *
qmp_machine_query_status_finish(QmpClient *client, GAsyncResult *result, gboolean *running,
                                GError **error)
{
    Status status = { .status = NULL };
    if (!qmp_reply_read(client, result, "query-status", &status_type, &status, error))
        return NULL;
    if (running != NULL)
        *running = status.running;
    return status.status;
}

void
qmp_machine_query_name_async(QmpClient *client, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data)
{
    qmp_client_execute_async(client, "query-name", NULL, 0, cancellable, callback, user_data);
}

char *
qmp_machine_query_name_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    return qmp_reply_read_string(client, result, "query-name", "name", "", error);
}

void
qmp_machine_query_uuid_async(QmpClient *client, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data)
{
    qmp_client_execute_async(client, "query-uuid", NULL, 0, cancellable, callback, user_data);
}

char *
qmp_machine_query_uuid_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    return qmp_reply_read_string(client, result, "query-uuid", "UUID", NULL, error);
}

void
qmp_machine_query_migrate_async(QmpClient *client, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data)
{
    qmp_client_execute_async(client, "query-migrate", NULL, 0, cancellable, callback, user_data);
}

char *
qmp_machine_query_migrate_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    return qmp_reply_read_string(client, result, "query-migrate", "status", "none", error);
}

void
qmp_machine_query_ost_async(QmpClient *client, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
    qmp_client_execute_async(client, "query-acpi-ospm-status", NULL, 0, cancellable, callback,
                             user_data);
}

GPtrArray *
qmp_machine_query_ost_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    return qmp_reply_read_list(client, result, "query-acpi-ospm-status", &ost_type,
                               (GDestroyNotify)qmp_machine_ost_free, error);
}
