/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of a guest is shown and offered: its properties in groups, and the ids
 * of its devices.
 */
#pragma once

#include "cli/output.h"
#include "dbus/memplug-dbus.h"

/* Each ends with a NULL property. */
extern const Field guest_view_identity[]; /* who it is */
extern const Field guest_view_memory[];   /* what it has, and how a change goes */
extern const Field guest_view_limits[];   /* what the administrator allows */
extern const Field guest_view_reasons[];  /* why the policy does what it does */
extern const Field guest_view_range[];    /* what sizes its devices can make */

/* Returns: (transfer full): the ids of @guest's DIMMs, which can be unplugged. */
char **guest_view_dimm_ids(BusGuest *guest);

/* Returns: (transfer full) (nullable): what is wrong with the connection by which
 *   memplugd knows its guests; NULL if nothing is. */
char *guest_view_connection_trouble(BusManager *manager);
