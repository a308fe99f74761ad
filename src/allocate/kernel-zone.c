/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate/kernel-zone.h"

/* With 1/64 free the kernel's zones are about at their low watermark (Linux,
 * mm/page_alloc.c, min_free_kbytes: 0.5 to 3 % in guests of 1 to 16 GiB), where they are kept by
 * reclaim when all is well, too. So it counts only where movable memory is the larger part, and
 * a quarter of it is free. */
#define SPENT_FRACTION    64
#define PLENTY_FRACTION   4
#define SPENT_RATIO_LEAST 2

gboolean
kernel_zone_is_spent(const KernelZone *zone)
{
    return zone->kernel > 0 && zone->movable / SPENT_RATIO_LEAST >= zone->kernel &&
           zone->kernel_free < zone->kernel / SPENT_FRACTION &&
           zone->movable_free > zone->movable / PLENTY_FRACTION;
}

guint64
kernel_zone_most(const KernelZone *zone, guint64 actual)
{
    guint64 bears;

    if (zone->kernel == 0 || actual == 0)
        return 0;
    bears = zone->kernel < G_MAXUINT64 / KERNEL_ZONE_RATIO ? zone->kernel * KERNEL_ZONE_RATIO
                                                           : G_MAXUINT64;
    if (bears <= zone->movable || kernel_zone_is_spent(zone))
        return actual;
    bears -= zone->movable;
    return actual < G_MAXUINT64 - bears ? actual + bears : G_MAXUINT64;
}
