/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/reservations-words.h"

#include "size/size.h"

/* A message is read by a person: of more guests it tells how many there are. */
#define MOST_NAMED 16

static const char *
name_of(ManagedGuest *managed)
{
    return guest_get_name(managed_guest_get_guest(managed));
}

char *
reservations_words_event(const Lease *lease)
{
    gboolean granted = lease->granted > 0;
    g_autofree char *size = size_format_rounded(granted ? lease->granted : lease->asked);
    GString *text = g_string_new(NULL);

    g_string_printf(text, "lease %" G_GUINT64_FORMAT " of %s", lease->id, size);
    if (lease->guest)
        g_string_append_printf(text, " for %s", lease->guest);
    g_string_append_printf(
        text, ": %s",
        lease->state == LEASE_GRANTED && lease->taken ? "taken" : lease_state_name(lease->state));
    if (lease->state == LEASE_ASKED && *lease->purpose)
        g_string_append_printf(text, " by %s", lease->purpose);
    if (!lease_is_open(lease) && lease->reason)
        g_string_append_printf(text, ", %s", lease->reason);
    return g_string_free(text, FALSE);
}

static const char *
why(const RoomDonor *donor, const PlanGuest *plan)
{
    switch (donor->refusal) {
    case ROOM_PINNED:
        return plan_pin_describe(plan->pin);
    case ROOM_PRESSED:
        return "under pressure";
    case ROOM_STUCK:
        return "does not follow";
    case ROOM_NEEDED:
        return "in use";
    case ROOM_GIVES_ALL:
        break;
    }
    return "its floor";
}

/* Of what it was asked for already: it is on its way, or the guest does not let it go. */
static void
add_owing(GString *text, const PlanGuest *plan)
{
    g_autofree char *size = NULL;

    if (plan->actual <= plan->requested)
        return;
    size = size_format_rounded(plan->actual - plan->requested);
    g_string_append_printf(text, ", and has yet to give %s", size);
}

/* By what they keep, most first. */
static int
compare_donors(gconstpointer a, gconstpointer b, gpointer data)
{
    const RoomDonor *donors = data;
    guint64 one = donors[*(const guint *)a].keeps, other = donors[*(const guint *)b].keeps;

    return one < other ? 1 : one > other ? -1 : 0;
}

static void
add_donors(GString *text, const PlanGuest *plans, ManagedGuest *const *guests,
           const RoomDonor *donors, gsize n_guests)
{
    g_autofree guint *order = g_new(guint, MAX(n_guests, 1));

    for (guint i = 0; i < n_guests; i++)
        order[i] = i;
    g_qsort_with_data(order, (gint)n_guests, sizeof(guint), compare_donors, (gpointer)donors);
    for (guint i = 0; i < MIN(n_guests, MOST_NAMED); i++) {
        const RoomDonor *donor = &donors[order[i]];
        g_autofree char *keeps = size_format_rounded(MIN(donor->keeps, donor->has));
        g_autofree char *has = size_format_rounded(donor->has);

        g_string_append_printf(text, "; %s keeps %s of %s (%s", name_of(guests[order[i]]), keeps,
                               has, why(donor, &plans[order[i]]));
        add_owing(text, &plans[order[i]]);
        g_string_append_c(text, ')');
    }
    if (n_guests > MOST_NAMED)
        g_string_append_printf(text, "; and %u more guests", (guint)n_guests - MOST_NAMED);
}

char *
reservations_words_refusal(const Lease *lease, const Room *room, const PlanGuest *plans,
                           ManagedGuest *const *guests, const RoomDonor *donors, gsize n_guests,
                           guint64 budget, guint64 claimed, gboolean never, gboolean closed)
{
    g_autofree char *wanted = size_format_rounded(lease->at_least);
    g_autofree char *had = size_format_rounded(never ? room->most : room->obtainable);
    g_autofree char *of = size_format_rounded(budget);
    GString *text = g_string_new(NULL);

    if (closed) {
        g_string_printf(text, "no room for %s: the host itself is short of memory", wanted);
        return g_string_free(text, FALSE);
    }
    g_string_printf(text, "no room for %s: %s of the budget of %s can be had%s", wanted, had, of,
                    never ? ", were all guests at their floors" : " without hurting anybody");
    if (claimed > 0) {
        g_autofree char *held = size_format_rounded(claimed);

        g_string_append_printf(text, "; leases hold %s", held);
    }
    add_donors(text, plans, guests, donors, n_guests);
    return g_string_free(text, FALSE);
}

char *
reservations_words_late(const Lease *lease, const PlanGuest *plans, ManagedGuest *const *guests,
                        const RoomDonor *donors, gsize n_guests)
{
    GString *text = g_string_new("too little came free in time");
    g_autofree char *came = size_format_rounded(lease->gathered);
    g_autofree char *promised = size_format_rounded(lease->promised);

    /* Who waited for a promise has been told each cycle why there is none. */
    if (lease->state == LEASE_GATHERING)
        g_string_append_printf(text, ": %s of %s", came, promised);
    if (lease->reason)
        g_string_append_printf(text, "%s %s", lease->state == LEASE_GATHERING ? ";" : ":",
                               lease->reason);
    if (lease->state == LEASE_GATHERING)
        add_donors(text, plans, guests, donors, n_guests);
    return g_string_free(text, FALSE);
}

void
reservations_words_add_held(GString *text, ManagedGuest *managed, guint64 bytes)
{
    g_autofree char *size = size_format_rounded(bytes);

    g_string_append_printf(text, "%sthe QEMU of %s has not given back %s that its guest gave",
                           text->len > 0 ? "; " : "", name_of(managed), size);
}

void
reservations_words_add_host(GString *text, guint64 available)
{
    g_autofree char *size = size_format_rounded(available);

    g_string_append_printf(text, "%sthe host has no more than %s available",
                           text->len > 0 ? "; " : "", size);
}
