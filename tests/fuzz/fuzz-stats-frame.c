/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as what a guest sends: pushed in pieces as long as the first byte says. Every frame
 * that comes out must come back the same when it is encoded and decoded again, and every byte is
 * either part of a frame or counted as noise. Then the same bytes as the payload of a frame of the
 * type that the first byte says, with the right checksums, which no fuzzer guesses. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guest/stats-frame-stream.h"

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

static void
run_payload(uint8_t type, const uint8_t *data, size_t size)
{
    uint8_t bytes[STATS_FRAME_MOST] = { 0x9d, 'm', 'p', 'f', STATS_FRAME_VERSION, type };
    StatsFrameVerdict verdict;
    StatsFrame frame;
    size_t taken;

    if (size > sizeof(bytes) - STATS_FRAME_HEADER)
        size = sizeof(bytes) - STATS_FRAME_HEADER;
    bytes[6] = (uint8_t)size;
    bytes[7] = (uint8_t)(size >> 8);
    memcpy(bytes + STATS_FRAME_HEADER, data, size);
    put_checksum(bytes + 12, bytes + STATS_FRAME_HEADER, size);
    put_checksum(bytes + 16, bytes, 16);
    verdict = stats_frame_decode(bytes, STATS_FRAME_HEADER + size, &frame, &taken);
    demand(taken == STATS_FRAME_HEADER + size);
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    run_stream((size_t)data[0] + 1, data + 1, size - 1);
    run_payload(data[0], data + 1, size - 1);
    return 0;
}
