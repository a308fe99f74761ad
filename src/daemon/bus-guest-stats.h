/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon/managed-guest.h"

/* Returns: (transfer floating): the property Stats: what the guest tells of itself, by whom, and
 *   how its agent behaves. */
GVariant *bus_guest_stats(ManagedGuest *managed, gint64 now);
