/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor/guest-monitor.h"

#include <string.h>

/* One answer may be late or lost without meaning anything, a second seldom. */
#define STALE_PERIODS 3

/* An agent sends no more than ten samples a second. */
#define AGENT_GAP_US (50 * 1000)

static gint64
patience_us(const GuestMonitor *monitor)
{
    return STALE_PERIODS * (gint64)monitor->period_s * G_USEC_PER_SEC;
}

void
guest_monitor_start(GuestMonitor *monitor, guint period_s, gint64 now)
{
    memset(monitor, 0, sizeof *monitor);
    monitor->period_s = MAX(period_s, 1);
    monitor->watched_us = now;
}

void
guest_monitor_reset(GuestMonitor *monitor, gint64 now)
{
    sample_ring_clear(&monitor->ring);
    monitor->refused = 0;
    monitor->refusal = NULL;
    monitor->balloon = monitor->agent = (Sample){ 0 };
    monitor->watched_us = now;
    monitor->answered_us = 0;
    monitor->ordered_us = 0;
}

void
guest_monitor_set_period(GuestMonitor *monitor, guint period_s)
{
    monitor->period_s = MAX(period_s, 1);
    monitor->ordered_us = 0;
}

static gboolean
told(const BalloonStats *stats, BalloonStat stat)
{
    return stats->values[stat] != BALLOON_STAT_MISSING;
}

static guint64
value_or_0(const BalloonStats *stats, BalloonStat stat)
{
    return told(stats, stat) ? stats->values[stat] : 0;
}

/* Returns: (nullable): what makes the guest's claims impossible. */
static const char *
find_lie(const BalloonStats *stats, guint64 most)
{
    guint64 total = stats->values[BALLOON_STAT_TOTAL];

    if (!told(stats, BALLOON_STAT_TOTAL) || !told(stats, BALLOON_STAT_FREE))
        return "the guest tells no total or no free memory";
    if (total == 0)
        return "the guest claims to have no memory";
    if (total > most)
        return "the guest claims more memory than it can have";
    if (stats->values[BALLOON_STAT_FREE] > total)
        return "the guest claims more free memory than it has";
    if (value_or_0(stats, BALLOON_STAT_AVAILABLE) > total)
        return "the guest claims more available memory than it has";
    if (value_or_0(stats, BALLOON_STAT_DISK_CACHES) > total)
        return "the guest claims more page cache than it has memory";
    return NULL;
}

/* Kernels before 3.14 and drivers of other systems tell no available memory. */
static guint64
derive_available(const Sample *sample)
{
    return sample->cached < sample->total - sample->free ? sample->free + sample->cached
                                                         : sample->total;
}

static Sample
to_sample(const BalloonStats *stats, gint64 now)
{
    Sample sample = {
        .time_us = now,
        .source = SAMPLE_SOURCE_BALLOON,
        .total = stats->values[BALLOON_STAT_TOTAL],
        .free = stats->values[BALLOON_STAT_FREE],
        .available = stats->values[BALLOON_STAT_AVAILABLE],
        .cached = value_or_0(stats, BALLOON_STAT_DISK_CACHES),
        .swap_in = value_or_0(stats, BALLOON_STAT_SWAP_IN),
        .swap_out = value_or_0(stats, BALLOON_STAT_SWAP_OUT),
        .major_faults = value_or_0(stats, BALLOON_STAT_MAJOR_FAULTS),
        .alloc_stalls = value_or_0(stats, BALLOON_STAT_ALLOC_STALL),
        .oom_kills = value_or_0(stats, BALLOON_STAT_OOM_KILL),
        .direct_scans = value_or_0(stats, BALLOON_STAT_DIRECT_SCAN),
        .direct_steals = value_or_0(stats, BALLOON_STAT_DIRECT_RECLAIM),
    };

    if (told(stats, BALLOON_STAT_AVAILABLE))
        sample.fields |= SAMPLE_AVAILABLE;
    else
        sample.available = derive_available(&sample);
    if (told(stats, BALLOON_STAT_SWAP_IN) && told(stats, BALLOON_STAT_SWAP_OUT))
        sample.fields |= SAMPLE_SWAP;
    if (told(stats, BALLOON_STAT_MAJOR_FAULTS))
        sample.fields |= SAMPLE_FAULTS;
    if (told(stats, BALLOON_STAT_ALLOC_STALL))
        sample.fields |= SAMPLE_STALLS;
    if (told(stats, BALLOON_STAT_DIRECT_SCAN) && told(stats, BALLOON_STAT_DIRECT_RECLAIM))
        sample.fields |= SAMPLE_SCANS;
    return sample;
}

