/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's end of the channel against an agent that this test plays, well or badly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "monitor/stats-channel.h"
#include "tests/fake/await.h"
#include "tests/fake/fake-guest.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static const StatsChannelTuning tuning = {
    .retry_first_ms = 1,
    .retry_most_ms = 5,
    .look_ms = 5,
};

typedef struct {
    FakeGuest *guest;
    StatsChannel *channel;
    int fd; /* the agent's end */
    StatsFrameStream heard;
    guint32 sequence;
    guint64 time_us;

    guint hellos, booted, samples, urgents, answers, states;
    Sample sample;
    StatsUrgent urgent;
} Fixture;

static void
on_hello(StatsChannel *channel, const StatsHello *hello, gboolean booted, Fixture *fixture)
{
    fixture->hellos++;
    fixture->booted += booted;
}

static void
on_sample(StatsChannel *channel, const Sample *sample, Fixture *fixture)
{
    fixture->samples++;
    fixture->sample = *sample;
}

static void
on_urgent(StatsChannel *channel, const StatsUrgent *urgent, Fixture *fixture)
{
    fixture->urgents++;
    fixture->urgent = *urgent;
}

static void
on_answer(StatsChannel *channel, const StatsAnswer *answer, Fixture *fixture)
{
    fixture->answers++;
}

static void
on_state(StatsChannel *channel, Fixture *fixture)
{
    fixture->states++;
}

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->guest = fake_guest_new("g", 256 * MIB, 1024 * MIB, 4, TRUE);
    fixture->channel = stats_channel_new(MEMPLUG_GUEST(fixture->guest), &tuning);
    fixture->fd = -1;
    stats_channel_set_most(fixture->channel, 1024 * MIB);
    g_signal_connect(fixture->channel, "hello", G_CALLBACK(on_hello), fixture);
    g_signal_connect(fixture->channel, "sample", G_CALLBACK(on_sample), fixture);
    g_signal_connect(fixture->channel, "urgent", G_CALLBACK(on_urgent), fixture);
    g_signal_connect(fixture->channel, "answer", G_CALLBACK(on_answer), fixture);
    g_signal_connect(fixture->channel, "state", G_CALLBACK(on_state), fixture);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;

    g_signal_handlers_disconnect_by_data(fixture->channel, fixture);
    stats_channel_stop(fixture->channel);
    await_quiet();
    g_object_unref(fixture->channel);
    g_object_unref(fixture->guest);
    if (fixture->fd >= 0)
        close(fixture->fd);
    g_free(fixture);
    return 0;
}

static void
plug_in(Fixture *fixture)
{
    if (fixture->fd >= 0)
        close(fixture->fd);
    fixture->fd = fake_guest_give_channel(fixture->guest);
    stats_frame_stream_start(&fixture->heard);
}

static void
say_bytes(Fixture *fixture, const void *bytes, gsize length)
{
    assert_int_equal(write(fixture->fd, bytes, length), length);
}

static void
say(Fixture *fixture, StatsFrame *frame)
{
    guint8 bytes[STATS_FRAME_MOST];
    gsize length;

    frame->sequence = fixture->sequence++;
    length = stats_frame_encode(frame, bytes, sizeof bytes);
    say_bytes(fixture, bytes, length);
}

static void
say_hello(Fixture *fixture, const char *boot_id)
{
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_HELLO);
    strcpy(frame.hello.agent, "test 1");
    strcpy(frame.hello.kernel, "6.12.0");
    strcpy(frame.hello.boot_id, boot_id);
    frame.hello.can = STATS_CAN_WATCH;
    say(fixture, &frame);
}

static StatsFrame
make_sample(Fixture *fixture)
{
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_SAMPLE);
    frame.sample.time_us = ++fixture->time_us;
    frame.sample.total = 256 * MIB;
    frame.sample.free = frame.sample.available = 100 * MIB;
    return frame;
}

static void
say_sample(Fixture *fixture)
{
    StatsFrame frame = make_sample(fixture);

    say(fixture, &frame);
}

/* Waits for the host's next frame. */
static gboolean
has_heard(gpointer data)
{
    Fixture *fixture = data;
    guint8 bytes[STATS_FRAME_MOST];
    gssize n;

    n = read(fixture->fd, bytes, stats_frame_stream_room(&fixture->heard));
    if (n > 0)
        assert_int_equal(stats_frame_stream_push(&fixture->heard, bytes, (gsize)n), n);
    return n > 0;
}

static void
expect(Fixture *fixture, StatsFrameType type, StatsFrame *frame)
{
    while (!stats_frame_stream_pop(&fixture->heard, frame))
        await_condition(has_heard, fixture, "a frame of the host");
    assert_int_equal(frame->type, type);
}

