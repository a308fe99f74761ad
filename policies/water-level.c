/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The level is found by bisection over whole numbers rather than by sorting the
 * marks: it needs no memory, its cost does not depend on the data, and it makes
 * the promises of the header easy to prove.
 *
 * A width is at most 2^WIDTH_BITS (the widest vessel has exactly that), and the
 * level counts 2^-WIDTH_BITS bytes of the widest vessel. So one level more adds
 * at most ONE byte to each vessel. Let L be the highest level whose amounts sum
 * to at most the budget. Then
 *
 *   - level L+1 would exceed the budget and adds at most one byte per vessel, so
 *     fewer bytes than there are vessels are left over;
 *   - raise vessel i's marks: the sum at each level rises or stays, so the new
 *     level L' <= L, and no other vessel gets more. Were i to get less than before,
 *     then L' < L, and at L'+1 <= L vessel i would have at most one byte more,
 *     so no more than before, and nobody else more than before: the sum would be
 *     within the budget and L' not the highest. So i does not get less.
 *
 * A tax only makes a vessel's amount rise more slowly from some level on, and no
 * later for a higher busy mark: it still rises by at most a byte a level, which is
 * all that the proof asks.
 */
#include "policies/water-level.h"

#define WIDTH_BITS 30

/* 2^WIDTH_BITS times a level of 2^(64 + WIDTH_BITS) times the tax, the highest needed for
 * the narrowest vessel (width 1), is 2^127 and fits. */
typedef unsigned __int128 Wide;

static guint64
amount_at(const WaterVessel *vessel, Wide level)
{
    Wide amount = (level * vessel->width) >> WIDTH_BITS;

    if (vessel->tax > 1 && amount > vessel->busy)
        amount = vessel->busy + (amount - vessel->busy) / vessel->tax;
    if (amount <= vessel->low)
        return vessel->low;
    return amount < vessel->high ? (guint64)amount : vessel->high;
}

static Wide
sum_at(const WaterVessel *vessels, gsize n_vessels, Wide level)
{
    Wide sum = 0;

    for (gsize i = 0; i < n_vessels; i++)
        sum += amount_at(&vessels[i], level);
    return sum;
}

/* Sets the widths. Returns: a level at which every vessel is full. */
static Wide
prepare(WaterVessel *vessels, gsize n_vessels)
{
    double heaviest = 0;
    guint64 narrowest = G_GUINT64_CONSTANT(1) << WIDTH_BITS, highest = 0;
    guint tax = 1;

    for (gsize i = 0; i < n_vessels; i++)
        heaviest = MAX(heaviest, vessels[i].weight);
    for (gsize i = 0; i < n_vessels; i++) {
        double width = vessels[i].weight / heaviest * (double)(1 << WIDTH_BITS);

        vessels[i].width = width >= 1 ? (guint64)width : 1;
        narrowest = MIN(narrowest, vessels[i].width);
        highest = MAX(highest, vessels[i].high);
        tax = MAX(tax, vessels[i].tax);
    }
    return (((Wide)highest << WIDTH_BITS) / narrowest + 1) * tax;
}

void
water_level_fill(WaterVessel *vessels, gsize n_vessels, guint64 budget)
{
    Wide fits = 0, exceeds = prepare(vessels, n_vessels);

    if (sum_at(vessels, n_vessels, exceeds) <= budget)
        fits = exceeds;
    while (exceeds - fits > 1) {
        Wide middle = fits + (exceeds - fits) / 2;

        if (sum_at(vessels, n_vessels, middle) <= budget)
            fits = middle;
        else
            exceeds = middle;
    }

    for (gsize i = 0; i < n_vessels; i++)
        vessels[i].amount = amount_at(&vessels[i], fits);
}
