/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The wire format of the stats channel: what is encoded comes back, whatever
 * happened to the bytes around it; and what is damaged never comes back at all.
 * Random frames follow from a seed, which is printed; MEMPLUG_TEST_SEED sets it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib.h>

#include "guest/stats-frame-stream.h"

static const StatsFrameType types[] = {
    STATS_FRAME_WELCOME, STATS_FRAME_SHRINK, STATS_FRAME_SHRINK_END, STATS_FRAME_HELLO,
    STATS_FRAME_SAMPLE,  STATS_FRAME_URGENT, STATS_FRAME_ANSWER,
};

static GRand *dice;

static guint64
any_number(void)
{
    guint64 number = (guint64)g_rand_int(dice) << 32 | g_rand_int(dice);

    number >>= g_rand_int_range(dice, 0, 64);
    return number == STATS_MISSING ? 0 : number;
}

static void
fill_numbers(void *from, gsize bytes, guint missing_percent)
{
    for (guint64 *number = from; (char *)number < (char *)from + bytes; number++)
        *number =
            (guint)g_rand_int_range(dice, 0, 100) < missing_percent ? STATS_MISSING : any_number();
}

static void
fill_text(char *text, gsize room)
{
    gsize length = (gsize)g_rand_int_range(dice, 0, (gint32)room);

    for (gsize i = 0; i < length; i++)
        text[i] = (char)g_rand_int_range(dice, 0x20, 0x7f);
    text[length] = '\0';
}

static void
fill_hello(StatsHello *hello)
{
    fill_text(hello->agent, sizeof(hello->agent));
    fill_text(hello->kernel, sizeof(hello->kernel));
    fill_text(hello->boot_id, sizeof(hello->boot_id));
    hello->can = any_number();
    fill_numbers(&hello->page_size, 3 * 8, 50);
}

static void
fill_sample(StatsSample *sample)
{
    fill_numbers(&sample->time_us, 3 * 8, 0);
    fill_numbers(&sample->available, offsetof(StatsSample, zone_count) - 3 * 8, 50);
    sample->zone_count = (gsize)g_rand_int_range(dice, 0, STATS_ZONES_MOST + 1);
    fill_numbers(sample->zones, sample->zone_count * sizeof(StatsZone), 0);
    sample->blocks_count = (gsize)g_rand_int_range(dice, 0, STATS_BLOCKS_MOST + 1);
    fill_numbers(sample->blocks, sample->blocks_count * sizeof(StatsBlocks), 0);
    sample->run_count = (gsize)g_rand_int_range(dice, 0, STATS_RUNS_MOST + 1);
    fill_numbers(sample->runs, sample->run_count * sizeof(StatsBlockRun), 0);
}

static void
any_frame(StatsFrame *frame, StatsFrameType type)
{
    stats_frame_clear(frame, type);
    frame->sequence = g_rand_int(dice);
    if (type == STATS_FRAME_HELLO)
        fill_hello(&frame->hello);
    else if (type == STATS_FRAME_SAMPLE)
        fill_sample(&frame->sample);
    else if (type == STATS_FRAME_WELCOME)
        fill_numbers(&frame->welcome, sizeof(frame->welcome), 50);
    else if (type == STATS_FRAME_SHRINK)
        fill_numbers(&frame->shrink, sizeof(frame->shrink), 0);
    else if (type == STATS_FRAME_SHRINK_END)
        fill_numbers(&frame->shrink_end, sizeof(frame->shrink_end), 0);
    else if (type == STATS_FRAME_URGENT)
        fill_numbers(&frame->urgent, sizeof(frame->urgent), 0);
    else
        fill_numbers(&frame->answer, sizeof(frame->answer), 0);
}

static gsize
any_bytes(guint8 *bytes, StatsFrameType type)
{
    StatsFrame frame;
    gsize length;

    any_frame(&frame, type);
    length = stats_frame_encode(&frame, bytes, STATS_FRAME_MOST);
    assert_true(length >= STATS_FRAME_HEADER);
    return length;
}

