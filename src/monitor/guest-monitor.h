/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One guest's samples: by the agent in it where there is one, else by the statistics of its
 * balloon driver. Both end in one ring, which tells with each sample where it came from; while
 * the agent's are fresh, the balloon's are only remembered.
 *
 *     agent ───▶ claims ───▶ guest_monitor_take_agent() ──┬──▶ ring ─▶ predictors
 *     balloon ─▶ guest_monitor_update() ──▶ judged ───────┘
 *                                             (only while no agent speaks)
 *
 * The guest may be broken or hostile, and the path to it dies silently: QEMU
 * asks the driver again only after it has answered, so that one lost reply looks
 * like polling switched off. The monitor takes what a hypervisor read, keeps
 * what can be believed, and says when the polling must be set again.
 *
 *   guest_monitor_start() ─▶ guest_monitor_update() for each read of the statistics
 *                            guest_monitor_check() once a cycle ─▶ set the period, or nothing
 *                            guest_monitor_reset() when the guest restarts
 *
 * What an agent says was judged before it comes here (agent-claims.h).
 *
 * It does no I/O and reads no clock: @now is always the caller's. It is a plain
 * struct; there is nothing to free.
 */
#pragma once

#include "hypervisor/balloon-stats.h"
#include "monitor/sample.h"

/* What is known of a guest's statistics. Derived from the times below at each
 * asking, so there is no transition to be missed. */
typedef enum {
    /* No sample since the monitor was started or reset: no balloon driver, one
     * that is not loaded yet, or the first answer is still to come. Left by the
     * first plausible answer; entered again by a reset. The guest's use is unknown. */
    GUEST_MONITOR_NEVER,
    /* The latest sample is at most three periods old. Left by waiting. */
    GUEST_MONITOR_FRESH,
    /* There was a sample, but none within the last three periods: an answer was
     * lost, the driver died, or it answers what cannot be believed. The ring keeps
     * what it has. Left by a plausible answer or a reset. */
    GUEST_MONITOR_STALE,
} GuestMonitorState;

/* What became of the statistics that were handed in. */
typedef enum {
    GUEST_MONITOR_SAME,    /* the guest has not answered anew */
    GUEST_MONITOR_SAMPLE,  /* a new sample is in the ring */
    GUEST_MONITOR_SPARE,   /* a new sample that is not needed, for there are an agent's */
    GUEST_MONITOR_REFUSED, /* a new answer that cannot be believed; see @refusal */
} GuestMonitorVerdict;

typedef enum {
    GUEST_MONITOR_NOTHING,
    GUEST_MONITOR_SET_PERIOD, /* call guest_set_stats_period() with @period_s */
} GuestMonitorAction;

typedef struct {
    /* to be read by others */
    SampleRing ring;
    guint period_s;      /* how often the guest shall answer; at least 1 */
    guint refused;       /* answers refused since start or reset; log when it turns 1 */
    const char *refusal; /* nullable, static text: why the latest answer was refused */
    Sample balloon;      /* the balloon's latest; its time is 0 if there is none */
    Sample agent;        /* the agent's latest; the same */

    /* private */
    gint64 watched_us;     /* when it was started or reset */
    gint64 answered_us;    /* when the guest last answered, plausibly or not; 0: never */
    gint64 ordered_us;     /* when the period was last set; 0: never */
    guint64 last_update_s; /* of the latest answer */
    gboolean read;         /* @last_update_s is known */
} GuestMonitor;

/* Makes @monitor empty. The first check will ask that the period be set. */
void guest_monitor_start(GuestMonitor *monitor, guint period_s, gint64 now);

/* Forgets all of the guest's run before: it restarts, and its counters begin at 0.
 * What QEMU still has of the run before is not taken for an answer. */
void guest_monitor_reset(GuestMonitor *monitor, gint64 now);

/* Another period from now on. The next check will ask that it be set. */
void guest_monitor_set_period(GuestMonitor *monitor, guint period_s);

/*
 * guest_monitor_update:
 * @stats: as read just now, whether or not the guest has answered anew
 * @most: bytes that the guest can have at most: boot memory and all that can be
 *   plugged; a larger claim is refused
 *
 * What was there at the first read after the start may be of any age, since QEMU
 * keeps the last answer while nobody polls: it only serves to recognise the next.
 */
GuestMonitorVerdict guest_monitor_update(GuestMonitor *monitor, const BalloonStats *stats,
                                         guint64 most, gint64 now);

/*
 * guest_monitor_take_agent:
 * @sample: by an agent, and judged
 *
 * What waited while memplugd was stopped comes in one go: of samples that follow each
 * other too soon to tell a trend, the last one stays.
 */
void guest_monitor_take_agent(GuestMonitor *monitor, const Sample *sample);

/* Returns: whether an agent told of the guest within three periods. */
gboolean guest_monitor_has_agent(const GuestMonitor *monitor, gint64 now);

/*
 * Returns: what must be done to keep the samples coming. A SET_PERIOD is taken
 *   as carried out, and repeated after three periods if no answer comes.
 */
GuestMonitorAction guest_monitor_check(GuestMonitor *monitor, gint64 now);

GuestMonitorState guest_monitor_state(const GuestMonitor *monitor, gint64 now);

/* Returns: (nullable): static text for people: why there is no fresh sample;
 *   NULL if there is one. */
const char *guest_monitor_trouble(const GuestMonitor *monitor, gint64 now);
