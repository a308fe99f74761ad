/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The statistics of all guests by one call.
 */
#pragma once

#include "hypervisor/libvirt/libvirt-guest.h"

typedef struct LibvirtCollector LibvirtCollector;

/* @workers: outlive it, as does @guests: UUID → LibvirtGuest, as it is at each call */
LibvirtCollector *libvirt_collector_new(LibvirtWorkers *workers, GHashTable *guests);
void libvirt_collector_free(LibvirtCollector *collector);

/* As hypervisor_collect_async(), for @task: (transfer full). */
void libvirt_collector_run(LibvirtCollector *collector, guint deadline_ms, GTask *task);

/* How much has been done. */
typedef struct {
    guint calls;
    guint late;  /* of these: that did not end by their deadline */
    guint asked; /* guests in all calls */
    gint64 busy_us;
    gint64 longest_us;
} LibvirtCollectorCount;

/* Returns: the figures since the last time that this was called. */
LibvirtCollectorCount libvirt_collector_count(LibvirtCollector *collector);
