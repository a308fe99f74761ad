/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mom: the rule of oVirt's Memory Overcommitment Manager (doc/balloon.rules).
 *
 * It looks at the host first. With a fifth of it free, every guest grows by 5 % until it has
 * its maximum, whatever it uses. With less, every guest shrinks by at most 5 % towards
 *
 *     used + part · current,    part = 20 % · (free part of the host / 20 %)
 *
 * and with a twentieth or less free, part = that − 5 %, which makes guests swap. Changes of
 * less than 0.25 % are not made. Used counts page cache: MOM knows a guest's free memory only.
 *
 * It speaks every 10 s and has no other damping. Left out: it averages its readings over the
 * last 10 (50 s); a policy has no memory, so this one sees what is, which is to its advantage.
 * The host's free memory is what is not lent: see HostView.
 */
#include "policies/proportion.h"

#define INTERVAL_US        (10 * G_USEC_PER_SEC)
#define PRESSURE_THRESHOLD 0.20
#define PRESSURE_CRITICAL  0.05
#define GUEST_FREE         0.20
#define CRITICAL_SHORT     0.05
#define CHANGE_MOST        0.05
#define CHANGE_LEAST       0.0025

static double
used_of(const GuestView *guest)
{
    double whole = (double)guest->requested;

    return MAX(0.0, whole - (double)guest->free);
}

static double
shrink(const GuestView *guest, double host_free)
{
    double now = (double)guest->requested;
    double part = host_free <= PRESSURE_CRITICAL ? host_free - CRITICAL_SHORT
                                                 : GUEST_FREE * host_free / PRESSURE_THRESHOLD;
    double ideal = used_of(guest) + part * now;
    double size = MAX(now * (1 - CHANGE_MOST), ideal);

    return MIN(size, now);
}

static double
grow(const GuestView *guest)
{
    double now = (double)guest->requested;

    return MAX(now * (1 + CHANGE_MOST), used_of(guest) + GUEST_FREE * now);
}

static void
mom_allocate(const HostView *host, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    double host_free = host->total > 0 ? (double)host->free / (double)host->total : 0;

    for (gsize i = 0; i < n_guests; i++) {
        const GuestView *guest = &guests[i];
        double now = (double)guest->requested;
        double size = host_free < PRESSURE_THRESHOLD ? shrink(guest, host_free) : grow(guest);

        size = CLAMP(size, (double)guest->floor, (double)guest->ceiling);
        if (ABS(size - now) <= CHANGE_LEAST * now || size >= (double)G_MAXUINT64)
            targets[i] = guest->requested;
        else
            targets[i] = (guint64)size;
    }
    proportion_cut(host->budget, guests, n_guests, targets);
}

const Policy policy_mom = {
    .name = "mom",
    .summary =
        "oVirt's MOM: grows all by 5 % in 10 s while the host has a fifth free, else shrinks",
    .interval_us = INTERVAL_US,
    .paced = TRUE,
    .allocate = mom_allocate,
};
