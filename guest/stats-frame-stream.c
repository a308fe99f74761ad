/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where no frame begins, the stream goes on to the next byte that could begin
 * one. Behind the header of a damaged frame it does the same, byte by byte: if
 * bytes were lost (a sender that was cut off in the middle and began anew), the
 * next frame starts inside what the header claims, and must not be lost too.
 *
 * Against a sender that nests headers into each other to have every byte summed
 * up two hundred times: only the first damaged frame after a sound one is looked
 * into. Until a sound one comes, damaged ones are skipped whole. So a byte is
 * part of two payload sums at most, and of five header sums.
 */
#include "guest/stats-frame-stream.h"

#include <string.h>

void
stats_frame_stream_start(StatsFrameStream *stream)
{
    memset(stream, 0, sizeof(*stream));
}

size_t
stats_frame_stream_room(const StatsFrameStream *stream)
{
    return sizeof(stream->bytes) - (stream->end - stream->begin);
}

size_t
stats_frame_stream_push(StatsFrameStream *stream, const uint8_t *bytes, size_t length)
{
    size_t room = stats_frame_stream_room(stream);

    if (stream->begin > 0) {
        memmove(stream->bytes, stream->bytes + stream->begin, stream->end - stream->begin);
        stream->end -= stream->begin;
        stream->begin = 0;
    }
    if (length > room)
        length = room;
    if (length > 0)
        memcpy(stream->bytes + stream->end, bytes, length);
    stream->end += length;
    return length;
}

/* A partner that was restarted counts anew, and says so first. */
static void
count_lost(StatsFrameStream *stream, const StatsFrame *frame)
{
    bool greeting = frame->type == STATS_FRAME_HELLO || frame->type == STATS_FRAME_WELCOME;

    if (stream->sequence_known && !greeting)
        stream->lost += (uint32_t)(frame->sequence - stream->next_sequence);
    stream->next_sequence = frame->sequence + 1;
    stream->sequence_known = true;
}

static void
skip_noise(StatsFrameStream *stream, size_t length)
{
    stream->noise += length;
    stream->begin += length;
}

/* What a damaged frame costs. */
static size_t
skip_of_damaged(StatsFrameStream *stream, size_t claimed)
{
    bool look_into = !stream->suspicious;

    stream->suspicious = true;
    stream->damaged++;
    return look_into ? 1 : claimed;
}

bool
stats_frame_stream_pop(StatsFrameStream *stream, StatsFrame *frame)
{
    while (stream->begin < stream->end) {
        size_t taken;
        StatsFrameVerdict verdict = stats_frame_decode(stream->bytes + stream->begin,
                                                       stream->end - stream->begin, frame, &taken);

        if (verdict == STATS_FRAME_SHORT)
            return false;
        if (verdict == STATS_FRAME_NOISE) {
            skip_noise(stream, 1);
            continue;
        }
        if (verdict == STATS_FRAME_DAMAGED) {
            skip_noise(stream, skip_of_damaged(stream, taken));
            continue;
        }
        stream->begin += taken;
        stream->suspicious = false;
        if (verdict == STATS_FRAME_OK) {
            stream->frames++;
            count_lost(stream, frame);
            return true;
        }
        stream->next_sequence++;
        stream->foreign += verdict == STATS_FRAME_FOREIGN;
        stream->malformed += verdict == STATS_FRAME_MALFORMED;
    }
    return false;
}
