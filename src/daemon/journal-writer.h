/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of a journal: a thread that writes them, compresses those that are full and
 * removes those that are too old or too much. Whoever hands it lines never waits for a disk.
 *
 *   journal_writer_begin() ─▶ a file of its own
 *     journal_writer_write()   whole lines
 *
 * Where a file cannot be written, nothing more is, up to the next journal_writer_begin().
 */
#pragma once

#include <glib.h>

typedef struct _JournalWriter JournalWriter;

typedef struct {
    guint64 max_size;  /* bytes: of all files, the one that is being written included */
    gint64 max_age_us; /* of a file since it was last written */
    guint64 file_size; /* bytes: what a file is meant to grow to */
} JournalKeeping;

/* What became of writing: told in the main context that the writer was made in. @trouble:
 * (nullable): NULL once a file is written again. */
typedef void (*JournalWriterTold)(gpointer data, const char *trouble);

/*
 * journal_writer_new:
 * @folder: made when it is needed
 * @prefix: what the names of its files begin with; those of others are left alone
 */
JournalWriter *journal_writer_new(const char *folder, const char *prefix,
                                  const JournalKeeping *keeping, JournalWriterTold told,
                                  gpointer data);

/* Waits until all that was handed over is written; at most some seconds. */
void journal_writer_free(JournalWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalWriter, journal_writer_free)

/* For threads that outlive it: */
JournalWriter *journal_writer_ref(JournalWriter *writer);
void journal_writer_unref(JournalWriter *writer);

/* From the next file on. */
void journal_writer_keep(JournalWriter *writer, const JournalKeeping *keeping);

/* Begins a file that is named after @wall_us (since 1970). */
void journal_writer_begin(JournalWriter *writer, gint64 wall_us);

/* Returns: FALSE if so much waits to be written that @lines were not taken. */
gboolean journal_writer_write(JournalWriter *writer, const GString *lines);

/* For threads: waits until what was handed over before is written, or @timeout_us is over: also
 * if the writer has ended. */
void journal_writer_sync(JournalWriter *writer, gint64 timeout_us);

/* Returns: (transfer full): the paths of all files with @prefix in @folder, the oldest first. */
char **journal_writer_list(const char *folder, const char *prefix);

/* Returns: (transfer full): those of them that tell of the time from @since_us up to @until_us,
 *   since 1970. */
char **journal_writer_list_span(const char *folder, const char *prefix, gint64 since_us,
                                gint64 until_us);

/* Returns: when the file at @path was begun, as its name tells; 0 if it tells nothing. */
gint64 journal_writer_begun(const char *path, const char *prefix);
