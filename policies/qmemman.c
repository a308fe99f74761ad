/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qmemman: the rule of Qubes OS (qubes/qmemman/algo.py, systemstate.py).
 *
 * A guest prefers 1.3 times what it uses, swap included and page cache not, at least 200 MiB.
 *   - If all preferences fit, each guest gets its own, and all that is left goes to the guests
 *     in proportion to it (balance_when_enough_mem): nothing is kept but 50 MiB.
 *   - If not, guests with more than they prefer (donors) give the rest, and what is free goes
 *     to the others (acceptors) by preference, on top of what they have (balance_when_low_on_mem);
 *     what donors give now, acceptors get in a later round.
 * Nothing is moved unless some guest below its preference is to get 15 MiB more, or 150 MiB
 * move in all (is_balance_req_significant): that is its damping.
 *
 * It runs whenever a guest reports, which is several times a second under load; here, in every
 * plan. Left out: the 350 MiB more for dom0, and that a guest which gave nothing is marked.
 * Deviation: what a guest has lies within its floor and ceiling, so a donor stops there.
 */
#include "policies/proportion.h"

#define MIB                   (G_GUINT64_CONSTANT(1) << 20)
#define PREFERRED_LEAST       (200 * MIB)
#define KEPT_FREE             (50 * MIB)
#define DONATION_LEAST        (10 * MIB)
#define CHANGE_UNDER_PREF_MIN (15 * MIB)
#define TRANSFER_MIN          (150 * MIB)

typedef unsigned __int128 Wide;
typedef __int128 Signed;

static guint64
minus(guint64 a, guint64 b)
{
    return a > b ? a - b : 0;
}

/* What the guest has, or may have at any moment. */
static guint64
has(const GuestView *guest)
{
    return MAX(guest->actual, guest->requested);
}

static guint64
preferred(const GuestView *guest)
{
    Wide used = (Wide)minus(minus(guest->total, guest->free), guest->cached) + guest->swapped;

    return (guint64)MAX(MIN(used * 13 / 10, guest->ceiling), PREFERRED_LEAST);
}

static gboolean
is_donor(const GuestView *guest)
{
    return preferred(guest) < has(guest) || has(guest) >= guest->ceiling;
}

/* Sums over all guests. */
typedef struct {
    Signed free; /* bytes that nobody has, less what is kept */
    Wide preferred;
    Wide preferred_acceptors;
    Wide given; /* by donors */
} Sums;

static Sums
sum_up(const HostView *host, const GuestView *guests, gsize n_guests)
{
    Sums sums = { .free = (Signed)host->budget - (Signed)KEPT_FREE };

    for (gsize i = 0; i < n_guests; i++) {
        guint64 surplus = minus(has(&guests[i]), preferred(&guests[i]));

        sums.free -= has(&guests[i]);
        sums.preferred += preferred(&guests[i]);
        if (!is_donor(&guests[i]))
            sums.preferred_acceptors += preferred(&guests[i]);
        else if (surplus >= DONATION_LEAST)
            sums.given += surplus;
    }
    return sums;
}

/* 0.999 of @bytes, against rounding; not more than the guest may have. */
static guint64
rounded(const GuestView *guest, Wide bytes)
{
    return (guint64)MIN(bytes / 1000 * 999, guest->ceiling);
}

/* What guests at their maximum leave goes to the others in equal parts. */
static void
hand_on(const GuestView *guests, gsize n_guests, Wide left, guint64 *targets)
{
    for (;;) {
        gsize n_acceptors = 0;
        Wide bonus, still_left = 0;

        for (gsize i = 0; i < n_guests; i++)
            n_acceptors += targets[i] < guests[i].ceiling;
        if (n_acceptors == 0 || left / n_acceptors < 1000)
            return;
        bonus = left / n_acceptors / 1000 * 999;
        for (gsize i = 0; i < n_guests; i++) {
            guint64 room = minus(guests[i].ceiling, targets[i]);

            if (room == 0)
                continue;
            still_left += bonus > room ? bonus - room : 0;
            targets[i] += (guint64)MIN(bonus, room);
        }
        left = still_left;
    }
}

static void
share_enough(const Sums *sums, const GuestView *guests, gsize n_guests, Wide available,
             guint64 *targets)
{
    Wide left = 0;

    for (gsize i = 0; i < n_guests; i++) {
        guint64 own = preferred(&guests[i]);
        /* In kilobytes of the whole, so that the product fits. */
        Wide share = (available >> 10) * own / MAX(sums->preferred >> 10, 1);
        Wide wanted = (own + share) / 1000 * 999;

        targets[i] = rounded(&guests[i], own + share);
        if (wanted > guests[i].ceiling)
            left += wanted - guests[i].ceiling;
    }
    hand_on(guests, n_guests, left, targets);
}

static void
share_little(const Sums *sums, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    Signed squeezed = sums->free - (Signed)sums->given;

    for (gsize i = 0; i < n_guests; i++) {
        const GuestView *guest = &guests[i];
        guint64 own = preferred(guest);

        targets[i] = guest->requested;
        if (is_donor(guest) && minus(has(guest), own) >= DONATION_LEAST)
            targets[i] = own;
        else if (!is_donor(guest) && squeezed > 0)
            targets[i] = rounded(guest, has(guest) + ((Wide)squeezed >> 10) * own /
                                                         MAX(sums->preferred_acceptors >> 10, 1));
    }
}

static gboolean
is_significant(const HostView *host, const GuestView *guests, gsize n_guests,
               const guint64 *targets)
{
    Signed free = host->budget;
    Wide moved = 0;

    for (gsize i = 0; i < n_guests; i++)
        free -= has(&guests[i]);
    if ((Signed)KEPT_FREE - free > (Signed)CHANGE_UNDER_PREF_MIN)
        return TRUE;
    for (gsize i = 0; i < n_guests; i++) {
        guint64 before = guests[i].requested;

        moved += minus(targets[i], before) + minus(before, targets[i]);
        if (before < preferred(&guests[i]) && minus(targets[i], before) > CHANGE_UNDER_PREF_MIN)
            return TRUE;
    }
    free -= KEPT_FREE;
    return moved + (Wide)ABS(free) > TRANSFER_MIN;
}

static void
qmemman_allocate(const HostView *host, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    const Sums sums = sum_up(host, guests, n_guests);
    Signed available = sums.free;

    for (gsize i = 0; i < n_guests; i++)
        available += (Signed)has(&guests[i]) - (Signed)preferred(&guests[i]);
    if (available > 0)
        share_enough(&sums, guests, n_guests, (Wide)available, targets);
    else
        share_little(&sums, guests, n_guests, targets);
    if (!is_significant(host, guests, n_guests, targets)) {
        for (gsize i = 0; i < n_guests; i++)
            targets[i] = guests[i].requested;
    }
    proportion_cut(host->budget, guests, n_guests, targets);
}

const Policy policy_qmemman = {
    .name = "qmemman",
    .summary = "Qubes' qmemman: 1.3 times what is used, and all that is left in proportion to it",
    .paced = TRUE,
    .allocate = qmemman_allocate,
};
