/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leases as they are shown and offered.
 */
#pragma once

#include "cli/connection.h"
#include "cli/output.h"

/* Returns: (transfer full): the property Leases, an array of dictionaries; NULL with @error. */
GVariant *lease_view_load(Connection *connection, GError **error);

/* Prints them as a table. */
void lease_view_print(GVariant *leases);

/* Adds them as an array of objects. */
void lease_view_add_json(JsonBuilder *json, GVariant *leases);

/* Returns: the number of the open lease for the guest called @guest; 0 if there is none. */
guint64 lease_view_open_for(GVariant *leases, const char *guest);

/* Returns: (transfer full): the numbers of those that can be released. */
char **lease_view_open_ids(GVariant *leases);
