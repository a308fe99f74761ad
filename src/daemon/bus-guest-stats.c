/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/bus-guest-stats.h"

#include <stddef.h>

static const char *
monitor_state_name(GuestMonitorState state)
{
    static const char *const names[] = {
        [GUEST_MONITOR_NEVER] = "never",
        [GUEST_MONITOR_FRESH] = "fresh",
        [GUEST_MONITOR_STALE] = "stale",
    };

    return names[state];
}

/* What of a sample is told, if its field says so; 0: always. */
static const struct {
    const char *key;
    guint field;
    gsize offset;
} numbers[] = {
    { "total", 0, offsetof(Sample, total) },
    { "free", 0, offsetof(Sample, free) },
    { "available", SAMPLE_AVAILABLE, offsetof(Sample, available) },
    { "cached", 0, offsetof(Sample, cached) },
    { "swap_in", SAMPLE_SWAP, offsetof(Sample, swap_in) },
    { "swap_out", SAMPLE_SWAP, offsetof(Sample, swap_out) },
    { "major_faults", SAMPLE_FAULTS, offsetof(Sample, major_faults) },
    { "alloc_stalls", SAMPLE_STALLS, offsetof(Sample, alloc_stalls) },
    { "oom_kills", 0, offsetof(Sample, oom_kills) },
    { "stall_some_us", SAMPLE_PRESSURE, offsetof(Sample, stall_some_us) },
    { "stall_full_us", SAMPLE_PRESSURE, offsetof(Sample, stall_full_us) },
    { "refaults_anon", SAMPLE_REFAULTS, offsetof(Sample, refaults_anon) },
    { "refaults_file", SAMPLE_REFAULTS, offsetof(Sample, refaults_file) },
    { "direct_scans", SAMPLE_SCANS, offsetof(Sample, direct_scans) },
    { "direct_steals", SAMPLE_SCANS, offsetof(Sample, direct_steals) },
    { "committed", SAMPLE_COMMITTED, offsetof(Sample, committed) },
    { "shmem", SAMPLE_SHMEM, offsetof(Sample, shmem) },
    { "dirty", SAMPLE_DIRTY, offsetof(Sample, dirty) },
    { "slab_reclaimable", SAMPLE_SLAB, offsetof(Sample, slab_reclaimable) },
    { "swap_total", SAMPLE_SWAP_SIZE, offsetof(Sample, swap_total) },
    { "swap_free", SAMPLE_SWAP_SIZE, offsetof(Sample, swap_free) },
};

static void
add_sample(GVariantDict *dict, const Sample *sample)
{
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        const guint64 *value = (const void *)((const char *)sample + numbers[i].offset);

        if (numbers[i].field == 0 || sample->fields & numbers[i].field)
            g_variant_dict_insert(dict, numbers[i].key, "t", *value);
    }
}

static const char *
zone_name(guint64 kind)
{
    static const char *const names[] = { "other",   "DMA",     "DMA32", "Normal",
                                         "HighMem", "Movable", "Device" };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == STATS_ZONE_COUNT);
    return names[kind < STATS_ZONE_COUNT ? kind : STATS_ZONE_OTHER];
}

static GVariant *
zones_variant(const StatsSample *sample)
{
    GVariantBuilder all;

    g_variant_builder_init(&all, G_VARIANT_TYPE("aa{sv}"));
    for (gsize i = 0; i < sample->zone_count; i++) {
        const StatsZone *zone = &sample->zones[i];
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        g_variant_dict_insert(&dict, "zone", "s", zone_name(zone->kind));
        g_variant_dict_insert(&dict, "present", "t", zone->present);
        g_variant_dict_insert(&dict, "managed", "t", zone->managed);
        g_variant_dict_insert(&dict, "free", "t", zone->free);
        g_variant_builder_add_value(&all, g_variant_dict_end(&dict));
    }
    return g_variant_builder_end(&all);
}

static const char *
block_state_name(guint64 state)
{
    static const char *const names[] = { "offline", "online", "going offline" };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == STATS_BLOCK_STATE_COUNT);
    return names[state < STATS_BLOCK_STATE_COUNT ? state : STATS_BLOCK_OFFLINE];
}

static GVariant *
blocks_variant(const StatsSample *sample)
{
    GVariantBuilder all;

    g_variant_builder_init(&all, G_VARIANT_TYPE("aa{sv}"));
    for (gsize i = 0; i < sample->blocks_count; i++) {
        const StatsBlocks *blocks = &sample->blocks[i];
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        g_variant_dict_insert(&dict, "state", "s", block_state_name(blocks->state));
        g_variant_dict_insert(&dict, "zone", "s", zone_name(blocks->zone));
        g_variant_dict_insert(&dict, "count", "t", blocks->count);
        g_variant_dict_insert(&dict, "size", "t", blocks->size);
        g_variant_builder_add_value(&all, g_variant_dict_end(&dict));
    }
    return g_variant_builder_end(&all);
}

