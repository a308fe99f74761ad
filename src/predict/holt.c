/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "predict/holt.h"

#include <math.h>

#include "predict/usage.h"

/* The level follows the samples, with a little less weight for a single odd one; */
#define LEVEL_HALF_LIFE_S 0.25
/* more than half of the slope is that of the last second, so that a burst shows in its first
 * sample. */
#define SLOPE_HALF_LIFE_S 0.75
/* Looks farther apart tell of no trend: it begins anew. */
#define GAP_MOST_S 10.0
/* Below it, jitter of the times at which samples were read decides. */
#define GAP_LEAST_S 0.05

static double
weight(double seconds, double half_life)
{
    return 1 - exp2(-seconds / half_life);
}

static void
begin(Holt *holt, const Sample *latest, double used)
{
    *holt = (Holt){ .time_us = latest->time_us, .level = used };
}

void
holt_update(Holt *holt, const Sample *latest, const Sample *before, double used)
{
    double gap = (double)(latest->time_us - holt->time_us) / G_USEC_PER_SEC;
    double seen, expected, level;

    if (holt->time_us == 0 || gap > GAP_MOST_S || !before) {
        begin(holt, latest, used);
        return;
    }
    if (gap < GAP_LEAST_S)
        return;
    holt->swapped = MAX(0, holt->swapped + usage_swapped(before, latest));
    seen = used + holt->swapped;
    expected = holt->level + holt->slope * gap;
    level = expected + weight(gap, LEVEL_HALF_LIFE_S) * (seen - expected);
    holt->slope += weight(gap, SLOPE_HALF_LIFE_S) * ((level - holt->level) / gap - holt->slope);
    holt->level = level;
    holt->time_us = latest->time_us;
}

double
holt_growth(const Holt *holt, double ahead)
{
    return MAX(0, holt->slope * ahead);
}
