/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal of a whole daemon above the hypervisor: what its files hold, how they
 * are kept, who listens, and what becomes of it where nothing can be written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "daemon/cycle.h"
#include "daemon/journal-query.h"
#include "journal/journal-file.h"
#include "journal/journal-replay.h"
#include "tests/fake/await.h"
#include "tests/fake/fake-hypervisor.h"
#include "tests/fake/test-folder.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define URI "qmp:/fake"

typedef struct {
    char *folder; /* of the test */
    char *journal_folder;
    FakeHypervisor *hypervisor;
    Config *config;
    IntentStore *intents;
    Roster *roster;
    Cycle *cycle;
    Journal *journal;
    guint troubles;  /* how often people were told that it is not written, ... */
    guint recovered; /* ... and that it is again */
} Bed;

static void
on_event(Roster *roster, const Event *event, gpointer data)
{
    Bed *bed = data;

    if (event->kind == EVENT_JOURNAL)
        *(event->level == G_LOG_LEVEL_WARNING ? &bed->troubles : &bed->recovered) += 1;
}

static int
bed_start(void **state)
{
    Bed *bed = g_new0(Bed, 1);

    bed->folder = test_folder_new("journal");
    bed->journal_folder = g_build_filename(bed->folder, "journal", NULL);
    bed->hypervisor = fake_hypervisor_new();
    bed->config = config_load("/nonexistent/memplug.conf", FALSE, NULL);
    bed->config->budget = 8192 * MIB;
    bed->intents = intent_store_new_volatile();
    bed->roster = roster_new(MEMPLUG_HYPERVISOR(bed->hypervisor), bed->config, bed->intents, FALSE);
    g_signal_connect(bed->roster, "event", G_CALLBACK(on_event), bed);
    bed->cycle =
        cycle_new(MEMPLUG_HYPERVISOR(bed->hypervisor), bed->roster, bed->config, 8192 * MIB);
    bed->journal = journal_new(bed->roster, bed->journal_folder, URI, 8192 * MIB, FALSE);
    journal_configure(bed->journal, bed->config);
    cycle_set_journal(bed->cycle, bed->journal);
    *state = bed;
    return 0;
}

static int
bed_end(void **state)
{
    Bed *bed = *state;

    cycle_free(bed->cycle);
    journal_free(bed->journal);
    g_object_unref(bed->roster);
    await_quiet();
    g_object_unref(bed->hypervisor);
    intent_store_free(bed->intents);
    config_free(bed->config);
    test_folder_free(bed->folder);
    g_free(bed->journal_folder);
    g_free(bed);
    return 0;
}

static void
live(Bed *bed, guint seconds)
{
    for (guint i = 0; i < seconds; i++) {
        g_auto(Await) await = { NULL };

        hypervisor_collect_async(MEMPLUG_HYPERVISOR(bed->hypervisor), 100, NULL, await_callback,
                                 &await);
        assert_true(hypervisor_collect_finish(MEMPLUG_HYPERVISOR(bed->hypervisor),
                                              await_result(&await), NULL));
        cycle_run(bed->cycle, g_get_monotonic_time());
        await_ms(8);
    }
}

static FakeGuest *
add_guest(Bed *bed, const char *name, guint64 used)
{
    FakeGuest *guest = fake_guest_new(name, 256 * MIB, 256 * MIB, 0, TRUE);

    fake_guest_add_virtio_mem(guest, 4096 * MIB);
    fake_hypervisor_add(bed->hypervisor, guest, used);
    await_quiet();
    return guest;
}

/* Waits until all is written. Returns: the paths of the files. */
static char **
files_of(Bed *bed)
{
    JournalPlace place = journal_get_place(bed->journal);

    if (place.writer)
        journal_writer_sync(place.writer, 5 * G_USEC_PER_SEC);
    return journal_writer_list(bed->journal_folder, place.prefix);
}

typedef struct {
    guint decisions, settled, cycles;
    guint64 last_decision;
    guint different;
} Found;

