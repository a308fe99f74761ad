/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a journal holds becomes traces, and its decisions come out the same again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib/gstdio.h>
#include <string.h>

#include "simulate/recording.h"
#include "simulate/simulation.h"
#include "tests/unit/journal/herd.h"

#define CYCLES 400

static char *path;

/* Writes what happens to a herd in some minutes. */
static void
record(guint64 seed, const char *more)
{
    g_autofree Herd *herd = herd_new(HERD_BUSY, 4, seed);
    JournalEncoder *encoder = journal_encoder_new(NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    JournalHeader header = herd_header(herd);

    journal_encoder_begin(encoder, &header, text);
    for (guint i = 0; i < CYCLES; i++)
        herd_cycle(herd, encoder, text);
    g_string_append(text, more);
    journal_encoder_free(encoder);
    assert_true(g_file_set_contents(path, text->str, (gssize)text->len, NULL));
}

static void
test_decisions_come_out_the_same(void **state)
{
    for (guint64 seed = 1; seed <= 5; seed++) {
        g_autoptr(Recording) recording = recording_new();
        g_autoptr(GError) error = NULL;

        record(seed, "");
        assert_true(recording_is_one(path));
        if (!recording_read(recording, path, &error) || !recording_end(recording, &error))
            fail_msg("%s", error->message);
        assert_int_equal(recording->cycles, CYCLES);
        assert_true(recording->decisions > 0);
        assert_int_equal(recording->alike, recording->decisions);
        assert_int_equal(recording->n_differences, 0);
        assert_non_null(recording->policy);
        assert_true(recording->budget > 0);
    }
}

static void
test_guests_become_traces(void **state)
{
    g_autoptr(Recording) recording = recording_new();
    SimulationSettings settings = { 0 };
    g_autoptr(Simulation) simulation = NULL;
    Outcome outcome;

    record(3, "");
    assert_true(recording_read(recording, path, NULL));
    assert_true(recording_end(recording, NULL));
    assert_true(recording->traces->len >= 4);
    for (guint i = 0; i < recording->traces->len; i++) {
        const Trace *trace = recording->traces->pdata[i];

        assert_int_equal(trace_length(trace), trace_length(recording->traces->pdata[0]));
        assert_true(trace->points->len >= 2);
        assert_true(trace->ceiling >= trace->floor && trace->floor > 0);
        assert_true(trace->weight > 0);
        assert_true(trace->peak > 0);
    }
    settings.traces = recording->traces;
    settings.budget = recording->budget;
    simulation = simulation_new(&settings, NULL);
    assert_non_null(simulation);
    assert_int_equal(simulation_guest(simulation, 0)->floor,
                     ((const Trace *)recording->traces->pdata[0])->floor);
    assert_true(simulation_run(simulation, "balance", NULL, &outcome));
    assert_true(outcome.lent_mean > 0);
}

static void
test_what_cannot_be_read_is_told(void **state)
{
    g_autoptr(Recording) recording = recording_new();
    g_autoptr(GError) error = NULL;
    char *number;

    record(1, "{\"t\":\"never\"\n{}\n");
    assert_false(recording_read(recording, path, &error));
    assert_non_null(error);
    assert_true(g_str_has_prefix(error->message, path));
    number = strchr(error->message + strlen(path), ':');
    assert_true(number && g_ascii_isdigit(number[1]));
}

static void
test_nothing_in_it(void **state)
{
    g_autoptr(Recording) recording = recording_new();
    g_autoptr(GError) error = NULL;

    assert_true(g_file_set_contents(path, "time_s,total_bytes\n", -1, NULL));
    assert_false(recording_is_one(path));
    assert_false(recording_end(recording, &error));
    assert_non_null(error);
}

static int
make_file(void **state)
{
    int fd = g_file_open_tmp("memplug-recording-XXXXXX", &path, NULL);

    assert_true(fd >= 0);
    return g_close(fd, NULL) ? 0 : -1;
}

static int
remove_file(void **state)
{
    g_unlink(path);
    g_free(path);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decisions_come_out_the_same),
        cmocka_unit_test(test_guests_become_traces),
        cmocka_unit_test(test_what_cannot_be_read_is_told),
        cmocka_unit_test(test_nothing_in_it),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
