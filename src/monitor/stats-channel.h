/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's end of a guest's stats channel (guest/PROTOCOL.md): opens it and opens it again,
 * greets, hands out what the agent says once it is judged, and says what the host has to say.
 *
 * It is a GObject: it lives as long as its guest is followed, has operations in flight
 * and tells what happens by signals. How it works is told in stats-channel.c.
 */
#pragma once

#include "guest/stats-frame-stream.h"
#include "hypervisor/guest.h"
#include "monitor/agent-claims.h"
#include "monitor/agent-conduct.h"

typedef enum {
    /* Nothing was tried yet, or the guest has no channel. Looked for again and again,
     * since one may be added, unless its hypervisor gives none. */
    STATS_CHANNEL_NONE,
    /* There is one that cannot be opened now, or it was closed from the other side. Tried
     * again soon. */
    STATS_CHANNEL_CLOSED,
    /* It is open, but no agent has greeted since. Left by its HELLO. */
    STATS_CHANNEL_SILENT,
    /* An agent is there. That it falls silent again shows in the age of what it said. */
    STATS_CHANNEL_OPEN,
    /* The agent misbehaved and is not listened to: the channel is closed until the time
     * that its conduct says. */
    STATS_CHANNEL_DROPPED,
} StatsChannelState;

/* Returns: "none", "closed", "silent", "open" or "dropped". */
const char *stats_channel_state_name(StatsChannelState state);

typedef struct {
    guint retry_first_ms; /* until a channel that failed is tried again; doubles … */
    guint retry_most_ms;  /* … up to this */
    guint look_ms;        /* between two looks for a channel that was not there */
} StatsChannelTuning;

/* Defaults, each with its reason in stats-channel.c. */
extern const StatsChannelTuning stats_channel_tuning_default;

#define TYPE_STATS_CHANNEL (stats_channel_get_type())
G_DECLARE_FINAL_TYPE(StatsChannel, stats_channel, MEMPLUG, STATS_CHANNEL, GObject)

/*
 * Signals:
 *   "hello" (const StatsHello *, gboolean booted): an agent greets; @booted if the guest was
 *     started anew since the last greeting
 *   "sample" (const Sample *)
 *   "urgent" (const StatsUrgent *)
 *   "answer" (const StatsAnswer *)
 *   "state": stats_channel_get_state() is another
 */

/*
 * stats_channel_new:
 * @tuning: (nullable): the defaults if NULL
 *
 * Nothing happens before stats_channel_start().
 */
StatsChannel *stats_channel_new(Guest *guest, const StatsChannelTuning *tuning);

void stats_channel_start(StatsChannel *channel);

/* Closes the channel for good. */
void stats_channel_stop(StatsChannel *channel);

/* @most: bytes that the guest can have at most; a sample that claims more is refused. None
 *   is believed before this is known. */
void stats_channel_set_most(StatsChannel *channel, guint64 most);

/* How the agent is to go on. Told when the channel opens, and whenever it differs from what was
 * told last. Its flags are the channel's to set. */
void stats_channel_set_welcome(StatsChannel *channel, const StatsWelcome *welcome);

/* Returns: whether there is an agent to be told; that it hears is not said. */
gboolean stats_channel_send_shrink(StatsChannel *channel, const StatsShrink *shrink);
gboolean stats_channel_send_shrink_end(StatsChannel *channel, const StatsShrinkEnd *end);

StatsChannelState stats_channel_get_state(StatsChannel *channel);

/* Returns: (transfer none): for people: why there is no agent; "" if there is. */
const char *stats_channel_get_reason(StatsChannel *channel);

/* Returns: (transfer none): what the agent said, and what was made of it. */
const AgentClaims *stats_channel_get_claims(StatsChannel *channel);
const AgentConduct *stats_channel_get_conduct(StatsChannel *channel);

typedef struct {
    guint64 opened;    /* how often the channel was */
    guint64 frames;    /* sound ones, of a known type */
    guint64 lost;      /* by the gaps in their numbers */
    guint64 damaged;   /* with a wrong checksum */
    guint64 malformed; /* with a field of a wrong form */
    guint64 foreign;   /* of an unknown version or type */
    guint64 noise;     /* bytes that belonged to no frame */
} StatsChannelCounts;

/* Since the channel was made. */
StatsChannelCounts stats_channel_get_counts(StatsChannel *channel);
