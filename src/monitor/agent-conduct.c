/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor/agent-conduct.h"

/*
 * An agent sends a sample of about 800 bytes once a second, ten times a second while a
 * shrink is watched, and now and then something small. Four times that is borne for long. At
 * once, all that may have waited while memplugd itself was stopped: a UNIX
 * socket holds some 200 KiB (net.core.wmem_default), which is 250 samples.
 */
#define BYTES_MOST      (512.0 * 1024)
#define BYTES_A_SECOND  (32.0 * 1024)
#define FRAMES_MOST     1000.0
#define FRAMES_A_SECOND 40.0

/* A channel that is opened in the middle of a frame begins with up to 4 KiB of noise. It
 * may be opened some times in a row. */
#define NOISE_MOST     (32.0 * 1024)
#define NOISE_A_SECOND 512.0

/* An honest agent makes none, but for a kernel that miscounts. */
#define REFUSALS_MOST     8.0
#define REFUSALS_A_SECOND 0.05

/* Balloon statistics serve meanwhile. */
#define PAUSE_FIRST_US (10 * G_USEC_PER_SEC)
#define PAUSE_MOST_US  (600 * G_USEC_PER_SEC)
/* Who behaved for so long after the last pause is new to it. */
#define FORGIVEN_US (600 * G_USEC_PER_SEC)

static void
fill_buckets(AgentConduct *conduct, gint64 now)
{
    rate_bucket_start(&conduct->bytes, BYTES_MOST, BYTES_A_SECOND, now);
    rate_bucket_start(&conduct->noise, NOISE_MOST, NOISE_A_SECOND, now);
    rate_bucket_start(&conduct->frames, FRAMES_MOST, FRAMES_A_SECOND, now);
    rate_bucket_start(&conduct->refusals, REFUSALS_MOST, REFUSALS_A_SECOND, now);
}

void
agent_conduct_start(AgentConduct *conduct, gint64 now)
{
    *conduct = (AgentConduct){ 0 };
    fill_buckets(conduct, now);
}

/* Returns: (nullable): what of it is too much. */
static const char *
find_excess(AgentConduct *conduct, const AgentCharge *charge, gint64 now)
{
    if (!rate_bucket_charge(&conduct->noise, (double)charge->noise, now))
        return "it sends what is no frame";
    if (!rate_bucket_charge(&conduct->refusals, (double)charge->refusals, now))
        return "what it says cannot be true";
    if (!rate_bucket_charge(&conduct->bytes, (double)charge->bytes, now) ||
        !rate_bucket_charge(&conduct->frames, (double)charge->frames, now))
        return "it sends more than any agent needs to";
    return NULL;
}

gboolean
agent_conduct_charge(AgentConduct *conduct, const AgentCharge *charge, gint64 now)
{
    const char *excess = find_excess(conduct, charge, now);

    if (!excess)
        return TRUE;
    if (conduct->pause_us > 0 && now - conduct->until_us < FORGIVEN_US)
        conduct->pause_us = MIN(2 * conduct->pause_us, PAUSE_MOST_US);
    else
        conduct->pause_us = PAUSE_FIRST_US;
    conduct->reason = excess;
    conduct->until_us = now + conduct->pause_us;
    conduct->dropped++;
    fill_buckets(conduct, now);
    return FALSE;
}

gboolean
agent_conduct_is_dropped(const AgentConduct *conduct, gint64 now)
{
    return now < conduct->until_us;
}