static GVariant *
runs_variant(const StatsSample *sample)
{
    GVariantBuilder all;

    g_variant_builder_init(&all, G_VARIANT_TYPE("aa{sv}"));
    for (gsize i = 0; i < sample->run_count; i++) {
        const StatsBlockRun *run = &sample->runs[i];
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        g_variant_dict_insert(&dict, "first", "t", run->first);
        g_variant_dict_insert(&dict, "count", "t", run->count);
        g_variant_dict_insert(&dict, "state", "s", block_state_name(run->state));
        g_variant_dict_insert(&dict, "zone", "s", zone_name(run->zone));
        g_variant_builder_add_value(&all, g_variant_dict_end(&dict));
    }
    return g_variant_builder_end(&all);
}

/* Who the agent is, and what is not in every sample. */
static void
add_agent(GVariantDict *dict, const AgentClaims *claims)
{
    if (claims->greeted) {
        g_variant_dict_insert(dict, "agent", "s", claims->hello.agent);
        g_variant_dict_insert(dict, "kernel", "s", claims->hello.kernel);
        if (claims->hello.fastest != STATS_MISSING)
            g_variant_dict_insert(dict, "fastest", "t",
                                  MAX(claims->hello.fastest, claims->fastest));
    }
    if (claims->sampled) {
        g_variant_dict_insert_value(dict, "zones", zones_variant(&claims->latest));
        g_variant_dict_insert_value(dict, "blocks", blocks_variant(&claims->latest));
        g_variant_dict_insert_value(dict, "runs", runs_variant(&claims->latest));
    }
}

static void
add_channel(GVariantDict *dict, ManagedGuest *managed)
{
    StatsChannel *channel = managed_guest_get_channel(managed);
    const AgentClaims *claims = stats_channel_get_claims(channel);
    StatsChannelCounts counts = stats_channel_get_counts(channel);

    g_variant_dict_insert(dict, "channel", "s",
                          stats_channel_state_name(stats_channel_get_state(channel)));
    g_variant_dict_insert(dict, "channel_reason", "s", stats_channel_get_reason(channel));
    if (counts.opened == 0)
        return;
    add_agent(dict, claims);
    g_variant_dict_insert(dict, "frames", "t", counts.frames);
    g_variant_dict_insert(dict, "frames_lost", "t", counts.lost);
    g_variant_dict_insert(dict, "frames_damaged", "t", counts.damaged + counts.malformed);
    g_variant_dict_insert(dict, "frames_refused", "t", claims->refused);
    g_variant_dict_insert(dict, "noise", "t", counts.noise);
    g_variant_dict_insert(dict, "agent_dropped", "t",
                          (guint64)stats_channel_get_conduct(channel)->dropped);
    g_variant_dict_insert(dict, "urgent_requests", "t", claims->urgents);
    g_variant_dict_insert(dict, "urgent_unheard", "t", claims->unheard);
    if (managed_guest_get_urgent_first(managed) > 0)
        g_variant_dict_insert(dict, "urgent_first_us", "x",
                              managed_guest_get_urgent_first(managed));
}

GVariant *
bus_guest_stats(ManagedGuest *managed, gint64 now)
{
    const GuestMonitor *monitor = managed_guest_get_monitor(managed);
    const Sample *sample = sample_ring_get(&monitor->ring, 0);
    const char *trouble = guest_monitor_trouble(monitor, now);
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&dict, "state", "s",
                          monitor_state_name(guest_monitor_state(monitor, now)));
    g_variant_dict_insert(&dict, "reason", "s", trouble ? trouble : "");
    if (sample) {
        g_variant_dict_insert(&dict, "age_us", "x", now - sample->time_us);
        g_variant_dict_insert(&dict, "source", "s", sample_source_name(sample->source));
        add_sample(&dict, sample);
    }
    if (monitor->balloon.time_us != 0)
        g_variant_dict_insert(&dict, "balloon_age_us", "x", now - monitor->balloon.time_us);
    if (monitor->agent.time_us != 0)
        g_variant_dict_insert(&dict, "agent_age_us", "x", now - monitor->agent.time_us);
    add_channel(&dict, managed);
    return g_variant_dict_end(&dict);
}
