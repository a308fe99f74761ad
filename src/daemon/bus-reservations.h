/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The manager's methods about leases and the host's memory.
 *
 * Who asks for a lease is watched on the bus: a lease that he has not taken ends with him.
 */
#pragma once

#include "daemon/cycle.h"
#include "daemon/reservations.h"
#include "dbus/memplug-dbus.h"

typedef struct _BusReservations BusReservations;

/* @reservations: (nullable): without them nothing can be reserved */
BusReservations *bus_reservations_new(BusManager *manager, GDBusConnection *connection,
                                      Reservations *reservations, Cycle *cycle, gboolean dry_run);

/* Who still waits gets an error. */
void bus_reservations_free(BusReservations *bus);

/* Returns: (floating): all leases, for the property Leases. @reservations: (nullable) */
GVariant *bus_reservations_variant(Reservations *reservations);
