/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A shrink between planner and agent, above the hypervisor: asked, answered, watched, kept or
 * taken back. The agent is played by the test, which also runs the cycles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "guest/stats-frame-stream.h"
#include "tests/fake/await.h"
#include "tests/unit/daemon/daemon-bed.h"

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define BUDGET (4096 * MIB)

/* Cycles until something is given up; each lets all that is ready happen. */
#define CYCLES_MOST 100

typedef struct {
    DaemonBed daemon;
    FakeGuest *guest;
    PlayedAgent agent;
    StatsFrameStream stream;
    StatsSample sample; /* the next */
    StatsFrame heard;   /* the latest frame of the host that is no WELCOME */
    guint frames;       /* how many of those came */
    char *event;        /* the latest of EVENT_SHRINK or EVENT_ONLINING */
} Bed;

static void
on_event(Roster *roster, const Event *event, gpointer data)
{
    Bed *bed = data;

    if (event->kind != EVENT_SHRINK && event->kind != EVENT_ONLINING)
        return;
    g_free(bed->event);
    bed->event = g_strdup(event->message);
}

static void
say_sample(Bed *bed)
{
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_SAMPLE);
    frame.sample = bed->sample;
    frame.sample.time_us = (guint64)g_get_monotonic_time();
    frame.sample.total = guest_memory_actual(&bed->guest->memory) - 24 * MIB;
    frame.sample.free = frame.sample.available = frame.sample.total - 100 * MIB;
    played_agent_say(&bed->agent, &frame);
}

static void
answer(Bed *bed, StatsAnswerReason reason)
{
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_ANSWER);
    frame.answer.id = bed->heard.shrink.id;
    frame.answer.verdict = reason == STATS_REASON_NONE ? STATS_ANSWER_BEARS : STATS_ANSWER_REFUSES;
    frame.answer.reason = reason;
    played_agent_say(&bed->agent, &frame);
    await_quiet();
}

static void
hear(Bed *bed)
{
    guint8 bytes[512];
    StatsFrame frame;
    gssize count;

    while ((count = read(bed->agent.fd, bytes, sizeof bytes)) > 0) {
        stats_frame_stream_push(&bed->stream, bytes, (gsize)count);
        while (stats_frame_stream_pop(&bed->stream, &frame)) {
            if (frame.type == STATS_FRAME_WELCOME)
                continue;
            bed->heard = frame;
            bed->frames++;
        }
    }
}

/* One sample, one cycle. */
static void
turn(Bed *bed)
{
    say_sample(bed);
    await_ms(2);
    cycle_run(bed->daemon.cycle, g_get_monotonic_time());
    await_quiet();
    fake_guest_move(bed->guest);
    await_quiet();
    hear(bed);
}

/* Goes on until the host says a frame of @type. */
static void
await_frame(Bed *bed, StatsFrameType type)
{
    guint before = bed->frames;

    for (guint i = 0; i < CYCLES_MOST; i++) {
        turn(bed);
        if (bed->frames > before && bed->heard.type == type)
            return;
    }
    fail_msg("no frame of type %#x came", (guint)type);
}

static ManagedGuest *
managed(Bed *bed)
{
    return daemon_bed_managed(&bed->daemon, 0);
}

static guint64
requested(Bed *bed)
{
    return managed_guest_get_status(managed(bed))->requested;
}

/* A guest of 256 MiB with 768 more, of which it uses 100. */
static int
setup(void **state)
{
    Bed *bed = g_new0(Bed, 1);
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_SAMPLE);
    bed->sample = frame.sample;
    stats_frame_stream_start(&bed->stream);
    daemon_bed_start(&bed->daemon, BUDGET, FALSE, G_CALLBACK(on_event), bed);
    bed->guest = fake_guest_new("web", 256 * MIB, 256 * MIB, 0, TRUE);
    fake_guest_add_virtio_mem(bed->guest, 4096 * MIB);
    bed->guest->memory.devices[0].size = bed->guest->memory.devices[0].requested = 768 * MIB;
    bed->agent.fd = fake_guest_give_channel(bed->guest);
    fake_hypervisor_add(bed->daemon.hypervisor, bed->guest, 100 * MIB);
    await_quiet();
    played_agent_hello(&bed->agent, "", STATS_CAN_ANSWER, STATS_MISSING);
    await_quiet();
    *state = bed;
    return 0;
}