static gboolean
is_open(gpointer data)
{
    return stats_channel_get_state(((Fixture *)data)->channel) == STATS_CHANNEL_OPEN;
}

static gboolean
is_dropped(gpointer data)
{
    return stats_channel_get_state(((Fixture *)data)->channel) == STATS_CHANNEL_DROPPED;
}

static gboolean
is_closed(gpointer data)
{
    return stats_channel_get_state(((Fixture *)data)->channel) == STATS_CHANNEL_CLOSED;
}

static int
setup_open(void **state)
{
    Fixture *fixture;
    StatsFrame frame;

    setup(state);
    fixture = *state;
    plug_in(fixture);
    stats_channel_start(fixture->channel);
    expect(fixture, STATS_FRAME_WELCOME, &frame);
    say_hello(fixture, "a");
    await_condition(is_open, fixture, "the agent's greeting");
    return 0;
}

static void
test_greeting(void **state)
{
    Fixture *fixture = *state;
    StatsFrame frame;
    StatsWelcome welcome;

    plug_in(fixture);
    stats_frame_clear(&frame, STATS_FRAME_WELCOME);
    welcome = frame.welcome;
    welcome.period_us = 1000000;
    welcome.growth = 768 * MIB;
    stats_channel_set_welcome(fixture->channel, &welcome);
    assert_int_equal(stats_channel_get_state(fixture->channel), STATS_CHANNEL_NONE);

    stats_channel_start(fixture->channel);
    expect(fixture, STATS_FRAME_WELCOME, &frame);
    assert_int_equal(frame.welcome.flags, STATS_WELCOME_SAY_HELLO);
    assert_int_equal(frame.welcome.period_us, 1000000);
    assert_int_equal(frame.welcome.growth, 768 * MIB);
    assert_int_equal(frame.welcome.plug_us, STATS_MISSING);
    assert_int_equal(stats_channel_get_state(fixture->channel), STATS_CHANNEL_SILENT);

    say_hello(fixture, "a");
    await_condition(is_open, fixture, "the agent's greeting");
    assert_string_equal(stats_channel_get_reason(fixture->channel), "");
    assert_string_equal(stats_channel_get_claims(fixture->channel)->hello.kernel, "6.12.0");

    /* An agent that was started anew was not asked, and knows nothing. */
    say_hello(fixture, "a");
    expect(fixture, STATS_FRAME_WELCOME, &frame);
    assert_int_equal(frame.welcome.flags, 0);
    assert_int_equal(fixture->hellos, 2);
    assert_int_equal(fixture->booted, 0);
    say_hello(fixture, "b");
    expect(fixture, STATS_FRAME_WELCOME, &frame);
    assert_int_equal(fixture->booted, 1);
}

static void
test_welcome_is_told_when_it_changes(void **state)
{
    Fixture *fixture = *state;
    StatsFrame frame;
    StatsWelcome welcome;

    stats_frame_clear(&frame, STATS_FRAME_WELCOME);
    welcome = frame.welcome;
    welcome.growth = 1;
    stats_channel_set_welcome(fixture->channel, &welcome);
    stats_channel_set_welcome(fixture->channel, &welcome);
    expect(fixture, STATS_FRAME_WELCOME, &frame);
    assert_int_equal(frame.welcome.growth, 1);
    welcome.growth = 2;
    stats_channel_set_welcome(fixture->channel, &welcome);
    expect(fixture, STATS_FRAME_WELCOME, &frame);
    assert_int_equal(frame.welcome.growth, 2);
}

static gboolean
has_all(gpointer data)
{
    Fixture *fixture = data;

    return fixture->samples && fixture->urgents && fixture->answers;
}

static void
test_frames_become_signals(void **state)
{
    Fixture *fixture = *state;
    StatsFrame frame;

    say_sample(fixture);
    stats_frame_clear(&frame, STATS_FRAME_URGENT);
    frame.urgent.time_us = 1;
    frame.urgent.available = 10 * MIB;
    frame.urgent.size = 64 * MIB;
    say(fixture, &frame);
    stats_frame_clear(&frame, STATS_FRAME_ANSWER);
    frame.answer.id = 7;
    frame.answer.verdict = STATS_ANSWER_BEARS;
    say(fixture, &frame);
    await_condition(has_all, fixture, "three frames");
    assert_int_equal(fixture->sample.available, 100 * MIB);
    assert_int_equal(fixture->urgent.size, 64 * MIB);
    assert_int_equal(stats_channel_get_counts(fixture->channel).frames, 4);
    assert_int_equal(stats_channel_get_counts(fixture->channel).lost, 0);
}

