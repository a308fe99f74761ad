/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a guest follows a step, judged by what was observed: pure questions that
 * resize asks. A subject is what a step is about: the id of a device,
 * RECIPE_BALLOON, RECIPE_NEW_DIMM or FOLLOW_NEW_VIRTIO_MEM.
 */
#pragma once

#include "hotplug/recipe.h"

/* Only ever a person's order, so no recipe has a bound for it. */
#define FOLLOW_NEW_VIRTIO_MEM "new virtio-mem device"

/* How long a guest is waited for. */
typedef struct {
    gint64 plug_us;     /* until it acknowledges a DIMM */
    gint64 unplug_us;   /* until it has let a DIMM go, or refused */
    gint64 progress_us; /* between two changes of a virtio-mem device or balloon, ... */
    gint64 grow_us;     /* ... and of a virtio-mem device that is to give memory */
} FollowPatience;

/* Returns: how long @subject, as @memory has it, may stand still before it is given up. */
gint64 follow_patience(const FollowPatience *patience, const GuestMemory *memory,
                       const char *subject);

/* Returns: (transfer none): the subject of @step. */
const char *follow_subject(const MemoryStep *step);

/* Returns: whether the guest stands where @step wanted it. */
gboolean follow_arrived(const GuestMemory *memory, const MemoryStep *step);

/* Something that is waited for, whoever set it moving. All 0: nothing is. */
typedef struct {
    char *subject; /* owned */
    gint64 since_us;
    gint64 progress_us; /* when it last moved, ... */
    guint64 size;       /* ... to this */
} FollowWait;

/*
 * follow_wait:
 * @subject: RECIPE_BALLOON or a device of @memory, which was just observed
 *
 * Goes on to wait for @subject, or begins to if it was another until now.
 * Returns: FALSE if it has stood still for longer than anybody should wait.
 */
gboolean follow_wait(FollowWait *wait, const FollowPatience *patience, const GuestMemory *memory,
                     const char *subject, gint64 now);

/* Nothing is waited for any more. */
void follow_wait_end(FollowWait *wait);

/* Returns: static text for people: why @subject, given up, did not move on. */
const char *follow_stall_reason(const GuestMemory *memory, const char *subject);

/* Returns: what @subject, given up, can do at present: no more than it does now
 *   in the direction in which it was sent. */
RecipeBound follow_bound(const GuestMemory *memory, const char *subject);