static void
push_all(StatsFrameStream *stream, const guint8 *bytes, gsize length)
{
    assert_int_equal(stats_frame_stream_push(stream, bytes, length), length);
}

/* What is sent so that a receiver has something to go on with. */
static gsize
answer_bytes(guint8 *bytes, guint64 id)
{
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_ANSWER);
    frame.answer.id = id;
    frame.answer.verdict = STATS_ANSWER_BEARS;
    return stats_frame_encode(&frame, bytes, STATS_FRAME_MOST);
}

static void
assert_pops_answer(StatsFrameStream *stream, guint64 id)
{
    StatsFrame frame;

    assert_true(stats_frame_stream_pop(stream, &frame));
    assert_int_equal(frame.type, STATS_FRAME_ANSWER);
    assert_int_equal(frame.answer.id, id);
}

static void
test_what_is_encoded_comes_back(void **state)
{
    guint8 bytes[STATS_FRAME_MOST];

    for (guint i = 0; i < 20000; i++) {
        StatsFrame sent;
        StatsFrame got;
        gsize length;
        gsize taken;

        any_frame(&sent, types[i % G_N_ELEMENTS(types)]);
        memset(&got, 0x55, sizeof(got));
        length = stats_frame_encode(&sent, bytes, sizeof(bytes));
        assert_int_equal(stats_frame_decode(bytes, length, &got, &taken), STATS_FRAME_OK);
        assert_int_equal(taken, length);
        /* Both are cleared first, so padding and unused rows agree as well, but
         * texts may differ behind their ends. */
        if (sent.type == STATS_FRAME_HELLO) {
            assert_string_equal(got.hello.agent, sent.hello.agent);
            assert_string_equal(got.hello.kernel, sent.hello.kernel);
            assert_string_equal(got.hello.boot_id, sent.hello.boot_id);
            assert_memory_equal(&got.hello.can, &sent.hello.can, 4 * 8);
        } else {
            assert_memory_equal(&got, &sent, sizeof(got));
        }
    }
}

static void
test_the_largest_frame_fits_and_no_byte_is_written_beyond_the_room(void **state)
{
    guint8 bytes[STATS_FRAME_MOST + 1];
    StatsFrame frame;
    gsize length;

    any_frame(&frame, STATS_FRAME_SAMPLE);
    fill_numbers(&frame.sample.time_us, offsetof(StatsSample, zone_count), 0);
    frame.sample.zone_count = STATS_ZONES_MOST;
    frame.sample.blocks_count = STATS_BLOCKS_MOST;
    frame.sample.run_count = STATS_RUNS_MOST;
    length = stats_frame_encode(&frame, bytes, STATS_FRAME_MOST);
    assert_in_range(length, 1000, STATS_FRAME_MOST);
    for (gsize room = 0; room < length; room++) {
        bytes[room] = 0xa5;
        assert_int_equal(stats_frame_encode(&frame, bytes, room), 0);
        assert_int_equal(bytes[room], 0xa5);
    }
    assert_int_equal(stats_frame_encode(&frame, bytes, length), length);
    frame.type = 0x7f;
    assert_int_equal(stats_frame_encode(&frame, bytes, STATS_FRAME_MOST), 0);
}

static void
test_a_beginning_is_never_a_frame(void **state)
{
    for (guint t = 0; t < G_N_ELEMENTS(types); t++) {
        guint8 bytes[STATS_FRAME_MOST];
        gsize length = any_bytes(bytes, types[t]);

        for (gsize cut = 0; cut < length; cut++) {
            StatsFrame frame;
            gsize taken;

            assert_int_equal(stats_frame_decode(bytes, cut, &frame, &taken), STATS_FRAME_SHORT);
            assert_int_equal(taken, 0);
        }
    }
}

