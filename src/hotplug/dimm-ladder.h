/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ladder of DIMM sizes: how large the next DIMM should be. Slots are few and
 * cannot be added, but small DIMMs are the ones that can be taken out again. So
 * a DIMM is as small as the need allows and as large as the slots demand:
 *
 *   - at most a rung: the power of two of 128 MiB with which the free slots
 *     still span what maxmem leaves. A large need is met in pieces, each online
 *     before the next, and the pieces grow as slots are used up;
 *   - once half of the slots are used, and where a balloon can hold what is too
 *     much, at least a step of the geometric row from what the guest has to maxmem
 *     that has as many members as there are free slots, so that many small needs
 *     do not eat the slots. At most it doubles the guest, since the memory map of
 *     a DIMM costs the guest 1/64 of it before it gives anything.
 *
 * With 8 slots a guest of 256 MiB that grows by 64 MiB at a time reaches 8 GiB.
 */
#pragma once

#include <glib.h>

typedef struct {
    guint64 actual;   /* bytes the guest has */
    guint64 headroom; /* bytes that maxmem leaves for DIMMs */
    guint slots;      /* of the machine */
    guint free_slots; /* of them */
    gboolean surplus; /* a balloon can hold what is more than the need */
} DimmLadder;

/* Returns: the size of the DIMM to plug while @need bytes are missing, a
 *   multiple of 128 MiB; 0 if none can be plugged. */
guint64 dimm_ladder_size(const DimmLadder *ladder, guint64 need);
