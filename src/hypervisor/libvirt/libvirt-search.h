/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds out which domains run, and what each is.
 */
#pragma once

#include "hypervisor/libvirt/libvirt-connection.h"
#include "hypervisor/libvirt/libvirt-look.h"

/* Called in the default main context, never from within a call of this file. */
typedef struct {
    /* The domain @uuid runs. @arrival is borrowed. */
    void (*arrived)(const char *uuid, const LibvirtArrival *arrival, gpointer user_data);
    /* It does not. */
    void (*absent)(const char *uuid, gpointer user_data);
    /* (array zero-terminated): the UUIDs of all that run. */
    void (*listed)(const char *const *uuids, gpointer user_data);
    /* A list has ended and so has every visit: nothing that ran then is unknown. */
    void (*settled)(gpointer user_data);
} LibvirtSearchWatcher;

typedef struct LibvirtSearch LibvirtSearch;

/*
 * libvirt_search_new:
 * @connection: outlives it
 * @visit_ms: for a domain to tell what it is, until it is asked anew
 */
LibvirtSearch *libvirt_search_new(LibvirtConnection *connection, guint visit_ms,
                                  const LibvirtSearchWatcher *watcher, gpointer user_data);

/* What is in flight ends with the connection's workers, which must be freed next. */
void libvirt_search_free(LibvirtSearch *search);

/* Without a connection the following do nothing; the next one begins with them. */

/* @continues: it is known that it goes on where an earlier run ended. */
void libvirt_search_visit(LibvirtSearch *search, const char *uuid, gboolean continues);

/* Returns: whether a visit to @uuid has not ended. */
gboolean libvirt_search_is_visiting(const LibvirtSearch *search, const char *uuid);

void libvirt_search_list(LibvirtSearch *search);