/* A sender that is cut off anywhere and begins anew loses what it was saying only. */
static void
test_after_every_truncation_the_next_frame_is_found(void **state)
{
    for (guint t = 0; t < G_N_ELEMENTS(types); t++) {
        guint8 bytes[STATS_FRAME_MOST];
        guint8 next[STATS_FRAME_MOST];
        gsize length = any_bytes(bytes, types[t]);
        gsize next_length = answer_bytes(next, 4711);

        for (gsize cut = 0; cut < length; cut++) {
            StatsFrameStream stream;
            StatsFrame frame;
            gsize count;

            stats_frame_stream_start(&stream);
            push_all(&stream, bytes, cut);
            assert_false(stats_frame_stream_pop(&stream, &frame));
            /* Enough of them to fill up whatever the broken one claims. */
            count = stats_frame_stream_room(&stream) / next_length;
            for (gsize i = 0; i < count; i++)
                push_all(&stream, next, next_length);
            for (gsize i = 0; i < count; i++)
                assert_pops_answer(&stream, 4711);
            assert_false(stats_frame_stream_pop(&stream, &frame));
            assert_int_equal(stream.noise, cut);
            assert_int_equal(stream.frames, count);
        }
    }
}

static void
test_no_flipped_bit_is_accepted_and_the_next_frame_is_found(void **state)
{
    for (guint t = 0; t < G_N_ELEMENTS(types); t++) {
        guint8 bytes[STATS_FRAME_MOST];
        guint8 next[STATS_FRAME_MOST];
        gsize length = any_bytes(bytes, types[t]);
        gsize next_length = answer_bytes(next, 4712);

        for (gsize bit = 0; bit < length * 8; bit++) {
            StatsFrameStream stream;
            StatsFrame frame;

            bytes[bit / 8] ^= (guint8)(1 << bit % 8);
            stats_frame_stream_start(&stream);
            push_all(&stream, bytes, length);
            push_all(&stream, next, next_length);
            /* At once: a wrong length does not make it wait. */
            assert_pops_answer(&stream, 4712);
            assert_false(stats_frame_stream_pop(&stream, &frame));
            assert_int_equal(stream.noise, length);
            bytes[bit / 8] ^= (guint8)(1 << bit % 8);
        }
    }
}

static void
test_damage_of_any_kind_is_never_another_frame(void **state)
{
    for (guint i = 0; i < 20000; i++) {
        guint8 bytes[STATS_FRAME_MOST];
        gsize length = any_bytes(bytes, types[i % G_N_ELEMENTS(types)]);
        guint changes = (guint)g_rand_int_range(dice, 1, 20);
        gboolean changed = FALSE;
        StatsFrame frame;
        gsize taken;

        for (guint c = 0; c < changes; c++) {
            guint8 *byte = &bytes[g_rand_int_range(dice, 0, (gint32)length)];
            guint8 to = (guint8)g_rand_int(dice);

            changed |= *byte != to;
            *byte = to;
        }
        /* Undone by a later change now and then; by chance one in 2^32 is accepted. */
        if (changed && stats_frame_decode(bytes, length, &frame, &taken) == STATS_FRAME_OK) {
            guint8 again[STATS_FRAME_MOST];

            assert_int_equal(stats_frame_encode(&frame, again, sizeof(again)), length);
            assert_memory_equal(again, bytes, length);
        }
    }
}

