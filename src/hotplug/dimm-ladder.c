/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hotplug/dimm-ladder.h"

#include <math.h>

#include "hypervisor/guest-memory.h"

static guint64
whole_dimms(guint64 bytes)
{
    return bytes - bytes % MEMORY_DIMM_GRAIN;
}

static guint64
whole_dimms_up(guint64 bytes)
{
    return whole_dimms(bytes) + (bytes % MEMORY_DIMM_GRAIN ? MEMORY_DIMM_GRAIN : 0);
}

static guint64
ladder_rung(guint64 headroom, guint free_slots)
{
    guint64 rung = MEMORY_DIMM_GRAIN;

    while (rung < headroom / free_slots)
        rung *= 2;
    return rung;
}

/* One step of the row actual, actual * r, actual * r^2, ..., actual + headroom. */
static guint64
geometric_step(const DimmLadder *ladder, guint64 headroom)
{
    double actual = (double)MAX(ladder->actual, 1);
    double most = actual + (double)headroom;
    double step = actual * (pow(most / actual, 1.0 / ladder->free_slots) - 1);
    guint64 doubling = MAX(whole_dimms(ladder->actual), MEMORY_DIMM_GRAIN);

    return CLAMP(whole_dimms_up((guint64)step), MEMORY_DIMM_GRAIN, doubling);
}

guint64
dimm_ladder_size(const DimmLadder *ladder, guint64 need)
{
    guint64 headroom = whole_dimms(ladder->headroom);
    guint64 size;

    if (ladder->free_slots == 0 || headroom == 0)
        return 0;
    size = MIN(need, ladder_rung(headroom, ladder->free_slots));
    size = MIN(whole_dimms_up(size), headroom);
    if (ladder->surplus && ladder->free_slots <= ladder->slots / 2)
        size = MAX(size, MIN(geometric_step(ladder, headroom), headroom));
    return size;
}
