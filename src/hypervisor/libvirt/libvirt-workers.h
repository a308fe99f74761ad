/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads for calls that block, each with a deadline. Knows nothing of libvirt.
 *
 * All functions are for the thread whose default main context it was made in;
 * only the work itself runs elsewhere.
 */
#pragma once

#include <gio/gio.h>

typedef struct LibvirtWorkers LibvirtWorkers;

typedef struct {
    guint lanes;   /* calls that may be in their threads at a time */
    guint lost_ms; /* in its thread, after which a call counts as lost */
    guint bound;   /* lost calls that may at a time be without a lane */
} LibvirtWorkersLimits;

/* Runs in a thread. Returns: what libvirt_workers_run_finish() gives; NULL with @error set. */
typedef gpointer (*LibvirtWork)(gpointer data, GError **error);

typedef struct {
    LibvirtWork run;
    GDestroyNotify free_data;   /* called in the thread once the work has returned, or at once
                                 * if it is never begun */
    GDestroyNotify free_result; /* (nullable): if nobody wants the result any more */
} LibvirtWorkKind;

/* No deadline: its caller waits for as long as it takes. */
#define LIBVIRT_WORKERS_PATIENT G_MAXUINT

/*
 * libvirt_workers_new:
 * @on_lost: (nullable): a call has become lost, or a lost one has returned
 */
LibvirtWorkers *libvirt_workers_new(const LibvirtWorkersLimits *limits,
                                    void (*on_lost)(gpointer user_data), gpointer user_data);

/* Ends what is waited for with G_IO_ERROR_CANCELLED. Work in threads goes on by itself. */
void libvirt_workers_free(LibvirtWorkers *workers);

/*
 * libvirt_workers_run_async:
 * @key: calls of one key run one after the other, in their order
 * @deadline_ms: after which, counted from now, the caller gets G_IO_ERROR_TIMED_OUT
 *   while the work may still be in its thread
 * @data: (transfer full)
 */
void libvirt_workers_run_async(LibvirtWorkers *workers, const char *key, guint deadline_ms,
                               const LibvirtWorkKind *kind, gpointer data,
                               GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data);

/* Returns: (transfer full): what the work returned; NULL with @error set. */
gpointer libvirt_workers_run_finish(GAsyncResult *result, GError **error);

/* Ends what is waited for with @key with G_IO_ERROR_CANCELLED. */
void libvirt_workers_drop(LibvirtWorkers *workers, const char *key);

/* Returns: calls that are in their threads, whoever waits for them. */
guint libvirt_workers_out(const LibvirtWorkers *workers);

/* Returns: lost calls that take a lane. */
guint libvirt_workers_lost(const LibvirtWorkers *workers);

/* Returns: whether the bound allows to write off the calls that are lost. */
gboolean libvirt_workers_may_write_off(const LibvirtWorkers *workers);

/* The lost calls no longer take lanes: for when they hang on something that the calls
 * to come have nothing to do with. Their keys stay taken until they return; what they
 * return then still counts for those who wait for it. */
void libvirt_workers_write_off(LibvirtWorkers *workers);

/* How much has been done. */
typedef struct {
    guint calls; /* that have returned */
    guint late;  /* of these: after their caller had given up */
    gint64 busy_us;
    gint64 longest_us;
} LibvirtWorkersCount;

/* Returns: the figures since the last time that this was called. */
LibvirtWorkersCount libvirt_workers_count(LibvirtWorkers *workers);
