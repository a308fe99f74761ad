/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * balance: everyone gets its demand while that fits; under scarcity, everyone
 * its floor first, then what its use calls for now, then what it may call for
 * again, each as far as a fair share goes.
 *
 * Memory that nobody demands is kept free, not handed out: a free byte can go
 * where the next burst is at once, a lent one must first be taken back.
 *
 * The demand of a guest whose load has just gone is mostly memory of that load:
 * it yields to a guest whose load is there. A guest under pressure needs all of
 * its demand now.
 *
 * Fair means weighted max-min: a guest that demands less than its share gets
 * its demand, and what it leaves goes to the others by their weights. Unlike a
 * cut in proportion to demand, nobody gains by demanding more than it uses.
 */
#include "policies/policy.h"
#include "policies/water-level.h"

static void
balance_allocate(const HostView *host, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    g_autofree WaterVessel *vessels = g_new(WaterVessel, n_guests);
    unsigned __int128 needed = 0;

    for (gsize i = 0; i < n_guests; i++) {
        guint64 now = MIN(guests[i].need, guests[i].demand);

        vessels[i].low = guests[i].floor;
        vessels[i].high = CLAMP(now, guests[i].floor, guests[i].ceiling);
        vessels[i].weight = guests[i].weight;
        needed += vessels[i].high;
    }
    /* Only if there is more than is needed now is there anything to share beyond it:
     * not the odd bytes that a fair share leaves, which would go to and fro. */
    for (gsize i = 0; i < n_guests && needed < host->budget; i++) {
        vessels[i].low = vessels[i].high;
        vessels[i].high = MAX(vessels[i].low, MIN(guests[i].demand, guests[i].ceiling));
    }
    water_level_fill(vessels, n_guests, host->budget);
    for (gsize i = 0; i < n_guests; i++)
        targets[i] = vessels[i].amount;
}

const Policy policy_balance = {
    .name = "balance",
    .summary =
        "what each guest demands; under scarcity floors, then present need, then shares by weight",
    .allocate = balance_allocate,
};
