/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The accounts: what was lent to the guests, what they lacked, and what it cost.
 *
 * Between two moments at which anything changes a guest's memory is constant and what
 * it uses is a straight line, so all areas are exact, and whoever has those
 * moments (see series.h) can work them out again.
 */
#pragma once

#include <glib.h>

/* Of one guest. Areas are in bytes · µs. */
typedef struct {
    double starved_us;    /* for so long it needed more than it had, ... */
    double starved_area;  /* ... by so much */
    double demand_area;   /* what it needed in all */
    double lent_area;     /* what it had */
    double squeezed_area; /* page cache that it once had there and could not hold */
    guint64 churn;        /* bytes that came and went */
    guint64 steps;        /* device actions that were ordered */
    guint64 requests;     /* urgent ones */
} GuestAccount;

/* A stretch of a guest's life. */
typedef struct {
    double us;                 /* how long it took; more than 0 */
    double actual;             /* bytes that the guest had */
    double used, used_end;     /* bytes that it used at its beginning and end */
    double cached, cached_end; /* page cache that it would have had with plenty of memory */
} GuestStretch;

void guest_account_add(GuestAccount *account, const GuestStretch *stretch);

/* The host's account: the sum of what the guests have, as it changes. */
typedef struct {
    guint64 lent;
    guint64 peak;
} HostAccount;

/* A guest that had @before has @after now. */
void host_account_change(HostAccount *account, guint64 before, guint64 after);

/* What came of a run. */
typedef struct {
    double duration_s;
    double lent_mean;             /* bytes: what all guests had together, over time */
    guint64 lent_peak;            /* bytes */
    double starved_time_ratio;    /* of the guests' time, the part in which one needed more
                                   * than it had */
    double starved_byte_seconds;  /* what they lacked in it */
    double squeezed_byte_seconds; /* page cache that had to go */
    guint64 churn_bytes;          /* that came and went */
    guint64 steps;                /* device actions */
    guint64 requests;             /* urgent ones */
    guint64 cycles;               /* that were planned; filled in by the world */
    double jain;                  /* fairness: 1 if each got the same part of what it needed, ... */
    double worst_served;          /* ... and the smallest of these parts */
} Outcome;

/*
 * account_sum_up:
 * @guests: (array length=n_guests): one or more
 *
 * Jain's index (Jain, Chiu and Hawe, "A quantitative measure of fairness", DEC-TR-301,
 * 1984) is taken of the part of its demand, over the whole run, that each guest got:
 * (Σx)² / (n · Σx²), between 1/n and 1.
 */
Outcome account_sum_up(const GuestAccount *guests, gsize n_guests, const HostAccount *host,
                       gint64 duration_us);