static void
test_frames_are_found_between_any_bytes_in_any_pieces(void **state)
{
    for (guint round = 0; round < 200; round++) {
        g_autoptr(GByteArray) sent = g_byte_array_new();
        guint64 garbage = 0;
        guint64 found = 0;
        guint expected = 0;
        StatsFrameStream stream;
        StatsFrame frame;

        for (guint i = 0; i < 40; i++) {
            guint8 bytes[STATS_FRAME_MOST];

            if (g_rand_boolean(dice)) {
                gsize length = any_bytes(bytes, types[i % G_N_ELEMENTS(types)]);

                g_byte_array_append(sent, bytes, (guint)length);
                expected++;
                continue;
            }
            for (gint32 n = g_rand_int_range(dice, 0, 300); n > 0; n--, garbage++) {
                /* Rich in what a marker consists of. */
                guint8 byte = (guint8) "\x9dmpf"[g_rand_int_range(dice, 0, 4)];

                if (g_rand_int_range(dice, 0, 3) == 0)
                    byte = (guint8)g_rand_int(dice);
                g_byte_array_append(sent, &byte, 1);
            }
        }
        /* A marker at the very end holds back nothing that is counted below. */
        g_byte_array_append(sent, (const guint8 *)&(guint64[3]){ 0 }, 24);

        stats_frame_stream_start(&stream);
        for (guint at = 0; at < sent->len;) {
            gsize piece = (gsize)g_rand_int_range(dice, 1, 5000);

            at += (guint)stats_frame_stream_push(&stream, sent->data + at,
                                                 MIN(piece, sent->len - at));
            while (stats_frame_stream_pop(&stream, &frame))
                found++;
        }
        assert_int_equal(found, expected);
        assert_int_equal(stream.frames, expected);
        assert_int_equal(stream.noise, garbage + 24);
    }
}

/* 20 bytes of header that claim 4,076 bytes of payload, again and again. */
static void
test_nested_headers_are_not_summed_up_for_ever(void **state)
{
    guint8 nested[STATS_FRAME_MOST] = { 0 };
    StatsFrameStream stream;
    StatsFrame frame;
    guint8 header[STATS_FRAME_MOST];
    gsize length;

    /* The header of the largest payload that the encoder would ever write. */
    any_frame(&frame, STATS_FRAME_SAMPLE);
    frame.sample.zone_count = STATS_ZONES_MOST;
    frame.sample.blocks_count = STATS_BLOCKS_MOST;
    frame.sample.run_count = STATS_RUNS_MOST;
    fill_numbers(frame.sample.zones, sizeof(frame.sample.zones), 0);
    fill_numbers(frame.sample.blocks, sizeof(frame.sample.blocks), 0);
    fill_numbers(frame.sample.runs, sizeof(frame.sample.runs), 0);
    length = stats_frame_encode(&frame, header, sizeof(header));
    for (gsize at = 0; at + STATS_FRAME_HEADER <= sizeof(nested); at += STATS_FRAME_HEADER)
        memcpy(nested + at, header, STATS_FRAME_HEADER);

    stats_frame_stream_start(&stream);
    for (guint i = 0; i < 1000; i++) {
        gsize done = 0;

        while (done < sizeof(nested)) {
            done += stats_frame_stream_push(&stream, nested + done, sizeof(nested) - done);
            assert_false(stats_frame_stream_pop(&stream, &frame));
        }
    }
    /* Each of them is skipped whole, but for the first. */
    assert_in_range(stream.damaged, 1000, 1000 * sizeof(nested) / length + 2);
}

/* Header and checksums around a payload that no encoder of ours would write. */
static gsize
forge(guint8 *bytes, guint8 version, guint8 type, const guint8 *payload, gsize length)
{
    guint32 crc;
    const struct {
        gsize at;
        const guint8 *from;
        gsize length;
    } sums[] = { { 12, payload, length }, { 16, bytes, 16 } };

    memcpy(bytes, "\x9dmpf", 4);
    bytes[4] = version;
    bytes[5] = type;
    bytes[6] = (guint8)length;
    bytes[7] = (guint8)(length >> 8);
    memset(bytes + 8, 0, 4);
    for (guint s = 0; s < G_N_ELEMENTS(sums); s++) {
        crc = G_MAXUINT32;
        for (gsize i = 0; i < sums[s].length; i++) {
            crc ^= sums[s].from[i];
            for (guint bit = 0; bit < 8; bit++)
                crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
        }
        crc = GUINT32_TO_LE(~crc);
        memcpy(bytes + sums[s].at, &crc, 4);
    }
    memcpy(bytes + STATS_FRAME_HEADER, payload, length);
    return STATS_FRAME_HEADER + length;
}

