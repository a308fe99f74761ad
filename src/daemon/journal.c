/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The journal is written in the main thread, since it is made of what the cycle has in its
 * hands, and handed to a thread that brings it to disk (journal-writer.h). Each place that
 * it goes to, the files and each listener, has an encoder, since what must be said depends on
 * what was said there before.
 *
 * A file begins with the first cycle or event, when the one before has grown to its size, and
 * when something was lost: because the disk was slower than the guests, or nothing could be
 * written. In the latter case it is tried again every RETRY_US; people are told once that it
 * does not work and once that it works again.
 */
#include "daemon/journal.h"

#include "build-config.h"
#include "daemon/intent.h"
#include "daemon/journal-listener.h"

/* Between two attempts at a disk that is full, or a folder that is read-only. */
#define RETRY_US (10 * (gint64)G_USEC_PER_SEC)

/* The parts of the whole size that are removed at once; and a file that can be read in a
 * fraction of a second. */
#define FILES      64
#define FILE_LEAST (256 * 1024)
#define FILE_MOST  (8 * 1024 * 1024)

/* Each costs as much as writing the files does. */
#define LISTENERS_MOST 8

struct _Journal {
    Roster *roster;
    char *folder; /* NULL: no files */
    char *prefix;
    JournalHeader header; /* but for its times */
    char *uri;

    JournalWriter *writer; /* NULL: nothing is kept */
    JournalKeeping keeping;
    JournalEncoder *encoder;
    GString *text;
    gboolean begun;   /* there is a file to which the encoder's state belongs */
    gboolean failing; /* as people were told */
    gint64 retry_us;  /* not before */
    guint64 written;  /* to the file */

    GPtrArray *listeners; /* JournalListener */
};

char *
journal_default_folder(void)
{
    g_autofree char *state = intent_default_folder();

    return g_build_filename(state, "journal", NULL);
}

static void
tell(Journal *journal, GLogLevelFlags level, const char *message)
{
    const Event event = { .kind = EVENT_JOURNAL, .level = level, .guest = "", .message = message };

    roster_tell(journal->roster, &event);
}

static void
on_written(gpointer data, const char *trouble)
{
    Journal *journal = data;
    g_autofree char *message = NULL;

    if (trouble) {
        journal->begun = FALSE;
        journal->retry_us = g_get_monotonic_time() + RETRY_US;
    }
    if ((trouble != NULL) == journal->failing)
        return;
    journal->failing = trouble != NULL;
    message = trouble ? g_strdup_printf("not written: %s; tried again from time to time", trouble)
                      : g_strdup("written again");
    tell(journal, trouble ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_INFO, message);
}

/*
 * Beginning and writing
 */

/* @now: of the first that is written behind it */
static JournalHeader
header_at(const Journal *journal, gint64 now)
{
    JournalHeader header = journal->header;

    header.now_us = now;
    header.wall_us = g_get_real_time() - (g_get_monotonic_time() - now);
    return header;
}

/* Returns: whether there is a file to write to. */
static gboolean
make_begun(Journal *journal, gint64 now)
{
    JournalHeader header;

    if (!journal->writer)
        return FALSE;
    if (journal->begun && journal->written < journal->keeping.file_size)
        return TRUE;
    header = header_at(journal, now);
    if (!journal->begun && header.now_us < journal->retry_us)
        return FALSE;
    journal_writer_begin(journal->writer, header.wall_us);
    journal_encoder_begin(journal->encoder, &header, journal->text);
    journal->begun = TRUE;
    journal->written = 0;
    return TRUE;
}

static void
write_text(Journal *journal)
{
    journal->written += journal->text->len;
    if (journal->text->len > 0 && !journal_writer_write(journal->writer, journal->text))
        on_written(journal, "the disk is slower than the guests");
    g_string_truncate(journal->text, 0);
}

static void
make_listener_begun(Journal *journal, JournalListener *listener, gint64 now)
{
    JournalHeader header = header_at(journal, now);

    if (!journal_listener_take_begun(listener))
        journal_encoder_begin(journal_listener_encoder(listener), &header,
                              journal_listener_text(listener));
}

static void
forget_gone(Journal *journal)
{
    for (guint i = journal->listeners->len; i-- > 0;) {
        if (journal_listener_is_gone(journal->listeners->pdata[i]))
            g_ptr_array_remove_index(journal->listeners, i);
    }
}

void
journal_inputs(Journal *journal, const JournalSubject *subjects, gsize n_subjects, gint64 now)
{
    if (!journal)
        return;
    if (make_begun(journal, now))
        journal_encoder_inputs(journal->encoder, subjects, n_subjects, now);
    forget_gone(journal);
    for (guint i = 0; i < journal->listeners->len; i++) {
        JournalListener *listener = journal->listeners->pdata[i];

        make_listener_begun(journal, listener, now);
        journal_encoder_inputs(journal_listener_encoder(listener), subjects, n_subjects, now);
    }
}

