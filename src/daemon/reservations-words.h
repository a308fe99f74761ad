/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leases in words: why there is no room, guest by guest, and what became of a lease. Pure.
 */
#pragma once

#include "allocate/leases.h"
#include "allocate/room.h"
#include "daemon/managed-guest.h"

/* Returns: (transfer full): "lease 3 of 256 MiB for web: granted". */
char *reservations_words_event(const Lease *lease);

/*
 * reservations_words_refusal:
 * @room, @donors: as room_look() found them
 * @claimed: bytes that leases hold or gather
 * @never: not even if all guests were at their least
 * @closed: the host itself is short of memory
 *
 * Returns: (transfer full): why @lease cannot be had, with what each guest keeps and why; of
 *   many guests, those that keep most.
 */
char *reservations_words_refusal(const Lease *lease, const Room *room, const PlanGuest *plans,
                                 ManagedGuest *const *guests, const RoomDonor *donors,
                                 gsize n_guests, guint64 budget, guint64 claimed, gboolean never,
                                 gboolean closed);

/*
 * reservations_words_late:
 * @lease: waits still, but its time is over
 *
 * Returns: (transfer full): how much of it came, what holds it up, and what each guest keeps and
 * why; of many guests, those that keep most.
 */
char *reservations_words_late(const Lease *lease, const PlanGuest *plans,
                              ManagedGuest *const *guests, const RoomDonor *donors, gsize n_guests);

/* Adds that @managed has shrunk and its QEMU keeps @bytes all the same. */
void reservations_words_add_held(GString *text, ManagedGuest *managed, guint64 bytes);

/* Adds that the host has no more than @available. */
void reservations_words_add_host(GString *text, guint64 available);
