/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The proof of return: of what a donor gave, as much counts as missing as its QEMU still has
 * resident beyond what the guest has and what QEMU needs for itself. That need is taken from
 * what QEMU had beyond the guest's memory when the first lease began to gather, or OWN_MOST,
 * whichever is more: a guest that has not touched all of its memory shows less than it will
 * have, and QEMU's own share cannot be told from it. And it is never more than what the donor
 * gave: a QEMU that takes more for itself meanwhile, as an emulator does while its guest is busy,
 * shows in what the host has available.
 */
#include "daemon/reservations-private.h"

#include "daemon/reservations-words.h"
#include "monitor/host-memory.h"
#include "size/size.h"

/* What QEMU has for itself: 60 MiB were measured for a 7.2 with few devices and without KVM
 * (hypervisor/libvirt/domain-memory.h); TCG's translations and the guest's page tables come on
 * top. More than this is learnt from QEMU itself. */
#define OWN_MOST (128 * SIZE_MIB)

/* Returns: what guest @k has given for those who gather now. */
static guint64
given_by(Reservations *reservations, const ReservationsScene *scene, gsize k)
{
    const PlanGuest *plan = &scene->plans[k];
    GPtrArray *all = leases_all(reservations->leases);
    guint64 before = 0;

    for (guint i = 0; i < all->len; i++) {
        const Lease *lease = all->pdata[i];

        for (guint d = 0; lease->state == LEASE_GATHERING && d < lease->debts->len; d++) {
            const LeaseDebt *debt = &g_array_index(lease->debts, LeaseDebt, d);

            if (g_str_equal(debt->instance, reservations_instance_of(scene, k)))
                before = MAX(before, debt->before);
        }
    }
    return reservations_minus(before, MAX(plan->actual, plan->requested));
}

/* Returns: what guest @k's QEMU still has of the host's beyond what it may. */
static guint64
not_returned(Reservations *reservations, const ReservationsScene *scene, gsize k)
{
    const PlanGuest *plan = &scene->plans[k];
    const char *instance = reservations_instance_of(scene, k);
    GPid process = guest_get_pid(managed_guest_get_guest(scene->guests[k]));
    guint64 resident = host_memory_resident(reservations->root, process);
    guint64 beyond = reservations_minus(resident, MAX(plan->actual, plan->requested));
    guint64 *own = g_hash_table_lookup(reservations->own, instance);

    if (!own) {
        own = g_memdup2(&beyond, sizeof(beyond));
        g_hash_table_insert(reservations->own, g_strdup(instance), own);
    }
    return MIN(reservations_minus(beyond, MAX(*own, OWN_MOST)), given_by(reservations, scene, k));
}

/* Says, to those who gather, what the host holds back. */
static void
explain_host(Reservations *reservations, const char *why)
{
    GPtrArray *all = leases_all(reservations->leases);

    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];

        if (lease->state == LEASE_GATHERING)
            lease_explain(lease, why);
    }
}

guint64
reservations_proof_free(Reservations *reservations, const ReservationsScene *scene)
{
    guint64 held = 0, free, available;
    g_autoptr(GString) why = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    HostMemory host;

    for (gsize k = 0; k < scene->n; k++) {
        guint64 part = not_returned(reservations, scene, k);

        held += part;
        if (part > 0)
            reservations_words_add_held(why, scene->guests[k], part);
    }
    free = reservations_minus(reservations->room.free, held);
    if (!host_memory_read(reservations->root, &host, &error)) {
        explain_host(reservations, error->message);
        return 0;
    }
    /* What is granted is not in use yet, and so counts as available. */
    available = reservations_minus(host.available, leases_granted(reservations->leases));
    if (available < free)
        reservations_words_add_host(why, host.available);
    explain_host(reservations, why->len > 0 ? why->str : NULL);
    return MIN(free, available);
}
