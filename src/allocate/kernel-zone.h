/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How far a guest may grow before its kernel is starved.
 *
 * Movable memory serves no allocation of the guest's kernel, and takes some for its page
 * descriptors (1/64). A guest with far more of it than of other memory dies with plenty free.
 * What the guest's zones are, its agent tells; without one there is no bound but the ceiling
 * and the guest's own policy of onlining. Pure.
 */
#pragma once

#include <glib.h>

/* All zones of a kind, as the page allocator manages them; bytes. */
typedef struct {
    guint64 kernel; /* what may serve the guest's kernel; 0: not known */
    guint64 kernel_free;
    guint64 movable;
    guint64 movable_free;
} KernelZone;

/* A guest with the auto-movable policy of Linux stays at 3 (memory_hotplug.auto_movable_ratio is
 * 301), and takes what comes beyond it into the kernel's zones, so it never meets this bound.
 * 3 to 4 usually go well, far more does not (Linux, admin-guide/mm/memory-hotplug.rst). */
#define KERNEL_ZONE_RATIO 4

/* Returns: the most that the guest should have while its zones are @zone and it has @actual; 0
 *   if nothing is known. Never less than @actual. */
guint64 kernel_zone_most(const KernelZone *zone, guint64 actual);

/* Whether the kernel's zones have next to nothing left while movable memory is plenty: more
 * of that would not help. */
gboolean kernel_zone_is_spent(const KernelZone *zone);
