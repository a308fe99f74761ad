/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hotplug/plug-time.h"

#include <stdlib.h>
#include <string.h>

/* Measured under TCG: 40 to 110 ms for virtio-mem and DIMMs, from the request to new memory
 * in use; with KVM less. What ends sooner still has to be onlined. */
#define DEFAULT_US (100 * 1000)
#define LEAST_US   (20 * 1000)
#define MOST_US    (5 * G_USEC_PER_SEC)

void
plug_time_add(PlugTime *time, gint64 duration_us)
{
    time->latest_us[time->next] = duration_us;
    time->next = (time->next + 1) % PLUG_TIMES;
    time->count = MIN(time->count + 1, PLUG_TIMES);
}

static int
compare(const void *a, const void *b)
{
    gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

    return (x > y) - (x < y);
}

gint64
plug_time_expect(const PlugTime *time)
{
    gint64 sorted[PLUG_TIMES];

    if (time->count == 0)
        return DEFAULT_US;
    memcpy(sorted, time->latest_us, sizeof sorted);
    qsort(sorted, time->count, sizeof *sorted, compare);
    return CLAMP(sorted[time->count / 2], LEAST_US, MOST_US);
}
