/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The contract of the policies: how a host's memory is shared among guests.
 *
 * A policy is one file that ends in one `const Policy`, entered in the table of
 * policy.c. It is a pure function over the views below: no I/O, no clock, no
 * memory of its own, and the same views give the same targets. It may be as
 * naive as it likes: the limits that follow it (allocate/limits) hold every
 * policy to floors, ceilings and budget and damp its moves. Still a policy must:
 *
 *   - write one target for each guest, within [floor, ceiling];
 *   - keep the sum of the targets within the budget if the sum of the floors is;
 *   - never give a guest less because it demands more;
 *   - treat guests of equal views equally, whatever their place in the array. What
 *     cannot be split evenly (less than a byte for each guest) stays free.
 *
 * tests/unit/allocate/test-properties.c holds each of them to that.
 *
 * A rule taken over from another system is to do what it does there, neither better
 * nor worse. So it may say how often it speaks: between, the planner repeats its last
 * targets. And it may say that it paces itself: the damping of the limits, which it
 * never had, is then left out. Floors, ceilings and budget hold all the same, and that
 * donors give before acceptors get.
 */
#pragma once

#include <glib.h>

/* The host as a policy sees it. */
typedef struct {
    guint64 budget; /* bytes to be shared among the guests given */
    guint64 total;  /* the host's memory, what it keeps for itself included; >= budget */
    guint64 free;   /* of @total, what no guest has: whether a guest's memory has been
                     * touched yet does not show, since it can be at any moment */
    gboolean share; /* what nobody demands is to be handed out, not kept */
} HostView;

/* A guest as a policy sees it. 0 <= floor <= ceiling. */
typedef struct {
    guint64 floor;     /* it never gets less */
    guint64 ceiling;   /* it never gets more */
    guint64 actual;    /* it has now */
    guint64 requested; /* it was last asked to have */
    guint64 used;      /* it cannot give up without hurt */
    guint64 need;      /* of the demand, what its use calls for right now */
    guint64 demand;    /* the predictor says it needs */
    double weight;     /* its share under scarcity; more than 0 */
    gboolean pressed;  /* it swaps in or stalls */
    /* It asks for memory now, as part of its need: while it can still be helped. That is its
     * word alone, so it makes a policy hurry (which the limits see to), never unfair. */
    gboolean urgent;

    /* What the guest said of itself last: for the rules of other systems, whose own
     * judgement is the point. Not to be trusted; they need not even add up. */
    guint64 total;     /* MemTotal */
    guint64 free;      /* MemFree */
    guint64 cached;    /* page cache */
    guint64 committed; /* Committed_AS; where it tells none, total - free - cached */
    guint64 swapped;   /* in swap; 0 where it tells nothing */
} GuestView;

typedef struct {
    const char *name;
    const char *summary; /* one line, for people */
    gint64 interval_us;  /* it speaks only so often, and its last targets hold between;
                          * 0: in every plan */
    gboolean paced;      /* it damps its moves itself, or not at all: the limits must not */
    gboolean separable;  /* while memory is left over, and is not to be shared, what a guest gets
                          * follows from its own view alone */
    void (*allocate)(const HostView *host, const GuestView *guests, gsize n_guests,
                     guint64 *targets);
} Policy;

/* The policies there are, for the table in policy.c and for tests of one alone. */
extern const Policy policy_balance;
extern const Policy policy_static;
extern const Policy policy_esx;
extern const Policy policy_hyperv;
extern const Policy policy_mom;
extern const Policy policy_proxmox;
extern const Policy policy_qmemman;
extern const Policy policy_squeezed;

/* Returns: (nullable): the policy called @name. */
const Policy *policy_find(const char *name);

/* Returns: all policies, ended by NULL; the first is the default. */
const Policy *const *policy_list(void);