static void
read_file(const char *path, JournalDecoder *decoder, Found *found)
{
    g_autoptr(JournalReplay) replay = journal_replay_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(JournalFile) file = journal_file_open(path, &error);
    const char *line;
    gsize length;

    assert_non_null(file);
    while ((line = journal_file_next(file, &length, &error))) {
        JournalLineKind kind;

        if (!journal_decoder_feed(decoder, line, (gssize)length, &kind, &error))
            fail_msg("%.*s: %s", (int)length, line, error->message);
        if (kind == JOURNAL_LINE_EVENT)
            found->settled += g_str_equal(decoder->event.kind, "settled");
        if (kind != JOURNAL_LINE_CYCLE)
            continue;
        found->cycles++;
        journal_replay_cycle(replay, decoder);
        for (guint i = 0; i < decoder->guests->len; i++) {
            const JournalGuest *guest = decoder->guests->pdata[i];

            found->decisions += guest->decided;
            if (guest->decided)
                found->last_decision = guest->decision.id;
        }
    }
    assert_null(error);
    found->different += replay->differences->len;
}

static void
test_cycles_and_events_are_written(void **state)
{
    Bed *bed = *state;
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();
    g_auto(GStrv) files = NULL;
    Found found = { 0 };
    GStatBuf status;

    add_guest(bed, "web", 230 * MIB);
    add_guest(bed, "db", 30 * MIB);
    live(bed, 20);
    files = files_of(bed);
    assert_int_equal(g_strv_length(files), 1);
    assert_int_equal(g_stat(files[0], &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);

    read_file(files[0], decoder, &found);
    assert_true(found.cycles >= 20);
    assert_true(found.decisions > 0);
    assert_true(found.settled > 0);
    assert_int_equal(found.different, 0);
    assert_string_equal(decoder->header.uri, URI);
    assert_int_equal(decoder->settings.plan.budget, 8192 * MIB);
    assert_non_null(journal_decoder_find(decoder, "db"));
    assert_true(found.last_decision <= (guint64)g_get_real_time());
    assert_true(journal_writer_begun(files[0], journal_get_place(bed->journal).prefix) > 0);
    assert_int_equal(bed->troubles, 0);
}

static const char *
text_in(GVariant *values, const char *key)
{
    const char *text = "";

    g_variant_lookup(values, key, "&s", &text);
    return text;
}

static void
test_decisions_are_explained(void **state)
{
    Bed *bed = *state;
    JournalPlace place = journal_get_place(bed->journal);
    g_autoptr(GVariant) latest = NULL;
    g_autoptr(GVariant) by_number = NULL;
    g_autoptr(GVariant) parts = NULL;
    g_autoptr(GVariant) events = NULL;
    g_autoptr(GError) error = NULL;
    guint64 decision = 0, target = 0, demand = 0;

    add_guest(bed, "web", 230 * MIB);
    add_guest(bed, "idle", 30 * MIB);
    live(bed, 20);
    journal_writer_sync(place.writer, 5 * G_USEC_PER_SEC);
    latest = journal_query_explain(place.folder, place.prefix, "web", 0, &error);
    assert_non_null(latest);
    assert_string_equal(text_in(latest, "kind"), "policy");
    assert_string_equal(text_in(latest, "guest"), "web");
    assert_string_equal(text_in(latest, "outcome"), "settled");
    assert_true(*text_in(latest, "reason") != '\0');
    assert_true(g_variant_lookup(latest, "decision", "t", &decision));
    assert_true(g_variant_lookup(latest, "target", "t", &target));
    assert_true(g_variant_lookup(latest, "demand", "t", &demand));
    assert_true(target > 256 * MIB && demand > 256 * MIB);
    parts = g_variant_lookup_value(latest, "parts", G_VARIANT_TYPE("aa{sv}"));
    events = g_variant_lookup_value(latest, "events", G_VARIANT_TYPE("aa{sv}"));
    assert_true(g_variant_n_children(parts) > 0);
    assert_true(g_variant_n_children(events) > 0);

    by_number = journal_query_explain(place.folder, place.prefix, "web", decision, NULL);
    assert_true(g_variant_equal(latest, by_number));
    assert_null(journal_query_explain(place.folder, place.prefix, "web", decision + 1, &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND));
    assert_null(journal_query_explain(place.folder, place.prefix, "nobody", 0, NULL));
}

static void
test_history_is_told(void **state)
{
    Bed *bed = *state;
    JournalPlace place = journal_get_place(bed->journal);
    gint64 begin = g_get_real_time();
    g_autoptr(GVariant) points = NULL;
    g_autoptr(GVariant) before = NULL;
    guint64 time_us, actual, requested, demand, used, last = 0;

    add_guest(bed, "web", 230 * MIB);
    live(bed, 20);
    journal_writer_sync(place.writer, 5 * G_USEC_PER_SEC);
    points = journal_query_history(place.folder, place.prefix, "web", begin, g_get_real_time(), 8);
    assert_true(g_variant_n_children(points) > 2 && g_variant_n_children(points) <= 8);
    for (gsize i = 0; i < g_variant_n_children(points); i++) {
        g_variant_get_child(points, i, "(ttttt)", &time_us, &actual, &requested, &demand, &used);
        assert_true(time_us > last && time_us >= (guint64)begin);
        last = time_us;
    }
    assert_true(actual > 256 * MIB && requested == actual && demand >= used && used > 0);
    before = journal_query_history(place.folder, place.prefix, "web", 1, begin, 8);
    assert_int_equal(g_variant_n_children(before), 0);
}

/* A file by hand: a decision, its trial which ends in the cycle of the next one, and one that the
 * agent refused. */
static const char trials[] =
    "{\"journal\":2,\"wall_us\":1700000000000000,\"now_us\":1000000}\n"
    "{\"settings\":{\"policy\":\"balance\",\"budget\":1073741824}}\n"
    "{\"guest\":0,\"t\":0,\"name\":\"web\",\"requested\":786432,\"ceiling\":786432}\n"
    "{\"t\":0,\"guests\":{\"0\":{\"decision\":{\"id\":0.5,\"target\":720896,"
    "\"forecast\":[700,600,500],\"reason\":\"in use\"}}}}\n"
    "{\"t\":7000,\"guests\":{\"0\":{\"decision\":{\"id\":0.5,\"target\":786432,"
    "\"forecast\":[700,600,500],\"reason\":\"in use\"}}}}\n"
    "{\"event\":\"shrink\",\"t\":0.5,\"guest\":\"web\",\"decision\":1700000000000500,"
    "\"message\":\"hurt\",\"shrink\":{\"kind\":\"shrink\",\"outcome\":\"hurt\","
    "\"before\":786432,\"after\":720896,\"margin\":1024,\"watched\":6500,"
    "\"available\":[2048,1024],\"pace_before\":[0,1,2],\"pace_after\":[3,4,5]}}\n"
    "{\"t\":250}\n"
    "{\"event\":\"shrink\",\"t\":1,\"guest\":\"web\",\"message\":\"refused\","
    "\"shrink\":{\"kind\":\"shrink\",\"outcome\":\"refused\",\"before\":786432,"
    "\"after\":720896}}\n";

/* Returns: (transfer full): the figures of the trial in the last event. */
static GVariant *
last_shrink(GVariant *explained)
{
    g_autoptr(GVariant) events =
        g_variant_lookup_value(explained, "events", G_VARIANT_TYPE("aa{sv}"));
    gsize n = g_variant_n_children(events);
    g_autoptr(GVariant) event = NULL;
    GVariant *shrink;

    assert_true(n > 0);
    event = g_variant_get_child_value(events, n - 1);
    shrink = g_variant_lookup_value(event, "shrink", G_VARIANT_TYPE_VARDICT);
    assert_non_null(shrink);
    return shrink;
}

static void
test_trials_are_explained(void **state)
{
    Bed *bed = *state;
    g_autofree char *path = g_build_filename(bed->folder, "t-20231114T221320.000000Z.jsonl", NULL);
    g_autoptr(GVariant) first = NULL, latest = NULL, hurt = NULL, refused = NULL;
    guint64 bytes = 0;
    double pace = 0;

    assert_true(g_file_set_contents(path, trials, -1, NULL));
    first =
        journal_query_explain(bed->folder, "t-", "web", G_GUINT64_CONSTANT(1700000000000500), NULL);
    assert_non_null(first);
    assert_string_equal(text_in(first, "outcome"), "superseded");
    hurt = last_shrink(first);
    assert_string_equal(text_in(hurt, "outcome"), "hurt");
    assert_true(g_variant_lookup(hurt, "margin", "t", &bytes) && bytes == MIB);
    assert_true(g_variant_lookup(hurt, "available_after", "t", &bytes) && bytes == MIB);
    assert_true(g_variant_lookup(hurt, "stall_us_after", "d", &pace));
    assert_int_equal((int)pace, 3);

    latest = journal_query_explain(bed->folder, "t-", "web", 0, NULL);
    assert_non_null(latest);
    refused = last_shrink(latest);
    assert_string_equal(text_in(refused, "outcome"), "refused");
    assert_false(g_variant_lookup(refused, "watched_us", "x", NULL));
    g_unlink(path);
}

static guint64
number_in(GVariant *values, const char *key)
{
    guint64 number = G_MAXUINT64;

    assert_true(g_variant_lookup(values, key, "t", &number));
    return number;
}

static void
test_a_span_is_summed_up(void **state)
{
    static const char *const db[] = { "db", NULL };
    Bed *bed = *state;
    JournalPlace place = journal_get_place(bed->journal);
    gint64 begin = g_get_real_time();
    g_autoptr(GVariant) all = NULL, one = NULL, before = NULL, web = NULL;

    add_guest(bed, "web", 230 * MIB);
    add_guest(bed, "db", 30 * MIB);
    live(bed, 20);
    journal_writer_sync(place.writer, 5 * G_USEC_PER_SEC);
    all = journal_query_report(place.folder, place.prefix, NULL, begin, g_get_real_time());
    assert_int_equal(g_variant_n_children(all), 2);
    web = g_variant_get_child_value(all, 0);
    assert_string_equal(text_in(web, "guest"), "web");
    assert_true(number_in(web, "known_us") > 0);
    assert_true(number_in(web, "known_us") <= (guint64)(g_get_real_time() - begin));
    assert_int_equal(number_in(web, "actual_least"), 256 * MIB);
    assert_true(number_in(web, "actual_peak") > 256 * MIB);
    assert_true(number_in(web, "actual_mean") > 256 * MIB);
    assert_true(number_in(web, "actual_mean") < number_in(web, "actual_peak"));
    assert_true(number_in(web, "demand_peak") > 230 * MIB);
    assert_true(number_in(web, "decisions") > 0);
    assert_true(number_in(web, "steps") > 0);
    assert_true(number_in(web, "churn") >= number_in(web, "actual_peak") - 256 * MIB);
    one = journal_query_report(place.folder, place.prefix, db, begin, g_get_real_time());
    assert_int_equal(g_variant_n_children(one), 1);
    before = journal_query_report(place.folder, place.prefix, NULL, 1, begin);
    assert_int_equal(g_variant_n_children(before), 0);
}

static void
test_an_administrators_word_is_explained(void **state)
{
    Bed *bed = *state;
    JournalPlace place = journal_get_place(bed->journal);
    g_autoptr(GVariant) word = NULL;
    guint64 decision;

    add_guest(bed, "web", 30 * MIB);
    live(bed, 3);
    decision = managed_guest_set_memory(roster_get_guests(bed->roster)->pdata[0], 512 * MIB, NULL);
    assert_true(decision > 0);
    live(bed, 5);
    journal_writer_sync(place.writer, 5 * G_USEC_PER_SEC);
    word = journal_query_explain(place.folder, place.prefix, "web", decision, NULL);
    assert_non_null(word);
    assert_string_equal(text_in(word, "kind"), "hand");
    assert_string_equal(text_in(word, "outcome"), "settled");
}

static void
test_listeners_have_a_file_of_their_own(void **state)
{
    Bed *bed = *state;
    const char *const only[] = { "web", NULL };
    g_autofree char *path = NULL;
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();
    char buffer[65536];
    Found found = { 0 };
    gssize n;
    int fd;

    add_guest(bed, "web", 230 * MIB);
    add_guest(bed, "db", 200 * MIB);
    live(bed, 3);
    fd = journal_listen(bed->journal, only, NULL);
    assert_true(fd >= 0);
    live(bed, 5);
    n = read(fd, buffer, sizeof buffer);
    assert_true(n > 0 && buffer[n - 1] == '\n');
    path = g_build_filename(bed->folder, "heard", NULL);
    assert_true(g_file_set_contents(path, buffer, n, NULL));
    read_file(path, decoder, &found);
    assert_true(found.cycles >= 5);
    assert_int_equal(decoder->guests->len, 1);

    /* He goes, and nobody minds. */
    close(fd);
    live(bed, 2);
    for (guint i = 0; i < 8; i++)
        close(journal_listen(bed->journal, NULL, NULL));
    live(bed, 1);
    fd = journal_listen(bed->journal, NULL, NULL);
    assert_true(fd >= 0);
    close(fd);
}

static void
test_listeners_are_bounded(void **state)
{
    Bed *bed = *state;
    g_autoptr(GError) error = NULL;
    int fds[8];

    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        fds[i] = journal_listen(bed->journal, NULL, NULL);
    assert_int_equal(journal_listen(bed->journal, NULL, &error), -1);
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BUSY));
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
}

