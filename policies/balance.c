/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * balance: everyone gets its demand while that fits; under scarcity, memory goes
 * where taking it would hurt most.
 *
 * What a guest may call for falls into tiers, by what their loss would cost it:
 *
 *     ceiling ┬ surplus   nobody asked for it           kept, or shared if so configured
 *     demand  ┼ memory of a load that has gone, or foresight
 *     need    ┼ headroom  page cache, room for what comes next
 *     used    ┼ in use    its loss means swapping
 *     floor   ┴ guaranteed, whatever becomes of the others
 *
 * A tier is served only when all guests have had the ones below, so the donors are
 * always those that lose least: first who keeps the memory of a load that has gone,
 * then who has the most room to spare. The tier in which the memory ends is shared
 * by weighted max-min fairness: a guest that wants less than its share gets what it
 * wants, and what it leaves goes to the others by weight. Unlike a cut in proportion
 * to demand, nobody gains by demanding more than it uses.
 *
 * In use is a little more than what was used when the guest last told: given no more than that,
 * each guest whose use moves at all would swap, and one that swaps is slow to take up more. So
 * where not even what is in use fits, those that use least live well and the largest lack, instead
 * of all of them a little. A guest under pressure (it swaps or stalls) would use all of its need at
 * once, so all of that counts as in use. One that asks urgently says so itself: what it asks for is
 * part of its need, and the limits serve it first of what is free, but nobody gives up more for it.
 *
 * Beyond what is in use, memory is taxed as ESX does (Waldspurger, "Memory Resource
 * Management in VMware ESX Server", OSDI 2002, section 5.2; its default of 75 % makes an
 * idle page cost as much as four in use): of two guests of equal weight and demand the
 * busier one gets more.
 *
 * Memory that nobody demands is kept free, unless it is to be shared: a free byte can go
 * where the next burst is at once, a lent one must first be taken back.
 */
#include "policies/policy.h"
#include "policies/water-level.h"

/* 1 / (1 - 0.75), as in ESX. */
#define IDLE_TAX 4

/* What is kept in use beyond what was used when the guest last told: a sixteenth, at most
 * 256 MiB, as much as a guest keeps when something is taken from it (allocate/shrink-signs.c). */
#define MARGIN_PART 16
#define MARGIN_MOST (G_GUINT64_CONSTANT(256) << 20)

typedef enum {
    TIER_FLOOR,
    TIER_USED,
    TIER_NEED,
    TIER_DEMAND,
    TIER_CEILING,
    N_TIERS,
} Tier;

/* What its loss would have the guest swap. */
static guint64
busy_of(const GuestView *guest)
{
    guint64 need = MIN(guest->need, guest->demand);

    return guest->pressed ? need : MIN(guest->used, need);
}

/* And what it lives on from one look to the next. */
static guint64
in_use(const GuestView *guest)
{
    guint64 need = MIN(guest->need, guest->demand), busy = busy_of(guest);

    return busy + MIN(MIN(busy / MARGIN_PART, MARGIN_MOST), need - busy);
}

/* Returns: how far @guest reaches in @tier, never less than in the one below. */
static guint64
tier_mark(const GuestView *guest, Tier tier)
{
    const guint64 marks[] = {
        [TIER_FLOOR] = 0,
        [TIER_USED] = in_use(guest),
        [TIER_NEED] = MIN(guest->need, guest->demand),
        [TIER_DEMAND] = guest->demand,
        [TIER_CEILING] = guest->ceiling,
    };
    guint64 mark = guest->floor;

    for (Tier below = TIER_FLOOR; below <= tier; below++)
        mark = MAX(mark, marks[below]);
    return MIN(mark, guest->ceiling);
}

/* Returns: the lowest tier that takes all the memory there is, or the highest to be served. */
static Tier
find_tier(const HostView *host, const GuestView *guests, gsize n_guests)
{
    unsigned __int128 sums[N_TIERS] = { 0 };
    const Tier last = host->share ? TIER_CEILING : TIER_DEMAND;

    for (gsize i = 0; i < n_guests; i++) {
        for (Tier tier = TIER_USED; tier <= last; tier++)
            sums[tier] += tier_mark(&guests[i], tier);
    }
    for (Tier tier = TIER_USED; tier < last; tier++) {
        if (sums[tier] >= host->budget)
            return tier;
    }
    return last;
}

static void
balance_allocate(const HostView *host, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    g_autofree WaterVessel *vessels = g_new(WaterVessel, n_guests);
    const Tier tier = find_tier(host, guests, n_guests);

    for (gsize i = 0; i < n_guests; i++) {
        vessels[i] = (WaterVessel){
            .low = tier_mark(&guests[i], tier - 1),
            .high = tier_mark(&guests[i], tier),
            .weight = guests[i].weight,
            .busy = busy_of(&guests[i]),
            .tax = IDLE_TAX,
        };
    }
    water_level_fill(vessels, n_guests, host->budget);
    for (gsize i = 0; i < n_guests; i++)
        targets[i] = vessels[i].amount;
}

const Policy policy_balance = {
    .name = "balance",
    .summary =
        "what each guest demands; under scarcity floors, then what is in use, then headroom, "
        "by weight",
    .separable = TRUE,
    .allocate = balance_allocate,
};
