/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A frame on the wire, everything little-endian:
 *
 *       0        4    5    6        8          12            16           20
 *     ┌────────┬────┬────┬────────┬──────────┬─────────────┬────────────┬─────────┐
 *     │ marker │ver.│type│ length │ sequence │ payload CRC │ header CRC │ payload │
 *     └────────┴────┴────┴────────┴──────────┴─────────────┴────────────┴─────────┘
 *
 * The header has a checksum of its own: a length that cannot be believed would
 * make the receiver wait for bytes that do not come, and take the frames that do
 * for them. A CRC finds every single wrong bit, and here every bit is under one.
 *
 * The payload is a row of fields: tag, length, value. What a frame holds is said
 * by the tables below, one a type; encoding and decoding are loops over them.
 * Tags are never reused. A receiver skips tags that it does not know, and what
 * of a row is longer than it knows: so both sides can grow by themselves.
 */
#include "guest/stats-frame.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define FIELD_HEADER 4
#define COLUMNS      4 /* numbers of a row */

static const uint8_t marker[4] = { 0x9d, 'm', 'p', 'f' };

typedef enum {
    FIELD_NUMBER, /* 8 bytes */
    FIELD_TEXT,   /* printable ASCII, without a terminator */
    FIELD_ROW,    /* COLUMNS numbers, one row of a list; may come repeatedly */
} FieldKind;

typedef struct {
    uint16_t tag;
    uint8_t kind; /* FieldKind */
    bool always;
    size_t offset; /* of the member in StatsFrame */
    size_t room;   /* of a text: bytes with terminator; of a list: rows */
    size_t count;  /* of a list: offset of its length */
} Field;

#define NUMBER(tag, member, always)                                   \
    {                                                                 \
        tag, FIELD_NUMBER, always, offsetof(StatsFrame, member), 0, 0 \
    }
#define TEXT(tag, member, always)                                                                 \
    {                                                                                             \
        tag, FIELD_TEXT, always, offsetof(StatsFrame, member), sizeof(((StatsFrame *)0)->member), \
            0                                                                                     \
    }
#define ROWS(tag, member, most, counter)                                                         \
    {                                                                                            \
        tag, FIELD_ROW, false, offsetof(StatsFrame, member), most, offsetof(StatsFrame, counter) \
    }

static_assert(sizeof(StatsZone) == COLUMNS * sizeof(uint64_t), "a zone is a row");
static_assert(sizeof(StatsBlocks) == COLUMNS * sizeof(uint64_t), "blocks are a row");
static_assert(sizeof(StatsBlockRun) == COLUMNS * sizeof(uint64_t), "a run is a row");

static const Field welcome_fields[] = {
    NUMBER(1, welcome.flags, false),   NUMBER(2, welcome.period_us, false),
    NUMBER(3, welcome.plug_us, false), NUMBER(4, welcome.valid_us, false),
    NUMBER(5, welcome.reserve, false), NUMBER(6, welcome.growth, false),
};
static const Field shrink_fields[] = {
    NUMBER(1, shrink.id, true),
    NUMBER(2, shrink.size, true),
    NUMBER(3, shrink.start_us, false),
    NUMBER(4, shrink.watch_us, false),
};
static const Field shrink_end_fields[] = {
    NUMBER(1, shrink_end.id, true),
    NUMBER(2, shrink_end.outcome, true),
};
static const Field hello_fields[] = {
    TEXT(1, hello.agent, true),        TEXT(2, hello.kernel, true),
    TEXT(3, hello.boot_id, false),     NUMBER(4, hello.can, true),
    NUMBER(5, hello.page_size, false), NUMBER(6, hello.block_size, false),
    NUMBER(7, hello.fastest, false),
};
static const Field sample_fields[] = {
    NUMBER(1, sample.time_us, true),
    NUMBER(2, sample.total, true),
    NUMBER(3, sample.free, true),
    NUMBER(4, sample.available, false),
    NUMBER(5, sample.cached, false),
    NUMBER(6, sample.dirty, false),
    NUMBER(7, sample.shmem, false),
    NUMBER(8, sample.slab_reclaimable, false),
    NUMBER(9, sample.committed, false),
    NUMBER(10, sample.swap_total, false),
    NUMBER(11, sample.swap_free, false),
    NUMBER(12, sample.swap_in, false),
    NUMBER(13, sample.swap_out, false),
    NUMBER(14, sample.refaults_anon, false),
    NUMBER(15, sample.refaults_file, false),
    NUMBER(16, sample.major_faults, false),
    NUMBER(17, sample.direct_scans, false),
    NUMBER(18, sample.direct_steals, false),
    NUMBER(19, sample.alloc_stalls, false),
    NUMBER(20, sample.oom_kills, false),
    NUMBER(21, sample.stall_some_us, false),
    NUMBER(22, sample.stall_full_us, false),
    ROWS(23, sample.zones, STATS_ZONES_MOST, sample.zone_count),
    ROWS(24, sample.blocks, STATS_BLOCKS_MOST, sample.blocks_count),
    ROWS(25, sample.runs, STATS_RUNS_MOST, sample.run_count),
};
static const Field urgent_fields[] = {
    NUMBER(1, urgent.time_us, true), NUMBER(2, urgent.available, true),
    NUMBER(3, urgent.size, true),    NUMBER(4, urgent.cause, false),
    NUMBER(5, urgent.fall, false),   NUMBER(6, urgent.left_us, false),
    NUMBER(7, urgent.total, false),
};
static const Field answer_fields[] = {
    NUMBER(1, answer.id, true),
    NUMBER(2, answer.verdict, true),
    NUMBER(3, answer.reason, false),
    NUMBER(4, answer.margin, false),
};