static void
test_trouble_is_told_once_and_ends(void **state)
{
    Bed *bed = *state;
    g_auto(GStrv) files = NULL;

    assert_true(g_file_set_contents(bed->journal_folder, "in the way", -1, NULL));
    add_guest(bed, "web", 230 * MIB);
    live(bed, 3);
    journal_writer_sync(journal_get_place(bed->journal).writer, 5 * G_USEC_PER_SEC);
    await_quiet();
    assert_int_equal(bed->troubles, 1);
    live(bed, 2);
    assert_int_equal(bed->troubles, 1);

    /* Switched off and on, it does not wait for its time. */
    g_unlink(bed->journal_folder);
    bed->config->journal.enabled = FALSE;
    journal_configure(bed->journal, bed->config);
    assert_null(journal_get_place(bed->journal).folder);
    bed->config->journal.enabled = TRUE;
    journal_configure(bed->journal, bed->config);
    live(bed, 2);
    files = files_of(bed);
    assert_int_equal(g_strv_length(files), 1);
    assert_int_equal(bed->troubles, 1);
}

/*
 * The writer alone
 */

static void
on_told(gpointer data, const char *trouble)
{
    guint *told = data;

    told[trouble ? 0 : 1]++;
}

/* Half of it random letters, so that it is compressed by less than that. */
static GString *
noise(gsize length)
{
    GString *text = g_string_sized_new(length);

    while (text->len < length)
        g_string_append_printf(text, "%08x%s", g_random_int(), text->len % 50 == 0 ? "\n" : "");
    g_string_append_c(text, '\n');
    return text;
}

