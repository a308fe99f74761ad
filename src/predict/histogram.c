/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "predict/histogram.h"

#include <math.h>
#include <string.h>

/* 32 MiB to 10 TiB; what is below or above counts in the bin at that end. */
#define LOWEST          ((double)(32 << 20))
#define BINS_PER_OCTAVE 14

#define HALF_LIFE_US (60 * (gint64)G_USEC_PER_SEC)

#define GAP_MOST_S  10.0
#define GAP_LEAST_S 0.1

/* What a second weighs at first. */
#define WEIGHT 16
/* So many half-lives later all is scaled down. All that can be added until then, 16 · 2^12 a
 * second falling off by half in each half-life, is below 2^23. */
#define SCALE_BITS 12

static double
seconds(gint64 us)
{
    return (double)us / G_USEC_PER_SEC;
}

/* Returns: the upper end of a bin. */
static double
bin_end(guint bin)
{
    return LOWEST * exp2((double)(bin + 1) / BINS_PER_OCTAVE);
}

static guint
bin_of(double bytes)
{
    double bin = floor(log2(MAX(bytes, LOWEST) / LOWEST) * BINS_PER_OCTAVE);

    return (guint)CLAMP(bin, 0, HISTOGRAM_BINS - 1);
}

static void
scale_down(Histogram *histogram, guint half_lives)
{
    histogram->sum = 0;
    memset(histogram->shelves, 0, sizeof histogram->shelves);
    for (guint i = 0; i < HISTOGRAM_BINS; i++) {
        histogram->bins[i] = half_lives < 32 ? histogram->bins[i] >> half_lives : 0;
        histogram->shelves[i / HISTOGRAM_SHELF] += histogram->bins[i];
        histogram->sum += histogram->bins[i];
    }
    histogram->reference_us += half_lives * HALF_LIFE_US;
}

void
histogram_add(Histogram *histogram, double bytes, gint64 now)
{
    double gap = 1, half_lives;
    guint32 weight;
    guint bin = bin_of(bytes);

    if (histogram->reference_us == 0)
        histogram->reference_us = now;
    else
        gap = CLAMP(seconds(now - histogram->last_us), GAP_LEAST_S, GAP_MOST_S);
    half_lives = seconds(now - histogram->reference_us) / seconds(HALF_LIFE_US);
    if (half_lives >= SCALE_BITS) {
        scale_down(histogram, (guint)MIN(half_lives, G_MAXINT32));
        half_lives -= floor(half_lives);
    }
    weight = (guint32)MAX(gap * WEIGHT * exp2(MAX(half_lives, 0)), 1);
    histogram->bins[bin] += weight;
    histogram->shelves[bin / HISTOGRAM_SHELF] += weight;
    histogram->sum += weight;
    histogram->last_us = now;
}

/* Returns: the first of @n entries with which @below comes to @wanted, the last that is not 0 if
 * none does; @below becomes what lies before it. */
static guint
find(const guint32 *entries, guint n, double wanted, double *below)
{
    double before = *below, sum = before;
    guint last = 0;

    for (guint i = 0; i < n; i++) {
        if (entries[i] == 0)
            continue;
        before = sum;
        last = i;
        sum += entries[i];
        if (sum >= wanted)
            break;
    }
    *below = before;
    return last;
}

double
histogram_percentile(const Histogram *histogram, double part)
{
    double wanted = (double)histogram->sum * part, below = 0, start;
    guint shelf, bin;

    if (histogram->sum == 0)
        return 0;
    shelf = find(histogram->shelves, G_N_ELEMENTS(histogram->shelves), wanted, &below);
    bin = shelf * HISTOGRAM_SHELF;
    bin += find(&histogram->bins[bin], HISTOGRAM_SHELF, wanted, &below);
    start = bin > 0 ? bin_end(bin - 1) : LOWEST;
    return start +
           (bin_end(bin) - start) * CLAMP((wanted - below) / MAX(histogram->bins[bin], 1), 0, 1);
}