typedef struct {
    StatsFrameType type;
    const Field *fields;
    size_t count;
} Layout;

#define LAYOUT(type, fields)                             \
    {                                                    \
        type, fields, sizeof(fields) / sizeof(fields[0]) \
    }

static const Layout layouts[] = {
    LAYOUT(STATS_FRAME_WELCOME, welcome_fields),       LAYOUT(STATS_FRAME_SHRINK, shrink_fields),
    LAYOUT(STATS_FRAME_SHRINK_END, shrink_end_fields), LAYOUT(STATS_FRAME_HELLO, hello_fields),
    LAYOUT(STATS_FRAME_SAMPLE, sample_fields),         LAYOUT(STATS_FRAME_URGENT, urgent_fields),
    LAYOUT(STATS_FRAME_ANSWER, answer_fields),
};

/* The largest is a sample: 22 numbers and all rows. */
static_assert(STATS_FRAME_HEADER + 22 * (FIELD_HEADER + 8) +
                      (STATS_ZONES_MOST + STATS_BLOCKS_MOST + STATS_RUNS_MOST) *
                          (FIELD_HEADER + COLUMNS * 8) <=
                  STATS_FRAME_MOST,
              "every frame fits");

static const Layout *
find_layout(unsigned type)
{
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        if (layouts[i].type == type)
            return &layouts[i];
    }
    return NULL;
}

/* CRC-32 as of Ethernet and zlib (polynomial 0x04c11db7, reflected), by half bytes: 64 bytes of
 * table do for a frame a second. */
static uint32_t
checksum(const uint8_t *bytes, size_t length)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return ~crc;
}

