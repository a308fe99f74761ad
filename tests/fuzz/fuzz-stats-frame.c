/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as what a guest sends: pushed in pieces as long as the first byte says. Every frame
 * that comes out must come back the same when it is encoded and decoded again, and every byte is
 * either part of a frame or counted as noise. Then the same bytes as the payload of a frame of the
 * type that the first byte says, with the right checksums, which no fuzzer guesses. Then as the
 * payloads of a row of frames, all the way that they take on the host: judged, rationed, and into
 * the guest's samples. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guest/stats-frame-stream.h"
#include "monitor/agent-claims.h"
#include "monitor/agent-conduct.h"
#include "monitor/guest-monitor.h"

#define MOST (G_GUINT64_CONSTANT(4) << 30)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
demand(int condition)
{
    if (!condition)
        abort();
}

static void
check_frame(const StatsFrame *frame)
{
    uint8_t bytes[STATS_FRAME_MOST];
    StatsFrame again;
    size_t taken;
    size_t length = stats_frame_encode(frame, bytes, sizeof(bytes));

    demand(length >= STATS_FRAME_HEADER);
    demand(stats_frame_decode(bytes, length, &again, &taken) == STATS_FRAME_OK);
    demand(taken == length);
    demand(again.type == frame->type && again.sequence == frame->sequence);
}

static void
put_checksum(uint8_t *at, const uint8_t *bytes, size_t length)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(~crc >> (8 * i));
}

/* Returns: the length of a frame of @type around @data, with the right checksums. */
static size_t
make_frame(uint8_t bytes[STATS_FRAME_MOST], uint8_t type, uint8_t sequence, const uint8_t *data,
           size_t size)
{
    const uint8_t header[] = { 0x9d, 'm', 'p', 'f', STATS_FRAME_VERSION, type };

    if (size > STATS_FRAME_MOST - STATS_FRAME_HEADER)
        size = STATS_FRAME_MOST - STATS_FRAME_HEADER;
    memset(bytes, 0, STATS_FRAME_HEADER);
    memcpy(bytes, header, sizeof(header));
    bytes[6] = (uint8_t)size;
    bytes[7] = (uint8_t)(size >> 8);
    bytes[8] = sequence;
    if (size > 0)
        memcpy(bytes + STATS_FRAME_HEADER, data, size);
    put_checksum(bytes + 12, bytes + STATS_FRAME_HEADER, size);
    put_checksum(bytes + 16, bytes, 16);
    return STATS_FRAME_HEADER + size;
}

static void
run_payload(uint8_t type, const uint8_t *data, size_t size)
{
    uint8_t bytes[STATS_FRAME_MOST];
    size_t length = make_frame(bytes, type, 0, data, size);
    StatsFrameVerdict verdict;
    StatsFrame frame;
    size_t taken;

    verdict = stats_frame_decode(bytes, length, &frame, &taken);
    demand(taken == length);
    demand(verdict == STATS_FRAME_OK || verdict == STATS_FRAME_FOREIGN ||
           verdict == STATS_FRAME_MALFORMED);
    if (verdict == STATS_FRAME_OK)
        check_frame(&frame);
}

static void
run_stream(size_t piece, const uint8_t *data, size_t size)
{
    StatsFrameStream stream;
    StatsFrame frame;
    uint64_t frames = 0;

    stats_frame_stream_start(&stream);
    for (size_t at = 0; at < size;) {
        size_t length = size - at < piece ? size - at : piece;
        size_t taken = stats_frame_stream_push(&stream, data + at, length);

        demand(taken > 0);
        at += taken;
        while (stats_frame_stream_pop(&stream, &frame)) {
            check_frame(&frame);
            frames++;
        }
    }
    demand(frames == stream.frames && stream.noise <= size);
}

/* The host's end of a channel, without the channel. */
typedef struct {
    StatsFrameStream stream;
    AgentClaims claims;
    AgentConduct conduct;
    GuestMonitor monitor;
    gint64 now;
} Host;

static void
check_sample(const Sample *sample)
{
    demand(sample->total > 0 && sample->total <= MOST);
    demand(sample->free <= sample->total && sample->available <= sample->total);
    demand(sample->cached <= sample->total && sample->dirty <= sample->total);
    demand(sample->shmem <= sample->total && sample->slab_reclaimable <= sample->total);
}

static void
host_hears(Host *host, const uint8_t *bytes, size_t length)
{
    AgentCharge charge = { .bytes = length };
    StatsFrame frame;

    demand(stats_frame_stream_push(&host->stream, bytes, length) == length);
    while (stats_frame_stream_pop(&host->stream, &frame)) {
        Sample sample = { 0 };
        AgentVerdict verdict = agent_claims_take(&host->claims, &frame, MOST, host->now, &sample);

        charge.frames++;
        charge.refusals += verdict == AGENT_VERDICT_REFUSED;
        if (verdict == AGENT_VERDICT_BOOTED)
            guest_monitor_reset(&host->monitor, host->now);
        if (verdict == AGENT_VERDICT_SAMPLE) {
            const Sample *before = sample_ring_get(&host->monitor.ring, 1);

            check_sample(&sample);
            guest_monitor_take_agent(&host->monitor, &sample);
            demand(sample_ring_get(&host->monitor.ring, 0)->time_us <= host->now);
            demand(!before || before->time_us < host->now);
        }
    }
    if (!agent_conduct_charge(&host->conduct, &charge, host->now))
        demand(agent_conduct_is_dropped(&host->conduct, host->now));
}

/* Each frame: a byte that tells its type and what time has passed, one that tells the length of
 * its payload in units of 4, the payload. */
static void
run_host(const uint8_t *data, size_t size)
{
    static const uint8_t types[] = { STATS_FRAME_HELLO,
                                     STATS_FRAME_SAMPLE,
                                     STATS_FRAME_URGENT,
                                     STATS_FRAME_ANSWER,
                                     STATS_FRAME_WELCOME,
                                     0xff,
                                     0x00,
                                     STATS_FRAME_SAMPLE };
    static Host host;
    uint8_t sequence = 0;

    memset(&host, 0, sizeof(host));
    host.now = 1000 * G_USEC_PER_SEC;
    stats_frame_stream_start(&host.stream);
    agent_claims_start(&host.claims, host.now);
    agent_conduct_start(&host.conduct, host.now);
    guest_monitor_start(&host.monitor, 1, host.now);
    while (size >= 2) {
        uint8_t bytes[STATS_FRAME_MOST];
        size_t length = (size_t)data[1] * 4;
        uint8_t type = types[data[0] % 8];

        host.now += (gint64)(data[0] >> 3) * (data[0] >> 3) * 10000;
        data += 2;
        size -= 2;
        length = length < size ? length : size;
        host_hears(&host, bytes, make_frame(bytes, type, sequence++, data, length));
        data += length;
        size -= length;
    }
    demand(host.claims.urgents <= 20 + 2 * (guint64)(host.now / G_USEC_PER_SEC - 1000) + 2);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    run_stream((size_t)data[0] + 1, data + 1, size - 1);
    run_payload(data[0], data + 1, size - 1);
    run_host(data, size);
    return 0;
}
