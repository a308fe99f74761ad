/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/account.h"

/* The area between a line from @begin to @end and 0, where the line is above 0. */
static double
area_above(double begin, double end, double us)
{
    if (begin <= 0 && end <= 0)
        return 0;
    if (begin >= 0 && end >= 0)
        return (begin + end) / 2 * us;
    if (begin > 0)
        return begin / 2 * us * (begin / (begin - end));
    return end / 2 * us * (end / (end - begin));
}

static double
time_above(double begin, double end, double us)
{
    if (begin <= 0 && end <= 0)
        return 0;
    if (begin >= 0 && end >= 0)
        return us;
    return begin > 0 ? us * (begin / (begin - end)) : us * (end / (end - begin));
}

void
guest_account_add(GuestAccount *account, const GuestStretch *stretch)
{
    double lacks = stretch->used - stretch->actual, lacks_end = stretch->used_end - stretch->actual;
    double over = lacks + stretch->cached, over_end = lacks_end + stretch->cached_end;
    double starved = area_above(lacks, lacks_end, stretch->us);

    account->starved_area += starved;
    account->starved_us += time_above(lacks, lacks_end, stretch->us);
    account->demand_area += (stretch->used + stretch->used_end) / 2 * stretch->us;
    account->lent_area += stretch->actual * stretch->us;
    /* Cache goes before anything is swapped: at each moment min(cached, max(over, 0)). */
    account->squeezed_area += area_above(over, over_end, stretch->us) - starved;
}

void
host_account_change(HostAccount *account, guint64 before, guint64 after)
{
    account->lent = account->lent - before + after;
    account->peak = MAX(account->peak, account->lent);
}

static double
served(const GuestAccount *account)
{
    return account->demand_area > 0 ? 1 - account->starved_area / account->demand_area : 1;
}

Outcome
account_sum_up(const GuestAccount *guests, gsize n_guests, const HostAccount *host,
               gint64 duration_us)
{
    Outcome outcome = { .duration_s = (double)duration_us / G_USEC_PER_SEC,
                        .lent_peak = host->peak,
                        .worst_served = 1 };
    double lent = 0, starved_us = 0, sum = 0, squares = 0;

    for (gsize i = 0; i < n_guests; i++) {
        const GuestAccount *guest = &guests[i];
        double x = served(guest);

        lent += guest->lent_area;
        starved_us += guest->starved_us;
        outcome.starved_byte_seconds += guest->starved_area / G_USEC_PER_SEC;
        outcome.squeezed_byte_seconds += guest->squeezed_area / G_USEC_PER_SEC;
        outcome.churn_bytes += guest->churn;
        outcome.steps += guest->steps;
        outcome.requests += guest->requests;
        outcome.worst_served = MIN(outcome.worst_served, x);
        sum += x;
        squares += x * x;
    }
    outcome.lent_mean = lent / (double)duration_us;
    outcome.starved_time_ratio = starved_us / (double)duration_us / (double)n_guests;
    outcome.jain = squares > 0 ? sum * sum / ((double)n_guests * squares) : 1;
    return outcome;
}
