/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * All is done in reservations_claim(), in this order, so that each step sees what the one
 * before it left:
 *
 *   settle   leases end whose time is over, whose process has ended, whose guest is there
 *   look     what is free, what can be had without hurt
 *   promise  to those who wait, in their order; who can never be served is told so at once
 *   grant    what is free, in the budget and on the host
 *   return   donors of those that came to nothing get back what they gave
 *   keep     on disk
 *   tell
 */
#include "daemon/reservations-private.h"

#include "daemon/reservations-words.h"
#include "monitor/host-memory.h"

/* How often it is looked whether the processes that leases are held for still live. */
#define LOOK_US G_USEC_PER_SEC

G_DEFINE_TYPE(Reservations, reservations, G_TYPE_OBJECT)
G_DEFINE_QUARK(memplug_reservations_error_quark, reservations_error)

enum { SIGNAL_CHANGED, SIGNAL_WANTED, N_SIGNALS };
static guint signals[N_SIGNALS];

/*
 * What is kept and told
 */

static void
tell(Reservations *reservations, const Lease *lease)
{
    g_autofree char *message = reservations_words_event(lease);
    const Event event = {
        .kind = EVENT_LEASE,
        .level = lease->state == LEASE_FAILED || lease->state == LEASE_EXPIRED ? G_LOG_LEVEL_WARNING
                                                                               : G_LOG_LEVEL_INFO,
        .guest = lease->guest ? lease->guest : "",
        .message = message,
    };

    roster_tell(reservations->roster, &event);
}

void
reservations_keep_and_tell(Reservations *reservations)
{
    GPtrArray *all = leases_all(reservations->leases);

    for (guint i = 0; i < all->len; i++)
        reservations->unkept |= ((const Lease *)all->pdata[i])->changed;
    if (!reservations->unkept)
        return;
    lease_store_save(reservations->store, reservations->leases, reservations->last_id);
    reservations->unkept = FALSE;
    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];

        if (!lease->changed)
            continue;
        lease->changed = FALSE;
        tell(reservations, lease);
        g_signal_emit(reservations, signals[SIGNAL_CHANGED], 0, lease);
    }
}

void
reservations_want_cycle(Reservations *reservations)
{
    g_signal_emit(reservations, signals[SIGNAL_WANTED], 0);
}

/*
 * Settle
 */

static gboolean
is_for(const Lease *lease, ManagedGuest *managed)
{
    Guest *guest = managed_guest_get_guest(managed);

    if (lease->process > 0)
        return (guint64)MAX(guest_get_pid(guest), 0) == lease->process;
    return g_strcmp0(lease->guest, guest_get_name(guest)) == 0;
}

/* The guest's own memory counts in the plan that is about to be made. */
static void
hand_over(Reservations *reservations, const ReservationsScene *scene)
{
    GPtrArray *all = leases_all(reservations->leases);

    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];

        for (gsize k = 0; k < scene->n && lease->state == LEASE_GRANTED; k++) {
            if (!is_for(lease, scene->guests[k]))
                continue;
            if (!lease->guest)
                lease->guest = g_strdup(guest_get_name(managed_guest_get_guest(scene->guests[k])));
            lease_transfer(lease, scene->now);
        }
    }
}

/* A process that has ended leaves its lease to nobody; its guest would be here by now. */
static void
look_at_processes(Reservations *reservations, gint64 now)
{
    GPtrArray *all = leases_all(reservations->leases);

    if (now - reservations->looked_us < LOOK_US)
        return;
    reservations->looked_us = now;
    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];

        if (lease->state == LEASE_GRANTED && lease->process > 0 &&
            host_memory_process_id(reservations->root, lease->process) != lease->process_id)
            lease_end(lease, LEASE_RELEASED, "the process that it was held for has ended", now);
    }
}

/* Who has waited in vain is told what came of it, guest by guest. */
static void
end_late(Reservations *reservations, const ReservationsScene *scene)
{
    GPtrArray *all = leases_all(reservations->leases);
    g_autofree RoomDonor *donors = NULL;

    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];
        g_autofree char *why = NULL;

        if ((lease->state != LEASE_ASKED && lease->state != LEASE_GATHERING) ||
            lease->deadline_us == 0 || scene->now < lease->deadline_us)
            continue;
        if (!donors) {
            donors = g_new(RoomDonor, MAX(scene->n, 1));
            room_look(scene->plans, scene->n, scene->budget, 0, donors);
        }
        why = reservations_words_late(lease, scene->plans, scene->guests, donors, scene->n);
        lease_end(lease, LEASE_FAILED, why, scene->now);
    }
}

/*
 * Promise
 */

/* Tells those who wait why they do, and those who need not wait that they wait in vain. */
static void
explain(Reservations *reservations, const ReservationsScene *scene, const RoomDonor *donors,
        gboolean closed)
{
    GPtrArray *all = leases_all(reservations->leases);
    guint64 most = room_look(scene->plans, scene->n, scene->promises, 0, NULL).most;
    guint64 claimed = leases_claimed(reservations->leases);
    Room room = reservations->room;

    /* What others are promised already is not to be had. */
    room.obtainable = reservations_minus(
        room.obtainable, claimed - MIN(leases_granted(reservations->leases), claimed));
    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];
        gboolean never = lease->at_least > most;
        g_autofree char *why = NULL;

        if (lease->state != LEASE_ASKED)
            continue;
        why = reservations_words_refusal(lease, &room, scene->plans, scene->guests, donors,
                                         scene->n, scene->budget, claimed, never, closed);
        if (never || !lease->patient)
            lease_end(lease, LEASE_FAILED, why, scene->now);
        else
            lease_explain(lease, why);
    }
}

