/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of a Reservations: what its cycle (reservations.c), the orders of whoever asks
 * (reservations-orders.c), the proof that memory has come back (reservations-proof.c) and what
 * donors get back (reservations-return.c) share. For nobody else.
 */
#pragma once

#include "daemon/reservations.h"

struct _Reservations {
    GObject parent;

    Roster *roster;
    LeaseStore *store;
    char *root;
    Leases *leases;
    guint64 last_id;
    gboolean unkept;   /* something is not on disk yet */
    GHashTable *own;   /* instance -> guint64: what its QEMU had beyond the guest's memory when
                        * gathering began; empty while nobody gathers */
    gint64 looked_us;  /* at the processes */
    gint64 settled_us; /* nothing is promised before */
    Room room;
};

/* The guests of a cycle, as all steps see them. */
typedef struct {
    PlanGuest *plans;
    ManagedGuest *const *guests;
    gsize n;
    guint64 budget;
    guint64 promises;
    gint64 now;
} ReservationsScene;

static inline const char *
reservations_instance_of(const ReservationsScene *scene, gsize i)
{
    return guest_get_instance(managed_guest_get_guest(scene->guests[i]));
}

static inline guint64
reservations_minus(guint64 a, guint64 b)
{
    return a > b ? a - b : 0;
}

/* What has changed is put on disk, and then told: nobody is told of what a crash could take back.
 */
void reservations_keep_and_tell(Reservations *reservations);

/* A cycle is wanted soon. */
void reservations_want_cycle(Reservations *reservations);

/*
 * reservations_proof_free:
 *
 * Tells those who gather what the host holds back.
 *
 * Returns: the bytes that are free of the budget and of the host as well, those of granted
 *   leases not counted.
 */
guint64 reservations_proof_free(Reservations *reservations, const ReservationsScene *scene);

/* Donors of leases that came to nothing get back what they gave, as far as it is free; while others
 * wait, what was given is for the next of them. */
void reservations_return_debts(Reservations *reservations, const ReservationsScene *scene);
