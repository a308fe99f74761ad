/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * balance: everyone gets its demand while that fits; under scarcity, everyone
 * its floor first and then its fair share.
 *
 * Memory that nobody demands is kept free, not handed out: a free byte can go
 * where the next burst is at once, a lent one must first be taken back.
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

    for (gsize i = 0; i < n_guests; i++) {
        vessels[i].low = guests[i].floor;
        vessels[i].high = CLAMP(guests[i].demand, guests[i].floor, guests[i].ceiling);
        vessels[i].weight = guests[i].weight;
    }
    water_level_fill(vessels, n_guests, host->budget);
    for (gsize i = 0; i < n_guests; i++)
        targets[i] = vessels[i].amount;
}

const Policy policy_balance = {
    .name = "balance",
    .summary = "what each guest demands; under scarcity floors first, then shares by weight",
    .allocate = balance_allocate,
};