/* While not all is known, nobody is refused either. */
static void
wait_for_guests(Reservations *reservations, gint64 now)
{
    GPtrArray *all = leases_all(reservations->leases);

    leases_promise(reservations->leases, 0, now);
    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];

        if (lease->state == LEASE_ASKED)
            lease_explain(lease, "what the guests have is still being looked at");
    }
}

/* Returns: what can be promised without hurting anybody, nor promising too much in all. */
static guint64
promisable(Reservations *reservations, const ReservationsScene *scene)
{
    guint64 most = room_look(scene->plans, scene->n, scene->promises,
                             leases_granted(reservations->leases), NULL)
                       .most;

    return MIN(reservations->room.obtainable, most);
}

static void
promise_and_grant(Reservations *reservations, const ReservationsScene *scene, ReservationsGate gate)
{
    gboolean closed = gate == RESERVATIONS_SHORT;
    g_autofree RoomDonor *donors = g_new(RoomDonor, MAX(scene->n, 1));
    guint64 granted = leases_granted(reservations->leases);

    reservations->room = room_look(scene->plans, scene->n, scene->budget, granted, donors);
    if (!leases_wait(reservations->leases)) {
        g_hash_table_remove_all(reservations->own);
        return;
    }
    if (gate == RESERVATIONS_UNSEEN) {
        wait_for_guests(reservations, scene->now);
        return;
    }
    leases_promise(reservations->leases, closed ? 0 : promisable(reservations, scene), scene->now);
    explain(reservations, scene, donors, closed);
    leases_grant(reservations->leases, reservations_proof_free(reservations, scene), scene->now);
}

guint64
reservations_claim(Reservations *reservations, PlanGuest *plans, ManagedGuest *const *guests,
                   gsize n_guests, guint64 budget, guint64 promises, ReservationsGate gate,
                   gint64 now)
{
    const ReservationsScene scene = { .plans = plans,
                                      .guests = guests,
                                      .n = n_guests,
                                      .budget = budget,
                                      .promises = promises,
                                      .now = now };

    hand_over(reservations, &scene);
    look_at_processes(reservations, now);
    end_late(reservations, &scene);
    leases_expire(reservations->leases, now);
    if (now < reservations->settled_us)
        gate = RESERVATIONS_UNSEEN;
    promise_and_grant(reservations, &scene, gate);
    if (gate != RESERVATIONS_UNSEEN)
        reservations_return_debts(reservations, &scene);
    reservations_keep_and_tell(reservations);
    return leases_claimed(reservations->leases);
}

void
reservations_note(Reservations *reservations, const PlanGuest *plans, ManagedGuest *const *guests,
                  gsize n_guests)
{
    GPtrArray *all = leases_all(reservations->leases);

    for (guint i = 0; i < all->len; i++) {
        Lease *lease = all->pdata[i];

        if (lease->state != LEASE_GATHERING)
            continue;
        for (gsize k = 0; k < n_guests; k++) {
            const PlanGuest *plan = &plans[k];

            if (plan->pin != PLAN_PIN_NONE || plan->target >= plan->requested)
                continue;
            lease_owe(lease, guest_get_instance(managed_guest_get_guest(guests[k])),
                      plan->requested);
            reservations->unkept = TRUE;
        }
        break; /* the first of those who gather */
    }
    reservations_keep_and_tell(reservations);
}

/*
 * What others see
 */

const Lease *
reservations_find(Reservations *reservations, guint64 id)
{
    return leases_find(reservations->leases, id);
}

const Leases *
reservations_get_leases(Reservations *reservations)
{
    return reservations->leases;
}

const Room *
reservations_get_room(Reservations *reservations)
{
    return &reservations->room;
}

gboolean
reservations_wait(Reservations *reservations)
{
    return leases_wait(reservations->leases);
}

/*
 * Life
 */

Reservations *
reservations_new(Roster *roster, LeaseStore *store, const char *root, gint64 settle_us)
{
    Reservations *reservations = g_object_new(TYPE_RESERVATIONS, NULL);

    reservations->roster = roster;
    reservations->store = store;
    reservations->root = g_strdup(root);
    reservations->settled_us = g_get_monotonic_time() + settle_us;
    reservations->last_id = lease_store_load(store, reservations->leases, g_get_monotonic_time());
    return reservations;
}

static void
reservations_finalize(GObject *object)
{
    Reservations *reservations = MEMPLUG_RESERVATIONS(object);

    if (reservations->unkept)
        lease_store_save(reservations->store, reservations->leases, reservations->last_id);
    leases_free(reservations->leases);
    lease_store_free(reservations->store);
    g_hash_table_unref(reservations->own);
    g_free(reservations->root);
    G_OBJECT_CLASS(reservations_parent_class)->finalize(object);
}

static void
reservations_class_init(ReservationsClass *class)
{
    G_OBJECT_CLASS(class)->finalize = reservations_finalize;

    signals[SIGNAL_CHANGED] = g_signal_new("changed", TYPE_RESERVATIONS, G_SIGNAL_RUN_LAST, 0, NULL,
                                           NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
    signals[SIGNAL_WANTED] = g_signal_new("wanted", TYPE_RESERVATIONS, G_SIGNAL_RUN_LAST, 0, NULL,
                                          NULL, NULL, G_TYPE_NONE, 0);
}

static void
reservations_init(Reservations *reservations)
{
    reservations->leases = leases_new();
    reservations->own = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}
