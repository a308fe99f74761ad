/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Think of the nodes as vessels as wide as their boot memory: in proportion means
 * that all are filled to one level. Sharing is to pour until the level that
 * @total fills:
 *
 *      ┌───────────┐
 *      │  vm0      │  ┌────┐
 *   ───┼~~~~~~~~~~~┼──┼~~~~┼─── level     share = level * boot - what is fixed,
 *      │  DIMM     │  │vm1 │                     within the device's bounds
 *      ├───────────┤  ├────┤
 *      │  boot     │  │boot│
 *
 * The level is found by bisection, since a share grows with the level whatever its
 * bounds are. Shares are then rounded down to blocks, and what is left goes, a block at a
 * time, to the device that lost most by that.
 *
 * A DIMM goes where it leaves the least above its part. Summed over the nodes, the
 * surplus before it comes (but counted against all that there will be) is -size, so
 * the chosen node is below its part and ends less than @size above it.
 */
#include "hotplug/node-balance.h"

#include <math.h>

/* Halves an interval of doubles down to neighbours. */
#define BISECTIONS 64

static gboolean
has_parts(const GuestMemory *memory)
{
    return memory->n_nodes > 1;
}

static guint64
boot_of(const GuestMemory *memory, guint node)
{
    for (guint i = 0; i < memory->n_nodes; i++) {
        if (memory->nodes[i].id == node)
            return memory->nodes[i].boot;
    }
    return 0;
}

/* Boot memory and DIMMs. */
static guint64
fixed_of(const GuestMemory *memory, guint node)
{
    guint64 bytes = boot_of(memory, node);

    for (guint i = 0; i < memory->n_devices; i++) {
        if (memory->devices[i].kind == MEMORY_DEVICE_DIMM && memory->devices[i].node == node)
            bytes += memory->devices[i].size;
    }
    return bytes;
}

static guint64
requested_of(const MemoryDevice *device)
{
    return device->requested;
}

static guint64
most_of(const MemoryDevice *device)
{
    return device->max;
}

/* With what @counts of each virtio-mem device. */
static guint64
all_of(const GuestMemory *memory, guint node, guint64 (*counts)(const MemoryDevice *device))
{
    guint64 bytes = fixed_of(memory, node);

    for (guint i = 0; i < memory->n_devices; i++) {
        if (memory->devices[i].kind == MEMORY_DEVICE_VIRTIO_MEM && memory->devices[i].node == node)
            bytes += counts(&memory->devices[i]);
    }
    return bytes;
}

static gint64
surplus_of(const GuestMemory *memory, guint node, gint64 more,
           guint64 (*counts)(const MemoryDevice *device))
{
    double boot = 0, all = (double)more;

    if (!has_parts(memory))
        return 0;
    for (guint i = 0; i < memory->n_nodes; i++) {
        boot += (double)memory->nodes[i].boot;
        all += (double)all_of(memory, memory->nodes[i].id, counts);
    }
    if (boot <= 0)
        return 0;
    return (gint64)((double)all_of(memory, node, counts) -
                    all * ((double)boot_of(memory, node) / boot));
}

gint64
node_balance_surplus(const GuestMemory *memory, guint node, gint64 more)
{
    return surplus_of(memory, node, more, requested_of);
}

static guint
most_due(const GuestMemory *memory, guint64 size, guint64 (*counts)(const MemoryDevice *device))
{
    gint64 least = G_MAXINT64;
    guint best = memory->n_nodes > 0 ? memory->nodes[0].id : 0;

    for (guint i = 0; has_parts(memory) && i < memory->n_nodes; i++) {
        gint64 surplus = surplus_of(memory, memory->nodes[i].id, (gint64)size, counts);

        if (memory->nodes[i].boot == 0 || surplus >= least)
            continue;
        least = surplus;
        best = memory->nodes[i].id;
    }
    return best;
}

guint
node_balance_plug(const GuestMemory *memory, guint64 size)
{
    return most_due(memory, size, requested_of);
}

guint
node_balance_plug_virtio_mem(const GuestMemory *memory, guint64 max)
{
    return most_due(memory, max, most_of);
}

/*
 * Shares
 */

