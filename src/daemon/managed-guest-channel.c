/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest's agent: what it says goes into the monitor, and what the host has to say goes to
 * it. Its requests have a file of their own, managed-guest-urgent.c.
 */
#include "daemon/managed-guest-private.h"

/* As PROTOCOL.md has it: the host bears a request in mind for so long. */
#define URGENT_VALID_US (10 * G_USEC_PER_SEC)

/* Samples tell what is to be known in rest; bursts are told by requests. */
#define PERIOD_US G_USEC_PER_SEC

static void
on_hello(StatsChannel *channel, const StatsHello *hello, gboolean booted, gpointer data)
{
    ManagedGuest *managed = data;

    if (booted)
        managed_guest_forget_run(managed);
}

static void
on_sample(StatsChannel *channel, const Sample *sample, gpointer data)
{
    guest_monitor_take_agent(&((ManagedGuest *)data)->monitor, sample);
}

static void
on_urgent(StatsChannel *channel, const StatsUrgent *urgent, gpointer data)
{
    managed_guest_urgent_take(data, urgent, URGENT_VALID_US, g_get_monotonic_time());
}

static void
on_answer(StatsChannel *channel, const StatsAnswer *answer, gpointer data)
{
    managed_guest_shrink_answer(data, answer, g_get_monotonic_time());
}

const char *
managed_guest_get_kernel(ManagedGuest *managed)
{
    StatsChannel *channel = managed->channel;

    return channel && stats_channel_get_state(channel) == STATS_CHANNEL_OPEN
               ? stats_channel_get_claims(channel)->hello.kernel
               : NULL;
}

/* Every turn of the channel's fortune once; that there is none is nothing to be told. */
static void
on_state(StatsChannel *channel, gpointer data)
{
    const StatsHello *hello = &stats_channel_get_claims(channel)->hello;
    ManagedGuest *managed = data;

    switch (stats_channel_get_state(channel)) {
    case STATS_CHANNEL_OPEN:
        managed->agent_told = TRUE;
        managed_guest_tell(managed, EVENT_STATS, G_LOG_LEVEL_INFO, "its agent is there: %s on %s",
                           hello->agent, hello->kernel);
        break;
    case STATS_CHANNEL_DROPPED:
        managed_guest_tell(
            managed, EVENT_STATS, G_LOG_LEVEL_WARNING,
            "its agent is not listened to for %.0f s: %s; the balloon's statistics serve",
            (double)(stats_channel_get_conduct(channel)->until_us - g_get_monotonic_time()) /
                G_USEC_PER_SEC,
            stats_channel_get_reason(channel));
        break;
    case STATS_CHANNEL_CLOSED:
        if (!managed->agent_told)
            break;
        managed->agent_told = FALSE;
        managed_guest_tell(managed, EVENT_STATS, G_LOG_LEVEL_INFO,
                           "its stats channel is closed: %s", stats_channel_get_reason(channel));
        break;
    case STATS_CHANNEL_NONE:
    case STATS_CHANNEL_SILENT:
        break;
    }
}

void
managed_guest_channel_start(ManagedGuest *managed)
{
    managed->channel = stats_channel_new(managed->guest, NULL);
    g_signal_connect_object(managed->channel, "hello", G_CALLBACK(on_hello), managed, 0);
    g_signal_connect_object(managed->channel, "sample", G_CALLBACK(on_sample), managed, 0);
    g_signal_connect_object(managed->channel, "urgent", G_CALLBACK(on_urgent), managed, 0);
    g_signal_connect_object(managed->channel, "answer", G_CALLBACK(on_answer), managed, 0);
    g_signal_connect_object(managed->channel, "state", G_CALLBACK(on_state), managed, 0);
    managed_guest_channel_tend(managed);
    stats_channel_start(managed->channel);
}

/* An agent that cries wolf, once. */
static void
tell_deaf(ManagedGuest *managed)
{
    gboolean deaf =
        agent_claims_is_deaf(stats_channel_get_claims(managed->channel), g_get_monotonic_time());

    if (deaf && !managed->deaf_told)
        managed_guest_tell(managed, EVENT_URGENT, G_LOG_LEVEL_WARNING,
                           "asks without end; not heard for a minute");
    managed->deaf_told = deaf;
}

/* What asking is worth: nothing where the policy does not move the guest. */
static guint64
growth_of(const ManagedGuest *managed)
{
    const GuestStatus *status = &managed->status;

    if (!status->observed)
        return STATS_MISSING;
    if (status->held || !status->force.limits.managed || status->force.obstacle ||
        managed->dry_run || status->actual >= status->force.limits.ceiling)
        return 0;
    return status->force.limits.ceiling - status->actual;
}

void
managed_guest_channel_tend(ManagedGuest *managed)
{
    const GuestMemory *memory = resize_get_memory(managed->resize);
    const StatsWelcome welcome = {
        .period_us = (guint64)MAX(PERIOD_US, managed->config->interval_us),
        .plug_us = (guint64)plug_time_expect(&managed->plug_time),
        .valid_us = URGENT_VALID_US,
        .reserve = shrink_signs_reserve(managed->status.actual),
        .growth = growth_of(managed),
    };

    tell_deaf(managed);
    stats_channel_set_most(managed->channel, memory ? memory->max : 0);
    stats_channel_set_welcome(managed->channel, &welcome);
}