/* An answer, and then what each case adds to it. */
#define ANSWER                  \
    "\1\0\10\0\7\0\0\0\0\0\0\0" \
    "\2\0\10\0\1\0\0\0\0\0\0\0"
#define SAMPLE                  \
    "\1\0\10\0\1\0\0\0\0\0\0\0" \
    "\2\0\10\0\2\0\0\0\0\0\0\0" \
    "\3\0\10\0\3\0\0\0\0\0\0\0"
#define ROW            \
    "\5\0\0\0\0\0\0\0" \
    "\6\0\0\0\0\0\0\0" \
    "\7\0\0\0\0\0\0\0" \
    "\10\0\0\0\0\0\0\0"
#define HELLO "\1\0\1\0a\2\0\1\0k\4\0\10\0\0\0\0\0\0\0\0\0"
#define CASE(name, version, type, payload, verdict)                \
    {                                                              \
        name, version, type, payload, sizeof(payload) - 1, verdict \
    }

static const struct {
    const char *name;
    guint8 version;
    guint8 type;
    const char *payload;
    gsize length;
    StatsFrameVerdict verdict;
} forged[] = {
    CASE("as it is", 1, 0x84, ANSWER, STATS_FRAME_OK),
    CASE("unknown tag", 1, 0x84, ANSWER "\xff\xff\2\0ab", STATS_FRAME_OK),
    CASE("unknown tag first", 1, 0x84, "\x50\0\0\0" ANSWER, STATS_FRAME_OK),
    CASE("later version", 2, 0x84, ANSWER, STATS_FRAME_FOREIGN),
    CASE("unknown type", 1, 0x99, ANSWER, STATS_FRAME_FOREIGN),
    CASE("unknown type, no fields at all", 1, 0x10, "\1", STATS_FRAME_FOREIGN),
    CASE("nothing", 1, 0x84, "", STATS_FRAME_MALFORMED),
    CASE("the verdict is wanting", 1, 0x84, "\1\0\10\0\7\0\0\0\0\0\0\0", STATS_FRAME_MALFORMED),
    CASE("half a field header", 1, 0x84, ANSWER "\3\0\1", STATS_FRAME_MALFORMED),
    CASE("a field beyond the end", 1, 0x84, ANSWER "\3\0\10\0\0", STATS_FRAME_MALFORMED),
    CASE("an unknown field beyond the end", 1, 0x84, ANSWER "\x50\0\xff\xff",
         STATS_FRAME_MALFORMED),
    CASE("a short number", 1, 0x84, ANSWER "\3\0\4\0\1\0\0\0", STATS_FRAME_MALFORMED),
    CASE("a missing number told", 1, 0x84, ANSWER "\3\0\10\0\xff\xff\xff\xff\xff\xff\xff\xff",
         STATS_FRAME_MALFORMED),
    CASE("a row", 1, 0x82, SAMPLE "\x17\0\x20\0" ROW, STATS_FRAME_OK),
    CASE("a row of a later agent", 1, 0x82, SAMPLE "\x17\0\x28\0" ROW "\1\0\0\0\0\0\0\0",
         STATS_FRAME_OK),
    CASE("a short row", 1, 0x82, SAMPLE "\x17\0\x08\0\0\0\0\0\0\0\0\0", STATS_FRAME_MALFORMED),
    CASE("a hello", 1, 0x81, HELLO, STATS_FRAME_OK),
    CASE("a control character", 1, 0x81, HELLO "\3\0\2\0\33[", STATS_FRAME_MALFORMED),
    CASE("a terminator within", 1, 0x81, HELLO "\3\0\2\0\0a", STATS_FRAME_MALFORMED),
    CASE("not ASCII", 1, 0x81, HELLO "\3\0\2\0\xc3\xa4", STATS_FRAME_MALFORMED),
    CASE("a long text", 1, 0x81, HELLO "\3\0\x25\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         STATS_FRAME_MALFORMED),
};

static void
test_unknown_parts_are_skipped_and_wrong_ones_refused(void **state)
{
    for (guint i = 0; i < G_N_ELEMENTS(forged); i++) {
        guint8 bytes[STATS_FRAME_MOST];
        StatsFrame frame;
        gsize taken;
        gsize length = forge(bytes, forged[i].version, forged[i].type,
                             (const guint8 *)forged[i].payload, forged[i].length);
        StatsFrameVerdict verdict = stats_frame_decode(bytes, length, &frame, &taken);

        if (verdict != forged[i].verdict || taken != length)
            fail_msg("%s: verdict %d, %" G_GSIZE_FORMAT " bytes", forged[i].name, (int)verdict,
                     taken);
        if (verdict == STATS_FRAME_OK && frame.type == STATS_FRAME_ANSWER) {
            assert_int_equal(frame.answer.id, 7);
            assert_true(frame.answer.margin == STATS_MISSING);
        }
        if (verdict == STATS_FRAME_OK && frame.type == STATS_FRAME_SAMPLE) {
            assert_int_equal(frame.sample.zone_count, 1);
            assert_int_equal(frame.sample.zones[0].kind, 5);
            assert_int_equal(frame.sample.zones[0].free, 8);
        }
    }
}

static void
test_more_rows_than_are_known_are_skipped(void **state)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    guint8 bytes[STATS_FRAME_MOST];
    StatsFrame frame;
    gsize taken;

    g_byte_array_append(payload, (const guint8 *)SAMPLE, sizeof(SAMPLE) - 1);
    for (guint i = 0; i < 3 * STATS_ZONES_MOST; i++)
        g_byte_array_append(payload, (const guint8 *)"\x17\0\x20\0" ROW, 36);
    forge(bytes, 1, 0x82, payload->data, payload->len);
    assert_int_equal(stats_frame_decode(bytes, sizeof(bytes), &frame, &taken), STATS_FRAME_OK);
    assert_int_equal(frame.sample.zone_count, STATS_ZONES_MOST);
    assert_int_equal(frame.sample.blocks_count, 0);
}

