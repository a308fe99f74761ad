/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reservations: the leases of this memplugd, tied to its guests, the host and the disk.
 *
 * The table and its rules are allocate/leases.h, what can be had allocate/room.h. What is added
 * here, once a cycle:
 *
 *   - a lease whose guest is there, by its name or its process, is the guest's from then on: in
 *     one and the same plan the lease claims nothing any more and the guest's memory counts;
 *   - memory is granted once the host has it: the host's own available memory and what each
 *     QEMU has resident are looked at, not only what guests were asked for;
 *   - what donors gave for a lease that comes to nothing they get back, as far as it is free;
 *   - every change of an open lease is on disk before anybody is told of it.
 */
#pragma once

#include "allocate/leases.h"
#include "allocate/room.h"
#include "daemon/lease-store.h"
#include "daemon/roster.h"

#define TYPE_RESERVATIONS (reservations_get_type())
G_DECLARE_FINAL_TYPE(Reservations, reservations, MEMPLUG, RESERVATIONS, GObject)

/*
 * Signals:
 *   "changed" (const Lease *): it has another state, or was taken
 *   "wanted": a cycle should be run soon
 */

/*
 * reservations_new:
 * @roster: (transfer none): outlives the object
 * @store: (transfer full)
 * @root: below which /proc and /sys are; "" for this host
 * @settle_us: for so long from now nothing is promised: guests that run are still being found,
 *   and what they have must not be promised to others
 *
 * Takes over what is kept.
 */
Reservations *reservations_new(Roster *roster, LeaseStore *store, const char *root,
                               gint64 settle_us);

/* Guests are found within 0.3 s where they answer at all; some of many answer late. */
#define RESERVATIONS_SETTLE_US (G_GINT64_CONSTANT(3) * G_USEC_PER_SEC)

/* Why nothing can be promised now, be it there or not. */
typedef enum {
    RESERVATIONS_OPEN,
    RESERVATIONS_UNSEEN, /* what some guest has is not known yet */
    RESERVATIONS_SHORT,  /* the host itself is short of memory */
} ReservationsGate;

#define RESERVATIONS_ERROR reservations_error_quark()
GQuark reservations_error_quark(void);

typedef enum {
    RESERVATIONS_ERROR_REFUSED, /* it cannot be had, or cannot be asked for so */
    RESERVATIONS_ERROR_UNKNOWN, /* there is no such lease */
    RESERVATIONS_ERROR_ENDED,   /* the lease is over; the message tells why */
} ReservationsError;

/* Who does not say how long he can wait is told within this time: donors of a few GiB have
 * shrunk by then, if they do at all. */
#define RESERVATIONS_WAIT_US (G_GINT64_CONSTANT(30) * G_USEC_PER_SEC)
/* A guest that starts is found within seconds. */
#define RESERVATIONS_TTL_US (G_GINT64_CONSTANT(60) * G_USEC_PER_SEC)
/* Beyond this, memory held for a guest that does not come is a floor for nobody. */
#define RESERVATIONS_MOST_US (G_GINT64_CONSTANT(86400) * G_USEC_PER_SEC)

/*
 * reservations_ask:
 * @terms: times of 0 are the defaults above
 *
 * Returns: (transfer none): the new lease, whose fate is told by "changed"; NULL with @error set
 *   if the terms make no sense.
 */
const Lease *reservations_ask(Reservations *reservations, const LeaseTerms *terms, GError **error);

/* Whoever asked takes the granted lease @id, for the process @process if that is not 0. */
gboolean reservations_hold(Reservations *reservations, guint64 id, guint64 process, GError **error);

/* Somebody lets go of the lease @id. */
gboolean reservations_release(Reservations *reservations, guint64 id, GError **error);

/* Whoever asked for the lease @id has gone: it ends unless he has taken it. */
void reservations_abandon(Reservations *reservations, guint64 id);

/* Returns: (transfer none) (nullable) */
const Lease *reservations_find(Reservations *reservations, guint64 id);

/* Returns: (transfer none): all leases, those that ended lately included. */
const Leases *reservations_get_leases(Reservations *reservations);

/* Returns: (transfer none): what there was at the latest cycle. */
const Room *reservations_get_room(Reservations *reservations);

/*
 * For the cycle, between its forecasts and its plan.
 * @plans: changed where a guest gets back what it gave
 * @guests: (array length=n_guests): those that @plans are of
 * @promises: bytes that floors and leases may come to together
 * @gate: whether anything can be promised now
 *
 * Returns: the bytes of @budget that are claimed.
 */
guint64 reservations_claim(Reservations *reservations, PlanGuest *plans,
                           ManagedGuest *const *guests, gsize n_guests, guint64 budget,
                           guint64 promises, ReservationsGate gate, gint64 now);

/* For the cycle, after its plan: who gives what for whom. */
void reservations_note(Reservations *reservations, const PlanGuest *plans,
                       ManagedGuest *const *guests, gsize n_guests);

/* Returns: whether somebody waits for guests to shrink. */
gboolean reservations_wait(Reservations *reservations);