static guint64
round_down(guint64 value, guint64 grain)
{
    return value - value % grain;
}

static guint64
sum(const NodeShare *shares, guint n_shares)
{
    guint64 bytes = 0;

    for (guint i = 0; i < n_shares; i++)
        bytes += shares[i].now;
    return bytes;
}

/*
 * Works out @wanted for every node filled up to @level of its boot memory, without a
 * thought of blocks. Returns: their sum.
 */
static double
fill_to(const GuestMemory *memory, const NodeShare *shares, guint n_shares, double level,
        double *wanted)
{
    double all = 0;

    for (guint i = 0; i < n_shares; i++) {
        double missing = level * (double)boot_of(memory, shares[i].node) -
                         (double)fixed_of(memory, shares[i].node);

        for (guint j = 0; j < i; j++)
            missing -= shares[j].node == shares[i].node ? wanted[j] : 0;
        wanted[i] = CLAMP(missing, (double)shares[i].least, (double)shares[i].most);
        all += wanted[i];
    }
    return all;
}

/* Returns: a level above which no share grows any more. */
static double
brim(const GuestMemory *memory, const NodeShare *shares, guint n_shares)
{
    double highest = 0;

    for (guint i = 0; i < n_shares; i++) {
        double boot = (double)boot_of(memory, shares[i].node);
        double full = (double)fixed_of(memory, shares[i].node);

        for (guint j = 0; j < n_shares; j++)
            full += shares[j].node == shares[i].node ? (double)shares[j].most : 0;
        if (boot > 0)
            highest = MAX(highest, full / boot);
    }
    return highest;
}

/* Works out @wanted so that it sums up to @total, or to what the nodes with a part can take. */
static void
pour(const GuestMemory *memory, const NodeShare *shares, guint n_shares, guint64 total,
     double *wanted)
{
    double low = 0, high = brim(memory, shares, n_shares);

    if (fill_to(memory, shares, n_shares, high, wanted) <= (double)total)
        return;
    for (guint i = 0; i < BISECTIONS; i++) {
        double middle = (low + high) / 2;

        if (fill_to(memory, shares, n_shares, middle, wanted) <= (double)total)
            low = middle;
        else
            high = middle;
    }
    fill_to(memory, shares, n_shares, low, wanted);
}

/* Returns: (nullable): of the devices that can take more, the one that is most below what
 *   is wanted of it; the first of equals. */
static NodeShare *
first_due(NodeShare *shares, guint n_shares, const double *wanted)
{
    NodeShare *best = NULL;
    double most = 0;

    for (guint i = 0; i < n_shares; i++) {
        double due = wanted[i] - (double)shares[i].now;

        if (shares[i].now >= shares[i].most || (best && due <= most))
            continue;
        best = &shares[i];
        most = due;
    }
    return best;
}

static void
top_up(NodeShare *shares, guint n_shares, guint64 total, const double *wanted)
{
    NodeShare *share;

    while (sum(shares, n_shares) < total && (share = first_due(shares, n_shares, wanted))) {
        guint64 missing = total - sum(shares, n_shares);
        gboolean due = wanted[share - shares] > (double)share->now;
        guint64 more = due ? share->block : round_down(missing + share->block - 1, share->block);

        share->now += MIN(more, share->most - share->now);
    }
}

void
node_balance_share(const GuestMemory *memory, NodeShare *shares, guint n_shares, guint64 total)
{
    g_autofree double *wanted = g_new(double, n_shares);
    gboolean grow;

    for (guint i = 0; i < n_shares; i++)
        shares[i].now = CLAMP(shares[i].now, shares[i].least, shares[i].most);
    grow = sum(shares, n_shares) < total;
    for (guint i = 0; i < n_shares; i++) {
        *(grow ? &shares[i].least : &shares[i].most) = shares[i].now;
        wanted[i] = (double)shares[i].least;
    }
    if (has_parts(memory) && n_shares > 1)
        pour(memory, shares, n_shares, total, wanted);
    for (guint i = 0; i < n_shares; i++)
        shares[i].now =
            CLAMP(round_down((guint64)wanted[i], shares[i].block), shares[i].least, shares[i].most);
    top_up(shares, n_shares, total, wanted);
}
