/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One guest on the bus: the status as properties, the administrator's methods. */
#pragma once

#include "daemon/managed-guest.h"
#include "dbus/memplug-dbus.h"

/*
 * Returns: (transfer full): the object for @managed, not yet exported. It
 *   follows @managed as long as both live.
 */
BusObjectSkeleton *bus_guest_new(ManagedGuest *managed);

/* Returns: (transfer full): the object path of the guest called @name. */
char *bus_guest_path(const char *name);
