/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The process that runs a domain, for which libvirt has no call.
 */
#pragma once

#include <libvirt/libvirt.h>

#include <glib.h>

typedef struct {
    GPid pid;            /* 0: not found */
    guint64 start_ticks; /* when it was started, in clock ticks since the host was */
} LibvirtProcess;

/* Looks through the processes of this host, if @connection is to this host. It is
 * some milliseconds of work, and may block. */
LibvirtProcess libvirt_process_find(virConnectPtr connection, const char *uuid);

/* The same in another place than /proc: for tests. */
LibvirtProcess libvirt_process_find_in(const char *proc, const char *uuid);

/*
 * Returns: (transfer full): Guest's instance: the domain's UUID and id, and since ids
 *   begin anew with a libvirtd that has no domain or with the host, its process's
 *   start and the host's.
 */
char *libvirt_process_instance(const char *uuid, unsigned id, const LibvirtProcess *process);
