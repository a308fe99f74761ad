/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The agent's end of the channel, on a socket that the test does or does not read.
 * Time is what the test says.
 */
#include "guest/channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <sys/socket.h>

#include "tests/unit/guest/host-end.h"

#define SECOND ((gint64)G_USEC_PER_SEC)

typedef struct {
    HostEnd host;
    Channel channel;
    gint64 now;
} Room;

static int
open_room(void **state)
{
    Room *room = g_new0(Room, 1);

    signal(SIGPIPE, SIG_IGN);
    host_end_start(&room->host);
    channel_start(&room->channel, room->host.path);
    *state = room;
    return 0;
}

static int
close_room(void **state)
{
    Room *room = *state;

    channel_stop(&room->channel);
    host_end_stop(&room->host);
    g_free(room);
    return 0;
}

/* One turn of the agent's loop. Returns: whether the channel became open. */
static gboolean
turn(Room *room)
{
    struct pollfd one;

    channel_poll(&room->channel, &one);
    poll(&one, 1, 0);
    return channel_run(&room->channel, one.revents, room->now);
}

static void
connect_both(Room *room)
{
    host_end_listen(&room->host);
    assert_true(turn(room));
    host_end_accept(&room->host);
    assert_int_equal(room->channel.state, CHANNEL_OPEN);
}

static void
send_numbered(Room *room, ChannelPriority priority, guint64 number)
{
    StatsFrame frame;

    if (priority == CHANNEL_SAMPLE) {
        stats_frame_clear(&frame, STATS_FRAME_SAMPLE);
        frame.sample.time_us = number;
        frame.sample.total = frame.sample.free = 1;
    } else if (priority == CHANNEL_URGENT) {
        stats_frame_clear(&frame, STATS_FRAME_URGENT);
        frame.urgent.time_us = number;
        frame.urgent.available = frame.urgent.size = 1;
    } else {
        stats_frame_clear(&frame, STATS_FRAME_ANSWER);
        frame.answer.id = number;
        frame.answer.verdict = STATS_ANSWER_BEARS;
    }
    channel_send(&room->channel, priority, &frame);
}

static void
fill(Room *room)
{
    guint64 dropped = room->channel.dropped;

    for (guint64 i = 0; room->channel.dropped == dropped; i++)
        send_numbered(room, CHANNEL_SAMPLE, i);
}

static void
test_opens_when_there_is_something_to_open(void **state)
{
    Room *room = *state;

    assert_false(turn(room));
    assert_int_equal(room->channel.state, CHANNEL_CLOSED);
    assert_int_equal(room->channel.error, ENOENT);
    assert_int_equal(channel_retry_us(&room->channel), SECOND);
    host_end_listen(&room->host);
    room->now = SECOND - 1;
    assert_false(turn(room));
    room->now = SECOND;
    assert_true(turn(room));
    assert_int_equal(room->channel.state, CHANNEL_OPEN);
    assert_int_equal(room->channel.error, 0);
    assert_true(channel_retry_us(&room->channel) == G_MAXINT64);
    assert_false(turn(room));
}

static void
test_nothing_is_sent_where_nobody_is(void **state)
{
    Room *room = *state;
    StatsFrame frame;

    send_numbered(room, CHANNEL_URGENT, 1);
    connect_both(room);
    assert_false(host_end_receive(&room->host, &frame, 0));
}

static void
test_frames_go_both_ways(void **state)
{
    Room *room = *state;
    StatsFrame frame;

    connect_both(room);
    for (guint64 i = 0; i < 10; i++) {
        send_numbered(room, CHANNEL_SAMPLE, i);
        host_end_expect(&room->host, STATS_FRAME_SAMPLE, &frame);
        assert_int_equal(frame.sample.time_us, i);
        stats_frame_clear(&frame, STATS_FRAME_SHRINK);
        frame.shrink.id = i;
        frame.shrink.size = 1;
        host_end_send(&room->host, &frame);
        turn(room);
        assert_true(channel_pop(&room->channel, &frame));
        assert_int_equal(frame.shrink.id, i);
    }
    assert_int_equal(room->host.stream.lost, 0);
    assert_int_equal(room->channel.dropped, 0);
}

/* Samples are lost, and the sequence tells how many; of what is urgent the latest
 * comes, before anything else that waits. No frame is torn. */
