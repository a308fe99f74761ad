/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * static: leave every guest as it is.
 *
 * Only when the guests were asked for more than the budget (it was lowered, or a
 * guest came) something must give. Then each keeps the same part of what it has
 * above its floor, so that their proportions stay.
 */
#include "policies/proportion.h"

static void
static_allocate(const HostView *host, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    for (gsize i = 0; i < n_guests; i++)
        targets[i] = guests[i].requested;
    proportion_cut(host->budget, guests, n_guests, targets);
}

const Policy policy_static = {
    .name = "static",
    .summary = "each guest stays as it is; cut in proportion where the budget demands it",
    .separable = TRUE,
    .allocate = static_allocate,
};
