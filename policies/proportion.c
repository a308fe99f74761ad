/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policies/proportion.h"

typedef unsigned __int128 Wide;

void
proportion_cut(guint64 budget, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    Wide floors = 0, above = 0;
    guint64 room;

    for (gsize i = 0; i < n_guests; i++) {
        targets[i] = CLAMP(targets[i], guests[i].floor, guests[i].ceiling);
        floors += guests[i].floor;
        above += targets[i] - guests[i].floor;
    }
    if (floors + above <= budget)
        return;

    room = floors < budget ? budget - (guint64)floors : 0;
    for (gsize i = 0; i < n_guests; i++) {
        Wide share = (Wide)(targets[i] - guests[i].floor) * room;

        targets[i] = guests[i].floor + (above > 0 ? (guint64)(share / above) : 0);
    }
}