static void
test_a_payload_beyond_the_bound_is_noise_at_once(void **state)
{
    static guint8 payload[STATS_FRAME_MOST];
    guint8 bytes[2 * STATS_FRAME_MOST];
    StatsFrame frame;
    gsize taken;

    forge(bytes, 1, 0x84, payload, STATS_FRAME_MOST - STATS_FRAME_HEADER);
    assert_int_equal(stats_frame_decode(bytes, STATS_FRAME_HEADER, &frame, &taken),
                     STATS_FRAME_SHORT);
    forge(bytes, 1, 0x84, payload, STATS_FRAME_MOST - STATS_FRAME_HEADER + 1);
    assert_int_equal(stats_frame_decode(bytes, STATS_FRAME_HEADER, &frame, &taken),
                     STATS_FRAME_NOISE);
}

static void
send_numbered(StatsFrameStream *stream, StatsFrameType type, guint32 sequence)
{
    guint8 bytes[STATS_FRAME_MOST];
    StatsFrame frame;

    any_frame(&frame, type);
    frame.sequence = sequence;
    push_all(stream, bytes, stats_frame_encode(&frame, bytes, sizeof(bytes)));
    assert_true(stats_frame_stream_pop(stream, &frame));
}

static void
test_gaps_in_the_sequence_are_counted(void **state)
{
    StatsFrameStream stream;

    stats_frame_stream_start(&stream);
    send_numbered(&stream, STATS_FRAME_SAMPLE, G_MAXUINT32 - 1);
    send_numbered(&stream, STATS_FRAME_SAMPLE, G_MAXUINT32);
    send_numbered(&stream, STATS_FRAME_SAMPLE, 0);
    assert_int_equal(stream.lost, 0);
    send_numbered(&stream, STATS_FRAME_URGENT, 3);
    assert_int_equal(stream.lost, 2);
    send_numbered(&stream, STATS_FRAME_HELLO, 0);
    send_numbered(&stream, STATS_FRAME_SAMPLE, 1);
    assert_int_equal(stream.lost, 2);
}

