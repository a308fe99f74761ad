/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate/room.h"

static guint64
add(guint64 a, guint64 b)
{
    return a <= G_MAXUINT64 - b ? a + b : G_MAXUINT64;
}

static guint64
minus(guint64 a, guint64 b)
{
    return a > b ? a - b : 0;
}

static RoomDonor
look_at(const PlanGuest *guest)
{
    RoomDonor donor = { .has = MAX(guest->actual, guest->requested) };

    donor.keeps = donor.least = donor.has;
    if (guest->pin != PLAN_PIN_NONE) {
        donor.refusal = ROOM_PINNED;
        return donor;
    }
    donor.least = MIN(guest->floor, donor.has);
    donor.keeps = planner_keep(guest);
    if (guest->forecast.pressed || guest->forecast.urgent) {
        donor.keeps = MAX(donor.keeps, donor.has);
        donor.refusal = ROOM_PRESSED;
        return donor;
    }
    if (guest->stuck) {
        donor.keeps = MAX(donor.keeps, donor.has);
        donor.refusal = ROOM_STUCK;
        return donor;
    }
    donor.refusal = guest->forecast.need > guest->floor ? ROOM_NEEDED : ROOM_GIVES_ALL;
    return donor;
}

Room
room_look(const PlanGuest *guests, gsize n_guests, guint64 budget, guint64 held, RoomDonor *donors)
{
    guint64 has = held, keeps = held, least = held;

    for (gsize i = 0; i < n_guests; i++) {
        RoomDonor donor = look_at(&guests[i]);

        has = add(has, donor.has);
        keeps = add(keeps, donor.keeps);
        least = add(least, donor.least);
        if (donors)
            donors[i] = donor;
    }
    return (Room){
        .free = minus(budget, has),
        .obtainable = minus(budget, keeps),
        .most = minus(budget, least),
    };
}
