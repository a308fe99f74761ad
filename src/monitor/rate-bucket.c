/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor/rate-bucket.h"

void
rate_bucket_start(RateBucket *bucket, double most, double a_second, gint64 now)
{
    *bucket = (RateBucket){ .most = most, .a_second = a_second, .left = most, .time_us = now };
}

gboolean
rate_bucket_charge(RateBucket *bucket, double amount, gint64 now)
{
    if (now > bucket->time_us) {
        bucket->left += (double)(now - bucket->time_us) / G_USEC_PER_SEC * bucket->a_second;
        bucket->left = MIN(bucket->left, bucket->most);
        bucket->time_us = now;
    }
    if (amount > bucket->left)
        return FALSE;
    bucket->left -= amount;
    return TRUE;
}
