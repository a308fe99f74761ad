/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One look at a guest's memory, whichever source it came from, and the ring
 * that keeps the latest ones. Plain data: predictors and the simulator use it
 * without any source behind it.
 */
#pragma once

#include <glib.h>

typedef enum {
    SAMPLE_AVAILABLE = 1 << 0, /* @available was told, not derived */
    SAMPLE_SWAP = 1 << 1,
    SAMPLE_FAULTS = 1 << 2,
    SAMPLE_STALLS = 1 << 3,
} SampleField;

typedef struct {
    gint64 time_us;       /* when it was taken, monotonic */
    guint fields;         /* SampleField: which of the optional members were told */
    guint64 total;        /* MemTotal: always there */
    guint64 free;         /* MemFree: always there */
    guint64 available;    /* MemAvailable; free + cached where the guest tells none */
    guint64 cached;       /* page cache that can be dropped without writing */
    guint64 swap_in;      /* bytes since boot */
    guint64 swap_out;     /* bytes since boot */
    guint64 major_faults; /* since boot */
    guint64 alloc_stalls; /* since boot */
    guint64 oom_kills;    /* since boot */
} Sample;

/* Two minutes at one sample a second: what the slopes and windows of the
 * predictors look back on. */
#define SAMPLE_RING_SIZE 128

typedef struct {
    Sample samples[SAMPLE_RING_SIZE];
    guint next;  /* where the next sample goes */
    guint count; /* how many are kept */
} SampleRing;

/* Forgets all samples. */
void sample_ring_clear(SampleRing *ring);

/*
 * Keeps @sample as the latest; the oldest goes when the ring is full. A sample
 * that is not later than the latest one is dropped: time never runs backwards.
 */
void sample_ring_push(SampleRing *ring, const Sample *sample);

/* Returns: (nullable): the sample @age places before the latest (0: the latest). */
const Sample *sample_ring_get(const SampleRing *ring, guint age);

/* Returns: total - available (0 if that is negative): what the guest cannot give
 * up without hurt. */
guint64 sample_used(const Sample *sample);
