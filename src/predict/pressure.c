/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "predict/pressure.h"

/* 256 pages a second, at 0.1 to 8 ms each: from 3 % of the time on a fast disk to all
 * of it on a slow one. Less is a cold page now and then. */
#define SWAP_IN ((double)(1 << 20))
#define PAGE    4096.0

/* A single stall happens whenever reclaim lags behind a burst of page cache. */
#define STALLS 5.0

/* Major faults also come from starting a program, so they count only while less
 * than this part of memory is available. */
#define FAULTS           100.0
#define FAULTS_AVAILABLE 0.1

/* Of the time, in which some task, or all, waited for memory: the kernel's trigger that
 * wakes the agent is at 10 % as well; systemd-oomd ends programs at 60 %, Senpai
 * backs off at 0.1 %. */
#define SOME_PART 0.1
#define FULL_PART 0.05
/* Tasks also wait at a limit of their control group inside of the guest, where more memory
 * for all is no help: so it counts only while less than this part is available. */
#define STALLED_AVAILABLE 0.25

static double
counted(guint64 now, guint64 before)
{
    return now > before ? (double)(now - before) : 0;
}

static gboolean
is_short(const Sample *sample, double part)
{
    return (double)sample->available < part * (double)sample->total;
}

static gboolean
is_stalled(const Sample *latest, const Sample *before)
{
    double us = (double)(latest->time_us - before->time_us);

    return counted(latest->stall_some_us, before->stall_some_us) >= SOME_PART * us ||
           counted(latest->stall_full_us, before->stall_full_us) >= FULL_PART * us;
}

const char *
pressure_find(const SampleRing *ring)
{
    const Sample *latest = sample_ring_get(ring, 0), *before = sample_ring_get(ring, 1);
    double gap;
    guint fields;

    if (!before)
        return NULL;
    gap = (double)(latest->time_us - before->time_us) / G_USEC_PER_SEC;
    fields = latest->fields & before->fields;

    if (fields & SAMPLE_SWAP && counted(latest->swap_in, before->swap_in) >= SWAP_IN * gap)
        return "pressed: it reads back from swap";
    if (fields & SAMPLE_REFAULTS &&
        counted(latest->refaults_anon, before->refaults_anon) * PAGE >= SWAP_IN * gap)
        return "pressed: it reads back from swap";
    if (fields & SAMPLE_STALLS &&
        counted(latest->alloc_stalls, before->alloc_stalls) >= STALLS * gap)
        return "pressed: its allocations stall";
    if (fields & SAMPLE_PRESSURE && is_short(latest, STALLED_AVAILABLE) &&
        is_stalled(latest, before))
        return "pressed: its tasks wait for memory";
    if (fields & SAMPLE_FAULTS && is_short(latest, FAULTS_AVAILABLE) &&
        counted(latest->major_faults, before->major_faults) >= FAULTS * gap)
        return "pressed: it reads its programs again and again";
    return NULL;
}
