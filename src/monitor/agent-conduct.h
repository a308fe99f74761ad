/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How an agent behaves on its channel, and whether it is still listened to. What a guest
 * sends costs the host, whatever it says; an agent that sends more than any
 * agent has reason to, or what is no frame, or frames that cannot be true, is not listened to
 * for a while, longer each time.
 *
 *   agent_conduct_start()     once for each guest
 *   agent_conduct_charge()    for all that was received
 *   agent_conduct_is_dropped()
 *
 * Pure: the caller has the clock. A plain struct; there is nothing to free.
 */
#pragma once

#include "monitor/rate-bucket.h"

/* What was received, or how it was judged. */
typedef struct {
    guint64 bytes;    /* of any kind */
    guint64 noise;    /* of them: part of no sound frame */
    guint64 frames;   /* of a known type */
    guint64 refusals; /* of them: what cannot be true, or has a wrong form */
} AgentCharge;

typedef struct {
    /* to be read by others */
    guint dropped;      /* how often it was */
    const char *reason; /* nullable, static text: why the last time */
    gint64 until_us;    /* when it is, or was, listened to again */

    /* private */
    RateBucket bytes;
    RateBucket noise;
    RateBucket frames;
    RateBucket refusals;
    gint64 pause_us; /* of the last time */
} AgentConduct;

void agent_conduct_start(AgentConduct *conduct, gint64 now);

/* Returns: FALSE if that was too much: the agent is dropped now, with a reason. What
 * it sends while it is dropped is to be thrown away, and need not be charged. */
gboolean agent_conduct_charge(AgentConduct *conduct, const AgentCharge *charge, gint64 now);

gboolean agent_conduct_is_dropped(const AgentConduct *conduct, gint64 now);
