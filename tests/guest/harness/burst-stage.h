/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One guest in which bursts are run again and again: a program that uses several times what is
 * free, as fast as it can, with swap on zram, in a guest of 256 MiB that memplugd grows by one
 * mechanism. Between two bursts the guest is brought back to where it was, and memplugd is
 * started anew, so that it remembers nothing of the one before.
 *
 * Everything blocks, and everything fails with a GError. Free the stage before its room.
 */
#pragma once

#include "tests/guest/harness/test-daemon.h"
#include "tests/guest/harness/test-guest.h"

#define BURST_STAGE_BASE (G_GUINT64_CONSTANT(256) << 20) /* what the guest has before a burst */

typedef enum {
    BURST_VIRTIO_MEM,
    BURST_DIMM,
    BURST_BALLOON, /* of a guest that has most of its memory in the balloon */
    BURST_N_MECHANISMS,
} BurstMechanism;

/* Returns: "virtio-mem", "DIMM" or "balloon". */
const char *burst_mechanism_name(BurstMechanism mechanism);

/* What serves the guest. */
typedef struct {
    const char *agent;    /* its arguments; NULL: there is none */
    const char *interval; /* of memplugd: "1s"; NULL: its default */
} BurstService;

/* What a burst came to (tests/guest/image/burst.c). */
typedef struct {
    gint64 first_ms; /* -1: nothing came */
    gint64 done_ms;  /* -1: the program was killed */
    gint64 some_us;
    gint64 full_us;
    gint64 oom_kills;
    gint64 swapped;
} BurstResult;

typedef struct BurstStage BurstStage;

/* Boots the guest, with swap. */
BurstStage *burst_stage_new(TestRoom *room, const char *kernel, BurstMechanism mechanism,
                            GError **error);
void burst_stage_free(BurstStage *stage);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BurstStage, burst_stage_free)

TestGuest *burst_stage_guest(BurstStage *stage);

/* (nullable): memplugd, once a burst was run. */
TestDaemon *burst_stage_daemon(BurstStage *stage);

/* Another agent, or other settings, for the bursts from now on. */
gboolean burst_stage_serve(BurstStage *stage, const BurstService *service, GError **error);

/* One burst of @megabytes. */
gboolean burst_stage_run(BurstStage *stage, guint megabytes, BurstResult *result, GError **error);

/*
 * The same in the guest that has all its memory from the start. @touched: the host has a page for
 * all of it since a burst before, which a guest that is given memory never finds; otherwise for
 * none of what the guest has above its base, as in a guest that was just booted.
 */
gboolean burst_stage_run_with_all(BurstStage *stage, gboolean touched, guint megabytes,
                                  BurstResult *result, GError **error);
