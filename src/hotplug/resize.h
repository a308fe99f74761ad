/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Resize brings one guest to its target, step by step, and keeps it there.
 *
 * It is a GObject: it lives as long as its guest is followed, has operations
 * in flight and tells what happens by signals.
 */
#pragma once

#include "hotplug/follow.h"
#include "hotplug/foreign.h"
#include "hotplug/recipe.h"
#include "hotplug/trouble.h"
#include "hypervisor/guest.h"

typedef enum {
    RESIZE_UNKNOWN, /* entered at birth and when the guest restarts; left by the first
                     * observation that succeeds. Nothing is ordered in it. */
    RESIZE_SETTLED, /* entered when the guest stands at its target or at the nearest size
                     * above that its devices can make; left by a new target or a change
                     * seen in the guest. */
    RESIZE_MOVING,  /* entered when a step is ordered; left when the recipe is done. */
    RESIZE_SHORT,   /* entered when the recipe is done short of the target; left by a new
                     * target, a change seen in the guest, or when a device is due for
                     * another try. */
    RESIZE_FROZEN,  /* entered when the guest pauses, migrates, is busy or stops answering;
                     * left when it runs. Nothing is ordered in it, nor looked at but once; the
                     * target is kept. */
} ResizePhase;

/* Returns: "unknown", "settled", "moving", "short" or "frozen". */
const char *resize_phase_name(ResizePhase phase);

typedef struct {
    FollowPatience patience;
    gint64 refresh_us; /* between two looks at a guest in which nothing happens */
    gint64 rest_us;    /* until a balloon that somebody else set moving has come to rest */
    TroubleTuning trouble;
} ResizeTuning;

/* Defaults, each with its reason in resize.c. */
extern const ResizeTuning resize_tuning_default;

typedef enum {
    RESIZE_REPORT_ORDERED,   /* the hypervisor took the step */
    RESIZE_REPORT_FOLLOWED,  /* the guest has followed */
    RESIZE_REPORT_REFUSED,   /* the guest has not followed, or not all the way; @reason */
    RESIZE_REPORT_FAILED,    /* the hypervisor did not take the step; @reason */
    RESIZE_REPORT_OVERTAKEN, /* another step was ordered before the guest had followed */
} ResizeReportKind;

/* Returns: "ordered", "followed", "refused", "failed" or "overtaken". */
const char *resize_report_kind_name(ResizeReportKind kind);

typedef struct {
    ResizeReportKind kind;
    const MemoryStep *step;
    const char *reason; /* nullable */
    gint64 duration_us; /* since the step was ordered */
} ResizeReport;

#define TYPE_RESIZE (resize_get_type())
G_DECLARE_FINAL_TYPE(Resize, resize, MEMPLUG, RESIZE, GObject)

/*
 * Signals:
 *   "changed": memory, phase or reason are no longer what they were
 *   "report" (const ResizeReport *): a step began or ended
 *   "overruled" (const Foreign *): while there is a target, somebody else changed what the
 *     guest is asked for (FOREIGN_CHANGED), or its balloon went where the guest's start sent it
 *     (FOREIGN_BY_START). Who does not set another target in answer brings the guest
 *     back to the one that there is.
 */

/*
 * resize_new:
 * @guest: is observed at once, but nothing is ordered before the first
 *   resize_set_target()
 * @tuning: (nullable): the defaults if NULL
 * @dry_run: observe and derive, but order nothing
 */
Resize *resize_new(Guest *guest, const ResizeTuning *tuning, gboolean dry_run);

/* Ends all that is in flight and lets go of the guest. */
void resize_stop(Resize *resize);

/*
 * resize_set_target:
 * @target: what the guest shall have
 * @mechanism: by which devices
 * @insist: try devices that refused again at once: a person asks
 */
void resize_set_target(Resize *resize, guint64 target, Mechanism mechanism, gboolean insist);

/*
 * resize_allow_peak:
 * @peak: what the guest may have for a moment, if that brings it to a target that its
 *   DIMMs could not reach else (recipe_swap()); 0: nothing is done that way
 */
void resize_allow_peak(Resize *resize, guint64 peak);

/*
 * resize_allow_passing:
 * @most: what the guest may have for a moment while a DIMM is taken out of it
 *   (recipe_next_step_within()); what it has, if that is more. At first all
 */
void resize_allow_passing(Resize *resize, guint64 most);

/* Returns: what it would have to be allowed so, for a DIMM to go; 0: none is held back. */
guint64 resize_get_passing(Resize *resize);

/* Forgets the target: the guest is left as it is, whatever others make of it. */
void resize_clear_target(Resize *resize);

/* Looks at the guest anew, soon. */
void resize_refresh(Resize *resize);

/*
 * resize_order_async:
 * @step: MEMORY_STEP_PLUG_DIMM, MEMORY_STEP_UNPLUG_DIMM or
 *   MEMORY_STEP_PLUG_VIRTIO_MEM, chosen by a person
 *
 * Orders @step out of turn and moves the target by the size of a DIMM, so that
 * the recipe does not take it back; a virtio-mem device can be plugged without a target, too. Ends
 * when the guest has followed or refused; in the latter case the target is as before. One such
 * order at a time.
 */
void resize_order_async(Resize *resize, const MemoryStep *step, GAsyncReadyCallback callback,
                        gpointer user_data);
gboolean resize_order_finish(Resize *resize, GAsyncResult *result, GError **error);

/* Returns: (transfer none) (nullable): the latest observation; NULL before the first. */
const GuestMemory *resize_get_memory(Resize *resize);

ResizePhase resize_get_phase(Resize *resize);

/* Returns: (transfer none): why the guest is not at its target, for people; "" if it is. */
const char *resize_get_reason(Resize *resize);

/* Returns: the target, or 0 while none was set. */
guint64 resize_get_target(Resize *resize);
