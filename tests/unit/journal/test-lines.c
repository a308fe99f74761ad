/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Single lines: to the letter, and such as nobody should have written. And files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "journal/journal-decoder.h"
#include "journal/journal-file.h"
#include "journal/journal-guest.h"
#include "journal/journal-sample.h"
#include "tests/fake/test-folder.h"
#include "tests/unit/journal/herd.h"

#define HEADER "{\"journal\":2,\"wall_us\":5000,\"now_us\":1000}"
#define GUEST                                                                          \
    "{\"guest\":0,\"t\":0,\"name\":\"web\",\"predictor\":\"headroom\",\"floor\":1,"    \
    "\"ceiling\":9,\"samples\":[{\"age_us\":10,\"source\":\"balloon\",\"total\":8192," \
    "\"free\":4096,\"available\":4096,\"cached\":0,\"swap_in\":4096,\"swap_out\":0}]}"

static gboolean
feed(JournalDecoder *decoder, const char *line)
{
    g_autoptr(GError) error = NULL;
    JournalLineKind kind;
    gboolean read = journal_decoder_feed(decoder, line, -1, &kind, &error);

    assert_true(read == (error == NULL));
    return read;
}

static void
test_samples_to_the_letter(void **state)
{
    Sample before = { .time_us = 100, .fields = SAMPLE_AVAILABLE, .total = 8192, .free = 4096 };
    Sample sample = before;
    g_autoptr(GString) line = g_string_new(NULL);

    sample.time_us = 900;
    sample.free = 2048;
    sample.cached = 1024;
    journal_sample_append(line, &sample, &before, 1000);
    assert_string_equal(line->str, "[-999.2,-0.03125,0.015625,0.015625]");

    /* The page before the last byte. */
    sample.free = 4097;
    g_string_truncate(line, 0);
    journal_sample_append(line, &sample, &before, 1000);
    assert_string_equal(line->str, "[-999.2,0.0000152587890625,0.015625,-0.0156402587890625]");

    /* What no fraction holds: then in full. */
    before.free = G_MAXINT64 / 2;
    sample.free = 2047;
    g_string_truncate(line, 0);
    journal_sample_append(line, &sample, &before, 1000);
    assert_string_equal(line->str,
                        "{\"age_us\":100,\"source\":\"balloon\",\"free\":2047,\"available\":0,"
                        "\"cached\":1024,\"total\":8192,\"oom_kills\":0}");
}

static void
test_a_guest_and_its_cycles(void **state)
{
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();
    JournalGuest *web;

    assert_true(feed(decoder, HEADER));
    assert_true(feed(decoder, GUEST));
    web = journal_decoder_find(decoder, "web");
    assert_non_null(web);
    assert_int_equal(sample_ring_get(&web->ring, 0)->time_us, 990);
    assert_int_equal(sample_ring_get(&web->ring, 0)->fields, SAMPLE_AVAILABLE | SAMPLE_SWAP);

    assert_true(feed(decoder, "{\"t\":0}"));
    assert_int_equal(web->n_new, 1);
    assert_true(feed(decoder, "{\"t\":0.5,\"guests\":{\"0\":{\"samples\":[[-999.51,-0.015625]],"
                              "\"actual\":0.5,\"later\":[]}}}"));
    assert_int_equal(decoder->now_us, 1500);
    assert_int_equal(journal_decoder_wall(decoder, 1500), 5500);
    assert_int_equal(web->plan.actual, 512);
    assert_int_equal(web->n_new, 1);
    assert_int_equal(sample_ring_get(&web->ring, 0)->free, 3072);
    assert_int_equal(sample_ring_get(&web->ring, 0)->available, 3072);
    assert_int_equal(sample_ring_get(&web->ring, 0)->time_us, 1480);
    /* Nothing but a sample. */
    assert_true(feed(decoder, "{\"t\":1,\"guests\":{\"0\":[-999,0.03125,0,0.015625]}}"));
    assert_int_equal(web->n_new, 1);
    assert_int_equal(sample_ring_get(&web->ring, 0)->free, 5120);
    assert_int_equal(sample_ring_get(&web->ring, 0)->available, 6144);
    /* One that takes the place of the one before. */
    assert_true(
        feed(decoder, "{\"t\":1,\"guests\":{\"0\":{\"amended\":true,\"samples\":[[-999.5]]}}}"));
    assert_int_equal(web->ring.count, 3);
    assert_int_equal(sample_ring_get(&web->ring, 0)->time_us, 2980);
    assert_true(feed(decoder, "{\"a later kind\":1}"));
    assert_true(feed(decoder, "{\"t\":1,\"gone\":[0]}"));
    assert_int_equal(decoder->guests->len, 0);
    assert_int_equal(decoder->gone->len, 1);
}

