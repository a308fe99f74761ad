/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a virtio port does (drivers/char/virtio_console.c), and a socket does not:
 * it can be opened while nobody listens on the host, and then poll() says POLLHUP and
 * read() 0, at once and always. It takes a write whole or not at all (EAGAIN), until
 * its 128 buffers are full. It is held open while the host is away: opening
 * and closing are told to QEMU's monitors every time.
 *
 * A socket may take a part of a frame. The rest goes first then, whatever else
 * waits, or the host would have to search for the next frame.
 */
#include "guest/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RETRY_US 1000000

void
channel_start(Channel *channel, const char *path)
{
    memset(channel, 0, sizeof(*channel));
    channel->path = path;
    channel->fd = -1;
    stats_frame_stream_start(&channel->stream);
}

static void
forget_output(Channel *channel)
{
    channel->out_length = channel->out_sent = 0;
    for (size_t i = 0; i < CHANNEL_WAITING; i++)
        channel->waiting[i].length = 0;
}

static void
set_closed(Channel *channel)
{
    if (channel->fd >= 0)
        close(channel->fd);
    channel->fd = -1;
    channel->state = CHANNEL_CLOSED;
    forget_output(channel);
}

void
channel_stop(Channel *channel)
{
    set_closed(channel);
}

static int
open_socket(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static int
open_path(const char *path)
{
    struct stat what;

    if (stat(path, &what) < 0)
        return -1;
    if (S_ISSOCK(what.st_mode))
        return open_socket(path);
    return open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool
is_host_there(int fd)
{
    struct pollfd one = { .fd = fd };

    return poll(&one, 1, 0) == 0 || !(one.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static bool
set_open(Channel *channel)
{
    channel->state = CHANNEL_OPEN;
    channel->opened++;
    channel->error = 0;
    forget_output(channel);
    stats_frame_stream_start(&channel->stream);
    return true;
}

/* The host has gone. A port stays, unless its device goes too: then reading fails, even
 * of nothing. */
static void
set_absent(Channel *channel, int64_t now)
{
    struct stat what;
    char nothing;

    channel->retry_us = now + RETRY_US;
    if (fstat(channel->fd, &what) < 0 || !S_ISCHR(what.st_mode) ||
        (read(channel->fd, &nothing, 0) < 0 && errno != EAGAIN)) {
        set_closed(channel);
        return;
    }
    channel->state = CHANNEL_ABSENT;
    forget_output(channel);
}

/* Returns: whether the channel has become open. */
static bool
retry(Channel *channel, int64_t now)
{
    if (now < channel->retry_us)
        return false;
    channel->retry_us = now + RETRY_US;
    if (channel->state == CHANNEL_CLOSED) {
        channel->fd = open_path(channel->path);
        if (channel->fd < 0) {
            channel->error = errno;
            return false;
        }
    }
    if (is_host_there(channel->fd))
        return set_open(channel);
    set_absent(channel, now);
    return false;
}

void
channel_poll(const Channel *channel, struct pollfd *poll)
{
    bool waits = channel->out_length > 0;

    for (size_t i = 0; i < CHANNEL_WAITING; i++)
        waits |= channel->waiting[i].length > 0;
    poll->fd = channel->state == CHANNEL_OPEN ? channel->fd : -1;
    poll->events = (short)(POLLIN | (waits ? POLLOUT : 0));
    poll->revents = 0;
}

int64_t
channel_retry_us(const Channel *channel)
{
    return channel->state == CHANNEL_OPEN ? INT64_MAX : channel->retry_us;
}

/* Returns: how much the channel took. A channel that fails is found out by reading. */
static size_t
write_some(Channel *channel, const uint8_t *bytes, size_t length)
{
    ssize_t n;

    do
        n = write(channel->fd, bytes, length);
    while (n < 0 && errno == EINTR);
    return n > 0 ? (size_t)n : 0;
}

/* Returns: whether nothing is left of a frame that was begun. */
static bool
send_rest(Channel *channel)
{
    channel->out_sent += write_some(channel, channel->out + channel->out_sent,
                                    channel->out_length - channel->out_sent);
    if (channel->out_sent < channel->out_length)
        return false;
    channel->out_length = channel->out_sent = 0;
    return true;
}

/* Returns: whether the channel took it, if only a part. */
static bool
send_frame(Channel *channel, const uint8_t *bytes, size_t length)
{
    size_t sent = write_some(channel, bytes, length);

    if (sent == 0)
        return false;
    if (sent < length) {
        memcpy(channel->out, bytes + sent, length - sent);
        channel->out_length = length - sent;
        channel->out_sent = 0;
    }
    return true;
}

/* Returns: whether the channel would take more. */
static bool
send_waiting(Channel *channel)
{
    if (channel->out_length > 0 && !send_rest(channel))
        return false;
    for (size_t i = 0; i < CHANNEL_WAITING; i++) {
        if (channel->waiting[i].length == 0)
            continue;
        if (!send_frame(channel, channel->waiting[i].bytes, channel->waiting[i].length))
            return false;
        channel->waiting[i].length = 0;
        if (channel->out_length > 0)
            return false;
    }
    return true;
}

void
channel_send(Channel *channel, ChannelPriority priority, StatsFrame *frame)
{
    static uint8_t bytes[STATS_FRAME_MOST];
    size_t length;

    if (channel->state != CHANNEL_OPEN)
        return;
    frame->sequence = channel->sequence++;
    length = stats_frame_encode(frame, bytes, sizeof(bytes));
    if (priority < CHANNEL_WAITING) {
        if (length > sizeof(channel->waiting[priority].bytes))
            length = 0; /* cannot be: see CHANNEL_WAITING_ROOM */
        channel->dropped += channel->waiting[priority].length > 0;
        memcpy(channel->waiting[priority].bytes, bytes, length);
        channel->waiting[priority].length = length;
        send_waiting(channel);
    } else if (!send_waiting(channel) || !send_frame(channel, bytes, length)) {
        channel->dropped++;
    }
}

/* Only once a turn, and as much as the stream takes: a host that talks without end
 * does not keep the agent from its work. */
static void
receive(Channel *channel, int64_t now)
{
    uint8_t bytes[1024];
    size_t room = stats_frame_stream_room(&channel->stream);
    ssize_t n = read(channel->fd, bytes, room < sizeof(bytes) ? room : sizeof(bytes));

    if (n > 0) {
        stats_frame_stream_push(&channel->stream, bytes, (size_t)n);
    } else if (n == 0) {
        set_absent(channel, now);
    } else if (errno != EAGAIN && errno != EINTR) {
        channel->retry_us = now + RETRY_US;
        set_closed(channel);
    }
}

bool
channel_run(Channel *channel, short events, int64_t now)
{
    if (channel->state != CHANNEL_OPEN)
        return retry(channel, now);
    if (events & POLLOUT)
        send_waiting(channel);
    if (events & (POLLIN | POLLHUP | POLLERR | POLLNVAL))
        receive(channel, now);
    return false;
}

bool
channel_pop(Channel *channel, StatsFrame *frame)
{
    return stats_frame_stream_pop(&channel->stream, frame);
}
