/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "predict/overhead.h"

/* Memory is plugged and online within 110 ms, and the sample after it is taken. */
#define SETTLE_US (3 * G_USEC_PER_SEC)
/* The kernel's image, initrd and reserved areas of an ordinary guest. More, as with
 * a crash kernel, is believed if it is there from the first. */
#define ORDINARY_BOOT ((double)(64 << 20))
/* Before actual has rested: the bounce buffers too, of a guest that has, or may get, memory above
 * 4 GiB (swiotlb, 64 MiB by default). */
#define BOUNCE_BUFFERS ((double)(64 << 20))
/* 64 bytes of page array for each page of 4 KiB. */
#define PAGE_ARRAY (1.0 / 64)

double
overhead_track(Overhead *overhead, const Sample *latest, guint64 actual, gint64 now)
{
    double seen = (double)actual - (double)latest->total;
    double ordinary = ORDINARY_BOOT + PAGE_ARRAY * (double)actual;
    gboolean known = overhead->bytes_of > 0;
    double most = seen;

    if (overhead->actual != (double)actual) {
        overhead->actual = (double)actual;
        overhead->actual_since_us = (double)now;
    }
    if ((double)latest->time_us - overhead->actual_since_us < SETTLE_US) {
        /* The largest difference is believed: while actual falls, each sample is from before. */
        if (!known)
            overhead->bytes = MAX(overhead->bytes, CLAMP(seen, 0, ordinary + BOUNCE_BUFFERS));
        return overhead->bytes;
    }

    if (known)
        most = overhead->bytes + PAGE_ARRAY * MAX(0, (double)actual - overhead->bytes_of);
    overhead->bytes = MIN(seen, MAX(most, ordinary));
    overhead->bytes_of = (double)actual;
    return overhead->bytes;
}