static void
test_events_have_their_time(void **state)
{
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();
    g_autoptr(JournalEncoder) encoder = journal_encoder_new(NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    const JournalHeader header = { "1", "qmp:/x", 5000, 1000, 0, FALSE };
    const JournalSettings settings = { .plan.policy = policy_list()[0] };

    journal_encoder_begin(encoder, &header, text);
    journal_encoder_inputs(encoder, NULL, 0, 2000);
    journal_encoder_settings(encoder, &settings);
    /* In the midst of a cycle: behind it. */
    journal_encoder_event(encoder, &(JournalEvent){ "held", "", 0, "a \"word\"\n\xff", 2003 },
                          text);
    journal_encoder_outcome(encoder, NULL, 0, text);
    assert_non_null(strstr(text->str, "{\"t\":1}\n{\"event\":\"held\",\"t\":0.003,"));
    for (char *line = strtok(text->str, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(feed(decoder, line));
    assert_int_equal(decoder->event.now_us, 2003);
    assert_string_equal(decoder->event.message, "a \"word\"\n\xef\xbf\xbd");
    assert_string_equal(decoder->event.guest, "");
}

/* What became of a step on trial goes with its event, and comes back. */
static void
test_shrinks_have_their_figures(void **state)
{
    const ShrinkEnd hurt = { .kind = SHRINK_PROBE,
                             .outcome = SHRINK_OUTCOME_HURT,
                             .before = 1 << 30,
                             .after = (1 << 30) - 4096,
                             .reason = "it read \"again\"",
                             .figures = { .margin = 8192,
                                          .watched_us = 1500,
                                          .available_before = 1024,
                                          .available_after = 512,
                                          .before = { 1, 2, 1024 },
                                          .after = { 3, 4, 2048 } } };
    const ShrinkEnd refused = { .outcome = SHRINK_OUTCOME_REFUSED, .reason = "no" };
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();
    g_autoptr(GString) text = g_string_new(NULL);
    const ShrinkEnd *read;

    assert_true(feed(decoder, HEADER));
    journal_lines_append_event(text, &(JournalEvent){ "shrink", "web", 7, "hurt", 1000, &hurt },
                               1000);
    assert_true(feed(decoder, text->str));
    read = decoder->event.shrink;
    assert_non_null(read);
    assert_int_equal(read->kind, hurt.kind);
    assert_int_equal(read->outcome, hurt.outcome);
    assert_int_equal(read->before, hurt.before);
    assert_int_equal(read->after, hurt.after);
    assert_string_equal(read->reason, hurt.reason);
    assert_memory_equal(&read->figures, &hurt.figures, sizeof hurt.figures);

    g_string_truncate(text, 0);
    journal_lines_append_event(text, &(JournalEvent){ "shrink", "web", 0, "no", 1000, &refused },
                               1000);
    assert_true(feed(decoder, text->str));
    assert_int_equal(decoder->event.shrink->outcome, SHRINK_OUTCOME_REFUSED);
    assert_int_equal(decoder->event.shrink->figures.watched_us, 0);
    assert_true(feed(decoder, "{\"event\":\"step\",\"t\":0}"));
    assert_null(decoder->event.shrink);
}

static void
test_what_is_no_journal_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "12",
        "null",
        "{",
        "{\"t\":\"soon\"}",
        "{\"t\":1.0001}",
        "{\"t\":0,\"guests\":{\"1\":{}}}",
        "{\"t\":0,\"guests\":{\"x\":{}}}",
        "{\"t\":0,\"guests\":{\"0\":7}}",
        "{\"t\":0,\"guests\":{\"0\":[]}}",
        "{\"t\":0,\"guests\":{\"0\":[1,\"x\"]}}",
        "{\"t\":0,\"guests\":{\"0\":{\"decision\":{\"id\":1,\"target\":2}}}}",
        "{\"t\":0,\"guests\":{\"0\":{\"decision\":{\"target\":-2,\"forecast\":[1,1,1]}}}}",
        "{\"t\":0,\"guests\":{\"0\":{\"samples\":[[]]}}}",
        "{\"t\":0,\"guests\":{\"0\":{\"samples\":[7]}}}",
        "{\"t\":0,\"guests\":{\"0\":{\"samples\":[[1,\"x\"]]}}}",
        "{\"t\":0,\"guests\":{\"0\":{\"actual\":-1}}}",
        "{\"t\":0,\"guests\":{\"0\":{\"weight\":0}}}",
        "{\"t\":0,\"guests\":{\"0\":{\"floor\":10}}}",
        "{\"t\":0,\"guests\":{\"0\":{\"pin\":\"nailed\"}}}",
        "{\"t\":0,\"guests\":{\"0\":{\"decision\":{\"id\":-2}}}}",
        "{\"t\":0,\"guests\":{\"0\":{\"forecast\":[1,2]}}}",
        "{\"t\":0,\"gone\":[3]}",
        "{\"t\":0,\"order\":[0,0]}",
        "{\"t\":0,\"order\":[]}",
        GUEST,
        "{\"guest\":1}",
        "{\"guest\":-1,\"name\":\"a\"}",
        "{\"settings\":1}",
        "{\"settings\":{\"policy\":\"balance\",\"budget\":-4}}",
        "{\"event\":\"step\",\"t\":[]}",
        "{\"event\":\"shrink\",\"t\":0,\"shrink\":{\"kind\":\"theft\",\"outcome\":\"kept\"}}",
        "{\"event\":\"shrink\",\"t\":0,\"shrink\":{\"kind\":\"probe\",\"outcome\":\"kept\","
        "\"pace_after\":[1]}}",
        "{\"journal\":0}",
        "{\"journal\":3}",
        "{\"journal\":1,\"wall_us\":\"noon\"}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(JournalDecoder) decoder = journal_decoder_new();

        assert_true(feed(decoder, HEADER));
        assert_true(feed(decoder, GUEST));
        if (feed(decoder, bad[i]))
            fail_msg("%s was taken for a line", bad[i]);
    }
}

static void
test_nothing_before_the_first_line(void **state)
{
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();

    assert_false(feed(decoder, "{\"t\":0}"));
    assert_false(feed(decoder, GUEST));
    assert_true(feed(decoder, HEADER));
    assert_true(feed(decoder, GUEST));
    assert_true(feed(decoder, HEADER)); /* another file */
    assert_int_equal(decoder->guests->len, 0);
}

static void
test_every_limit_has_a_name(void **state)
{
    guint n = 0;

    for (guint bit = 1; journal_limit_name(bit); bit <<= 1, n++) {
        assert_int_equal(journal_limit_from_name(journal_limit_name(bit)), bit);
        assert_true(*limit_describe(bit) != '\0');
    }
    assert_int_equal(n, 12);
    assert_int_equal(journal_limit_from_name("gravity"), 0);
    assert_null(journal_limit_name(0));
}

/*
 * Files
 */

static char *
write_file(const char *name, const char *text, gsize length)
{
    g_autofree char *folder = test_folder_new("journal");
    char *path = g_build_filename(folder, name, NULL);

    assert_true(g_file_set_contents(path, text, (gssize)length, NULL));
    return path;
}

static void
remove_file(char *path)
{
    test_folder_free(g_path_get_dirname(path));
    g_free(path);
}

static char *
compress(const char *text, gsize *length)
{
    g_autoptr(GConverter) gzip =
        G_CONVERTER(g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP, -1));
    gsize room = strlen(text) + 1024, read;
    char *result = g_malloc(room);

    assert_int_equal(g_converter_convert(gzip, text, strlen(text), result, room,
                                         G_CONVERTER_INPUT_AT_END, &read, length, NULL),
                     G_CONVERTER_FINISHED);
    return result;
}

