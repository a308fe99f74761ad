/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an agent says of its guest, judged: from frames whose form is right to samples that can
 * be believed. The guest may be hostile, so each frame is a claim:
 *
 *   frame ─▶ agent_claims_take() ─▶ HELLO, BOOTED, SAMPLE, URGENT, ANSWER: a fact for others
 *                               └─▶ REFUSED: it cannot be true, and nothing came of it
 *
 * A sample must be possible in itself (nothing larger than what it is part of), for the
 * guest (no more than it can have), and after the one before (time goes on, and what
 * is counted never falls but by a reboot). That does not make it true. What a lie can
 * still do is bounded by the guest's limits and by the policy.
 *
 * Requests are rationed. One that goes on and on is heard no more for a while: an honest
 * guest is either helped within that time, or cannot be.
 *
 * Pure: the caller has the clock. A plain struct; there is nothing to free.
 */
#pragma once

#include "guest/stats-frame.h"
#include "monitor/rate-bucket.h"
#include "monitor/sample.h"

typedef enum {
    AGENT_VERDICT_HELLO,  /* the agent greets; @hello is what it said */
    AGENT_VERDICT_BOOTED, /* as HELLO, and the guest was started anew since its last one */
    AGENT_VERDICT_SAMPLE,
    AGENT_VERDICT_URGENT,
    AGENT_VERDICT_ANSWER,
    AGENT_VERDICT_IGNORED, /* not for the host, or not now; nothing is wrong with it */
    AGENT_VERDICT_REFUSED, /* it cannot be true; see @refusal */
} AgentVerdict;

typedef struct {
    /* to be read by others */
    gboolean greeted;    /* @hello is filled in */
    StatsHello hello;    /* the latest */
    gboolean sampled;    /* @latest is filled in */
    StatsSample latest;  /* the latest that was believed */
    gint64 sampled_us;   /* when it came */
    gint64 heard_us;     /* when the latest frame came that was believed; 0: none */
    guint64 samples;     /* how many were believed */
    guint64 urgents;     /* how many requests were heard, ... */
    guint64 unheard;     /* ... and how many were not, for there were too many */
    guint64 refused;     /* how many frames were */
    const char *refusal; /* nullable, static text: why the latest was */
    guint64 fastest;     /* bytes a second that its memory was ever said to fall by; 0: none */

    /* private */
    RateBucket greetings;
    RateBucket requests;
    gint64 urgent_since_us; /* of requests without a break */
    gint64 urgent_us;       /* the latest that was heard */
    gint64 deaf_until_us;   /* no request is heard until then */
} AgentClaims;

void agent_claims_start(AgentClaims *claims, gint64 now);

/* The channel was opened anew: another agent may speak, of another run of the guest. Its counts
 * stay. */
void agent_claims_reopen(AgentClaims *claims, gint64 now);

/*
 * agent_claims_take:
 * @most: bytes that the guest can have at most: boot memory and all that can be plugged
 * @sample: (out): written with AGENT_VERDICT_SAMPLE only; its time is @now
 */
AgentVerdict agent_claims_take(AgentClaims *claims, const StatsFrame *frame, guint64 most,
                               gint64 now, Sample *sample);

/* Returns: whether the agent asks without end, so that its requests are not heard now. */
gboolean agent_claims_is_deaf(const AgentClaims *claims, gint64 now);
