/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of an agent's words is believed. */
#include "monitor/agent-claims.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define SECOND ((gint64)G_USEC_PER_SEC)
#define START  (1000 * SECOND)
#define MOST   (1024 * MIB)

static StatsFrame
make_hello(const char *boot_id)
{
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_HELLO);
    strcpy(frame.hello.agent, "memplug-guest 1");
    strcpy(frame.hello.kernel, "6.12.0");
    strcpy(frame.hello.boot_id, boot_id);
    frame.hello.can = STATS_CAN_WATCH;
    return frame;
}

/* A guest of 512 MiB as a kernel of today tells of it. */
static StatsFrame
make_sample(guint64 time_us)
{
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_SAMPLE);
    frame.sample.time_us = time_us;
    frame.sample.total = 512 * MIB;
    frame.sample.free = 100 * MIB;
    frame.sample.available = 200 * MIB;
    frame.sample.cached = 150 * MIB;
    frame.sample.dirty = 1 * MIB;
    frame.sample.shmem = 20 * MIB;
    frame.sample.slab_reclaimable = 30 * MIB;
    frame.sample.committed = 2048 * MIB; /* more than there is: that is no lie */
    frame.sample.swap_total = 256 * MIB;
    frame.sample.swap_free = 250 * MIB;
    frame.sample.swap_in = 10;
    frame.sample.swap_out = 11;
    frame.sample.refaults_anon = 12;
    frame.sample.refaults_file = 13;
    frame.sample.major_faults = 14;
    frame.sample.direct_scans = 15;
    frame.sample.direct_steals = 16;
    frame.sample.alloc_stalls = 17;
    frame.sample.oom_kills = 18;
    frame.sample.stall_some_us = 19;
    frame.sample.stall_full_us = 20;
    frame.sample.zone_count = 1;
    frame.sample.zones[0] = (StatsZone){ STATS_ZONE_NORMAL, 500 * MIB, 490 * MIB, 100 * MIB };
    return frame;
}

static StatsFrame
make_urgent(guint64 size)
{
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_URGENT);
    frame.urgent.time_us = 1;
    frame.urgent.available = 20 * MIB;
    frame.urgent.total = 512 * MIB;
    frame.urgent.size = size;
    frame.urgent.fall = 100 * MIB;
    return frame;
}

static AgentVerdict
take(AgentClaims *claims, StatsFrame frame, gint64 now, Sample *sample)
{
    return agent_claims_take(claims, &frame, MOST, now, sample);
}

static AgentClaims
started_claims(void)
{
    AgentClaims claims;

    agent_claims_start(&claims, START);
    return claims;
}

static void
test_sample_is_taken_over(void **state)
{
    AgentClaims claims = started_claims();
    Sample sample;

    assert_int_equal(take(&claims, make_sample(5), START, &sample), AGENT_VERDICT_SAMPLE);
    assert_int_equal(sample.time_us, START);
    assert_int_equal(sample.source, SAMPLE_SOURCE_AGENT);
    assert_int_equal(sample.fields, (SAMPLE_SWAP_SIZE << 1) - 1); /* all there are */
    assert_int_equal(sample.total, 512 * MIB);
    assert_int_equal(sample.free, 100 * MIB);
    assert_int_equal(sample.available, 200 * MIB);
    assert_int_equal(sample.cached, 150 * MIB);
    assert_int_equal(sample.dirty, 1 * MIB);
    assert_int_equal(sample.shmem, 20 * MIB);
    assert_int_equal(sample.slab_reclaimable, 30 * MIB);
    assert_int_equal(sample.committed, 2048 * MIB);
    assert_int_equal(sample.swap_total, 256 * MIB);
    assert_int_equal(sample.swap_free, 250 * MIB);
    assert_int_equal(sample.swap_in, 10);
    assert_int_equal(sample.swap_out, 11);
    assert_int_equal(sample.refaults_anon, 12);
    assert_int_equal(sample.refaults_file, 13);
    assert_int_equal(sample.major_faults, 14);
    assert_int_equal(sample.direct_scans, 15);
    assert_int_equal(sample.direct_steals, 16);
    assert_int_equal(sample.alloc_stalls, 17);
    assert_int_equal(sample.oom_kills, 18);
    assert_int_equal(sample.stall_some_us, 19);
    assert_int_equal(sample.stall_full_us, 20);
    assert_int_equal(claims.samples, 1);
    assert_int_equal(claims.latest.zone_count, 1);
}

