/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hostile-agent MANNER SECONDS: has the stats port, and misuses it:
 *
 *   random   random bytes, as fast as the port takes them
 *   flood    sound samples, as fast as the port takes them
 *   zero     a sample a tenth of a second: nothing is in use
 *   full     the same: everything is in use, and tasks wait all the time
 *   urgent   asks for all there is, without end
 *   half     the first half of a frame, again and again
 *   lie      samples that cannot be
 *   deaf     opens the port and neither reads nor writes
 *
 * Nothing but "deaf" reads what the host says either.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest/stats-frame.h"

#define PORT "/dev/virtio-ports/org.memplug.stats.0"
#define MIB  ((uint64_t)1 << 20)

static int port;
static uint32_t sequence;

static int64_t
now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* What the port does not take is lost; a host that has gone is waited for. */
static void
put(const void *bytes, size_t length)
{
    if (write(port, bytes, length) < 0)
        usleep(10000);
}

static size_t
encode(StatsFrame *frame, uint8_t *bytes)
{
    frame->sequence = sequence++;
    return stats_frame_encode(frame, bytes, STATS_FRAME_MOST);
}

static void
say(StatsFrame *frame)
{
    uint8_t bytes[STATS_FRAME_MOST];
    put(bytes, encode(frame, bytes));
}

static StatsFrame
sample(uint64_t total, uint64_t available)
{
    StatsFrame frame;
    stats_frame_clear(&frame, STATS_FRAME_SAMPLE);
    frame.sample.time_us = (uint64_t)now_us();
    frame.sample.total = total;
    frame.sample.free = frame.sample.available = available;
    frame.sample.stall_some_us = frame.sample.stall_full_us =
        available == 0 ? (uint64_t)now_us() : 0;
    return frame;
}

static void
say_hello(void)
{
    StatsFrame frame;
    stats_frame_clear(&frame, STATS_FRAME_HELLO);
    strcpy(frame.hello.agent, "hostile-agent");
    strcpy(frame.hello.kernel, "0");
    frame.hello.can = STATS_CAN_WATCH;
    frame.hello.fastest = UINT64_MAX - 1;
    say(&frame);
}

static void
misbehave(const char *manner)
{
    uint8_t bytes[STATS_FRAME_MOST];
    StatsFrame frame;

    if (strcmp(manner, "random") == 0) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)random();
        put(bytes, sizeof bytes);
    } else if (strcmp(manner, "flood") == 0) {
        frame = sample(150 * MIB, 100 * MIB);
        say(&frame);
    } else if (strcmp(manner, "zero") == 0 || strcmp(manner, "full") == 0) {
        frame = sample(150 * MIB, *manner == 'z' ? 150 * MIB : 0);
        say(&frame);
        usleep(100000);
    } else if (strcmp(manner, "urgent") == 0) {
        stats_frame_clear(&frame, STATS_FRAME_URGENT);
        frame.urgent.time_us = (uint64_t)now_us();
        frame.urgent.available = 0;
        frame.urgent.size = UINT64_MAX - 1;
        frame.urgent.fall = UINT64_MAX - 1;
        say(&frame);
        usleep(50000);
    } else if (strcmp(manner, "half") == 0) {
        frame = sample(150 * MIB, 100 * MIB);
        put(bytes, encode(&frame, bytes) / 2);
        usleep(1000);
    } else if (strcmp(manner, "lie") == 0) {
        frame = sample(UINT64_MAX - 1, 0);
        say(&frame);
        usleep(20000);
    } else {
        usleep(100000);
    }
}

int
main(int argc, char **argv)
{
    int64_t end;
    if (argc != 3) {
        fprintf(stderr, "usage: hostile-agent MANNER SECONDS\n");
        return 2;
    }
    port = open(PORT, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (port < 0) {
        perror(PORT);
        return 1;
    }
    end = now_us() + (int64_t)(strtod(argv[2], NULL) * 1e6);
    say_hello();
    while (now_us() < end)
        misbehave(argv[1]);
    return 0;
}
