/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What donors get back of what they gave for a lease that came to nothing.
 */
#include "daemon/reservations-private.h"

/* Returns: what guest @k lacks of what it had @before; nothing if it is not the policy's. */
static guint64
can_return(const ReservationsScene *scene, gsize k, guint64 before)
{
    const PlanGuest *plan = &scene->plans[k];

    return plan->pin == PLAN_PIN_NONE || plan->pin == PLAN_PIN_NO_SAMPLE
               ? reservations_minus(MIN(before, plan->ceiling), plan->requested)
               : 0;
}

static gssize
find_instance(const ReservationsScene *scene, const char *instance)
{
    for (gsize k = 0; k < scene->n; k++) {
        if (g_str_equal(reservations_instance_of(scene, k), instance))
            return (gssize)k;
    }
    return -1;
}

/* What giving @bytes back to guest @k takes of what is free: not what it has not let go yet. */
static double
cost_of(const ReservationsScene *scene, gsize k, guint64 bytes)
{
    const PlanGuest *plan = &scene->plans[k];

    return (double)reservations_minus(plan->requested + bytes, MAX(plan->actual, plan->requested));
}

/* As far as @free goes, to each in proportion; whole grains, so that it can be reached. */
static void
give_back(const ReservationsScene *scene, Lease *lease, guint64 free)
{
    double whole = 0.0;

    for (guint i = 0; i < lease->debts->len; i++) {
        const LeaseDebt *debt = &g_array_index(lease->debts, LeaseDebt, i);
        gssize k = find_instance(scene, debt->instance);

        if (k >= 0)
            whole += cost_of(scene, (gsize)k, can_return(scene, (gsize)k, debt->before));
    }
    for (guint i = 0; i < lease->debts->len; i++) {
        const LeaseDebt *debt = &g_array_index(lease->debts, LeaseDebt, i);
        gssize k = find_instance(scene, debt->instance);
        PlanGuest *plan = k >= 0 ? &scene->plans[k] : NULL;
        guint64 bytes = k >= 0 ? can_return(scene, (gsize)k, debt->before) : 0;

        if ((double)free < whole) {
            bytes = (guint64)((double)bytes * ((double)free / whole));
            bytes -= bytes % MAX(MAX(plan ? plan->grain : 1, plan ? plan->coarse : 1), 1);
        }
        if (bytes == 0)
            continue;
        managed_guest_give_back(scene->guests[k], bytes, lease->id, scene->now);
        plan->requested += bytes;
        plan->grown_us = scene->now;
    }
    g_array_set_size(lease->debts, 0);
}

void
reservations_return_debts(Reservations *reservations, const ReservationsScene *scene)
{
    GPtrArray *all = leases_all(reservations->leases);
    Lease *next = NULL;

    for (guint i = 0; i < all->len && !next; i++) {
        Lease *lease = all->pdata[i];

        if (lease->state == LEASE_GATHERING)
            next = lease;
    }
    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];

        if (lease_is_open(lease) || lease->debts->len == 0)
            continue;
        reservations->unkept = TRUE;
        for (guint d = 0; next && d < lease->debts->len; d++) {
            const LeaseDebt *debt = &g_array_index(lease->debts, LeaseDebt, d);

            lease_owe(next, debt->instance, debt->before);
        }
        if (next)
            g_array_set_size(lease->debts, 0);
        else
            give_back(scene, lease,
                      room_look(scene->plans, scene->n, scene->budget,
                                leases_granted(reservations->leases), NULL)
                          .free);
    }
}