/* Returns: whether @stats hold an answer given since the read before. The host's
 * wall clock may have been set back, so any other time is a new one. */
static gboolean
is_new_answer(GuestMonitor *monitor, const BalloonStats *stats)
{
    gboolean is_new = monitor->read && stats->last_update_s != monitor->last_update_s;

    monitor->read = TRUE;
    monitor->last_update_s = stats->last_update_s;
    return is_new && stats->last_update_s != 0;
}

GuestMonitorVerdict
guest_monitor_update(GuestMonitor *monitor, const BalloonStats *stats, guint64 most, gint64 now)
{
    Sample sample;

    if (!is_new_answer(monitor, stats))
        return GUEST_MONITOR_SAME;

    monitor->answered_us = now;
    monitor->refusal = find_lie(stats, most);
    if (monitor->refusal) {
        monitor->refused = MIN(monitor->refused, G_MAXUINT - 1) + 1;
        return GUEST_MONITOR_REFUSED;
    }
    sample = to_sample(stats, now);
    sample_round(&sample);
    monitor->balloon = sample;
    if (guest_monitor_has_agent(monitor, now))
        return GUEST_MONITOR_SPARE;
    sample_ring_push(&monitor->ring, &sample);
    return GUEST_MONITOR_SAMPLE;
}

void
guest_monitor_take_agent(GuestMonitor *monitor, const Sample *sample)
{
    Sample taken = *sample;

    sample_round(&taken);
    if (monitor->agent.time_us != 0 && taken.time_us - monitor->agent.time_us < AGENT_GAP_US)
        sample_ring_amend(&monitor->ring, &taken);
    else
        sample_ring_push(&monitor->ring, &taken);
    monitor->agent = taken;
}

gboolean
guest_monitor_has_agent(const GuestMonitor *monitor, gint64 now)
{
    return monitor->agent.time_us != 0 && now - monitor->agent.time_us <= patience_us(monitor);
}

GuestMonitorAction
guest_monitor_check(GuestMonitor *monitor, gint64 now)
{
    /* Until the first order, and after every change of period, there is nothing
     * to wait for. Later the guest has three periods for its answer, counted from
     * its last one or from the last order, whichever is later. */
    gint64 since = MAX(monitor->answered_us, monitor->ordered_us);

    if (monitor->ordered_us != 0 && now - since <= patience_us(monitor))
        return GUEST_MONITOR_NOTHING;
    monitor->ordered_us = now;
    return GUEST_MONITOR_SET_PERIOD;
}

GuestMonitorState
guest_monitor_state(const GuestMonitor *monitor, gint64 now)
{
    const Sample *latest = sample_ring_get(&monitor->ring, 0);

    if (!latest)
        return GUEST_MONITOR_NEVER;
    return now - latest->time_us <= patience_us(monitor) ? GUEST_MONITOR_FRESH
                                                         : GUEST_MONITOR_STALE;
}

const char *
guest_monitor_trouble(const GuestMonitor *monitor, gint64 now)
{
    GuestMonitorState state = guest_monitor_state(monitor, now);

    if (state == GUEST_MONITOR_FRESH)
        return NULL;
    if (monitor->refusal)
        return monitor->refusal;
    if (state == GUEST_MONITOR_STALE)
        return "the balloon driver no longer answers";
    if (now - monitor->watched_us <= patience_us(monitor))
        return "the balloon driver has not answered yet";
    return "the balloon driver never answered";
}
