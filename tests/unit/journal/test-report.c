/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is summed up from a journal: held against lines written by hand, and against herds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "journal/journal-encoder.h"
#include "journal/journal-report.h"
#include "tests/unit/journal/herd.h"

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define SECOND ((gint64)G_USEC_PER_SEC)
#define WALL   (1700000000 * SECOND) /* at the beginning of the journals below */
#define SEEDS  6

/* Everything that is in the lines of @text, one after the other. */
static void
feed(JournalReport *report, JournalDecoder *decoder, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line && **line; line++) {
        g_autoptr(GError) error = NULL;
        JournalLineKind kind = JOURNAL_LINE_UNKNOWN;

        if (!journal_decoder_feed(decoder, *line, -1, &kind, &error))
            fail_msg("%s: %s", *line, error->message);
        journal_report_line(report, decoder, kind);
    }
}

static JournalReport *
report_on(const char *text, gint64 since_us, gint64 until_us)
{
    JournalReport *report = journal_report_new(since_us, until_us);
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();

    feed(report, decoder, text);
    return report;
}

static const JournalAccount *
account_in(const JournalReport *report, const char *name)
{
    for (guint i = 0; i < report->accounts->len; i++) {
        const JournalAccount *account = report->accounts->pdata[i];

        if (g_str_equal(account->name, name))
            return account;
    }
    fail_msg("no account of %s", name);
    return NULL;
}

#define HEADER "{\"journal\":1,\"wall_us\":1700000000000000,\"now_us\":5000000}\n"
#define WEB                                                             \
    "{\"guest\":1,\"t\":0,\"name\":\"web\",\"instance\":\"a\","         \
    "\"actual\":1048576000,\"requested\":1048576000,\"floor\":1048576," \
    "\"ceiling\":4194304000}\n"

/* 1000 MiB for ten seconds, 500 for ten more, of which 600 are demanded; then it is gone. */
static const char two_sizes[] = HEADER WEB
    "{\"t\":0,\"guests\":{\"1\":{\"forecast\":[629145600,600000000,524288000]}}}\n"
    "{\"event\":\"step\",\"t\":10,\"guest\":\"web\",\"message\":\"take 500 MiB: ordered\"}\n"
    "{\"t\":10000000,\"guests\":{\"1\":{\"actual\":524288000,\"requested\":524288000}}}\n"
    "{\"event\":\"step\",\"t\":20,\"guest\":\"web\",\"message\":\"take 500 MiB: followed after 1 "
    "s\"}\n"
    "{\"event\":\"short\",\"t\":30,\"guest\":\"web\",\"message\":\"has less\"}\n"
    "{\"t\":5000000,\"guests\":{\"1\":{\"asking\":true}}}\n"
    "{\"t\":4000000,\"guests\":{\"1\":{\"asking\":true}}}\n"
    "{\"t\":1000000,\"guests\":{},\"gone\":[1]}\n"
    "{\"t\":50000000,\"guests\":{}}\n";

static void
test_a_guest_is_summed_up(void **state)
{
    g_autoptr(JournalReport) report = report_on(two_sizes, WALL, WALL + 1000 * SECOND);
    const JournalAccount *web = account_in(report, "web");

    assert_int_equal(web->known_us, 20 * SECOND);
    assert_true(web->actual == 15000.0 * (double)MIB * (double)SECOND);
    assert_int_equal(web->actual_peak, 1000 * MIB);
    assert_int_equal(web->actual_least, 500 * MIB);
    assert_int_equal(web->churn, 500 * MIB);
    assert_int_equal(web->forecast_us, 20 * SECOND);
    assert_true(web->demand == 12000.0 * (double)MIB * (double)SECOND);
    assert_int_equal(web->used_peak, 500 * MIB);
    assert_int_equal(web->short_us, 10 * SECOND);
    assert_true(web->lacked == 1000.0 * (double)MIB * (double)SECOND);
    assert_int_equal(web->steps, 1);
    assert_int_equal(web->shorts, 1);
    assert_int_equal(web->urgents, 1);
    assert_int_equal(web->decisions, 0);
}

static void
test_only_the_span_counts(void **state)
{
    g_autoptr(JournalReport) report = report_on(two_sizes, WALL + 8 * SECOND, WALL + 12 * SECOND);
    g_autoptr(JournalReport) before = report_on(two_sizes, WALL - 9 * SECOND, WALL);
    const JournalAccount *web = account_in(report, "web");

    assert_int_equal(web->known_us, 4 * SECOND);
    assert_true(web->actual == 3000.0 * (double)MIB * (double)SECOND);
    assert_int_equal(web->churn, 500 * MIB);
    assert_int_equal(web->urgents, 0);
    assert_int_equal(account_in(before, "web")->known_us, 0);
}

static void
test_time_without_cycles_is_not_known(void **state)
{
    g_autoptr(JournalReport) report =
        report_on(HEADER WEB "{\"t\":0,\"guests\":{}}\n{\"t\":1000000,\"guests\":{}}\n"
                             "{\"t\":900000000,\"guests\":{}}\n{\"t\":2000000,\"guests\":{}}\n",
                  WALL, WALL + 2000 * SECOND);

    assert_int_equal(account_in(report, "web")->known_us, 3 * SECOND);
}

/* With the samples that the file begins with. */
#define TOLD(age, swap, stall)                                                        \
    "{\"age_us\":" age ",\"source\":\"agent\",\"total\":1048576000,\"free\":1048576," \
    "\"available\":2097152,\"cached\":0,\"swap_in\":" swap                            \
    ",\"swap_out\":0,\"stall_some_us\":" stall ",\"stall_full_us\":0}"

