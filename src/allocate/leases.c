/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate/leases.h"

#include <string.h>

struct _Leases {
    GPtrArray *all; /* Lease, by id */
};

static const char *const state_names[] = {
    [LEASE_ASKED] = "asked",       [LEASE_GATHERING] = "gathering",
    [LEASE_GRANTED] = "granted",   [LEASE_TRANSFERRED] = "transferred",
    [LEASE_RELEASED] = "released", [LEASE_EXPIRED] = "expired",
    [LEASE_FAILED] = "failed",
};

G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == LEASE_FAILED + 1);

const char *
lease_state_name(LeaseState state)
{
    return state_names[state];
}

gboolean
lease_state_find(const char *name, LeaseState *state)
{
    for (gsize i = 0; i < G_N_ELEMENTS(state_names); i++) {
        if (g_str_equal(name, state_names[i])) {
            *state = (LeaseState)i;
            return TRUE;
        }
    }
    return FALSE;
}

static guint64
add(guint64 a, guint64 b)
{
    return a <= G_MAXUINT64 - b ? a + b : G_MAXUINT64;
}

/* Returns: @now + @span, or 0, which is never, if @span is. */
static gint64
later(gint64 now, gint64 span)
{
    if (span <= 0)
        return 0;
    return span < G_MAXINT64 - now ? now + span : G_MAXINT64;
}

/*
 * One lease
 */

static void
debt_clear(gpointer debt)
{
    g_free(((LeaseDebt *)debt)->instance);
}

Lease *
lease_new(void)
{
    Lease *lease = g_new0(Lease, 1);

    lease->debts = g_array_new(FALSE, TRUE, sizeof(LeaseDebt));
    g_array_set_clear_func(lease->debts, debt_clear);
    return lease;
}

void
lease_free(Lease *lease)
{
    if (!lease)
        return;
    g_array_unref(lease->debts);
    g_free(lease->guest);
    g_free(lease->purpose);
    g_free(lease->reason);
    g_free(lease);
}

gboolean
lease_is_open(const Lease *lease)
{
    return lease->state <= LEASE_GRANTED;
}

static gboolean
lease_waits(const Lease *lease)
{
    return lease->state == LEASE_ASKED || lease->state == LEASE_GATHERING;
}

/* The one place where a state changes. What a state does not have is nothing: so a sum over
 * all leases of what is promised, or granted, need not look at states. */
static void
enter(Lease *lease, LeaseState state, gint64 now)
{
    if (lease->state != state) {
        lease->changed = TRUE;
        lease->changed_us = now;
    }
    lease->state = state;
    if (state != LEASE_GATHERING)
        lease->promised = lease->gathered = 0;
    if (state == LEASE_GRANTED)
        lease->deadline_us = later(now, lease->ttl_us);
    else if (!lease_waits(lease))
        lease->deadline_us = 0;
}

void
lease_explain(Lease *lease, const char *reason)
{
    char *copy = g_strdup(reason);

    g_free(lease->reason);
    lease->reason = copy;
}

void
lease_hold(Lease *lease, guint64 process, guint64 process_id)
{
    g_return_if_fail(lease->state == LEASE_GRANTED);
    lease->taken = TRUE;
    lease->process = process;
    lease->process_id = process_id;
    if (process > 0)
        lease->deadline_us = 0;
}

void
lease_transfer(Lease *lease, gint64 now)
{
    g_return_if_fail(lease->state == LEASE_GRANTED);
    enter(lease, LEASE_TRANSFERRED, now);
    g_array_set_size(lease->debts, 0);
}

void
lease_end(Lease *lease, LeaseState how, const char *reason, gint64 now)
{
    g_return_if_fail(lease_is_open(lease) && how > LEASE_TRANSFERRED);
    enter(lease, how, now);
    lease_explain(lease, reason);
}

void
lease_owe(Lease *lease, const char *instance, guint64 before)
{
    LeaseDebt fresh = { NULL, before };

    for (guint i = 0; i < lease->debts->len; i++) {
        LeaseDebt *debt = &g_array_index(lease->debts, LeaseDebt, i);

        if (g_str_equal(debt->instance, instance)) {
            debt->before = MAX(debt->before, before);
            return;
        }
    }
    fresh.instance = g_strdup(instance);
    g_array_append_val(lease->debts, fresh);
}

/*
 * All of them
 */

Leases *
leases_new(void)
{
    Leases *leases = g_new0(Leases, 1);

    leases->all = g_ptr_array_new_with_free_func((GDestroyNotify)lease_free);
    return leases;
}

void
leases_free(Leases *leases)
{
    if (!leases)
        return;
    g_ptr_array_unref(leases->all);
    g_free(leases);
}

GPtrArray *
leases_all(const Leases *leases)
{
    return leases->all;
}

Lease *
leases_find(const Leases *leases, guint64 id)
{
    for (guint i = 0; i < leases->all->len; i++) {
        Lease *lease = leases->all->pdata[i];

        if (lease->id == id)
            return lease;
    }
    return NULL;
}

