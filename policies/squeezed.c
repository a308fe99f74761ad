/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * squeezed: the rule of xapi's squeezed (XenServer, XCP-ng).
 *
 * All memory is handed out, whoever uses it: target = min + γ · (max − min), with one γ
 * between 0 and 1 for all guests, as large as memory allows (ocaml/squeezed/lib/squeeze.ml,
 * allocate_memory_in_proportion). min and max are the guest's floor and ceiling. What
 * happens inside the guests plays no part.
 *
 * There too guests that give are moved before guests that get: here the limits see to it.
 * Left out: that a guest which made no progress for 5 s is not counted on (memplug names
 * such a guest, and counts what it has), and that its reservations are leases (memplug has
 * its own). It computes when something changes; here, in every plan.
 */
#include "policies/proportion.h"

static void
squeezed_allocate(const HostView *host, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    for (gsize i = 0; i < n_guests; i++)
        targets[i] = guests[i].ceiling;
    proportion_cut(host->budget, guests, n_guests, targets);
}

const Policy policy_squeezed = {
    .name = "squeezed",
    .summary = "xapi's squeezed: all memory is handed out, each guest as far between its limits",
    .paced = TRUE,
    .allocate = squeezed_allocate,
};
