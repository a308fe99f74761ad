/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is written of a herd is read back to the same inputs, and planned again to
 * the same decisions, wherever the journal begins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "journal/journal-encoder.h"
#include "journal/journal-replay.h"
#include "tests/unit/journal/herd.h"

#define SEEDS 40

/* Everything that is in the lines of @text, one after the other. */
static void
feed(JournalDecoder *decoder, JournalReplay *replay, const GString *text)
{
    g_auto(GStrv) lines = g_strsplit(text->str, "\n", -1);

    for (char **line = lines; *line && **line; line++) {
        g_autoptr(GError) error = NULL;
        JournalLineKind kind = JOURNAL_LINE_UNKNOWN;

        if (!journal_decoder_feed(decoder, *line, -1, &kind, &error))
            fail_msg("%s: %s", *line, error->message);
        if (replay && kind == JOURNAL_LINE_CYCLE)
            journal_replay_cycle(replay, decoder);
    }
}

static void
assert_same_samples(const SampleRing *a, const SampleRing *b)
{
    assert_int_equal(a->count, b->count);
    for (guint i = 0; i < a->count; i++)
        assert_memory_equal(sample_ring_get(a, i), sample_ring_get(b, i), sizeof(Sample));
}

static void
assert_same_inputs(const PlanGuest *a, const PlanGuest *b)
{
    assert_int_equal(a->actual, b->actual);
    assert_int_equal(a->requested, b->requested);
    assert_int_equal(a->floor, b->floor);
    assert_int_equal(a->ceiling, b->ceiling);
    assert_memory_equal(&a->weight, &b->weight, sizeof a->weight);
    assert_int_equal(a->grain, b->grain);
    assert_int_equal(a->grain_base, b->grain_base);
    assert_int_equal(a->grown_us, b->grown_us);
    assert_int_equal(a->shrunk_us, b->shrunk_us);
    assert_int_equal(a->pin, b->pin);
    assert_int_equal(!a->asking, !b->asking);
    assert_int_equal(a->urgent, b->urgent);
    assert_int_equal(a->burst, b->burst);
    assert_int_equal(a->raw, b->raw);
    assert_ptr_equal(a->predictor, b->predictor);
    assert_same_samples(a->ring, b->ring);
}

/* Before the planner: what it is given is what was given live. */
static void
assert_same_cycle(const Herd *herd, const PlanGuest *live, const JournalDecoder *decoder)
{
    assert_int_equal(decoder->now_us, herd->now);
    assert_int_equal(decoder->guests->len, herd->n);
    for (guint i = 0; i < herd->n; i++) {
        const JournalGuest *guest = decoder->guests->pdata[i];

        assert_string_equal(guest->name, herd->which[i]->name);
        assert_same_inputs(&live[i], &guest->plan);
    }
}

static void
test_inputs_are_read_as_they_were_written(void **state)
{
    g_autofree PlanGuest *live = g_new(PlanGuest, HERD_MOST);

    for (guint64 seed = 0; seed < SEEDS; seed++) {
        g_autofree Herd *herd = herd_new(HERD_WILD, 1 + (guint)seed % 7, seed);
        g_autoptr(JournalEncoder) encoder = journal_encoder_new(NULL);
        g_autoptr(JournalDecoder) decoder = journal_decoder_new();
        g_autoptr(JournalReplay) replay = journal_replay_new();
        g_autoptr(GString) text = g_string_new(NULL);
        JournalHeader header = herd_header(herd);

        journal_encoder_begin(encoder, &header, text);
        for (guint cycle = 0; cycle < 500; cycle++) {
            herd_begin_cycle(herd);
            memcpy(live, herd->plan, sizeof(PlanGuest) * herd->n);
            journal_encoder_inputs(encoder, herd->subjects, herd->n, herd->now);
            journal_encoder_settings(encoder, &herd->settings);
            herd_plan(herd);
            journal_encoder_outcome(encoder, herd->subjects, herd->n, text);
            feed(decoder, NULL, text);
            assert_same_cycle(herd, live, decoder);
            journal_replay_cycle(replay, decoder); /* so that it remembers what they do */
            g_string_truncate(text, 0);
        }
        assert_int_equal(replay->differences->len, 0);
    }
}

