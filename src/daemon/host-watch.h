/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's own memory, looked at once a cycle: what guests may have of it now
 * (allocate/host-level.h), and the telling of it.
 */
#pragma once

#include "allocate/host-level.h"
#include "allocate/planner.h"
#include "daemon/managed-guest.h"
#include "daemon/roster.h"

typedef struct _HostWatch HostWatch;

/* @roster: (transfer none): outlives the watch; its events tell of changes
 * @root: below which /proc and /sys are; "" for this host */
HostWatch *host_watch_new(Roster *roster, const char *root);

/* Has @callback called on the main loop when the kernel says that the host stalls for memory: a
 * look is due. Without it, or where the kernel does not, each look finds out by itself. */
void host_watch_await_pressure(HostWatch *watch, void (*callback)(gpointer data), gpointer data);

void host_watch_free(HostWatch *watch);

void host_watch_configure(HostWatch *watch, const HostMarks *marks);

/*
 * host_watch_look:
 * @plans, @guests: (array length=n_guests): of this cycle
 * @budget: what they may have on a host that is well
 *
 * Returns: what they may have as of @now.
 */
HostAllowance host_watch_look(HostWatch *watch, const PlanGuest *plans, ManagedGuest *const *guests,
                              gsize n_guests, guint64 budget, gint64 now);

HostLevel host_watch_get_level(const HostWatch *watch);
const HostMarks *host_watch_get_marks(const HostWatch *watch);
