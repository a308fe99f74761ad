/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The statistics of the virtio balloon as a hypervisor hands them out: the
 * guest's own claims, unchecked, each possibly missing.
 */
#pragma once

#include <glib.h>

#define BALLOON_STAT_MISSING G_MAXUINT64

/* The order and the meaning are those of the virtio specification, section
 * "Memory Statistics Tags"; sizes in bytes, events counted since boot. */
typedef enum {
    BALLOON_STAT_SWAP_IN,  /* bytes swapped in */
    BALLOON_STAT_SWAP_OUT, /* bytes swapped out */
    BALLOON_STAT_MAJOR_FAULTS,
    BALLOON_STAT_MINOR_FAULTS,
    BALLOON_STAT_FREE,        /* MemFree */
    BALLOON_STAT_TOTAL,       /* MemTotal */
    BALLOON_STAT_AVAILABLE,   /* MemAvailable */
    BALLOON_STAT_DISK_CACHES, /* page cache that can be dropped without I/O */
    BALLOON_STAT_HTLB_PGALLOC,
    BALLOON_STAT_HTLB_PGFAIL,
    BALLOON_STAT_OOM_KILL, /* from here on: newer kernels and QEMUs only */
    BALLOON_STAT_ALLOC_STALL,
    BALLOON_STAT_ASYNC_SCAN,
    BALLOON_STAT_DIRECT_SCAN,
    BALLOON_STAT_ASYNC_RECLAIM,
    BALLOON_STAT_DIRECT_RECLAIM,
    BALLOON_STAT_COUNT,
} BalloonStat;

typedef struct {
    guint64 last_update_s; /* host's wall clock when the guest answered; 0: never */
    guint64 values[BALLOON_STAT_COUNT];
} BalloonStats;