void
journal_settings(Journal *journal, const JournalSettings *settings)
{
    if (!journal)
        return;
    if (journal->writer && journal->begun)
        journal_encoder_settings(journal->encoder, settings);
    for (guint i = 0; i < journal->listeners->len; i++)
        journal_encoder_settings(journal_listener_encoder(journal->listeners->pdata[i]), settings);
}

void
journal_outcome(Journal *journal, const JournalSubject *subjects, gsize n_subjects)
{
    if (!journal)
        return;
    if (journal->writer && journal->begun) {
        journal_encoder_outcome(journal->encoder, subjects, n_subjects, journal->text);
        write_text(journal);
    }
    for (guint i = 0; i < journal->listeners->len; i++) {
        JournalListener *listener = journal->listeners->pdata[i];

        journal_encoder_outcome(journal_listener_encoder(listener), subjects, n_subjects,
                                journal_listener_text(listener));
        journal_listener_send(listener);
    }
}

static void
on_event(Journal *journal, const Event *event)
{
    const JournalEvent told = {
        .kind = event_kind_name(event->kind),
        .guest = event->guest,
        .decision = event->decision,
        .message = event->message,
        .now_us = g_get_monotonic_time(),
        .shrink = event->shrink,
    };

    /* A decision is a part of its cycle, and its words follow from it. What is told for those
     * who look on, a step that is under way, has another end that is kept. */
    if (event->kind == EVENT_DECISION || event->kind == EVENT_JOURNAL ||
        event->level == G_LOG_LEVEL_DEBUG)
        return;
    if (make_begun(journal, told.now_us)) {
        journal_encoder_event(journal->encoder, &told, journal->text);
        write_text(journal);
    }
    forget_gone(journal);
    for (guint i = 0; i < journal->listeners->len; i++) {
        JournalListener *listener = journal->listeners->pdata[i];

        make_listener_begun(journal, listener, told.now_us);
        journal_encoder_event(journal_listener_encoder(listener), &told,
                              journal_listener_text(listener));
        journal_listener_send(listener);
    }
}

/*
 * Listeners
 */

int
journal_listen(Journal *journal, const char *const *only, GError **error)
{
    JournalListener *listener;
    int end = -1;

    forget_gone(journal);
    if (journal->listeners->len >= LISTENERS_MOST) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY,
                    "%d record the journal already, and no more can", LISTENERS_MOST);
        return -1;
    }
    listener = journal_listener_new(only, &end, error);
    if (listener)
        g_ptr_array_add(journal->listeners, listener);
    return end;
}

JournalPlace
journal_get_place(const Journal *journal)
{
    return (JournalPlace){ journal->writer ? journal->folder : NULL, journal->prefix,
                           journal->writer };
}

/*
 * Life
 */

void
journal_configure(Journal *journal, const Config *config)
{
    journal->keeping = (JournalKeeping){
        .max_size = config->journal.max_size,
        .max_age_us = config->journal.max_age_us,
        .file_size = CLAMP(config->journal.max_size / FILES, FILE_LEAST, FILE_MOST),
    };
    if (!config->journal.enabled || !journal->folder) {
        g_clear_pointer(&journal->writer, journal_writer_free);
        journal->begun = journal->failing = FALSE;
        journal->retry_us = 0;
    } else if (!journal->writer) {
        journal->writer = journal_writer_new(journal->folder, journal->prefix, &journal->keeping,
                                             on_written, journal);
    } else {
        journal_writer_keep(journal->writer, &journal->keeping);
    }
}

Journal *
journal_new(Roster *roster, const char *folder, const char *uri, guint64 host_memory,
            gboolean dry_run)
{
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, uri, -1);
    Journal *journal = g_new0(Journal, 1);

    journal->roster = roster;
    journal->folder = g_strdup(folder);
    journal->prefix = g_strdup_printf("%.8s-", digest);
    journal->uri = g_strdup(uri);
    journal->header = (JournalHeader){ .program = MEMPLUG_VERSION,
                                       .uri = journal->uri,
                                       .host_memory = host_memory,
                                       .dry_run = dry_run };
    journal->encoder = journal_encoder_new(NULL);
    journal->text = g_string_new(NULL);
    journal->listeners = g_ptr_array_new_with_free_func((GDestroyNotify)journal_listener_free);
    g_signal_connect_swapped(roster, "event", G_CALLBACK(on_event), journal);
    return journal;
}

void
journal_free(Journal *journal)
{
    if (!journal)
        return;
    g_signal_handlers_disconnect_by_data(journal->roster, journal);
    g_clear_pointer(&journal->writer, journal_writer_free);
    g_ptr_array_unref(journal->listeners);
    journal_encoder_free(journal->encoder);
    g_string_free(journal->text, TRUE);
    g_free(journal->folder);
    g_free(journal->prefix);
    g_free(journal->uri);
    g_free(journal);
}