/* An old kernel tells little; that is no lie either. */
static void
test_what_is_not_told_is_left_out(void **state)
{
    AgentClaims claims = started_claims();
    StatsFrame frame;
    Sample sample;

    stats_frame_clear(&frame, STATS_FRAME_SAMPLE);
    frame.sample.time_us = 1;
    frame.sample.total = 512 * MIB;
    frame.sample.free = 100 * MIB;
    frame.sample.cached = 60 * MIB;
    frame.sample.shmem = 10 * MIB;
    frame.sample.swap_in = 7; /* but not what was swapped out */
    assert_int_equal(take(&claims, frame, START, &sample), AGENT_VERDICT_SAMPLE);
    assert_int_equal(sample.fields, SAMPLE_SHMEM);
    assert_int_equal(sample.available, 150 * MIB);
    assert_int_equal(sample.stall_some_us, 0);
}

static void
assert_lie(void (*falsify)(StatsSample *sample))
{
    AgentClaims claims = started_claims();
    StatsFrame frame = make_sample(2 * G_USEC_PER_SEC);
    Sample sample;

    assert_int_equal(take(&claims, make_sample(1), START, &sample), AGENT_VERDICT_SAMPLE);
    falsify(&frame.sample);
    assert_int_equal(take(&claims, frame, START + SECOND, &sample), AGENT_VERDICT_REFUSED);
    assert_non_null(claims.refusal);
    assert_int_equal(claims.refused, 1);
    /* A lie leaves no trace: the truth is believed after it. */
    assert_int_equal(take(&claims, make_sample(3 * G_USEC_PER_SEC), START + 2 * SECOND, &sample),
                     AGENT_VERDICT_SAMPLE);
}

#define LIE(name, statement)              \
    static void name(StatsSample *sample) \
    {                                     \
        statement;                        \
    }
LIE(lie_nothing, sample->total = 0)
LIE(lie_total, sample->total = MOST + 1)
LIE(lie_free, sample->free = sample->total + 1)
LIE(lie_available, sample->available = sample->total + 1)
LIE(lie_cached, sample->cached = G_MAXUINT64 - 1)
LIE(lie_dirty, sample->dirty = sample->total + 1)
LIE(lie_shmem, sample->shmem = sample->total + 1)
LIE(lie_slab, sample->slab_reclaimable = sample->total + 1)
LIE(lie_swap, sample->swap_free = sample->swap_total + 1)
LIE(lie_zone, sample->zones[0].present = MOST + 1)
LIE(lie_managed, sample->zones[0].managed = sample->zones[0].present + 1)
LIE(lie_zone_free, sample->zones[0].free = MOST)
LIE(lie_time, sample->time_us = 1)
LIE(lie_swap_in, sample->swap_in--)
LIE(lie_refaults, sample->refaults_file--)
LIE(lie_stall, sample->stall_full_us--)
LIE(lie_oom, sample->oom_kills--)

static void
test_lies_are_refused(void **state)
{
    static void (*const lies[])(StatsSample * sample) = {
        lie_nothing, lie_total,   lie_free,     lie_available, lie_cached,  lie_dirty,
        lie_shmem,   lie_slab,    lie_swap,     lie_zone,      lie_managed, lie_zone_free,
        lie_time,    lie_swap_in, lie_refaults, lie_stall,     lie_oom,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lies); i++)
        assert_lie(lies[i]);
}

