/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The NUMA nodes of a guest keep their proportions: memory that comes and goes is
 * spread over them as the boot memory is, so that what the guest's administrator
 * laid out stays laid out so. Pure.
 *
 * A node's part is its boot memory over that of all nodes. A node without boot
 * memory has no part: it is given something only when the others can take no
 * more. Devices come in grains, and each that moves is rounded to its own, so a node may
 * be off by less than two grains. What is off is not shifted about, since that costs the
 * guest more than it is worth: it is made good by what comes and goes anyway.
 */
#pragma once

#include "hypervisor/guest-memory.h"

/*
 * node_balance_surplus:
 * @more: bytes that are about to come to some node; below 0: to go
 *
 * Returns: by how much @node is above its part of what the guest then has; below 0 if
 *   it is below. 0 for every node of a guest whose nodes are not known.
 */
gint64 node_balance_surplus(const GuestMemory *memory, guint node, gint64 more);

/* Returns: the node on which a new device of @size bytes is due. */
guint node_balance_plug(const GuestMemory *memory, guint64 size);

/* Returns: the node on which a new virtio-mem device of at most @max bytes is due: by what
 *   the nodes could have, since an empty device says nothing by its size. */
guint node_balance_plug_virtio_mem(const GuestMemory *memory, guint64 max);

/* A device whose size can be chosen. */
typedef struct {
    guint node;
    guint64 now;   /* what it is asked for; the share, once that was worked out */
    guint64 least; /* bounds of the share; least <= most */
    guint64 most;
    guint64 block; /* the share changes by multiples of this; at least 1 */
} NodeShare;

/*
 * node_balance_share:
 * @shares: (array length=n_shares) (inout): @now is replaced by the share; the rest by nothing
 *   that matters
 * @total: what they shall sum up to
 *
 * Only grows devices, or only shrinks them, as far as their bounds allow that.
 * Devices of one node are filled in their order and emptied from the last. The
 * shares sum up to @total, or to less than a block more, or to what the bounds allow.
 */
void node_balance_share(const GuestMemory *memory, NodeShare *shares, guint n_shares,
                        guint64 total);
