/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Room for one more: what of the budget is free, and what guests could give up for a
 * guest to come without being hurt.
 *
 * A guest gives what it has beyond what it *keeps*:
 *
 *     pinned, or under pressure,
 *     or stuck, or asking urgently  all that it has or was asked to have; if it asks, what it asks
 *     else                        what its use calls for now (Forecast.need), within floor
 *                                 and ceiling, rounded up to what its devices can reach
 *
 * Need has room for growth in it, and is told by the guest's use alone. What a demand holds
 * beyond it is the memory of a load that is gone: a guest to come has the better claim to it,
 * as another guest's need has (policies/balance.c). A guest that is about to grow keeps what
 * it will need, not only what it has: so nobody's growth is promised away.
 *
 * Pure.
 */
#pragma once

#include "allocate/planner.h"

/* Why a guest gives no more than it does. */
typedef enum {
    ROOM_GIVES_ALL, /* down to its floor */
    ROOM_PINNED,    /* the policy must not move it; PlanGuest.pin tells why */
    ROOM_PRESSED,   /* it is under pressure, or asks urgently */
    ROOM_STUCK,     /* it was asked for more than it gave already, and does not follow */
    ROOM_NEEDED,    /* the rest is in use */
} RoomRefusal;

typedef struct {
    guint64 has;   /* what it has or was asked to have, whichever is more */
    guint64 keeps; /* what it keeps; may be more than it has */
    guint64 least; /* what it would be left in the worst case: its floor, or @has if pinned */
    RoomRefusal refusal;
} RoomDonor;

typedef struct {
    guint64 free;       /* of the budget, lent to nobody and held by no lease */
    guint64 obtainable; /* what is free once every guest has given what it can without hurt */
    guint64 most;       /* what is free if every guest were at its least: there is never more */
} Room;

/*
 * room_look:
 * @guests: with their forecasts (planner_predict())
 * @budget: bytes
 * @held: bytes of it that leases already hold
 * @donors: (out) (array length=n_guests) (nullable)
 *
 * Returns: what there is; each is 0 where guests and leases exceed the budget.
 */
Room room_look(const PlanGuest *guests, gsize n_guests, guint64 budget, guint64 held,
               RoomDonor *donors);
