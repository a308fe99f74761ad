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
 * bounds are. Below it, shares are whole blocks; what is left, less than a block for
 * each, goes to the lowest vessels one block at a time.
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

/* With all that virtio-mem is asked for. */
static guint64
all_of(const GuestMemory *memory, guint node)
{
    guint64 bytes = fixed_of(memory, node);

    for (guint i = 0; i < memory->n_devices; i++) {
        if (memory->devices[i].kind == MEMORY_DEVICE_VIRTIO_MEM && memory->devices[i].node == node)
            bytes += memory->devices[i].requested;
    }
    return bytes;
}

gint64
node_balance_surplus(const GuestMemory *memory, guint node, gint64 more)
{
    double boot = 0, all = (double)more;

    if (!has_parts(memory))
        return 0;
    for (guint i = 0; i < memory->n_nodes; i++) {
        boot += (double)memory->nodes[i].boot;
        all += (double)all_of(memory, memory->nodes[i].id);
    }
    if (boot <= 0)
        return 0;
    return (gint64)((double)all_of(memory, node) - all * ((double)boot_of(memory, node) / boot));
}

guint
node_balance_plug(const GuestMemory *memory, guint64 size)
{
    gint64 least = G_MAXINT64;
    guint best = memory->n_nodes > 0 ? memory->nodes[0].id : 0;

    for (guint i = 0; has_parts(memory) && i < memory->n_nodes; i++) {
        gint64 surplus = node_balance_surplus(memory, memory->nodes[i].id, (gint64)size);

        if (memory->nodes[i].boot == 0 || surplus >= least)
            continue;
        least = surplus;
        best = memory->nodes[i].id;
    }
    return best;
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

/* What is on @node once the first @n_shares have their shares. */
static guint64
filled(const GuestMemory *memory, const NodeShare *shares, guint n_shares, guint node)
{
    guint64 bytes = fixed_of(memory, node);

    for (guint i = 0; i < n_shares; i++) {
        if (shares[i].node == node)
            bytes += shares[i].now;
    }
    return bytes;
}

/* Fills every node up to @level of its boot memory, each share rounded down. */
static void
fill_to(const GuestMemory *memory, NodeShare *shares, guint n_shares, double level)
{
    for (guint i = 0; i < n_shares; i++) {
        NodeShare *share = &shares[i];
        double wanted = level * (double)boot_of(memory, share->node) -
                        (double)filled(memory, shares, i, share->node);
        guint64 most = (guint64)CLAMP(wanted, 0, (double)share->most);

        share->now = CLAMP(round_down(most, share->block), share->least, share->most);
    }
}

/* Returns: a level above which no share grows any more. */
static double
brim(const GuestMemory *memory, const NodeShare *shares, guint n_shares)
{
    double highest = 0;

    for (guint i = 0; i < n_shares; i++) {
        guint64 boot = boot_of(memory, shares[i].node);
        guint64 full = fixed_of(memory, shares[i].node);

        for (guint j = 0; j < n_shares; j++) {
            if (shares[j].node == shares[i].node)
                full += shares[j].most + shares[j].block;
        }
        if (boot > 0)
            highest = MAX(highest, (double)full / (double)boot);
    }
    return highest;
}

static void
pour(const GuestMemory *memory, NodeShare *shares, guint n_shares, guint64 total)
{
    double low = 0, high = brim(memory, shares, n_shares);

    for (guint i = 0; i < BISECTIONS; i++) {
        double middle = (low + high) / 2;

        fill_to(memory, shares, n_shares, middle);
        if (sum(shares, n_shares) <= total)
            low = middle;
        else
            high = middle;
    }
    fill_to(memory, shares, n_shares, low);
}

/* How full the node of @share is; a node without a part is the last to be filled. */
static double
level_of(const GuestMemory *memory, const NodeShare *shares, guint n_shares, const NodeShare *share)
{
    guint64 boot = boot_of(memory, share->node);

    if (!has_parts(memory))
        return 0;
    if (boot == 0)
        return INFINITY;
    return (double)filled(memory, shares, n_shares, share->node) / (double)boot;
}

/* Returns: (nullable): of the devices that can take more, the first on the lowest node. */
static NodeShare *
lowest_with_room(const GuestMemory *memory, NodeShare *shares, guint n_shares)
{
    NodeShare *best = NULL;

    for (guint i = 0; i < n_shares; i++) {
        NodeShare *share = &shares[i];

        if (share->now < share->most && (!best || level_of(memory, shares, n_shares, share) <
                                                      level_of(memory, shares, n_shares, best)))
            best = share;
    }
    return best;
}

static void
top_up(const GuestMemory *memory, NodeShare *shares, guint n_shares, guint64 total)
{
    NodeShare *share;

    while (sum(shares, n_shares) < total &&
           (share = lowest_with_room(memory, shares, n_shares)) != NULL) {
        guint64 missing = total - sum(shares, n_shares);
        guint64 most = share->block;

        if (!has_parts(memory) || boot_of(memory, share->node) == 0)
            most = round_down(missing + share->block - 1, share->block);
        share->now += MIN(most, share->most - share->now);
    }
}

void
node_balance_share(const GuestMemory *memory, NodeShare *shares, guint n_shares, guint64 total)
{
    gboolean grow;

    for (guint i = 0; i < n_shares; i++)
        shares[i].now = CLAMP(shares[i].now, shares[i].least, shares[i].most);
    grow = sum(shares, n_shares) < total;
    for (guint i = 0; i < n_shares; i++) {
        NodeShare *share = &shares[i];

        *(grow ? &share->least : &share->most) = share->now;
        share->now = share->least;
    }
    if (has_parts(memory) && n_shares > 1)
        pour(memory, shares, n_shares, total);
    top_up(memory, shares, n_shares, total);
}
