/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guests that there are now, each as a ManagedGuest: follows the
 * hypervisor's signals and gathers those of the guests.
 */
#pragma once

#include "daemon/managed-guest.h"
#include "hypervisor/hypervisor.h"

#define TYPE_ROSTER (roster_get_type())
G_DECLARE_FINAL_TYPE(Roster, roster, MEMPLUG, ROSTER, GObject)

/*
 * Signals:
 *   "added" (ManagedGuest *), "removed" (ManagedGuest *)
 *   "event" (const Event *): of any guest
 */

/* @config, @intents: (transfer none), as for managed_guest_new(). */
Roster *roster_new(Hypervisor *hypervisor, const Config *config, IntentStore *intents,
                   gboolean dry_run);

void roster_configure(Roster *roster, const Config *config);

/* Tells @event as if a guest had. */
void roster_tell(Roster *roster, const Event *event);

/* Returns: (transfer none) (element-type ManagedGuest): in the order of their coming. */
GPtrArray *roster_get_guests(Roster *roster);
