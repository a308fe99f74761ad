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
    SAMPLE_COMMITTED = 1 << 4,
    SAMPLE_REFAULTS = 1 << 5,
    SAMPLE_PRESSURE = 1 << 6,
    SAMPLE_SCANS = 1 << 7,
    SAMPLE_SHMEM = 1 << 8,
    SAMPLE_DIRTY = 1 << 9,
    SAMPLE_SLAB = 1 << 10,
    SAMPLE_SWAP_SIZE = 1 << 11,
} SampleField;

/* Who told it. */
typedef enum {
    SAMPLE_SOURCE_BALLOON, /* the balloon driver's statistics */
    SAMPLE_SOURCE_AGENT,   /* the agent on the stats channel */
} SampleSource;

/* Sizes in bytes. What is counted is counted since the guest's boot. A member whose
 * field is not told is 0. */
typedef struct {
    gint64 time_us; /* when it was taken, monotonic */
    SampleSource source;
    guint fields;      /* SampleField: which of the optional members were told */
    guint64 total;     /* MemTotal: always there */
    guint64 free;      /* MemFree: always there */
    guint64 available; /* MemAvailable; free + cached where the guest tells none */
    /* The balloon tells here what can be dropped without writing, the agent all of the
     * page cache, shared memory included. */
    guint64 cached;
    guint64 swap_in;          /* bytes; of SAMPLE_SWAP */
    guint64 swap_out;         /* bytes */
    guint64 major_faults;     /* of SAMPLE_FAULTS */
    guint64 alloc_stalls;     /* of SAMPLE_STALLS */
    guint64 oom_kills;        /* 0 where it is not told */
    guint64 committed;        /* Committed_AS; of SAMPLE_COMMITTED */
    guint64 refaults_anon;    /* pages; of SAMPLE_REFAULTS */
    guint64 refaults_file;    /* pages */
    guint64 stall_some_us;    /* PSI: time in which some task waited; of SAMPLE_PRESSURE */
    guint64 stall_full_us;    /* PSI: time in which all tasks waited */
    guint64 direct_scans;     /* pages looked at by tasks that waited; of SAMPLE_SCANS */
    guint64 direct_steals;    /* pages that they got */
    guint64 shmem;            /* of SAMPLE_SHMEM */
    guint64 dirty;            /* of SAMPLE_DIRTY */
    guint64 slab_reclaimable; /* of SAMPLE_SLAB */
    guint64 swap_total;       /* of SAMPLE_SWAP_SIZE */
    guint64 swap_free;
} Sample;

/*
 * Makes of what was told what is kept: times to the millisecond, sizes down to 1/4096 of the
 * total, or about that (64 KiB at least, 1 MiB at most). That is finer than anything that follows
 * from them, and what the journal tells in few digits. Total and counters stay as they are.
 */
void sample_round(Sample *sample);

/* Returns: static text for people: "balloon" or "agent". */
const char *sample_source_name(SampleSource source);

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

/* Puts @sample in the place of the latest one; the first if there is none. */
void sample_ring_amend(SampleRing *ring, const Sample *sample);

/* Returns: (nullable): the sample @age places before the latest (0: the latest). */
const Sample *sample_ring_get(const SampleRing *ring, guint age);

/* Returns: total - available (0 if that is negative): what the guest cannot give
 * up without hurt. */
guint64 sample_used(const Sample *sample);
