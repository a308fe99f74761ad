/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The virtio balloon: its size and the guest's memory statistics. Find the device with
 * qmp_qom_find_devices_async("virtio-balloon"). */

#include "qmp/qmp-client.h"

/* A statistic that the guest did not give. */
#define QMP_BALLOON_STAT_MISSING G_MAXUINT64

/* In the order of the tags in the virtio specification, "Memory Statistics Tags". Memory is in
 * bytes, the rest are counters. */
typedef enum {
    QMP_BALLOON_STAT_SWAP_IN, /* bytes */
    QMP_BALLOON_STAT_SWAP_OUT,
    QMP_BALLOON_STAT_MAJOR_FAULTS,
    QMP_BALLOON_STAT_MINOR_FAULTS,
    QMP_BALLOON_STAT_FREE,
    QMP_BALLOON_STAT_TOTAL,
    QMP_BALLOON_STAT_AVAILABLE,
    QMP_BALLOON_STAT_DISK_CACHES,
    QMP_BALLOON_STAT_HTLB_PGALLOC,
    QMP_BALLOON_STAT_HTLB_PGFAIL,
    QMP_BALLOON_STAT_OOM_KILLS, /* from here on QEMU 9.1 and Linux 6.12 or newer */
    QMP_BALLOON_STAT_ALLOC_STALLS,
    QMP_BALLOON_STAT_ASYNC_SCANS,
    QMP_BALLOON_STAT_DIRECT_SCANS,
    QMP_BALLOON_STAT_ASYNC_RECLAIMS,
    QMP_BALLOON_STAT_DIRECT_RECLAIMS,
    QMP_BALLOON_N_STATS,
} QmpBalloonStat;

typedef struct {
    guint64 last_update_s; /* host's wall clock, s since 1970, when the guest answered; 0: never */
    guint64 values[QMP_BALLOON_N_STATS]; /* any 64 bits: the guest says them, unchecked */
} QmpBalloonStats;

/* query-balloon: `actual` is the boot memory and DIMMs less what the balloon holds, in bytes.
 * Without a balloon device the error is QMP_ERROR_DEVICE_NOT_ACTIVE. */
void qmp_balloon_query_async(QmpClient *client, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);
gboolean qmp_balloon_query_finish(QmpClient *client, GAsyncResult *result, guint64 *actual,
                                  GError **error);

/* balloon: asks that `actual` become `target` bytes; QEMU caps it at what there is, and refuses 0.
 * Ends with qmp_client_execute_done(). */
void qmp_balloon_resize_async(QmpClient *client, guint64 target, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);

/* Reads the statistics that the guest gave last to the balloon at the QOM path `path`. */
void qmp_balloon_get_stats_async(QmpClient *client, const char *path, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data);
gboolean qmp_balloon_get_stats_finish(QmpClient *client, GAsyncResult *result,
                                      QmpBalloonStats *stats, GError **error);

/* Has QEMU ask the guest every `seconds` (0: never) from now on. Ends with
 * qmp_client_execute_done(). */
void qmp_balloon_set_polling_async(QmpClient *client, const char *path, guint seconds,
                                   GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data);
