/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Weighted max-min sharing, the tool of every rule that is fair under scarcity.
 *
 * Think of guests as vessels, each as wide as its weight, standing in one basin.
 * A vessel is filled up to its low mark beforehand and takes nothing beyond its
 * high mark. Memory is poured in until it is used up, and stands equally high in
 * all vessels that are between their marks:
 *
 *     high ┬     ┌───┐
 *          │     │   │        ┌──────┐ high: full, takes no more
 *     level ~~~~~│~~~│~~~~~~~~│▓▓▓▓▓▓│~~~┌──┐~~~
 *          │     │▓▓▓│        │▓▓▓▓▓▓│   │▓▓│ low above the level: keeps its low
 *      low ┴     │▓▓▓│        │▓▓▓▓▓▓│   │▓▓│
 *
 * No vessel between its marks can then get more without one that has less per
 * weight getting less: the weighted max-min fair allocation (Bertsekas and
 * Gallager, "Data Networks", section 6.5.2).
 *
 * Memory that a guest does not use can be taxed: above its @busy mark a vessel is
 * wider by the tax, so that the level there rises only a part as fast.
 */
#pragma once

#include <glib.h>

/* The largest tax. ESX's is 4: an idle page costs as much as four in use. */
#define WATER_TAX_MAX 8

typedef struct {
    /* in */
    guint64 low;   /* bytes it has in any case */
    guint64 high;  /* bytes it takes at most; >= low */
    double weight; /* more than 0; their ratios are kept to nine digits */
    guint64 busy;  /* bytes in use, where there is a tax */
    guint tax;     /* what a byte beyond @busy costs, up to WATER_TAX_MAX; 0 or 1: no more
                    * than any other */

    /* out */
    guint64 amount; /* bytes it got */

    guint64 width; /* private: @weight relative to the largest, in fixed point */
} WaterVessel;

/*
 * water_level_fill:
 * @vessels: (array length=n_vessels): gets each amount filled in
 * @budget: bytes to be poured in, the low marks included
 *
 * If the low marks exceed @budget, each vessel gets its low mark; if the high
 * marks fit, each gets its high mark. Otherwise the amounts sum to @budget less
 * at most @n_vessels - 1 bytes, for which nobody has a better claim than others.
 *
 * Raising one vessel's marks never lowers its own amount and never raises that
 * of another. Vessels of equal marks, weight and tax get equal amounts.
 *
 * O(n_vessels · log(highest mark / lowest weight)), no allocation.
 */
void water_level_fill(WaterVessel *vessels, gsize n_vessels, guint64 budget);
