/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much a guest used, and for how much of the time, in a window that fades: a histogram
 * whose bins are each a twentieth wider than the one below, and whose entries lose half of
 * their weight in each half-life. (The form of Kubernetes' vertical pod autoscaler and of
 * Google's Autopilot: Rzadca et al., "Autopilot: workload autoscaling at Google", EuroSys
 * 2020, section 3.2. Their half-lives are a day and two; memory that can be had again
 * within a second need not be remembered for so long.)
 *
 * Instead of fading all bins at each look, what is added weighs ever more, and now and then all
 * is scaled down. Weights are whole numbers, so that sums are exact and no rounding can turn a
 * percentile the wrong way.
 */
#pragma once

#include <glib.h>

#define HISTOGRAM_BINS  256
#define HISTOGRAM_SHELF 16 /* bins that are also kept as a sum, so that looking one up is short */

typedef struct {
    gint64 reference_us; /* what is added then weighs 1; 0: nothing was added yet */
    gint64 last_us;      /* when something was last added */
    guint64 sum;
    guint32 bins[HISTOGRAM_BINS];
    guint32 shelves[HISTOGRAM_BINS / HISTOGRAM_SHELF]; /* the sums of so many bins each */
} Histogram;

/* That the guest used @bytes from what was last added up to @now, but no longer than ten
 * seconds: what was in between is not known. */
void histogram_add(Histogram *histogram, double bytes, gint64 now);

/*
 * histogram_percentile:
 * @part: 0 to 1
 *
 * Never falls when something that was added had been larger.
 *
 * Returns: bytes below which the guest was for @part of the time; 0 of nothing.
 */
double histogram_percentile(const Histogram *histogram, double part);
