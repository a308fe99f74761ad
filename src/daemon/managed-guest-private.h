/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of a ManagedGuest: what the files of that name share, each of which has a part of
 * its life: managed-guest.c what is wanted of it, the others what it does (-follow), its
 * administrator's orders (-orders, -word), its agent's channel (-channel) and requests (-urgent),
 * its shrinks (-shrink) and what it does with what it got (-uptake). For nobody else.
 */
#pragma once

#include "allocate/urgent.h"
#include "daemon/managed-guest.h"
#include "hotplug/plug-time.h"

struct _ManagedGuest {
    GObject parent;

    Guest *guest;
    const Config *config;
    IntentStore *intents;
    gboolean dry_run;

    GuestMonitor monitor;
    GuestMonitorState monitor_state; /* as last told */
    const Predictor *predictor;
    PredictorState predictor_state;
    gboolean predictor_unknown; /* that which its definition names */

    StatsChannel *channel;
    gboolean agent_told; /* that it is there, ... */
    gboolean deaf_told;  /* ... and that it is not heard */
    PlugTime plug_time;
    gint64 plug_from_us; /* since when the first memory of a virtio-mem device is waited for; 0: it
                          * is not, ... */
    guint64 plug_from;   /* ... and what the guest had then */
    UrgentRequest urgent;
    gint64 urgent_from_us;  /* since when its first memory is waited for; 0: it is not, ... */
    guint64 urgent_from;    /* ... and what the guest had then */
    gint64 urgent_told_us;  /* when a request was last told aloud; 0: never */
    gint64 urgent_first_us; /* how long that took the last time; 0: never */

    ShrinkTrial trial;
    Probe probe;
    guint outcomes;          /* of the trial, as far as they were told */
    guint64 shrink_decision; /* the latest that took something */

    Uptake uptake;
    gboolean stuck;      /* as last told */
    guint64 growth_most; /* beyond it its kernel has too little memory; 0: not known */
    gint64 zoned_us;     /* of the sample from which that follows */

    Resize *resize;
    ResizePhase phase; /* as last told */
    GuestStatus status;
    guint64 word;     /* what the guest was last asked to be kept with it, ... */
    gint64 word_us;   /* ... and when */
    gint64 grown_us;  /* when it was last asked to grow, ... */
    gint64 shrunk_us; /* ... and to shrink */
    guint64 raw;      /* the policy's target as of the last plan; 0: none */
    guint64 proposed; /* dry run: what was last told to be wanted */
};

/* Tells an event of the guest. */
void managed_guest_tell(ManagedGuest *managed, EventKind kind, GLogLevelFlags level,
                        const char *format, ...) G_GNUC_PRINTF(4, 5);

/* And one that has more to it than words. */
void managed_guest_tell_event(ManagedGuest *managed, const Event *event);

/* Announces that the guest's status is another. */
void managed_guest_changed(ManagedGuest *managed);

/* Hears the guest and its Resize from now on. */
void managed_guest_follow_start(ManagedGuest *managed);

/* The guest was observed for the first time: takes over, or works out, what is wanted of it. */
void managed_guest_adopt(ManagedGuest *managed);

/* Returns: whether what the guest is brought to may be another now, with the same intent. */
gboolean managed_guest_work_out_limits(ManagedGuest *managed);

/* Gives the Resize the target that follows from the intent. @insist: as for resize_set_target(). */
void managed_guest_pursue(ManagedGuest *managed, gboolean insist);

/* The guest starts: forgets all of its shrinks. */
void managed_guest_shrink_start(ManagedGuest *managed);

/* For the cycle, before and after the plan. */
void managed_guest_shrink_plan(ManagedGuest *managed, PlanGuest *plan, gint64 now);
void managed_guest_shrink_apply(ManagedGuest *managed, const PlanGuest *plan, gint64 now);

/* The agent's answer to a shrink that was announced. */
void managed_guest_shrink_answer(ManagedGuest *managed, const StatsAnswer *answer, gint64 now);

/* For the cycle, before the plan. */
void managed_guest_uptake_plan(ManagedGuest *managed, PlanGuest *plan, gint64 now);

/* Returns: (nullable): what its agent last said, if that is recent. */
const StatsSample *managed_guest_agent_sample(ManagedGuest *managed, gint64 now);

/* The guest runs anew: all that was known of its run before is void. */
void managed_guest_forget_run(ManagedGuest *managed);

/* Has an administrator's word kept with the guest, if it is not yet. */
void managed_guest_word_tend(ManagedGuest *managed, gint64 now);

/*
 * managed_guest_word_take:
 * @found: whether an intent was found here
 * @intent: (inout): that; replaced if the guest has brought a word that is not older
 *
 * Returns: whether there is an intent.
 */
gboolean managed_guest_word_take(ManagedGuest *managed, gboolean found, Intent *intent);

/* The agent's channel: opened when the guest is found, and told anew what has changed. */
void managed_guest_channel_start(ManagedGuest *managed);
void managed_guest_channel_tend(ManagedGuest *managed);

/* The urgent path: a request comes; for the cycle; the guest's memory has changed. */
void managed_guest_urgent_take(ManagedGuest *managed, const StatsUrgent *urgent, gint64 valid_us,
                               gint64 now);
void managed_guest_urgent_plan(ManagedGuest *managed, PlanGuest *plan, gint64 now);
void managed_guest_urgent_follow(ManagedGuest *managed);

/* Returns: bytes that the balloon holds and may give back; 0: its mechanism is another one. */
guint64 managed_guest_urgent_balloon(const ManagedGuest *managed);

/* Asks for a cycle at once. */
void managed_guest_emit_urgent(ManagedGuest *managed);

/* The one place where what is wanted of the guest changes: keeps it, announces it and
 * has the guest brought there. */
void managed_guest_intend(ManagedGuest *managed, guint64 requested, gboolean held, guint64 decision,
                          gint64 now);