static void
test_shrinks_are_announced(void **state)
{
    Fixture *fixture = *state;
    StatsFrame frame;

    assert_true(
        stats_channel_send_shrink(fixture->channel, &(StatsShrink){ .id = 1, .size = 64 * MIB }));
    expect(fixture, STATS_FRAME_SHRINK, &frame);
    assert_int_equal(frame.shrink.size, 64 * MIB);
    assert_true(stats_channel_send_shrink_end(
        fixture->channel, &(StatsShrinkEnd){ .id = 1, .outcome = STATS_SHRINK_DONE }));
    expect(fixture, STATS_FRAME_SHRINK_END, &frame);
    assert_int_equal(frame.shrink_end.outcome, STATS_SHRINK_DONE);
}

static void
test_nobody_is_told_without_an_agent(void **state)
{
    Fixture *fixture = *state;

    assert_false(stats_channel_send_shrink(fixture->channel, &(StatsShrink){ .id = 1 }));
    assert_false(stats_channel_send_shrink_end(fixture->channel, &(StatsShrinkEnd){ .id = 1 }));
}

/* A port that goes, and one that comes back; the agent greets anew. */
static void
test_channel_is_opened_again(void **state)
{
    Fixture *fixture = *state;
    StatsFrame frame;

    plug_in(fixture);
    expect(fixture, STATS_FRAME_WELCOME, &frame);
    assert_int_equal(frame.welcome.flags, STATS_WELCOME_SAY_HELLO);
    say_hello(fixture, "b");
    await_condition(is_open, fixture, "the agent's greeting");
    assert_int_equal(fixture->booted, 1);
    assert_int_equal(stats_channel_get_counts(fixture->channel).opened, 2);
    assert_int_equal(stats_channel_get_counts(fixture->channel).frames, 2);
}

static gboolean
has_tried(gpointer data)
{
    return ((Fixture *)data)->guest->channel_tries >= 5;
}

/* The socket of the channel is made after that of the monitor. */
static void
test_channel_that_comes_later_is_found(void **state)
{
    Fixture *fixture = *state;
    StatsFrame frame;

    stats_channel_start(fixture->channel);
    await_condition(has_tried, fixture, "five looks");
    assert_int_equal(stats_channel_get_state(fixture->channel), STATS_CHANNEL_NONE);
    assert_string_equal(stats_channel_get_reason(fixture->channel),
                        "the guest has no stats channel");
    assert_int_equal(fixture->states, 0);
    plug_in(fixture);
    expect(fixture, STATS_FRAME_WELCOME, &frame);
}

static void
test_taken_channel_is_tried_again(void **state)
{
    Fixture *fixture = *state;
    StatsFrame frame;

    fixture->guest->channel_error = G_IO_ERROR_BUSY;
    stats_channel_start(fixture->channel);
    await_condition(has_tried, fixture, "five tries");
    assert_int_equal(stats_channel_get_state(fixture->channel), STATS_CHANNEL_CLOSED);
    assert_int_equal(fixture->states, 1);
    plug_in(fixture);
    expect(fixture, STATS_FRAME_WELCOME, &frame);
}

static void
test_unsupported_channel_is_not_tried_again(void **state)
{
    Fixture *fixture = *state;

    fixture->guest->channel_error = G_IO_ERROR_NOT_SUPPORTED;
    stats_channel_start(fixture->channel);
    await_ms(50);
    assert_int_equal(fixture->guest->channel_tries, 1);
    assert_int_equal(stats_channel_get_state(fixture->channel), STATS_CHANNEL_NONE);
}

static void
test_garbage_ends_in_a_drop(void **state)
{
    Fixture *fixture = *state;
    guint8 garbage[32768];

    for (gsize i = 0; i < sizeof garbage; i++)
        garbage[i] = (guint8)g_random_int();
    say_bytes(fixture, garbage, sizeof garbage);
    say_bytes(fixture, garbage, sizeof garbage);
    await_condition(is_dropped, fixture, "the channel to be dropped");
    assert_string_equal(stats_channel_get_reason(fixture->channel), "it sends what is no frame");
    assert_int_equal(stats_channel_get_conduct(fixture->channel)->dropped, 1);
    assert_true(stats_channel_get_counts(fixture->channel).noise >= 32768);
    /* Not opened again at once. */
    plug_in(fixture);
    await_ms(50);
    assert_non_null(fixture->guest->channel);
}

static void
test_lies_end_in_a_drop(void **state)
{
    Fixture *fixture = *state;

    for (guint i = 0; i < 30; i++) {
        StatsFrame frame = make_sample(fixture);

        frame.sample.total = G_MAXUINT64 - 1;
        say(fixture, &frame);
    }
    await_condition(is_dropped, fixture, "the channel to be dropped");
    assert_int_equal(fixture->samples, 0);
    assert_string_equal(stats_channel_get_reason(fixture->channel), "what it says cannot be true");
}

