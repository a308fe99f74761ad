/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hyperv: the rule of Hyper-V's dynamic memory, as Microsoft documents it.
 *
 * A guest is to have what it has committed and a buffer of 20 % on it, between its minimum and
 * its maximum; what is missing is added and what is too much taken at once. Where memory does
 * not suffice, the memory weight decides: here, by weighted max-min from the minimum on, since
 * the balancer's own formula is not published.
 *
 * Committed memory is Committed_AS, or what is in use where a guest does not tell it, which is
 * less and thus to the rule's advantage; so is that Linux's hv_balloon adds a floor of some
 * hundred MiB to what it reports, and this does not. It speaks every second.
 */
#include "policies/policy.h"
#include "policies/water-level.h"

#define INTERVAL_US G_USEC_PER_SEC
/* A fifth. */
#define BUFFER_PART 5

static void
hyperv_allocate(const HostView *host, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    g_autofree WaterVessel *vessels = g_new0(WaterVessel, n_guests);

    for (gsize i = 0; i < n_guests; i++) {
        guint64 committed = MIN(guests[i].committed, guests[i].ceiling);
        guint64 wanted = MIN(committed / BUFFER_PART, guests[i].ceiling - committed) + committed;

        vessels[i].low = guests[i].floor;
        vessels[i].high = MAX(wanted, guests[i].floor);
        vessels[i].weight = guests[i].weight;
    }
    water_level_fill(vessels, n_guests, host->budget);
    for (gsize i = 0; i < n_guests; i++)
        targets[i] = vessels[i].amount;
}

const Policy policy_hyperv = {
    .name = "hyperv",
    .summary = "Hyper-V's dynamic memory: what a guest has committed and a fifth more, by weight",
    .interval_us = INTERVAL_US,
    .paced = TRUE,
    .allocate = hyperv_allocate,
};
