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
    gint64 progress_us; /* between two changes of a virtio-mem device or balloon */
} FollowPatience;

/* Returns: (transfer none): the subject of @step. */
const char *follow_subject(const MemoryStep *step);

/* Returns: whether the guest stands where @step wanted it. */
gboolean follow_arrived(const GuestMemory *memory, const MemoryStep *step);

/* Returns: the bytes that @subject has now; when they change, it moves. */
guint64 follow_size(const GuestMemory *memory, const char *subject);

/* Returns: how long @subject may stand still before it is given up. */
gint64 follow_patience(const FollowPatience *patience, const GuestMemory *memory,
                       const char *subject);

/* Returns: static text for people: why @subject, given up, did not move on. */
const char *follow_stall_reason(const GuestMemory *memory, const char *subject);

/* Returns: what @subject, given up, can do at present: no more than it does now
 *   in the direction in which it was sent. */
RecipeBound follow_bound(const GuestMemory *memory, const char *subject);
