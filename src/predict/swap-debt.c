/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "predict/swap-debt.h"

#include <math.h>

/* As pressure.c has it: 256 pages a second. */
#define READ_BACK ((double)(1 << 20))

/* Forgotten by half in a minute in which less is read back. */
#define HALF_LIFE_S 60.0

/* Counters begin at 0 again when the guest restarts. */
static double
counted(guint64 before, guint64 now)
{
    return now > before ? (double)(now - before) : 0;
}

static void
take_in(SwapDebt *debt, const Sample *before, const Sample *sample)
{
    double gap = (double)(sample->time_us - before->time_us) / G_USEC_PER_SEC;
    double in = counted(before->swap_in, sample->swap_in);
    double out = counted(before->swap_out, sample->swap_out);

    if (!(before->fields & sample->fields & SAMPLE_SWAP)) {
        debt->bytes = 0;
        return;
    }
    if (in < READ_BACK * gap)
        debt->bytes *= exp2(-gap / HALF_LIFE_S);
    debt->bytes = MAX(0, debt->bytes + out - in);
    /* What a program had there went with it. */
    if (sample->fields & SAMPLE_SWAP_SIZE)
        debt->bytes = MIN(debt->bytes, counted(sample->swap_free, sample->swap_total));
}

double
swap_debt_track(SwapDebt *debt, const SampleRing *ring)
{
    const Sample *sample;
    guint unseen = 0;

    while ((sample = sample_ring_get(ring, unseen)) && sample->time_us > debt->time_us)
        unseen++;
    for (; unseen > 0; unseen--) {
        const Sample *before = sample_ring_get(ring, unseen);

        sample = sample_ring_get(ring, unseen - 1);
        if (before)
            take_in(debt, before, sample);
        debt->time_us = sample->time_us;
    }
    return debt->bytes;
}