static void
test_decisions_are_taken_again(void **state)
{
    guint64 decisions = 0;

    for (guint64 seed = 100; seed < 100 + SEEDS; seed++) {
        g_autofree Herd *herd = herd_new(HERD_WILD, 1 + (guint)seed % 9, seed);
        g_autoptr(JournalEncoder) encoder = journal_encoder_new(NULL);
        g_autoptr(JournalDecoder) decoder = journal_decoder_new();
        g_autoptr(JournalReplay) replay = journal_replay_new();
        g_autoptr(GString) text = g_string_new(NULL);

        /* It begins when there is a past already, and another file follows. */
        for (guint cycle = 0; cycle < 200; cycle++) {
            herd_begin_cycle(herd);
            herd_plan(herd);
        }
        for (guint file = 0; file < 2; file++) {
            JournalHeader header = herd_header(herd);

            journal_encoder_begin(encoder, &header, text);
            for (guint cycle = 0; cycle < 400; cycle++)
                herd_cycle(herd, encoder, text);
        }
        feed(decoder, replay, text);
        assert_int_equal(replay->cycles, 800);
        assert_int_equal(replay->differences->len, 0);
        assert_int_equal(replay->alike, replay->decisions);
        decisions += replay->decisions;
    }
    assert_true(decisions > 1000); /* there was something to be compared */
}

static void
test_another_order_is_told(void **state)
{
    g_autofree Herd *herd = herd_new(HERD_IDLE, 3, 7);
    g_autoptr(JournalEncoder) encoder = journal_encoder_new(NULL);
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();
    g_autoptr(GString) text = g_string_new(NULL);
    JournalHeader header = herd_header(herd);

    journal_encoder_begin(encoder, &header, text);
    for (guint cycle = 0; cycle < 40; cycle++) {
        g_string_truncate(text, cycle == 0 ? text->len : 0);
        herd->guests[0].there = cycle % 10 > 2; /* the first comes back behind the others */
        if (cycle % 10 == 3)
            g_snprintf(herd->guests[0].instance, sizeof herd->guests[0].instance, "run%u", cycle);
        herd_cycle(herd, encoder, text);
        feed(decoder, NULL, text);
        for (guint i = 0; i < decoder->guests->len; i++)
            assert_string_equal(((JournalGuest *)decoder->guests->pdata[i])->name,
                                herd->which[i]->name);
        assert_int_equal(decoder->guests->len, herd->n);
    }
}

static void
test_others_are_left_out(void **state)
{
    static const char *const only[] = { "guest1", NULL };
    g_autofree Herd *herd = herd_new(HERD_WILD, 3, 8);
    g_autoptr(JournalEncoder) encoder = journal_encoder_new(only);
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();
    g_autoptr(GString) text = g_string_new(NULL);
    JournalHeader header = herd_header(herd);

    journal_encoder_begin(encoder, &header, text);
    for (guint cycle = 0; cycle < 100; cycle++)
        herd_cycle(herd, encoder, text);
    journal_encoder_event(encoder, &(JournalEvent){ "step", "guest2", 5, "not told", herd->now },
                          text);
    journal_encoder_event(encoder, &(JournalEvent){ "step", "guest1", 5, "told", herd->now }, text);
    assert_null(strstr(text->str, "guest2"));
    assert_null(strstr(text->str, "guest0"));
    feed(decoder, NULL, text);
    assert_string_equal(decoder->event.message, "told");
}

/* What differs is found: another budget than that which was written. */
static void
test_differences_are_found(void **state)
{
    g_autofree Herd *herd = herd_new(HERD_WILD, 5, 9);
    g_autoptr(JournalEncoder) encoder = journal_encoder_new(NULL);
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();
    g_autoptr(JournalReplay) replay = journal_replay_new();
    g_autoptr(GString) text = g_string_new(NULL);
    JournalHeader header = herd_header(herd);

    journal_encoder_begin(encoder, &header, text);
    for (guint cycle = 0; cycle < 400; cycle++) {
        herd_begin_cycle(herd);
        journal_encoder_inputs(encoder, herd->subjects, herd->n, herd->now);
        journal_encoder_settings(encoder, &herd->settings);
        herd->settings.plan.budget /= 2;
        herd_plan(herd);
        herd->settings.plan.budget *= 2;
        journal_encoder_outcome(encoder, herd->subjects, herd->n, text);
    }
    feed(decoder, replay, text);
    assert_true(replay->differences->len > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inputs_are_read_as_they_were_written),
        cmocka_unit_test(test_decisions_are_taken_again),
        cmocka_unit_test(test_another_order_is_told),
        cmocka_unit_test(test_others_are_left_out),
        cmocka_unit_test(test_differences_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
