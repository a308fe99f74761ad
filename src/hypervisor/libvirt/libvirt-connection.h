/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The connection to libvirt, kept up for ever: opened anew when it breaks, and
 * beside the present one when too much hangs on that.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "hypervisor/libvirt/libvirt-events.h"
#include "hypervisor/libvirt/libvirt-workers.h"

typedef struct {
    guint retry_first_ms; /* until a connection that failed is tried again; doubles ... */
    guint retry_most_ms;  /* ... up to this */
    guint keepalive_s;    /* between two questions whether libvirt is still there, ... */
    guint keepalives;     /* ... and so many without an answer mean that it is not */
    LibvirtWorkersLimits calls;
} LibvirtConnectionTuning;

/* Called in the default main context, never from within a call of this file. */
typedef struct {
    /* libvirt can be asked, from now on or again: handles of an earlier connection
     * are to be given back. */
    void (*ready)(gpointer user_data);
    /* It cannot; @why is for people. It may come again with another reason. */
    void (*failed)(const char *why, gpointer user_data);
    LibvirtEventFunc event;
} LibvirtConnectionWatcher;

typedef struct LibvirtConnection LibvirtConnection;

/* @tuning and @watcher must outlive it. */
LibvirtConnection *libvirt_connection_new(const char *uri, const LibvirtConnectionTuning *tuning,
                                          const LibvirtConnectionWatcher *watcher,
                                          gpointer user_data);
void libvirt_connection_free(LibvirtConnection *connection);

/* Begins to connect; to be called once. */
void libvirt_connection_start(LibvirtConnection *connection);

/* Returns: (transfer none) (nullable): the present connection. */
virConnectPtr libvirt_connection_get(LibvirtConnection *connection);

/* Returns: whether libvirt lets memplug only look. */
gboolean libvirt_connection_is_read_only(LibvirtConnection *connection);

/* Returns: whether LIBVIRT_EVENT_OST comes. */
gboolean libvirt_connection_hears_ost(LibvirtConnection *connection);

/* Returns: (transfer none): where calls on this connection are to be run. */
LibvirtWorkers *libvirt_connection_get_workers(LibvirtConnection *connection);