static void
test_samples_count_once(void **state)
{
    static const char first[] = HEADER
        "{\"guest\":1,\"t\":0,\"name\":\"web\",\"instance\":\"a\",\"actual\":1048576000,"
        "\"requested\":1048576000,\"samples\":[" TOLD(
            "2000000", "0", "0") "]}\n"
                                 "{\"t\":0,\"guests\":{\"1\":{\"samples\":[" TOLD("0", "1048576",
                                                                                  "70000") "]}}}\n";
    /* The next file, four seconds on. */
    static const char second[] =
        "{\"journal\":1,\"wall_us\":1700000004000000,\"now_us\":9000000}\n"
        "{\"guest\":1,\"t\":0,\"name\":\"web\",\"instance\":\"a\",\"actual\":1048576000,"
        "\"requested\":1048576000,\"samples\":[" TOLD("6000000", "0", "0") "," TOLD(
            "4000000", "1048576", "70000") "]}\n"
                                           "{\"t\":0,\"guests\":{\"1\":{\"samples\":[" TOLD(
                                               "0", "3145728", "90000") "]}}}\n";
    g_autoptr(JournalReport) report = journal_report_new(WALL - 60 * SECOND, WALL + 60 * SECOND);
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();
    const JournalAccount *web;

    feed(report, decoder, first);
    feed(report, decoder, second);
    web = account_in(report, "web");
    assert_int_equal(web->swap_in, 3 * MIB);
    assert_int_equal(web->stall_some_us, 90000);
    assert_int_equal(web->known_us, 4 * SECOND);
}

/* A guest that was started again has read back nothing by that, nor changed its size. */
static void
test_a_restart_is_no_change(void **state)
{
    static const char text[] = HEADER WEB "{\"t\":0,\"guests\":{\"1\":{\"samples\":[" TOLD(
        "0", "900",
        "0") "]}}}\n"
             "{\"guest\":2,\"t\":1000000,\"name\":\"web\",\"instance\":\"b\",\"actual\":524288000,"
             "\"requested\":524288000}\n"
             "{\"t\":1000000,\"guests\":{\"2\":{\"samples\":[" TOLD(
                 "0", "5000", "0") "]}},\"gone\":[1]}\n"
                                   "{\"t\":1000000,\"guests\":{}}\n";
    g_autoptr(JournalReport) report = report_on(text, WALL, WALL + 60 * SECOND);
    const JournalAccount *web = account_in(report, "web");

    assert_int_equal(web->churn, 0);
    assert_int_equal(web->swap_in, 0);
    assert_int_equal(web->known_us, 2 * SECOND);
    assert_int_equal(web->actual_least, 500 * MIB);
}

/* Where the files begin changes nothing but when a forecast is told. */
static void
test_files_do_not_matter(void **state)
{
    for (guint64 seed = 0; seed < SEEDS; seed++) {
        g_autofree Herd *herd = herd_new(HERD_WILD, 1 + (guint)seed % 6, seed);
        g_autoptr(JournalEncoder) one = journal_encoder_new(NULL), two = journal_encoder_new(NULL);
        g_autoptr(GString) whole = g_string_new(NULL), cut = g_string_new(NULL);
        g_autoptr(JournalReport) a = NULL, b = NULL;
        JournalHeader header = herd_header(herd);

        journal_encoder_begin(one, &header, whole);
        for (guint cycle = 0; cycle < 200; cycle++) {
            header = herd_header(herd);
            if (cycle % 37 == 0)
                journal_encoder_begin(two, &header, cut);
            herd_begin_cycle(herd);
            journal_encoder_inputs(one, herd->subjects, herd->n, herd->now);
            journal_encoder_inputs(two, herd->subjects, herd->n, herd->now);
            journal_encoder_settings(one, &herd->settings);
            journal_encoder_settings(two, &herd->settings);
            herd_plan(herd);
            journal_encoder_outcome(one, herd->subjects, herd->n, whole);
            journal_encoder_outcome(two, herd->subjects, herd->n, cut);
        }
        a = report_on(whole->str, 0, G_MAXINT64 / 2);
        b = report_on(cut->str, 0, G_MAXINT64 / 2);
        assert_int_equal(a->accounts->len, b->accounts->len);
        for (guint i = 0; i < a->accounts->len; i++) {
            const JournalAccount *x = a->accounts->pdata[i], *y = account_in(b, x->name);

            assert_int_equal(x->known_us, y->known_us);
            assert_true(x->actual == y->actual && x->requested == y->requested);
            assert_int_equal(x->churn, y->churn);
            assert_int_equal(x->swap_in, y->swap_in);
            assert_int_equal(x->stall_some_us, y->stall_some_us);
            assert_int_equal(x->decisions, y->decisions);
            assert_int_equal(x->urgents, y->urgents);
            assert_true(x->short_us <= x->forecast_us && x->forecast_us <= x->known_us);
            assert_true(x->known_us == 0 || x->actual_least <= x->actual_peak);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_guest_is_summed_up),
        cmocka_unit_test(test_only_the_span_counts),
        cmocka_unit_test(test_time_without_cycles_is_not_known),
        cmocka_unit_test(test_samples_count_once),
        cmocka_unit_test(test_a_restart_is_no_change),
        cmocka_unit_test(test_files_do_not_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