static void
assert_reads(const char *path, const char *const *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JournalFile) file = journal_file_open(path, &error);
    const char *line;
    gsize length;

    assert_non_null(file);
    while ((line = journal_file_next(file, &length, &error))) {
        assert_non_null(*expected);
        assert_int_equal(length, strlen(*expected));
        assert_memory_equal(line, *expected, length);
        expected++;
    }
    assert_null(error);
    assert_null(*expected);
}

static void
test_files_are_read_line_by_line(void **state)
{
    g_autofree char *longest = g_strnfill(300000, 'x');
    g_autofree char *text = g_strdup_printf("one\n\n%s\ntwo\ntorn", longest);
    const char *const lines[] = { "one", "", longest, "two", NULL };
    const char *const none[] = { NULL };
    gsize length;
    g_autofree char *packed = compress(text, &length);
    char *plain = write_file("a.jsonl", text, strlen(text));
    char *gzipped = write_file("a.jsonl.gz", packed, length);
    char *empty = write_file("empty", "", 0);

    assert_reads(plain, lines);
    assert_reads(gzipped, lines);
    assert_reads(empty, none);
    remove_file(plain);
    remove_file(gzipped);
    remove_file(empty);
}

/* A file as the first version wrote it stays readable, whatever memplug learns meanwhile: what
 * is remembered in it may mean nothing to this build, all else must. */