/* Lost bytes cost a frame or two, not the channel. */
static void
test_gap_is_survived(void **state)
{
    Fixture *fixture = *state;
    StatsFrame frame = make_sample(fixture);
    guint8 bytes[STATS_FRAME_MOST];
    gsize length = stats_frame_encode(&frame, bytes, sizeof bytes);

    say_bytes(fixture, bytes, length / 2);
    say_sample(fixture);
    for (guint i = 0; i < 10; i++)
        say_sample(fixture);
    while (fixture->samples < 10)
        g_main_context_iteration(NULL, TRUE);
    assert_true(is_open(fixture));
    assert_true(stats_channel_get_counts(fixture->channel).noise > 0);
}

/* Says more and more to an agent that never reads. */
static void
test_deaf_agent_costs_nothing(void **state)
{
    Fixture *fixture = *state;
    StatsFrame frame;
    StatsWelcome welcome;

    stats_frame_clear(&frame, STATS_FRAME_WELCOME);
    welcome = frame.welcome;
    for (guint64 i = 0; i < 100000; i++) {
        welcome.growth = i;
        stats_channel_set_welcome(fixture->channel, &welcome);
        if (i % 16 == 0)
            g_main_context_iteration(NULL, FALSE);
    }
    say_sample(fixture);
    while (fixture->samples < 1)
        g_main_context_iteration(NULL, TRUE);
    assert_true(is_open(fixture));
    /* Once it reads, what it is told last is the latest. */
    do
        expect(fixture, STATS_FRAME_WELCOME, &frame);
    while (frame.welcome.growth != 99999);
}

static void
test_nothing_is_believed_before_the_size_is_known(void **state)
{
    Fixture *fixture = *state;

    stats_channel_set_most(fixture->channel, 0);
    say_sample(fixture);
    await_ms(20);
    assert_int_equal(fixture->samples, 0);
    assert_int_equal(stats_channel_get_claims(fixture->channel)->refused, 0);
}

/* Stopped and freed with all in flight. */
static void
test_stop_in_the_middle(void **state)
{
    Fixture *fixture = *state;

    say_sample(fixture);
    stats_channel_stop(fixture->channel);
    await_quiet();
    assert_int_equal(fixture->samples, 0);
}

static void
stop_at_hello(StatsChannel *channel, const StatsHello *hello, gboolean booted, Fixture *fixture)
{
    stats_channel_stop(channel);
}

static void
test_stop_from_within(void **state)
{
    Fixture *fixture = *state;

    g_signal_connect(fixture->channel, "hello", G_CALLBACK(stop_at_hello), fixture);
    say_hello(fixture, "a");
    say_sample(fixture);
    while (fixture->hellos < 2)
        g_main_context_iteration(NULL, TRUE);
    await_quiet();
    assert_int_equal(fixture->samples, 0);
}

static void
test_port_that_goes_is_noticed(void **state)
{
    Fixture *fixture = *state;

    close(fixture->fd);
    fixture->fd = -1;
    fixture->guest->channel_error = G_IO_ERROR_CONNECTION_REFUSED;
    await_condition(is_closed, fixture, "the end of the channel");
    assert_false(stats_channel_get_claims(fixture->channel)->greeted);
}

#define OPEN_TEST(name)     cmocka_unit_test_setup_teardown(name, setup_open, teardown)
#define UNOPENED_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        UNOPENED_TEST(test_greeting),
        OPEN_TEST(test_welcome_is_told_when_it_changes),
        OPEN_TEST(test_frames_become_signals),
        OPEN_TEST(test_shrinks_are_announced),
        UNOPENED_TEST(test_nobody_is_told_without_an_agent),
        OPEN_TEST(test_channel_is_opened_again),
        UNOPENED_TEST(test_channel_that_comes_later_is_found),
        UNOPENED_TEST(test_taken_channel_is_tried_again),
        UNOPENED_TEST(test_unsupported_channel_is_not_tried_again),
        OPEN_TEST(test_garbage_ends_in_a_drop),
        OPEN_TEST(test_lies_end_in_a_drop),
        OPEN_TEST(test_gap_is_survived),
        OPEN_TEST(test_deaf_agent_costs_nothing),
        OPEN_TEST(test_nothing_is_believed_before_the_size_is_known),
        OPEN_TEST(test_stop_in_the_middle),
        OPEN_TEST(test_stop_from_within),
        OPEN_TEST(test_port_that_goes_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
