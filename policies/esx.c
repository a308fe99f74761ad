/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * esx: the rule of VMware ESX (Waldspurger, "Memory Resource Management in VMware ESX
 * Server", OSDI 2002, sections 5 and 6).
 *
 * While the host has enough free, every guest has all it may have. Below the *high* mark of
 * 6 % free, memory is taken from the guest whose shares per page are lowest, again and again:
 *
 *     ρ = shares / (pages · (f + k · (1 − f))),    k = 1 / (1 − τ),   τ = 75 %
 *
 * where f is the part of its pages in use: an idle page costs as much as four. Where that ends,
 * all guests between their limits have the same ρ: in a water level, their weights are the
 * widths, and what is beyond use fills four times as slowly. So it is computed in one step.
 *
 * ESX learns f by sampling pages, with averages that rise at once and fall slowly; here it is
 * what the guest says it uses, as of now. It balances every 15 s (Mem.BalancePeriod), and has no
 * other damping. Its swapping by the host, below 2 % free, has nothing to do here: the budget
 * holds.
 */
#include "policies/policy.h"
#include "policies/water-level.h"

#define INTERVAL_US (15 * G_USEC_PER_SEC)
#define TAX         4

static void
esx_allocate(const HostView *host, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    g_autofree WaterVessel *vessels = g_new0(WaterVessel, n_guests);
    const guint64 high_mark = host->total / 100 * 6;

    for (gsize i = 0; i < n_guests; i++) {
        vessels[i].low = guests[i].floor;
        vessels[i].high = guests[i].ceiling;
        vessels[i].weight = guests[i].weight;
        vessels[i].busy = guests[i].used;
        vessels[i].tax = TAX;
    }
    water_level_fill(vessels, n_guests, MIN(host->budget, host->total - high_mark));
    for (gsize i = 0; i < n_guests; i++)
        targets[i] = vessels[i].amount;
}

const Policy policy_esx = {
    .name = "esx",
    .summary = "VMware ESX: all that is there, by shares; idle memory costs four times as much",
    .interval_us = INTERVAL_US,
    .paced = TRUE,
    .allocate = esx_allocate,
};