static int
teardown(void **state)
{
    Bed *bed = *state;

    daemon_bed_end(&bed->daemon);
    close(bed->agent.fd);
    g_free(bed->event);
    g_free(bed);
    return 0;
}

/* Asked, and nothing taken before the answer. */
static void
test_agent_refuses(void **state)
{
    Bed *bed = *state;
    g_autofree char *held_back = NULL;

    await_frame(bed, STATS_FRAME_SHRINK);
    assert_in_range(bed->heard.shrink.size, 1, 1024 * MIB / 8);
    assert_int_equal(bed->heard.shrink.start_us, SHRINK_ANSWER_US);
    turn(bed);
    assert_int_equal(requested(bed), 1024 * MIB);
    answer(bed, STATS_REASON_LITTLE);
    await_frame(bed, STATS_FRAME_SHRINK_END);
    assert_int_equal(bed->heard.shrink_end.outcome, STATS_SHRINK_UNDONE);
    assert_non_null(strstr(bed->event, "refused by its agent: too little would stay available"));
    for (guint i = 0; i < 10; i++)
        turn(bed);
    assert_int_equal(requested(bed), 1024 * MIB);
    assert_int_equal(bed->heard.type, STATS_FRAME_SHRINK_END);
    held_back = managed_guest_describe_held_back(managed(bed), g_get_monotonic_time());
    assert_non_null(strstr(held_back, "backing off after its agent refused, for 1"));
}

static void
test_shrink_that_hurts(void **state)
{
    Bed *bed = *state;

    await_frame(bed, STATS_FRAME_SHRINK);
    answer(bed, STATS_REASON_NONE);
    for (guint i = 0; i < CYCLES_MOST && requested(bed) == 1024 * MIB; i++)
        turn(bed);
    assert_in_range(requested(bed), 896 * MIB, 1023 * MIB);
    assert_int_equal(guest_memory_actual(&bed->guest->memory), requested(bed));
    bed->sample.refaults_anon = 0;
    bed->sample.refaults_file = 0;
    turn(bed);
    bed->sample.refaults_file = 100000;
    await_frame(bed, STATS_FRAME_SHRINK_END);
    assert_int_equal(bed->heard.shrink_end.outcome, STATS_SHRINK_UNDONE);
    turn(bed);
    assert_non_null(strstr(bed->event, "hurt, and is taken back: it read again what it had given"));
    assert_int_equal(requested(bed), 1024 * MIB);
    assert_int_equal(guest_memory_actual(&bed->guest->memory), 1024 * MIB);
}

/* Its agent tells that four parts of five are movable: it is not grown. */
static void
test_starved_kernel_is_not_grown(void **state)
{
    Bed *bed = *state;
    const guint64 kernel = 200 * MIB;
    g_autofree char *held_back = NULL;

    bed->sample.zone_count = 2;
    bed->sample.zones[0] = (StatsZone){ STATS_ZONE_NORMAL, 256 * MIB, kernel, kernel / 2 };
    bed->sample.zones[1] = (StatsZone){ STATS_ZONE_MOVABLE, 768 * MIB, 768 * MIB, 600 * MIB };
    turn(bed);
    turn(bed);
    assert_int_equal(managed_guest_get_growth_most(managed(bed)), (1024 + 800 - 768) * MIB);
    bed->sample.zones[1].managed = bed->sample.zones[1].present = 900 * MIB;
    turn(bed);
    turn(bed);
    assert_int_equal(managed_guest_get_growth_most(managed(bed)), 1024 * MIB);
    {
        StatsFrame frame;

        stats_frame_clear(&frame, STATS_FRAME_URGENT);
        frame.urgent.time_us = 1;
        frame.urgent.available = 100 * MIB;
        frame.urgent.size = 512 * MIB;
        frame.urgent.fall = 100 * MIB;
        played_agent_say(&bed->agent, &frame);
    }
    await_ms(20);
    turn(bed);
    assert_int_equal(requested(bed), 1024 * MIB);
    held_back = managed_guest_describe_held_back(managed(bed), g_get_monotonic_time());
    assert_non_null(strstr(held_back, "its kernel has too little memory of its own"));
}

#define IN_A_BED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_BED(test_agent_refuses),
        IN_A_BED(test_shrink_that_hurts),
        IN_A_BED(test_starved_kernel_is_not_grown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