static void
test_files_are_kept_within_bounds(void **state)
{
    Bed *bed = *state;
    const JournalKeeping keeping = { 400000, G_TIME_SPAN_DAY, 50000 };
    g_autofree char *other = g_build_filename(bed->folder, "x-20200101T000000.000000Z.jsonl", NULL);
    g_autofree char *old = g_build_filename(bed->folder, "a-20200101T000000.000000Z.jsonl", NULL);
    g_auto(GStrv) files = NULL;
    guint told[2] = { 0 };
    JournalWriter *writer;
    guint64 sum = 0;

    /* One that a daemon before left, and one that is not ours. */
    assert_true(g_file_set_contents(old, "{}\ntorn", -1, NULL));
    assert_true(g_file_set_contents(other, "{}\n", -1, NULL));
    writer = journal_writer_new(bed->folder, "a-", &keeping, on_told, told);
    for (gint64 i = 0; i < 30; i++) {
        g_autoptr(GString) text = noise(40000);

        journal_writer_begin(writer, G_GINT64_CONSTANT(1700000000000000) + i);
        assert_true(journal_writer_write(writer, text));
        journal_writer_sync(writer, 5 * G_USEC_PER_SEC);
        if (i == 0)
            assert_false(g_file_test(old, G_FILE_TEST_EXISTS)); /* compressed */
    }
    files = journal_writer_list(bed->folder, "a-");
    for (char **file = files; *file; file++) {
        GStatBuf status;

        assert_int_equal(g_stat(*file, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0640);
        sum += (guint64)status.st_size;
        /* All but the one that is being written. */
        assert_true(g_str_has_suffix(*file, file[1] ? ".gz" : ".jsonl"));
    }
    assert_true(sum <= keeping.max_size);
    assert_true(g_strv_length(files) > 5 && g_strv_length(files) < 30);
    assert_int_equal(journal_writer_begun(files[0], "a-") / 1000000, 1700000000);
    assert_true(g_file_test(other, G_FILE_TEST_EXISTS));
    journal_writer_free(writer);
    assert_int_equal(told[0], 0);
}

static void
test_a_file_of_another_writer_is_left_alone(void **state)
{
    Bed *bed = *state;
    const JournalKeeping keeping = { 1000, G_TIME_SPAN_DAY, 500 };
    g_autoptr(GString) text = noise(2000);
    JournalWriter *one = journal_writer_new(bed->folder, "a-", &keeping, NULL, NULL);
    JournalWriter *two = journal_writer_new(bed->folder, "a-", &keeping, NULL, NULL);
    g_auto(GStrv) files = NULL;

    journal_writer_begin(one, 1000000);
    journal_writer_write(one, text);
    journal_writer_sync(one, 5 * G_USEC_PER_SEC);
    journal_writer_begin(two, 2000000);
    journal_writer_write(two, text);
    journal_writer_sync(two, 5 * G_USEC_PER_SEC);
    files = journal_writer_list(bed->folder, "a-");
    assert_int_equal(g_strv_length(files), 2);
    journal_writer_free(one);
    journal_writer_free(two);
}

static void
test_a_backlog_is_bounded(void **state)
{
    Bed *bed = *state;
    const JournalKeeping keeping = { 1 << 30, G_TIME_SPAN_DAY, 1 << 28 };
    g_autoptr(GString) huge = g_string_new(NULL);
    JournalWriter *writer = journal_writer_new(bed->folder, "a-", &keeping, NULL, NULL);

    g_string_set_size(huge, 20 * 1024 * 1024);
    journal_writer_begin(writer, 1000000);
    assert_false(journal_writer_write(writer, huge));
    journal_writer_free(writer);
}

#define JOURNAL_TEST(f) cmocka_unit_test_setup_teardown(f, bed_start, bed_end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(test_cycles_and_events_are_written),
        JOURNAL_TEST(test_decisions_are_explained),
        JOURNAL_TEST(test_history_is_told),
        JOURNAL_TEST(test_trials_are_explained),
        JOURNAL_TEST(test_a_span_is_summed_up),
        JOURNAL_TEST(test_an_administrators_word_is_explained),
        JOURNAL_TEST(test_listeners_have_a_file_of_their_own),
        JOURNAL_TEST(test_listeners_are_bounded),
        JOURNAL_TEST(test_trouble_is_told_once_and_ends),
        JOURNAL_TEST(test_files_are_kept_within_bounds),
        JOURNAL_TEST(test_a_file_of_another_writer_is_left_alone),
        JOURNAL_TEST(test_a_backlog_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