static void
test_host_frames_are_refused(void **state)
{
    static const StatsFrameType types[] = { STATS_FRAME_WELCOME, STATS_FRAME_SHRINK,
                                            STATS_FRAME_SHRINK_END };
    AgentClaims claims = started_claims();

    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        StatsFrame frame;
        Sample sample;

        stats_frame_clear(&frame, types[i]);
        assert_int_equal(take(&claims, frame, START, &sample), AGENT_VERDICT_REFUSED);
    }
}

static void
test_another_boot_is_noticed(void **state)
{
    AgentClaims claims = started_claims();
    StatsFrame frame = make_sample(1);
    Sample sample;

    assert_int_equal(take(&claims, make_hello("a"), START, NULL), AGENT_VERDICT_HELLO);
    assert_int_equal(take(&claims, make_sample(9), START, &sample), AGENT_VERDICT_SAMPLE);
    assert_int_equal(take(&claims, make_hello("a"), START, NULL), AGENT_VERDICT_HELLO);
    agent_claims_reopen(&claims, START);
    assert_int_equal(take(&claims, make_hello("b"), START + SECOND, NULL), AGENT_VERDICT_BOOTED);
    frame.sample.swap_in = 0; /* counters begin anew */
    assert_int_equal(take(&claims, frame, START + SECOND, &sample), AGENT_VERDICT_SAMPLE);
}

static void
test_greeting_without_end_is_refused(void **state)
{
    AgentClaims claims = started_claims();
    guint greeted = 0;

    while (greeted < 1000 &&
           take(&claims, make_hello(greeted % 2 ? "a" : "b"), START, NULL) != AGENT_VERDICT_REFUSED)
        greeted++;
    assert_in_range(greeted, 5, 50);
}

static void
test_request_is_heard(void **state)
{
    AgentClaims claims = started_claims();

    assert_int_equal(take(&claims, make_urgent(64 * MIB), START, NULL), AGENT_VERDICT_URGENT);
    assert_int_equal(claims.urgents, 1);
    assert_int_equal(claims.fastest, 100 * MIB);
    assert_int_equal(take(&claims, make_urgent(0), START, NULL), AGENT_VERDICT_REFUSED);
}

/* An incredible rate is nothing to prepare for. */
static void
test_incredible_speed_is_not_learned(void **state)
{
    AgentClaims claims = started_claims();
    StatsFrame frame = make_urgent(64 * MIB);

    frame.urgent.fall = G_MAXUINT64 - 1;
    assert_int_equal(take(&claims, frame, START, NULL), AGENT_VERDICT_URGENT);
    assert_int_equal(claims.fastest, 0);
}

static void
test_requests_are_rationed(void **state)
{
    AgentClaims claims = started_claims();
    guint heard = 0;

    for (guint i = 0; i < 1000; i++)
        heard += take(&claims, make_urgent(MIB), START + i * 1000, NULL) == AGENT_VERDICT_URGENT;
    assert_in_range(heard, 10, 30);
    assert_int_equal(claims.unheard, 1000 - heard);
    assert_int_equal(claims.urgents, heard);
}

/* Who asks for ever is not heard for ever; who pauses is. */
static void
test_crying_wolf_is_not_heard(void **state)
{
    AgentClaims claims = started_claims();
    guint heard = 0, deaf = 0;

    for (gint64 s = 0; s < 600; s++) {
        heard += take(&claims, make_urgent(MIB), START + s * SECOND, NULL) == AGENT_VERDICT_URGENT;
        deaf += agent_claims_is_deaf(&claims, START + s * SECOND);
    }
    assert_in_range(heard, 240, 400);
    assert_true(deaf > 200);

    claims = started_claims();
    for (gint64 s = 0; s < 6000; s += 20)
        assert_int_equal(take(&claims, make_urgent(MIB), START + s * SECOND, NULL),
                         AGENT_VERDICT_URGENT);
}

