/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The agent's end of the stats channel: a virtio serial port, or a UNIX socket, which
 * does for tests. It never blocks, never fails for good, and never lets what is
 * urgent wait behind what is not.
 *
 *   channel_start()
 *   channel_poll()  ─▶ descriptor and events for poll(); channel_retry_us() for its timeout
 *   channel_run()   after poll(): opens, sends what waits, receives
 *   channel_pop()   what was received, until there is nothing
 *   channel_send()  any time
 *   channel_stop()
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/stats-frame-stream.h"

typedef enum {
    /* Not there, or not to be opened: device not plugged, no such socket, taken by
     * another. Tried again once a second. */
    CHANNEL_CLOSED,
    /* The port is open, but nobody has it open on the host. Looked at once a second,
     * since poll() tells of the host's coming only those that spin on its absence. A
     * socket is never in this state. Left when the host comes, or the device goes. */
    CHANNEL_ABSENT,
    /* The host can be spoken to, if only into a buffer. Left when it goes. */
    CHANNEL_OPEN,
} ChannelState;

/* What waits for a full channel: the latest frame of each kind. Samples do not wait. */
typedef enum {
    CHANNEL_HELLO,
    CHANNEL_URGENT,
    CHANNEL_ANSWER,
    CHANNEL_WAITING,
    CHANNEL_SAMPLE = CHANNEL_WAITING,
} ChannelPriority;

/* Enough for each of the frames that wait: texts of 32, 64 and 36, or 7 numbers. */
#define CHANNEL_WAITING_ROOM 256

typedef struct {
    /* to be read by others */
    ChannelState state;
    uint64_t opened;  /* how often it was opened */
    uint64_t dropped; /* frames that were not sent: samples, and what was replaced */
    int error;        /* errno of the latest failure to open; 0: none since it was open */
    StatsFrameStream stream;

    /* private */
    const char *path;
    int fd;
    int64_t retry_us;
    uint32_t sequence;
    uint8_t out[STATS_FRAME_MOST]; /* of which the channel took a part */
    size_t out_length;
    size_t out_sent;
    struct {
        uint8_t bytes[CHANNEL_WAITING_ROOM];
        size_t length;
    } waiting[CHANNEL_WAITING];
} Channel;

/* @path: of the port or socket; must outlive @channel */
void channel_start(Channel *channel, const char *path);
void channel_stop(Channel *channel);

/* What to wait for; @poll's descriptor is -1 if only for time. */
void channel_poll(const Channel *channel, struct pollfd *poll);

/* Returns: when channel_run() is to be called at the latest; INT64_MAX: any time. */
int64_t channel_retry_us(const Channel *channel);

/*
 * channel_run:
 * @events: what poll() found
 *
 * Returns: whether the channel has become open: greet the host.
 */
bool channel_run(Channel *channel, short events, int64_t now);

/* Returns: whether @frame was written. */
bool channel_pop(Channel *channel, StatsFrame *frame);

/* Numbers and sends @frame; at once if the channel takes it, else as its priority
 * says. Nothing happens if the channel is not open. */
void channel_send(Channel *channel, ChannelPriority priority, StatsFrame *frame);
