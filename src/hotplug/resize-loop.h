/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of a Resize: what the loop (resize-loop.c) and the object around it
 * (resize.c) share. For nobody else.
 */
#pragma once

#include "hotplug/hand-order.h"
#include "hotplug/open-step.h"
#include "hotplug/resize.h"

struct _Resize {
    GObject parent;

    Guest *guest;
    ResizeTuning tuning;
    gboolean dry_run;
    GCancellable *cancellable;

    guint64 target;
    Mechanism mechanism;
    gboolean has_target;
    guint64 peak;    /* of recipe_swap(); 0: no DIMM is swapped */
    guint64 most;    /* of recipe_next_step_within(), ... */
    guint64 passing; /* ... and what the recipe last said of it */

    GuestMemory *memory;
    ResizePhase phase;
    char *reason;
    OpenStep open;
    FollowWait wait;
    TroubleBook *troubles;
    HandOrder order;

    ForeignWatch *foreign;
    gboolean foreign_moves; /* FOREIGN_UNDER_WAY */
    gboolean restarted;     /* the guest, since the observation that is in flight began, ... */
    gboolean after_restart; /* ... and before it began, since the one before that */

    gint64 not_before_us; /* nothing is ordered until then, ... */
    gint64 pause_us;      /* ... this being the pause; 0: the last order was taken */

    gboolean busy;
    gboolean again;
    guint timer;
};

enum { RESIZE_SIGNAL_CHANGED, RESIZE_SIGNAL_REPORT, RESIZE_SIGNAL_OVERRULED, RESIZE_N_SIGNALS };
extern guint resize_signals[RESIZE_N_SIGNALS];

/* Observes and derives, now or as soon as what is in flight has ended. */
void resize_loop_wake(Resize *resize);

/* Tells the change if there is one. */
void resize_loop_enter(Resize *resize, ResizePhase phase, const char *reason);

/* The open step, if there is one, has ended so. */
void resize_loop_close_step(Resize *resize, ResizeReportKind kind, const char *reason);

/* @subject would not follow: to the book with it. */
void resize_loop_record_trouble(Resize *resize, const char *subject, const char *reason);

/* Ends a pause after an order for which the hypervisor had no time. */
void resize_loop_resume_orders(Resize *resize);