Lease *
leases_find_for(const Leases *leases, const char *guest)
{
    for (guint i = 0; i < leases->all->len; i++) {
        Lease *lease = leases->all->pdata[i];

        if (lease_is_open(lease) && g_strcmp0(lease->guest, guest) == 0)
            return lease;
    }
    return NULL;
}

Lease *
leases_ask(Leases *leases, guint64 id, const LeaseTerms *terms, gint64 now)
{
    Lease *lease;
    guint open = 0;

    for (guint i = 0; i < leases->all->len; i++)
        open += lease_is_open(leases->all->pdata[i]) ? 1 : 0;
    if (open >= LEASES_MOST_OPEN)
        return NULL;
    lease = lease_new();
    lease->id = id;
    lease->guest = g_strdup(terms->guest);
    lease->purpose = g_strdup(terms->purpose ? terms->purpose : "");
    lease->asked = MAX(terms->asked, 1);
    lease->at_least = terms->at_least > 0 ? MIN(terms->at_least, lease->asked) : lease->asked;
    lease->wait_us = terms->wait_us;
    lease->ttl_us = terms->ttl_us;
    lease->patient = terms->patient;
    lease->asked_us = lease->changed_us = now;
    lease->deadline_us = later(now, terms->wait_us);
    lease->changed = TRUE;
    g_ptr_array_add(leases->all, lease);
    return lease;
}

guint64
leases_granted(const Leases *leases)
{
    guint64 sum = 0;

    for (guint i = 0; i < leases->all->len; i++) {
        const Lease *lease = leases->all->pdata[i];

        if (lease->state == LEASE_GRANTED)
            sum = add(sum, lease->granted);
    }
    return sum;
}

guint64
leases_claimed(const Leases *leases)
{
    guint64 sum = leases_granted(leases);

    for (guint i = 0; i < leases->all->len; i++)
        sum = add(sum, ((const Lease *)leases->all->pdata[i])->promised);
    return sum;
}

gboolean
leases_wait(const Leases *leases)
{
    for (guint i = 0; i < leases->all->len; i++) {
        if (lease_waits(leases->all->pdata[i]))
            return TRUE;
    }
    return FALSE;
}

void
leases_promise(Leases *leases, guint64 obtainable, gint64 now)
{
    for (guint i = 0; i < leases->all->len; i++) {
        Lease *lease = leases->all->pdata[i];

        if (!lease_waits(lease))
            continue;
        if (obtainable >= lease->at_least) {
            enter(lease, LEASE_GATHERING, now);
            lease->promised = MIN(lease->asked, obtainable);
            obtainable -= lease->promised;
        } else {
            enter(lease, LEASE_ASKED, now);
            obtainable = 0; /* what comes free is his who waits longest */
        }
    }
}

void
leases_grant(Leases *leases, guint64 free, gint64 now)
{
    for (guint i = 0; i < leases->all->len; i++) {
        Lease *lease = leases->all->pdata[i];

        if (lease->state != LEASE_GATHERING)
            continue;
        lease->gathered = MIN(lease->promised, free);
        free -= lease->gathered;
        if (lease->gathered < lease->promised)
            continue;
        lease->granted = lease->promised;
        enter(lease, LEASE_GRANTED, now);
        lease_explain(lease, NULL);
    }
}

/* The first leases that ended too long ago, or are too many, go. */
static void
forget(Leases *leases, gint64 now)
{
    guint ended = 0;

    for (guint i = leases->all->len; i > 0; i--) {
        const Lease *lease = leases->all->pdata[i - 1];

        if (lease_is_open(lease) || lease->changed)
            continue;
        ended++;
        if (ended > LEASES_REMEMBER || now - lease->changed_us > LEASES_REMEMBER_US)
            g_ptr_array_remove_index(leases->all, i - 1);
    }
}

void
leases_expire(Leases *leases, gint64 now)
{
    for (guint i = 0; i < leases->all->len; i++) {
        Lease *lease = leases->all->pdata[i];

        if (!lease_is_open(lease) || lease->deadline_us == 0 || now < lease->deadline_us)
            continue;
        if (lease->state == LEASE_GRANTED)
            lease_end(lease, LEASE_EXPIRED, "nobody came for it in time", now);
        else
            lease_end(lease, LEASE_FAILED, "too little came free in time", now);
    }
    forget(leases, now);
}

void
leases_restore(Leases *leases, Lease *lease, gint64 now)
{
    lease->changed = TRUE;
    g_ptr_array_add(leases->all, lease);
    if (lease_waits(lease))
        lease_end(lease, LEASE_FAILED, "memplugd was restarted before it was granted", now);
    else if (lease->state == LEASE_GRANTED && !lease->taken)
        lease_end(lease, LEASE_FAILED, "memplugd was restarted before anybody took it", now);
}
