/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * static: leave every guest as it is.
 *
 * Only when the guests were asked for more than the budget (it was lowered, or a
 * guest came) something must give. Then each keeps the same part of what it has
 * above its floor, so that their proportions stay (the rule of xapi's squeezed,
 * with one factor for all).
 */
#include "policies/policy.h"

typedef unsigned __int128 Wide;

static void
static_allocate(const HostView *host, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    Wide floors = 0, above = 0;
    guint64 room;

    for (gsize i = 0; i < n_guests; i++) {
        targets[i] = CLAMP(guests[i].requested, guests[i].floor, guests[i].ceiling);
        floors += guests[i].floor;
        above += targets[i] - guests[i].floor;
    }
    if (floors + above <= host->budget)
        return;

    room = floors < host->budget ? host->budget - (guint64)floors : 0;
    for (gsize i = 0; i < n_guests; i++) {
        Wide share = (Wide)(targets[i] - guests[i].floor) * room;

        targets[i] = guests[i].floor + (above > 0 ? (guint64)(share / above) : 0);
    }
}

const Policy policy_static = {
    .name = "static",
    .summary = "each guest stays as it is; cut in proportion where the budget demands it",
    .allocate = static_allocate,
};
