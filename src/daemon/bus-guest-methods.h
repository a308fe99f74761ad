/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The methods of a guest on the bus, carried out. */
#pragma once

#include "daemon/managed-guest.h"
#include "dbus/memplug-dbus.h"

/*
 * bus_guest_methods_connect:
 * @managed: outlives @bus
 * @dry_run: nothing is to be changed
 *
 * From now on calls of @bus's methods are carried out on @managed.
 */
void bus_guest_methods_connect(BusGuest *bus, ManagedGuest *managed, gboolean dry_run);
