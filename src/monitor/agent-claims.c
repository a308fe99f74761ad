/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor/agent-claims.h"

#include <stddef.h>
#include <string.h>

/* An agent greets when it is started and when it is asked to. */
#define GREETINGS_MOST     10.0
#define GREETINGS_A_SECOND 0.2

/* While memory falls, an agent asks again at most once a plug time, for twice as much or
 * because what came was not enough. More tells the host nothing. */
#define REQUESTS_MOST     20.0
#define REQUESTS_A_SECOND 2.0

/* A guest is helped within a second or so. After a minute it is at its limits, where asking
 * is in vain, or it cries wolf. A request is borne in mind for ten seconds. */
#define URGENT_BREAK_US (15 * G_USEC_PER_SEC)
#define URGENT_MOST_US  (60 * G_USEC_PER_SEC)
#define DEAF_US         (60 * G_USEC_PER_SEC)

/* Linux adds up each CPU's share of a zone's free pages when it is 125 pages off. */
#define ZONE_SLACK (G_GUINT64_CONSTANT(64) << 20)

/* More than the fastest memory bus gives: DDR5-8800 on twelve channels has 845 GB/s. */
#define FASTEST_MOST (G_GUINT64_CONSTANT(1) << 40)

void
agent_claims_start(AgentClaims *claims, gint64 now)
{
    memset(claims, 0, sizeof *claims);
    rate_bucket_start(&claims->greetings, GREETINGS_MOST, GREETINGS_A_SECOND, now);
    rate_bucket_start(&claims->requests, REQUESTS_MOST, REQUESTS_A_SECOND, now);
}

void
agent_claims_reopen(AgentClaims *claims, gint64 now)
{
    claims->greeted = FALSE;
    claims->sampled = FALSE;
}

static gboolean
is_told(guint64 value)
{
    return value != STATS_MISSING;
}

/* A member of a StatsSample. */
static guint64
member(const StatsSample *sample, gsize offset)
{
    return *(const guint64 *)((const char *)sample + offset);
}

#define MEMBER(name) offsetof(StatsSample, name)

/* What is part of MemTotal, each. */
static const gsize parts[] = {
    MEMBER(free),  MEMBER(available), MEMBER(cached),
    MEMBER(dirty), MEMBER(shmem),     MEMBER(slab_reclaimable),
};

/* What never falls. */
static const gsize counters[] = {
    MEMBER(swap_in),      MEMBER(swap_out),      MEMBER(refaults_anon), MEMBER(refaults_file),
    MEMBER(major_faults), MEMBER(direct_scans),  MEMBER(direct_steals), MEMBER(alloc_stalls),
    MEMBER(oom_kills),    MEMBER(stall_some_us), MEMBER(stall_full_us),
};

/* Returns: (nullable): what makes @sample impossible. */
static const char *
find_lie(const AgentClaims *claims, const StatsSample *sample, guint64 most)
{
    /* A frame that lacks one of these is malformed, but who knows who made this one. */
    if (!is_told(sample->total) || !is_told(sample->free) || !is_told(sample->time_us))
        return "it tells no total or no free memory";
    if (sample->total == 0)
        return "it claims to have no memory";
    if (sample->total > most)
        return "it claims more memory than it can have";
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        guint64 part = member(sample, parts[i]);

        if (is_told(part) && part > sample->total)
            return "a part of its memory is larger than the whole";
    }
    if (is_told(sample->swap_total) && is_told(sample->swap_free) &&
        sample->swap_free > sample->swap_total)
        return "it claims more free swap than it has";
    for (gsize i = 0; i < sample->zone_count; i++) {
        const StatsZone *zone = &sample->zones[i];

        if (MAX(zone->present, zone->free) > most && zone->kind != STATS_ZONE_DEVICE)
            return "a zone is larger than its memory can be";
        if (zone->managed > zone->present || zone->free > zone->present + ZONE_SLACK)
            return "a part of a zone is larger than the zone";
    }
    if (!claims->sampled)
        return NULL;
    if (sample->time_us <= claims->latest.time_us)
        return "its clock does not go on";
    for (gsize i = 0; i < G_N_ELEMENTS(counters); i++) {
        guint64 before = member(&claims->latest, counters[i]);
        guint64 count = member(sample, counters[i]);

        if (is_told(before) && is_told(count) && count < before)
            return "what it counts has fallen";
    }
    return NULL;
}

/* Returns: @value, or 0 if it was not told. */
static guint64
or_0(guint64 value)
{
    return is_told(value) ? value : 0;
}

/* The members of a group, and what says that they were told: all of them must be. */
static const struct {
    SampleField field;
    gsize members[2];
} groups[] = {
    { SAMPLE_AVAILABLE, { MEMBER(available), MEMBER(available) } },
    { SAMPLE_SWAP, { MEMBER(swap_in), MEMBER(swap_out) } },
    { SAMPLE_FAULTS, { MEMBER(major_faults), MEMBER(major_faults) } },
    { SAMPLE_STALLS, { MEMBER(alloc_stalls), MEMBER(alloc_stalls) } },
    { SAMPLE_COMMITTED, { MEMBER(committed), MEMBER(committed) } },
    { SAMPLE_REFAULTS, { MEMBER(refaults_anon), MEMBER(refaults_file) } },
    { SAMPLE_PRESSURE, { MEMBER(stall_some_us), MEMBER(stall_full_us) } },
    { SAMPLE_SCANS, { MEMBER(direct_scans), MEMBER(direct_steals) } },
    { SAMPLE_SHMEM, { MEMBER(shmem), MEMBER(shmem) } },
    { SAMPLE_DIRTY, { MEMBER(dirty), MEMBER(dirty) } },
    { SAMPLE_SLAB, { MEMBER(slab_reclaimable), MEMBER(slab_reclaimable) } },
    { SAMPLE_SWAP_SIZE, { MEMBER(swap_total), MEMBER(swap_free) } },
};

