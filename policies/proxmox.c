/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * proxmox: the rule of Proxmox VE (PVE::AutoBalloon, called by pvestatd).
 *
 * Every 10 s, what the host's use lacks to 80 % of its memory, or exceeds it by, is the goal; less
 * than 10 MiB is let be. Towards it guests are moved, each by at most 100 MiB, to
 *
 *     min + (Σ(current − min) + goal) · shares / Σ shares
 *
 * in rounds, until the goal is met or nobody moves: what one guest's limits leave, others take. To
 * grow, guests that are short come first (free memory no more than a quarter of their minimum),
 * then all; to shrink, those that are not, then all, those under pressure too. Free memory counts
 * page cache as used.
 *
 * shares are 1000 times the weight, min is the floor, maxmem the ceiling. The host's use is what is
 * lent: see HostView. Deviation: rounds end after ROUNDS_MOST, which real hosts never need.
 */
#include "policies/proportion.h"

#define MIB              (G_GUINT64_CONSTANT(1) << 20)
#define INTERVAL_US      (10 * G_USEC_PER_SEC)
#define TARGET_PERCENT   80
#define GOAL_LEAST       (10 * (Signed)MIB)
#define CHANGE_MOST      (100 * MIB)
#define SHARES_OF_WEIGHT 1000
#define ROUNDS_MOST      100

typedef __int128 Signed;

typedef struct {
    const GuestView *guests;
    gsize n_guests;
    guint64 *targets;
    gboolean *done; /* in the present call of move(): it takes no further part */
} Round;

static Signed
shares_of(const GuestView *guest)
{
    return MAX((Signed)(guest->weight * SHARES_OF_WEIGHT), 1);
}

static gboolean
is_short(const GuestView *guest)
{
    return guest->free <= guest->floor / 4 || guest->requested < guest->floor;
}

/* Returns: where @guest is to go in this round if its share is @desired. */
static guint64
step_towards(const GuestView *guest, guint64 desired, gboolean growing)
{
    guint64 now = guest->requested;

    if (growing && desired > now)
        return desired - now > CHANGE_MOST ? now + CHANGE_MOST : desired;
    if (desired < now)
        return now - desired > CHANGE_MOST ? now - CHANGE_MOST : desired;
    return now;
}

/* One round over those that still take part. Returns: by how much it moved the sum. */
static Signed
move_once(Round *round, Signed rest, gboolean growing, gboolean *progress)
{
    Signed shares = 0, above = rest, moved = 0;

    for (gsize i = 0; i < round->n_guests; i++) {
        if (round->done[i])
            continue;
        shares += shares_of(&round->guests[i]);
        above += (Signed)round->targets[i] - (Signed)round->guests[i].floor;
    }
    *progress = FALSE;
    for (gsize i = 0; i < round->n_guests && shares > 0; i++) {
        const GuestView *guest = &round->guests[i];
        Signed desired = guest->floor + above / shares * shares_of(guest);
        guint64 within, next;

        if (round->done[i])
            continue;
        within = (guint64)CLAMP(desired, (Signed)guest->floor, (Signed)guest->ceiling);
        next = step_towards(guest, within, growing);
        round->done[i] = next == guest->requested;
        if (round->done[i])
            continue;
        *progress |= next != round->targets[i];
        moved += (Signed)next - (Signed)round->targets[i];
        round->targets[i] = next;
    }
    return moved;
}

/* Moves those guests that are short (or not), or all. Returns: what is left of @goal. */
static Signed
move(Round *round, Signed goal, gboolean all, gboolean those_short)
{
    gboolean progress = TRUE, growing = goal > 0;
    Signed rest = goal;

    for (gsize i = 0; i < round->n_guests; i++)
        round->done[i] = !all && is_short(&round->guests[i]) != those_short;
    for (guint i = 0; i < ROUNDS_MOST && rest != 0 && progress; i++)
        rest -= move_once(round, rest, growing, &progress);
    return rest;
}

static void
proxmox_allocate(const HostView *host, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    g_autofree gboolean *done = g_new(gboolean, n_guests);
    Round round = { guests, n_guests, targets, done };
    Signed goal = (Signed)host->total * TARGET_PERCENT / 100 - ((Signed)host->total - host->free);
    Signed rest;

    for (gsize i = 0; i < n_guests; i++)
        targets[i] = guests[i].requested;
    if (ABS(goal) > GOAL_LEAST) {
        rest = move(&round, goal, FALSE, goal > 0);
        if (goal > 0 ? rest >= goal : rest <= goal)
            move(&round, rest, TRUE, FALSE);
    }
    proportion_cut(host->budget, guests, n_guests, targets);
}

const Policy policy_proxmox = {
    .name = "proxmox",
    .summary = "Proxmox VE: towards 80 % of the host in use, 100 MiB a guest in 10 s, by shares",
    .interval_us = INTERVAL_US,
    .paced = TRUE,
    .allocate = proxmox_allocate,
};
