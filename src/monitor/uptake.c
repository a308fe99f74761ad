/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor/uptake.h"

#include <string.h>

/* What a kernel keeps for itself of boot memory where that was never seen without anything
 * plugged: its image, its reservations, and 64 MiB of bounce buffers where there is hot plug
 * (guest/README.md). */
#define KEPT_ORDINARY (G_GUINT64_CONSTANT(128) << 20)
/* Of all memory: the array of struct page is 1/64. */
#define KEPT_FRACTION 32
/* Less than this, by MemTotal, is not told from what kernels keep. */
#define MISSING_LEAST (G_GUINT64_CONSTANT(48) << 20)

void
uptake_start(Uptake *uptake)
{
    memset(uptake, 0, sizeof *uptake);
}

static guint64
minus(guint64 a, guint64 b)
{
    return a > b ? a - b : 0;
}

/* The guest may say anything; sums of its numbers stay numbers. */
static void
add(guint64 *sum, guint64 value)
{
    if (value != STATS_MISSING)
        *sum = *sum <= G_MAXUINT64 - value ? *sum + value : G_MAXUINT64;
}

static void
add_blocks(Uptake *uptake, const StatsSample *agent)
{
    uptake->online_movable = uptake->online_kernel = uptake->offline = 0;
    for (gsize i = 0; i < MIN(agent->blocks_count, STATS_BLOCKS_MOST); i++) {
        const StatsBlocks *blocks = &agent->blocks[i];

        if (blocks->state != STATS_BLOCK_ONLINE)
            add(&uptake->offline, blocks->size);
        else if (blocks->zone == STATS_ZONE_MOVABLE)
            add(&uptake->online_movable, blocks->size);
        else
            add(&uptake->online_kernel, blocks->size);
    }
}

static void
add_zones(Uptake *uptake, const StatsSample *agent)
{
    uptake->kernel = uptake->kernel_free = uptake->movable = uptake->movable_free = 0;
    for (gsize i = 0; i < MIN(agent->zone_count, STATS_ZONES_MOST); i++) {
        const StatsZone *zone = &agent->zones[i];
        gboolean movable = zone->kind == STATS_ZONE_MOVABLE;

        if (zone->kind == STATS_ZONE_DEVICE)
            continue;
        add(movable ? &uptake->movable : &uptake->kernel, zone->managed);
        add(movable ? &uptake->movable_free : &uptake->kernel_free, zone->free);
    }
}

/* By MemTotal: what it is short of all that the guest was given, less what kernels keep. */
static guint64
missing_by_total(Uptake *uptake, const UptakeView *view)
{
    guint64 given = minus(view->boot + view->plugged, view->ballooned), kept, missing;

    if (view->total == 0)
        return 0;
    if (view->plugged == 0) {
        uptake->kept = minus(given, view->total);
        return 0;
    }
    kept = MAX(uptake->kept, KEPT_ORDINARY) + (view->boot + view->plugged) / KEPT_FRACTION;
    missing = MIN(minus(given, view->total + kept), view->plugged);
    return missing >= MISSING_LEAST ? missing : 0;
}

void
uptake_look(Uptake *uptake, const UptakeView *view, gint64 now)
{
    uptake->by_agent = view->agent && view->agent->blocks_count > 0;
    uptake->plugged = view->plugged;
    uptake->total = view->total;
    if (view->agent)
        add_zones(uptake, view->agent);
    if (uptake->by_agent)
        add_blocks(uptake, view->agent);
    uptake->missing = MAX(uptake->by_agent ? MIN(uptake->offline, view->plugged) : 0,
                          missing_by_total(uptake, view));
    if (uptake->missing == 0 || view->moving)
        uptake->since_us = 0;
    else if (uptake->since_us == 0)
        uptake->since_us = now;
}

gboolean
uptake_is_stuck(const Uptake *uptake, gint64 now)
{
    return uptake->since_us != 0 && now - uptake->since_us >= UPTAKE_PATIENCE_US;
}