/* Kernels before 3.14 tell no available memory; of their page cache, shared memory
 * cannot be dropped. */
static guint64
derive_available(const StatsSample *told)
{
    guint64 cached = or_0(told->cached);
    guint64 available = told->free + cached - MIN(cached, or_0(told->shmem));

    return MIN(available, told->total);
}

static Sample
to_sample(const StatsSample *told, gint64 now)
{
    Sample sample = {
        .time_us = now,
        .source = SAMPLE_SOURCE_AGENT,
        .total = told->total,
        .free = told->free,
        .available = is_told(told->available) ? told->available : derive_available(told),
        .cached = or_0(told->cached),
        .swap_in = or_0(told->swap_in),
        .swap_out = or_0(told->swap_out),
        .major_faults = or_0(told->major_faults),
        .alloc_stalls = or_0(told->alloc_stalls),
        .oom_kills = or_0(told->oom_kills),
        .committed = or_0(told->committed),
        .refaults_anon = or_0(told->refaults_anon),
        .refaults_file = or_0(told->refaults_file),
        .stall_some_us = or_0(told->stall_some_us),
        .stall_full_us = or_0(told->stall_full_us),
        .direct_scans = or_0(told->direct_scans),
        .direct_steals = or_0(told->direct_steals),
        .shmem = or_0(told->shmem),
        .dirty = or_0(told->dirty),
        .slab_reclaimable = or_0(told->slab_reclaimable),
        .swap_total = or_0(told->swap_total),
        .swap_free = or_0(told->swap_free),
    };

    for (gsize i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (is_told(member(told, groups[i].members[0])) &&
            is_told(member(told, groups[i].members[1])))
            sample.fields |= groups[i].field;
    }
    return sample;
}

static AgentVerdict
refuse(AgentClaims *claims, const char *refusal)
{
    claims->refusal = refusal;
    claims->refused++;
    return AGENT_VERDICT_REFUSED;
}

static AgentVerdict
take_hello(AgentClaims *claims, const StatsHello *hello, gint64 now)
{
    /* An agent that tells no boot id is taken at its counters' word. */
    gboolean booted = claims->hello.boot_id[0] && hello->boot_id[0] &&
                      strcmp(claims->hello.boot_id, hello->boot_id) != 0;

    if (!rate_bucket_charge(&claims->greetings, 1, now))
        return refuse(claims, "it greets without end");
    claims->hello = *hello;
    claims->greeted = TRUE;
    claims->sampled = FALSE; /* another agent's clock and counters */
    claims->heard_us = now;
    return booted ? AGENT_VERDICT_BOOTED : AGENT_VERDICT_HELLO;
}

static AgentVerdict
take_sample(AgentClaims *claims, const StatsSample *told, guint64 most, gint64 now, Sample *sample)
{
    const char *lie = find_lie(claims, told, most);

    if (lie)
        return refuse(claims, lie);
    claims->latest = *told;
    claims->sampled = TRUE;
    claims->sampled_us = claims->heard_us = now;
    claims->samples++;
    *sample = to_sample(told, now);
    return AGENT_VERDICT_SAMPLE;
}

/* Whether a request is heard at all. */
static gboolean
hear(AgentClaims *claims, gint64 now)
{
    if (agent_claims_is_deaf(claims, now) || !rate_bucket_charge(&claims->requests, 1, now))
        return FALSE;
    if (claims->urgents == 0 || now - claims->urgent_us > URGENT_BREAK_US ||
        claims->deaf_until_us > claims->urgent_since_us)
        claims->urgent_since_us = now;
    if (now - claims->urgent_since_us > URGENT_MOST_US) {
        claims->deaf_until_us = now + DEAF_US;
        return FALSE;
    }
    claims->urgent_us = now;
    return TRUE;
}

static AgentVerdict
take_urgent(AgentClaims *claims, const StatsUrgent *urgent, guint64 most, gint64 now)
{
    if (urgent->available > most || (is_told(urgent->total) && urgent->total > most))
        return refuse(claims, "it claims more memory than it can have");
    if (is_told(urgent->total) && urgent->available > urgent->total)
        return refuse(claims, "a part of its memory is larger than the whole");
    if (urgent->size == 0)
        return refuse(claims, "it asks for nothing");
    claims->heard_us = now;
    if (!hear(claims, now)) {
        claims->unheard++;
        return AGENT_VERDICT_IGNORED;
    }
    claims->urgents++;
    if (is_told(urgent->fall) && urgent->fall <= FASTEST_MOST)
        claims->fastest = MAX(claims->fastest, urgent->fall);
    return AGENT_VERDICT_URGENT;
}

AgentVerdict
agent_claims_take(AgentClaims *claims, const StatsFrame *frame, guint64 most, gint64 now,
                  Sample *sample)
{
    switch (frame->type) {
    case STATS_FRAME_HELLO:
        return take_hello(claims, &frame->hello, now);
    case STATS_FRAME_SAMPLE:
        return take_sample(claims, &frame->sample, most, now, sample);
    case STATS_FRAME_URGENT:
        return take_urgent(claims, &frame->urgent, most, now);
    case STATS_FRAME_ANSWER:
        claims->heard_us = now;
        return AGENT_VERDICT_ANSWER;
    case STATS_FRAME_WELCOME:
    case STATS_FRAME_SHRINK:
    case STATS_FRAME_SHRINK_END:
        break;
    }
    return refuse(claims, "it says what only the host says");
}

gboolean
agent_claims_is_deaf(const AgentClaims *claims, gint64 now)
{
    return now < claims->deaf_until_us;
}
