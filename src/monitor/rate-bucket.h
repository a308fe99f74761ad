/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A token bucket: how much of something is borne at once, and how much for long.
 *
 *       refill, so much a second
 *          │
 *          ▼
 *      ┌───────┐  never more than @most
 *      │▓▓▓▓▓▓▓│
 *      └───┬───┘
 *          ▼
 *       what is charged; what does not fit is refused
 *
 * Pure: the caller has the clock. A plain struct; there is nothing to free.
 */
#pragma once

#include <glib.h>

typedef struct {
    double most;     /* what a full bucket holds */
    double a_second; /* what comes back */

    /* private */
    double left;
    gint64 time_us;
} RateBucket;

/* Makes @bucket full. */
void rate_bucket_start(RateBucket *bucket, double most, double a_second, gint64 now);

/* Returns: whether @amount was there, and is taken; else nothing is. */
gboolean rate_bucket_charge(RateBucket *bucket, double amount, gint64 now);
