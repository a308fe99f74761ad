/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "predict/cache-set.h"

#include <math.h>

#include "predict/usage.h"

#define PAGE 4096.0

/* Fewer are noise: a cron job that reads what the last one read. 1 MiB/s as for swap. */
#define REFAULTS_MIN ((double)(1 << 20))

/* Given back by half in a minute: slower than anonymous memory, whose loss shows at once. */
#define HALF_LIFE_S 60.0

/* What a guest says may be nonsense: no cache is larger than the guest. */
static double
cache_of(const Sample *sample)
{
    guint64 shared = sample->fields & SAMPLE_SHMEM ? sample->shmem : 0;
    double cached = sample->cached > shared ? (double)(sample->cached - shared) : 0;

    return MIN(cached, (double)sample->total);
}

void
cache_set_update(CacheSet *set, const Sample *latest, const Sample *before)
{
    double gap, came_back;

    if (!before || !(latest->fields & before->fields & SAMPLE_REFAULTS)) {
        *set = (CacheSet){ .time_us = latest->time_us };
        return;
    }
    gap = (double)(latest->time_us - before->time_us) / G_USEC_PER_SEC;
    came_back = usage_counted(latest->refaults_file, before->refaults_file) * PAGE;
    if (came_back >= REFAULTS_MIN * gap)
        set->bytes = MAX(set->bytes, cache_of(latest) + MIN(came_back, cache_of(latest)));
    else
        set->bytes *= exp2(-gap / HALF_LIFE_S);
    set->time_us = latest->time_us;
}
