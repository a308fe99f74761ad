/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames out of a stream of bytes that may have gaps and garbage in it.
 *
 *   n = stats_frame_stream_push(…)   takes what it has room for
 *   while (stats_frame_stream_pop(…)) …
 *   …                                until all bytes are taken
 *
 * After a pop that returned false, at least one byte can always be pushed, so
 * the loop ends whatever the bytes are. A plain struct; there is nothing to free.
 */
#pragma once

#include <stdbool.h>

#include "guest/stats-frame.h"

typedef struct {
    /* to be read by others: counts since the start */
    uint64_t frames;    /* handed out */
    uint64_t lost;      /* by the gaps in their sequence numbers; 0 across a HELLO or WELCOME */
    uint64_t noise;     /* bytes that belonged to no sound frame */
    uint64_t damaged;   /* payloads with a wrong checksum */
    uint64_t foreign;   /* frames of an unknown version or type */
    uint64_t malformed; /* frames with a field of a wrong form */

    /* private */
    uint8_t bytes[STATS_FRAME_MOST];
    size_t begin;
    size_t end;
    uint32_t next_sequence;
    bool sequence_known;
    bool suspicious; /* no sound frame since a damaged one */
} StatsFrameStream;

/* Forgets everything; also for a channel that was opened anew. */
void stats_frame_stream_start(StatsFrameStream *stream);

/* Returns: how many bytes the next push takes at most; never 0 after a pop that
 *   returned false. */
size_t stats_frame_stream_room(const StatsFrameStream *stream);

/* Returns: how many of @bytes were taken. */
size_t stats_frame_stream_push(StatsFrameStream *stream, const uint8_t *bytes, size_t length);

/*
 * stats_frame_stream_pop:
 * @frame: (out): not touched if there is none
 *
 * Returns: whether there was a frame; if not, more bytes are needed.
 */
bool stats_frame_stream_pop(StatsFrameStream *stream, StatsFrame *frame);
