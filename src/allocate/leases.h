/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leases: memory of the budget that is held free for a guest to come.
 *
 *             ask            promise            grant              transfer
 *   (nothing) ───▶ ASKED ◀────────────▶ GATHERING ───▶ GRANTED ───────────▶ TRANSFERRED
 *                    │                      │             ├─ released ────▶ RELEASED
 *                    │  wait is over, or    │             └─ ttl is over ─▶ EXPIRED
 *                    └─ it can never be had ┴────────────────────────────▶ FAILED
 *
 *   state        entered when                  claims of the budget   left when
 *   ASKED        somebody asks; and again if   nothing                enough is obtainable, and
 *                what was promised is needed                          nobody waits before it
 *   GATHERING    enough can be had without     what is promised:      all that is promised is
 *                hurting anybody               donors shrink for it   free: GRANTED
 *   GRANTED      it is free on the host, too   what is granted        its guest is there, somebody
 *                                                                     lets go, or its time is over
 *   the others   ends, kept for a while        nothing                forgotten
 *                to be told of
 *
 * What is claimed counts against the budget in the planner (PlanSettings.claimed), so donors
 * shrink as for any other need: side by side, each in proportion to what it has idle.
 *
 * All or at least: a lease is promised all that is asked if so much is obtainable, else what
 * is, but never less than at_least. It is granted once all that is promised is there.
 *
 * First come, first served: who waits keeps what comes free from those behind him, though they
 * want less. His wait is bounded, so theirs is.
 *
 * Who asks must take what he is granted (leases_hold()): a lease that was granted into the void,
 * because he has gone or memplugd was killed just then, is not kept for nobody.
 *
 * A plain table: no clock, no I/O. Its owner promises and grants once a cycle:
 *
 *   leases_expire() ─▶ leases_promise() ─▶ leases_grant() ─▶ plan with leases_claimed()
 */
#pragma once

#include <glib.h>

typedef enum {
    LEASE_ASKED,
    LEASE_GATHERING,
    LEASE_GRANTED,
    LEASE_TRANSFERRED,
    LEASE_RELEASED,
    LEASE_EXPIRED,
    LEASE_FAILED,
} LeaseState;

/* Returns: "asked", "gathering", "granted", ... */
const char *lease_state_name(LeaseState state);

/* Returns: TRUE with @state set if @name is that of one. */
gboolean lease_state_find(const char *name, LeaseState *state);

/* A guest that gave, and gets back what it gave if the lease comes to nothing. */
typedef struct {
    char *instance; /* owned: guest_get_instance() */
    guint64 before; /* what it was asked to have before it gave */
} LeaseDebt;

typedef struct {
    guint64 id; /* more than 0; of two, the later asked for is the greater */
    LeaseState state;
    gboolean changed; /* set with every change of state, for the owner to clear */

    char *guest;   /* owned, nullable: the name of the guest it is for */
    char *purpose; /* owned: who asked, for people */
    guint64 asked;
    guint64 at_least; /* 0 < at_least <= asked */
    gint64 wait_us;   /* how long it may take until it is granted */
    gint64 ttl_us;    /* how long it is then held for a guest that does not come */
    gboolean patient; /* waits also while nothing can be had, until others need less */

    guint64 promised;   /* GATHERING: of the budget */
    guint64 gathered;   /* GATHERING: of that, what is free already */
    guint64 granted;    /* from GRANTED on */
    gint64 asked_us;    /* monotonic, as all times here */
    gint64 changed_us;  /* when it entered its state */
    gint64 deadline_us; /* ASKED, GATHERING: fails then; GRANTED: expires then; 0: never */

    gboolean taken;     /* GRANTED: whoever asked knows of it */
    guint64 process;    /* the process that it is held for; 0: none ... */
    guint64 process_id; /* ... and what tells that from a later one of its number */
    GArray *debts;      /* owned: LeaseDebt */
    char *reason;       /* owned, nullable: why it waits, or how it ended, in words */
} Lease;

/* What somebody asks for. */
typedef struct {
    guint64 asked;
    guint64 at_least; /* 0: all of it */
    gint64 wait_us;
    gint64 ttl_us;
    gboolean patient;
    const char *guest;   /* nullable */
    const char *purpose; /* nullable */
} LeaseTerms;

/* At most so many leases can be open (not ended) at a time. */
#define LEASES_MOST_OPEN 1024

/* Ends are remembered for so long, and so many of them. */
#define LEASES_REMEMBER_US (G_GINT64_CONSTANT(60) * G_USEC_PER_SEC)
#define LEASES_REMEMBER    64

typedef struct _Leases Leases;

Leases *leases_new(void);
void leases_free(Leases *leases);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Leases, leases_free)

/* Returns: (transfer none) (element-type Lease): in the order in which they were asked for. */
GPtrArray *leases_all(const Leases *leases);

/* Returns: (transfer none) (nullable) */
Lease *leases_find(const Leases *leases, guint64 id);

/* Returns: (transfer none) (nullable): the first open lease for the guest called @guest. */
Lease *leases_find_for(const Leases *leases, const char *guest);

gboolean lease_is_open(const Lease *lease);

/* Returns: (transfer none) (nullable): a new lease in ASKED; NULL if too many are open.
 * @id: greater than that of every lease before */
Lease *leases_ask(Leases *leases, guint64 id, const LeaseTerms *terms, gint64 now);

/* Returns: the bytes that granted leases hold, ... */
guint64 leases_granted(const Leases *leases);

/* ... and these with those that are promised. */
guint64 leases_claimed(const Leases *leases);

/* Returns: whether somebody waits. */
gboolean leases_wait(const Leases *leases);

/*
 * leases_promise:
 * @obtainable: bytes of the budget that can be had without hurting anybody, those of granted
 *   leases not counted: Room.obtainable with leases_granted() held
 *
 * Promises anew what waiting leases get of it. What is promised never sums to more.
 */
void leases_promise(Leases *leases, guint64 obtainable, gint64 now);

/*
 * leases_grant:
 * @free: bytes that are free now, in the budget and on the host, those of granted leases
 *   not counted
 *
 * Grants to those who gather, in their order, what they were promised, if all of it is free.
 */
void leases_grant(Leases *leases, guint64 free, gint64 now);

/* Whoever asked takes @lease, which is granted: it is held as long as @process lives (told from
 * others by @process_id) if that is not 0, else for its ttl. */
void lease_hold(Lease *lease, guint64 process, guint64 process_id);

/* The guest is there and has the memory. */
void lease_transfer(Lease *lease, gint64 now);

/* Ends an open lease. @reason: (nullable): in words */
void lease_end(Lease *lease, LeaseState how, const char *reason, gint64 now);

/* Says why @lease waits, or how it ended; takes the place of what was said before. */
void lease_explain(Lease *lease, const char *reason);

/* A guest gives for @lease, which was asked to have @before. */
void lease_owe(Lease *lease, const char *instance, guint64 before);

/* Ends the leases whose deadline has come, and forgets those that ended long ago. */
void leases_expire(Leases *leases, gint64 now);

/*
 * leases_restore:
 * @lease: (transfer full): as it was kept by a memplugd before this one
 *
 * Takes it over. What was not granted and taken then has nobody who waits for it: it fails.
 */
void leases_restore(Leases *leases, Lease *lease, gint64 now);

/* Returns: (transfer full): an empty lease, for leases_restore(). */
Lease *lease_new(void);
void lease_free(Lease *lease);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lease, lease_free)
