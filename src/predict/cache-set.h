/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much page cache is worth keeping. The kernel counts pages that are read again soon after
 * they had to go (refaults): had there been as much more memory, they would still be there
 * (Linux, mm/workingset.c; the same signal drives Meta's TMO, Weiner et al., ASPLOS 2022). So a
 * guest whose cache refaults wants what it has of cache now and what came back; and while
 * none does, less and less: whether less would do can only be tried.
 *
 * (Neon adds the smaller of cache and working set to a guest's demand; it knows its
 * database's cache, where this knows the kernel's.)
 */
#pragma once

#include "monitor/sample.h"

typedef struct {
    gint64 time_us; /* of the last sample taken in; 0: none */
    double bytes;   /* worth keeping */
} CacheSet;

/* Takes in what came to pass from @before (nullable) to @latest. Where a guest tells no refaults
 *   the set stays empty. */
void cache_set_update(CacheSet *set, const Sample *latest, const Sample *before);