static void
test_a_full_channel_drops_samples_and_keeps_the_latest_urgent(void **state)
{
    Room *room = *state;
    guint64 samples = 0;
    guint64 urgent = 0;
    guint64 answers = 0;
    StatsFrame frame;

    connect_both(room);
    fill(room);
    for (guint64 i = 1; i <= 100; i++) {
        send_numbered(room, CHANNEL_URGENT, i);
        send_numbered(room, CHANNEL_ANSWER, i);
        send_numbered(room, CHANNEL_SAMPLE, i);
    }
    for (guint i = 0; i < 100000 && urgent + answers < 2; i++) {
        while (host_end_receive(&room->host, &frame, 0)) {
            samples += frame.type == STATS_FRAME_SAMPLE;
            if (frame.type == STATS_FRAME_URGENT) {
                assert_int_equal(frame.urgent.time_us, 100);
                assert_int_equal(answers, 0);
                urgent++;
            } else if (frame.type == STATS_FRAME_ANSWER) {
                assert_int_equal(frame.answer.id, 100);
                answers++;
            }
        }
        turn(room);
    }
    assert_int_equal(urgent, 1);
    assert_int_equal(answers, 1);
    assert_true(samples > 10);
    assert_int_equal(room->host.stream.noise, 0);
    /* What was replaced and dropped, and the first of these that fill() saw dropped. */
    assert_int_equal(room->channel.dropped, 1 + 99 + 99 + 100);
    send_numbered(room, CHANNEL_SAMPLE, 1);
    host_end_expect(&room->host, STATS_FRAME_SAMPLE, &frame);
    assert_int_equal(room->host.stream.lost, room->channel.dropped);
}

static void
test_a_full_channel_is_not_waited_for_by_poll_unless_something_waits(void **state)
{
    Room *room = *state;
    struct pollfd one;

    connect_both(room);
    channel_poll(&room->channel, &one);
    assert_int_equal(one.events, POLLIN);
    fill(room);
    send_numbered(room, CHANNEL_URGENT, 1);
    channel_poll(&room->channel, &one);
    assert_int_equal(one.events, POLLIN | POLLOUT);
}

static void
test_a_host_that_comes_again_is_found(void **state)
{
    Room *room = *state;
    StatsFrame frame;

    connect_both(room);
    fill(room);
    send_numbered(room, CHANNEL_URGENT, 1);
    host_end_leave(&room->host);
    assert_false(turn(room));
    assert_int_equal(room->channel.state, CHANNEL_CLOSED);
    room->now += SECOND;
    assert_false(turn(room));
    host_end_listen(&room->host);
    room->now += SECOND;
    assert_true(turn(room));
    host_end_accept(&room->host);
    assert_int_equal(room->channel.opened, 2);
    /* Nothing of before: no half frame, and no old urgent. */
    send_numbered(room, CHANNEL_ANSWER, 7);
    assert_true(host_end_receive(&room->host, &frame, 10000));
    assert_int_equal(frame.type, STATS_FRAME_ANSWER);
    assert_int_equal(room->host.stream.noise, 0);
}

/* However much comes, and however it is cut: not more than the stream takes is read. */
static void
test_a_host_that_babbles_is_listened_to_in_portions(void **state)
{
    Room *room = *state;
    guint8 garbage[3000];
    StatsFrame frame;
    guint turns = 0;

    connect_both(room);
    memset(garbage, 0x9d, sizeof(garbage));
    for (guint i = 0; i < 20; i++)
        host_end_send_bytes(&room->host, garbage, sizeof(garbage));
    stats_frame_clear(&frame, STATS_FRAME_SHRINK_END);
    frame.shrink_end.id = 9;
    frame.shrink_end.outcome = STATS_SHRINK_DONE;
    host_end_send(&room->host, &frame);
    memset(&frame, 0, sizeof(frame));
    do
        turn(room);
    while (!channel_pop(&room->channel, &frame) && ++turns < 1000);
    assert_int_equal(frame.type, STATS_FRAME_SHRINK_END);
    assert_in_range(turns, 20, 999);
    assert_int_equal(room->channel.stream.noise, 20 * sizeof(garbage));
}

#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, open_room, close_room)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOM(test_opens_when_there_is_something_to_open),
        IN_ROOM(test_nothing_is_sent_where_nobody_is),
        IN_ROOM(test_frames_go_both_ways),
        IN_ROOM(test_a_full_channel_drops_samples_and_keeps_the_latest_urgent),
        IN_ROOM(test_a_full_channel_is_not_waited_for_by_poll_unless_something_waits),
        IN_ROOM(test_a_host_that_comes_again_is_found),
        IN_ROOM(test_a_host_that_babbles_is_listened_to_in_portions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
