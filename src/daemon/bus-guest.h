/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One guest on the bus: its status as properties; bus-guest-methods.h has the methods. */
#pragma once

#include "daemon/bus-authority.h"
#include "daemon/managed-guest.h"
#include "dbus/memplug-dbus.h"

/*
 * bus_guest_new:
 * @authority: is asked before a method is carried out
 * @dry_run: methods that change something are refused
 *
 * Returns: (transfer full): the object for @managed, not yet exported. It
 *   follows @managed as long as both live.
 */
BusObjectSkeleton *bus_guest_new(ManagedGuest *managed, BusAuthority *authority, gboolean dry_run);

/* Returns: (transfer full): the object path of the guest called @name. */
char *bus_guest_path(const char *name);