/* Any numbers at all: whatever is believed is possible. */
static guint64
any_number(GRand *rand)
{
    static const guint64 marks[] = { 0,          1,    4096,     MIB,
                                     MOST - 1,   MOST, MOST + 1, G_MAXUINT64 - 1,
                                     G_MAXUINT64 };

    if (g_rand_int_range(rand, 0, 3) == 0)
        return marks[g_rand_int_range(rand, 0, G_N_ELEMENTS(marks))];
    return ((guint64)g_rand_int(rand) << 32 | g_rand_int(rand)) >> g_rand_int_range(rand, 0, 64);
}

static void
any_frame(GRand *rand, StatsFrame *frame)
{
    static const StatsFrameType types[] = { STATS_FRAME_HELLO,  STATS_FRAME_SAMPLE,
                                            STATS_FRAME_SAMPLE, STATS_FRAME_SAMPLE,
                                            STATS_FRAME_URGENT, STATS_FRAME_ANSWER };

    *frame = make_sample(any_number(rand));
    if (g_rand_boolean(rand)) {
        StatsSample *sample = &frame->sample;
        guint64 *numbers = (guint64 *)&sample->time_us;

        for (gsize i = 0; i < offsetof(StatsSample, zone_count) / sizeof *numbers; i++) {
            if (g_rand_int_range(rand, 0, 4) == 0)
                numbers[i] = any_number(rand);
        }
    }
    frame->type = types[g_rand_int_range(rand, 0, G_N_ELEMENTS(types))];
    if (frame->type == STATS_FRAME_HELLO)
        *frame = make_hello(g_rand_boolean(rand) ? "a" : "b");
    if (frame->type == STATS_FRAME_URGENT) {
        stats_frame_clear(frame, STATS_FRAME_URGENT);
        frame->urgent.time_us = any_number(rand);
        frame->urgent.available = any_number(rand);
        frame->urgent.size = any_number(rand);
        frame->urgent.fall = any_number(rand);
        frame->urgent.total = any_number(rand);
    }
}

static void
test_only_the_possible_is_believed(void **state)
{
    const char *text = g_getenv("MEMPLUG_TEST_SEED");
    guint32 seed = text ? (guint32)strtoul(text, NULL, 10) : g_random_int();
    const char *worlds = g_getenv("MEMPLUG_TEST_WORLDS");
    guint64 frames = worlds ? strtoull(worlds, NULL, 10) : 1000000;
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    AgentClaims claims = started_claims();
    guint64 believed = 0;
    gint64 now = START;

    print_message("MEMPLUG_TEST_SEED=%u\n", seed);
    for (guint64 i = 0; i < frames; i++) {
        Sample sample = { 0 };
        StatsFrame frame;

        any_frame(rand, &frame);
        now += g_rand_int_range(rand, 0, 1000000);
        if (agent_claims_take(&claims, &frame, MOST, now, &sample) != AGENT_VERDICT_SAMPLE)
            continue;
        believed++;
        assert_int_equal(sample.time_us, now);
        assert_in_range(sample.total, 1, MOST);
        assert_true(sample.free <= sample.total && sample.available <= sample.total);
        assert_true(sample.cached <= sample.total && sample.shmem <= sample.total);
        assert_true(sample.swap_free <= sample.swap_total || !(sample.fields & SAMPLE_SWAP_SIZE));
    }
    assert_true(believed > frames / 100);
    assert_true(claims.fastest <= G_GUINT64_CONSTANT(1) << 40);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample_is_taken_over),
        cmocka_unit_test(test_what_is_not_told_is_left_out),
        cmocka_unit_test(test_lies_are_refused),
        cmocka_unit_test(test_host_frames_are_refused),
        cmocka_unit_test(test_another_boot_is_noticed),
        cmocka_unit_test(test_greeting_without_end_is_refused),
        cmocka_unit_test(test_request_is_heard),
        cmocka_unit_test(test_incredible_speed_is_not_learned),
        cmocka_unit_test(test_requests_are_rationed),
        cmocka_unit_test(test_crying_wolf_is_not_heard),
        cmocka_unit_test(test_only_the_possible_is_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
