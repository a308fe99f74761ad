/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What whoever asks for a lease orders: to have one, to take it, to let it go.
 */
#include "daemon/reservations-private.h"

#include "monitor/host-memory.h"

static gint64
time_or(gint64 span, gint64 otherwise)
{
    return span > 0 ? MIN(span, RESERVATIONS_MOST_US) : otherwise;
}

static gboolean
check_terms(Reservations *reservations, const LeaseTerms *terms, GError **error)
{
    GPtrArray *guests = roster_get_guests(reservations->roster);
    const Lease *same = terms->guest ? leases_find_for(reservations->leases, terms->guest) : NULL;
    gboolean runs = FALSE;

    for (guint i = 0; i < guests->len && terms->guest; i++)
        runs |=
            g_str_equal(guest_get_name(managed_guest_get_guest(guests->pdata[i])), terms->guest);
    if (terms->asked == 0 || terms->at_least > terms->asked)
        g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_REFUSED,
                    "a lease is of more than nothing, and of no less than what it is to be at "
                    "least");
    else if (runs)
        g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_REFUSED,
                    "'%s' runs already: memory is reserved for guests to come", terms->guest);
    else if (same)
        g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_REFUSED,
                    "lease %" G_GUINT64_FORMAT " is for '%s' already; 'memplug release "
                    "%" G_GUINT64_FORMAT "' ends it",
                    same->id, terms->guest, same->id);
    else
        return TRUE;
    return FALSE;
}

const Lease *
reservations_ask(Reservations *reservations, const LeaseTerms *terms, GError **error)
{
    LeaseTerms filled = *terms;
    Lease *lease;

    if (!check_terms(reservations, terms, error))
        return NULL;
    filled.wait_us = time_or(terms->wait_us, RESERVATIONS_WAIT_US);
    filled.ttl_us = time_or(terms->ttl_us, RESERVATIONS_TTL_US);
    lease = leases_ask(reservations->leases, reservations->last_id + 1, &filled,
                       g_get_monotonic_time());
    if (!lease) {
        g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_REFUSED,
                    "%d leases are open, and no more can be", LEASES_MOST_OPEN);
        return NULL;
    }
    reservations->last_id = lease->id;
    reservations_keep_and_tell(reservations);
    reservations_want_cycle(reservations);
    return lease;
}

/* Returns: (nullable): the open lease @id; NULL with @error set. */
static Lease *
find_open(Reservations *reservations, guint64 id, GError **error)
{
    Lease *lease = leases_find(reservations->leases, id);

    if (!lease)
        g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_UNKNOWN,
                    "there is no lease %" G_GUINT64_FORMAT "; 'memplug leases' lists them", id);
    else if (!lease_is_open(lease))
        g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_ENDED,
                    "lease %" G_GUINT64_FORMAT " is over: %s%s%s", id,
                    lease_state_name(lease->state), lease->reason ? ", " : "",
                    lease->reason ? lease->reason : "");
    else
        return lease;
    return NULL;
}

gboolean
reservations_hold(Reservations *reservations, guint64 id, guint64 process, GError **error)
{
    Lease *lease = find_open(reservations, id, error);
    guint64 process_id = 0;

    if (!lease)
        return FALSE;
    if (lease->state != LEASE_GRANTED) {
        g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_REFUSED,
                    "lease %" G_GUINT64_FORMAT " is not granted yet", id);
        return FALSE;
    }
    if (process > 0) {
        process_id = host_memory_process_id(reservations->root, process);
        if (process_id == 0) {
            g_set_error(error, RESERVATIONS_ERROR, RESERVATIONS_ERROR_REFUSED,
                        "there is no process %" G_GUINT64_FORMAT, process);
            return FALSE;
        }
    }
    lease_hold(lease, process, process_id);
    lease->changed = TRUE;
    reservations_keep_and_tell(reservations);
    return TRUE;
}

static void
end(Reservations *reservations, Lease *lease, LeaseState how, const char *why)
{
    lease_end(lease, how, why, g_get_monotonic_time());
    reservations_keep_and_tell(reservations);
    reservations_want_cycle(reservations);
}

gboolean
reservations_release(Reservations *reservations, guint64 id, GError **error)
{
    Lease *lease = find_open(reservations, id, error);

    if (lease)
        end(reservations, lease, LEASE_RELEASED, NULL);
    return lease != NULL;
}

void
reservations_abandon(Reservations *reservations, guint64 id)
{
    Lease *lease = leases_find(reservations->leases, id);

    if (lease && lease_is_open(lease) && !lease->taken)
        end(reservations, lease, LEASE_FAILED, "whoever asked for it has gone");
}