static void
put(uint8_t *bytes, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t
get(const uint8_t *bytes, size_t width)
{
    uint64_t value = 0;

    for (size_t i = 0; i < width; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static void *
member(StatsFrame *frame, size_t offset)
{
    return (char *)frame + offset;
}

static const void *
const_member(const StatsFrame *frame, size_t offset)
{
    return (const char *)frame + offset;
}

static void
clear_field(StatsFrame *frame, const Field *field)
{
    static const uint64_t missing = STATS_MISSING;

    if (field->kind == FIELD_NUMBER)
        memcpy(member(frame, field->offset), &missing, sizeof(missing));
}

void
stats_frame_clear(StatsFrame *frame, StatsFrameType type)
{
    const Layout *layout = find_layout(type);

    memset(frame, 0, sizeof(*frame));
    frame->type = type;
    for (size_t i = 0; layout && i < layout->count; i++)
        clear_field(frame, &layout->fields[i]);
}

/* Encoding --------------------------------------------------------------- */

typedef struct {
    uint8_t *bytes;
    size_t length;
    size_t room;
    bool full;
} Writer;

/* Returns: (nullable): where to put a value of @length bytes. */
static uint8_t *
add_field(Writer *writer, unsigned tag, size_t length)
{
    uint8_t *at = writer->bytes + writer->length;

    if (writer->full || writer->room - writer->length < FIELD_HEADER + length) {
        writer->full = true;
        return NULL;
    }
    put(at, tag, 2);
    put(at + 2, length, 2);
    writer->length += FIELD_HEADER + length;
    return at + FIELD_HEADER;
}

static void
write_numbers(Writer *writer, unsigned tag, const uint64_t *numbers, size_t count)
{
    uint8_t *at = add_field(writer, tag, count * 8);

    for (size_t i = 0; at && i < count; i++)
        put(at + 8 * i, numbers[i], 8);
}

static void
write_text(Writer *writer, const Field *field, const char *text)
{
    size_t length = strnlen(text, field->room - 1);
    uint8_t *at;

    if (length == 0 && !field->always)
        return;
    at = add_field(writer, field->tag, length);
    if (at)
        memcpy(at, text, length);
}

static void
write_field(Writer *writer, const Field *field, const StatsFrame *frame)
{
    const void *value = const_member(frame, field->offset);
    uint64_t number;
    size_t count;

    if (field->kind == FIELD_NUMBER) {
        memcpy(&number, value, sizeof(number));
        if (number != STATS_MISSING)
            write_numbers(writer, field->tag, &number, 1);
    } else if (field->kind == FIELD_TEXT) {
        write_text(writer, field, value);
    } else {
        memcpy(&count, const_member(frame, field->count), sizeof(count));
        for (size_t i = 0; i < count && i < field->room; i++)
            write_numbers(writer, field->tag, (const uint64_t *)value + i * COLUMNS, COLUMNS);
    }
}

size_t
stats_frame_encode(const StatsFrame *frame, uint8_t *bytes, size_t room)
{
    const Layout *layout = find_layout(frame->type);
    Writer writer = { .bytes = bytes, .length = STATS_FRAME_HEADER, .room = room };
    size_t payload;

    if (!layout || room < STATS_FRAME_HEADER)
        return 0;
    for (size_t i = 0; i < layout->count; i++)
        write_field(&writer, &layout->fields[i], frame);
    if (writer.full)
        return 0;

    payload = writer.length - STATS_FRAME_HEADER;
    memcpy(bytes, marker, sizeof(marker));
    bytes[4] = STATS_FRAME_VERSION;
    bytes[5] = (uint8_t)frame->type;
    put(bytes + 6, payload, 2);
    put(bytes + 8, frame->sequence, 4);
    put(bytes + 12, checksum(bytes + STATS_FRAME_HEADER, payload), 4);
    put(bytes + 16, checksum(bytes, 16), 4);
    return writer.length;
}

/* Decoding --------------------------------------------------------------- */

static bool
read_text(char *text, size_t room, const uint8_t *value, size_t length)
{
    if (length >= room)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (value[i] < 0x20 || value[i] > 0x7e)
            return false;
    }
    memcpy(text, value, length);
    text[length] = '\0';
    return true;
}

/* Rows beyond the room are skipped: a sender may know more zones than we do. */
static bool
read_row(StatsFrame *frame, const Field *field, const uint8_t *value, size_t length)
{
    uint64_t *rows = member(frame, field->offset);
    size_t *count = member(frame, field->count);

    if (length < COLUMNS * 8)
        return false;
    if (*count == field->room)
        return true;
    for (size_t i = 0; i < COLUMNS; i++)
        rows[*count * COLUMNS + i] = get(value + 8 * i, 8);
    (*count)++;
    return true;
}

static bool
read_field(StatsFrame *frame, const Field *field, const uint8_t *value, size_t length)
{
    uint64_t number;

    if (field->kind == FIELD_TEXT)
        return read_text(member(frame, field->offset), field->room, value, length);
    if (field->kind == FIELD_ROW)
        return read_row(frame, field, value, length);
    if (length != 8)
        return false;
    number = get(value, 8);
    memcpy(member(frame, field->offset), &number, sizeof(number));
    return number != STATS_MISSING;
}

/* Tags are bits here: all known ones are below 64. */
static bool
read_payload(StatsFrame *frame, const Layout *layout, const uint8_t *payload, size_t length)
{
    uint64_t seen = 0;

    while (length > 0) {
        size_t width;
        unsigned tag;

        if (length < FIELD_HEADER)
            return false;
        tag = (unsigned)get(payload, 2);
        width = (size_t)get(payload + 2, 2);
        if (width > length - FIELD_HEADER)
            return false;
        for (size_t i = 0; i < layout->count; i++) {
            if (layout->fields[i].tag != tag)
                continue;
            if (!read_field(frame, &layout->fields[i], payload + FIELD_HEADER, width))
                return false;
            seen |= UINT64_C(1) << tag;
        }
        payload += FIELD_HEADER + width;
        length -= FIELD_HEADER + width;
    }
    for (size_t i = 0; i < layout->count; i++) {
        if (layout->fields[i].always && !(seen & UINT64_C(1) << layout->fields[i].tag))
            return false;
    }
    return true;
}

StatsFrameVerdict
stats_frame_decode(const uint8_t *bytes, size_t length, StatsFrame *frame, size_t *taken)
{
    const Layout *layout;
    StatsFrame read;
    size_t payload;

    *taken = 0;
    if (memcmp(bytes, marker, length < sizeof(marker) ? length : sizeof(marker)) != 0)
        return STATS_FRAME_NOISE;
    if (length < STATS_FRAME_HEADER)
        return STATS_FRAME_SHORT;
    payload = (size_t)get(bytes + 6, 2);
    if (get(bytes + 16, 4) != checksum(bytes, 16) ||
        payload > STATS_FRAME_MOST - STATS_FRAME_HEADER)
        return STATS_FRAME_NOISE;
    if (length < STATS_FRAME_HEADER + payload)
        return STATS_FRAME_SHORT;

    *taken = STATS_FRAME_HEADER + payload;
    if (get(bytes + 12, 4) != checksum(bytes + STATS_FRAME_HEADER, payload))
        return STATS_FRAME_DAMAGED;
    layout = find_layout(bytes[5]);
    if (bytes[4] != STATS_FRAME_VERSION || !layout)
        return STATS_FRAME_FOREIGN;
    stats_frame_clear(&read, layout->type);
    read.sequence = (uint32_t)get(bytes + 8, 4);
    if (!read_payload(&read, layout, bytes + STATS_FRAME_HEADER, payload))
        return STATS_FRAME_MALFORMED;
    *frame = read;
    return STATS_FRAME_OK;
}
