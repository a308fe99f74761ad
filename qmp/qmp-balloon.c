/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qmp/qmp-balloon.h"

#include "qmp/qmp-qom.h"
#include "qmp/qmp-reply.h"

#define STAT(json_name, stat) \
    QMP_FIELD_OPTIONAL(BITS, "stat-" json_name, QmpBalloonStats, values[QMP_BALLOON_STAT_##stat])

/* Each is optional, since QEMU and guest may be older than any. */
static const QmpField stat_fields[] = {
    STAT("swap-in", SWAP_IN),
    STAT("swap-out", SWAP_OUT),
    STAT("major-faults", MAJOR_FAULTS),
    STAT("minor-faults", MINOR_FAULTS),
    STAT("free-memory", FREE),
    STAT("total-memory", TOTAL),
    STAT("available-memory", AVAILABLE),
    STAT("disk-caches", DISK_CACHES),
    STAT("htlb-pgalloc", HTLB_PGALLOC),
    STAT("htlb-pgfail", HTLB_PGFAIL),
    STAT("oom-kills", OOM_KILLS),
    STAT("alloc-stalls", ALLOC_STALLS),
    STAT("async-scans", ASYNC_SCANS),
    STAT("direct-scans", DIRECT_SCANS),
    STAT("async-reclaims", ASYNC_RECLAIMS),
    STAT("direct-reclaims", DIRECT_RECLAIMS),
};
static const QmpRecordType stats_type = QMP_RECORD_TYPE(QmpBalloonStats, stat_fields);

G_STATIC_ASSERT(G_N_ELEMENTS(stat_fields) == QMP_BALLOON_N_STATS);

static const QmpField update_fields[] = {
    QMP_FIELD(SIZE, "last-update", QmpBalloonStats, last_update_s),
};
static const QmpRecordType update_type = QMP_RECORD_TYPE(QmpBalloonStats, update_fields);

static const QmpField actual_fields[] = {
    { .name = "actual", .type = QMP_FIELD_SIZE, .offset = 0 },
};
static const QmpRecordType actual_type = QMP_RECORD_TYPE(guint64, actual_fields);

void
qmp_balloon_query_async(QmpClient *client, GCancellable *cancellable, GAsyncReadyCallback callback,
                        gpointer user_data)
{
    qmp_client_execute_async(client, "query-balloon", NULL, 0, cancellable, callback, user_data);
}

gboolean
qmp_balloon_query_finish(QmpClient *client, GAsyncResult *result, guint64 *actual, GError **error)
{
    return qmp_reply_read(client, result, "query-balloon", &actual_type, actual, error);
}

void
qmp_balloon_resize_async(QmpClient *client, guint64 target, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data)
{
    g_return_if_fail(target <= G_MAXINT64);
    JsonObject *arguments = json_object_new();
    json_object_set_int_member(arguments, "value", (gint64)target);
    qmp_client_execute_async(client, "balloon", arguments, 0, cancellable, callback, user_data);
}

void
qmp_balloon_get_stats_async(QmpClient *client, const char *path, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
    qmp_qom_get_async(client, path, "guest-stats", cancellable, callback, user_data);
}

/* {"stats": {"stat-…": …}, "last-update": …} */
static gboolean
read_stats(JsonNode *value, QmpBalloonStats *stats, GError **error)
{
    JsonObject *reply = qmp_record_as_object(value, "return", error);
    JsonObject *values = reply ? qmp_record_get_object(reply, "stats", error) : NULL;

    return values != NULL && qmp_record_read(&update_type, reply, stats, error) &&
           qmp_record_read(&stats_type, values, stats, error);
}

gboolean
qmp_balloon_get_stats_finish(QmpClient *client, GAsyncResult *result, QmpBalloonStats *stats,
                             GError **error)
{
    g_autoptr(JsonNode) value = qmp_client_execute_finish(client, result, error);
    if (value == NULL)
        return FALSE;

    QmpBalloonStats read;
    for (guint i = 0; i < QMP_BALLOON_N_STATS; i++)
        read.values[i] = QMP_BALLOON_STAT_MISSING;
    if (!read_stats(value, &read, error)) {
        g_prefix_error(error, "guest-stats: ");
        return FALSE;
    }
    *stats = read;
    return TRUE;
}

void
qmp_balloon_set_polling_async(QmpClient *client, const char *path, guint seconds,
                              GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data)
{
    qmp_qom_set_size_async(client, path, "guest-stats-polling-interval", seconds, cancellable,
                           callback, user_data);
}
