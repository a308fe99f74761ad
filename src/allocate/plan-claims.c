/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate/plan-claims.h"

#include "allocate/proportion.h"

typedef unsigned __int128 Wide;

/* What its trial holds back is no size to be counted on. */
guint64
plan_claims_keep(const GuestView *view, const LimitGuest *guest)
{
    LimitGuest untried = *guest;

    untried.least = 0;
    return limits_round_up(view, &untried, CLAMP(view->need, view->floor, view->ceiling));
}

/* Nothing more is taken from guest @k for a claim. */
static gboolean
gives_nothing(const PlanTable *table, gsize k)
{
    return table->stuck[k] || table->views[k].pressed || table->views[k].urgent;
}

/* What guest @k will have when it has done what it was asked, if it does: a donor on its way
 * down has given that already. */
static guint64
expected(const PlanTable *table, gsize k)
{
    const GuestView *view = &table->views[k];
    guint64 has = gives_nothing(table, k) ? view->actual : MIN(view->actual, view->requested);

    return MAX(has, view->floor);
}

/*
 * How far a guest can go down for a claim: to what it keeps, and as far as its raw target only,
 * if that is more and @hard is not set. Always a size that it can reach, so that rounding what
 * it is left never takes it below.
 */
static guint64
lowest_for_claims(const PlanTable *table, gsize k, gboolean hard)
{
    const GuestView *view = &table->views[k];
    guint64 to = plan_claims_keep(view, &table->guests[k]), has = expected(table, k);

    if (gives_nothing(table, k))
        return has;
    if (!hard)
        to = MAX(to, limits_round_up(view, &table->guests[k], table->raw[k]));
    return MIN(has, to);
}

/* Returns: what all can spare, each filled in. */
static Wide
spare_for_claims(const PlanTable *table, gboolean hard, guint64 *spare)
{
    Wide sum = 0;

    for (gsize k = 0; k < table->n; k++) {
        spare[k] = expected(table, k) - lowest_for_claims(table, k, hard);
        sum += spare[k];
    }
    return sum;
}

void
plan_claims_make_room(const HostView *host, PlanTable *table)
{
    g_autofree guint64 *spare = g_new(guint64, table->n);
    g_autofree guint64 *gives = g_new(guint64, table->n);
    Wide has = 0, expects = 0, missing;

    for (gsize k = 0; k < table->n; k++) {
        has += MAX(table->views[k].actual, table->views[k].floor);
        expects += expected(table, k);
    }
    if (has <= host->budget)
        return;
    missing = expects > host->budget ? expects - host->budget : 0;
    if (spare_for_claims(table, FALSE, spare) < missing)
        spare_for_claims(table, TRUE, spare);
    proportion_give(spare, table->n, missing, gives);
    for (gsize k = 0; k < table->n; k++) {
        const GuestView *view = &table->views[k];
        guint64 left = expected(table, k) - gives[k];

        if (view->pressed || view->urgent)
            table->raw[k] = MAX(table->raw[k], MIN(MAX(view->actual, left), view->ceiling));
        else if (left < view->actual || table->raw[k] < left)
            table->raw[k] = left; /* else it does not give, and may wish to grow */
    }
}