static void
test_the_first_version_can_be_read(void **state)
{
    g_autofree char *path =
        g_build_filename(g_getenv("MEMPLUG_TEST_DATA"), "version-1.jsonl", NULL);
    g_autoptr(JournalFile) file = journal_file_open(path, NULL);
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();
    guint cycles = 0, guests = 0, decisions = 0, samples = 0, gone = 0;
    const char *line;
    gsize length;

    assert_non_null(file);
    while ((line = journal_file_next(file, &length, NULL))) {
        g_autofree char *copy = g_strndup(line, length);
        JournalLineKind kind = JOURNAL_LINE_UNKNOWN;

        assert_true(journal_decoder_feed(decoder, copy, -1, &kind, NULL));
        guests += kind == JOURNAL_LINE_GUEST;
        if (kind != JOURNAL_LINE_CYCLE)
            continue;
        cycles++;
        gone += decoder->gone->len;
        for (guint i = 0; i < decoder->guests->len; i++) {
            const JournalGuest *guest = decoder->guests->pdata[i];

            decisions += guest->decided;
            samples += guest->n_new;
        }
    }
    assert_int_equal(cycles, 24);
    assert_int_equal(guests, 2);
    assert_int_equal(decisions, 7);
    assert_int_equal(samples, 12);
    assert_int_equal(gone, 0);
}

static void
test_files_that_cannot_be_read(void **state)
{
    g_autoptr(GError) missing = NULL;
    g_autoptr(GError) broken = NULL;
    char *path = write_file("a.jsonl.gz", "\x1f\x8b no gzip at all", 18);
    g_autoptr(JournalFile) file = journal_file_open(path, NULL);
    gsize length;

    assert_non_null(file);
    assert_null(journal_file_next(file, &length, &broken));
    assert_non_null(strstr(broken->message, path));
    remove_file(path);
    assert_null(journal_file_open("/nonexistent/journal", &missing));
    assert_non_null(missing);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_to_the_letter),
        cmocka_unit_test(test_a_guest_and_its_cycles),
        cmocka_unit_test(test_events_have_their_time),
        cmocka_unit_test(test_shrinks_have_their_figures),
        cmocka_unit_test(test_what_is_no_journal_is_refused),
        cmocka_unit_test(test_nothing_before_the_first_line),
        cmocka_unit_test(test_every_limit_has_a_name),
        cmocka_unit_test(test_files_are_read_line_by_line),
        cmocka_unit_test(test_the_first_version_can_be_read),
        cmocka_unit_test(test_files_that_cannot_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