/* The hex bytes of PROTOCOL.md's example. */
static GByteArray *
read_example(void)
{
    g_autofree char *path =
        g_build_filename(g_getenv("MEMPLUG_SOURCE_ROOT"), "guest", "PROTOCOL.md", NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    GByteArray *bytes = g_byte_array_new();

    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        /* "    0014  01 00 08 00 …  what it is" */
        if (!g_regex_match_simple("^    [0-9a-f]{4}  ([0-9a-f]{2} )", lines[i], 0, 0))
            continue;
        assert_int_equal(g_ascii_strtoull(lines[i], NULL, 16), bytes->len);
        for (const char *at = lines[i] + 10; g_ascii_isxdigit(at[0]); at += 3) {
            guint8 byte = (guint8)(g_ascii_xdigit_value(at[0]) << 4 | g_ascii_xdigit_value(at[1]));

            g_byte_array_append(bytes, &byte, 1);
        }
    }
    return bytes;
}

static void
test_the_documented_example_is_exact(void **state)
{
    g_autoptr(GByteArray) example = read_example();
    guint8 bytes[STATS_FRAME_MOST];
    StatsFrame frame;
    gsize length;

    stats_frame_clear(&frame, STATS_FRAME_URGENT);
    frame.sequence = 42;
    frame.urgent.time_us = 81000000;
    frame.urgent.available = 64 << 20;
    frame.urgent.size = 256 << 20;
    frame.urgent.cause = STATS_URGENT_FORECAST;
    frame.urgent.fall = 160 << 20;
    length = stats_frame_encode(&frame, bytes, sizeof(bytes));
    if (example->len != length || memcmp(example->data, bytes, length) != 0) {
        for (gsize i = 0; i < length; i++)
            print_error("%02x%s", bytes[i], i % 12 == 7 ? "\n" : " ");
        fail_msg("PROTOCOL.md has %u bytes; these are right", example->len);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_encoded_comes_back),
        cmocka_unit_test(test_the_largest_frame_fits_and_no_byte_is_written_beyond_the_room),
        cmocka_unit_test(test_a_beginning_is_never_a_frame),
        cmocka_unit_test(test_after_every_truncation_the_next_frame_is_found),
        cmocka_unit_test(test_no_flipped_bit_is_accepted_and_the_next_frame_is_found),
        cmocka_unit_test(test_damage_of_any_kind_is_never_another_frame),
        cmocka_unit_test(test_frames_are_found_between_any_bytes_in_any_pieces),
        cmocka_unit_test(test_nested_headers_are_not_summed_up_for_ever),
        cmocka_unit_test(test_unknown_parts_are_skipped_and_wrong_ones_refused),
        cmocka_unit_test(test_more_rows_than_are_known_are_skipped),
        cmocka_unit_test(test_a_payload_beyond_the_bound_is_noise_at_once),
        cmocka_unit_test(test_gaps_in_the_sequence_are_counted),
        cmocka_unit_test(test_the_documented_example_is_exact),
    };
    const char *seed = g_getenv("MEMPLUG_TEST_SEED");
    guint32 number = seed ? (guint32)g_ascii_strtoull(seed, NULL, 10) : g_random_int();
    int failed;

    print_message("MEMPLUG_TEST_SEED=%u\n", number);
    dice = g_rand_new_with_seed(number);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    g_rand_free(dice);
    return failed;
}
