/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal: what each cycle is given and decides, and what happens in between, to the
 * files of the state folder and to those who listen (`memplug record`).
 */
#pragma once

#include "daemon/config.h"
#include "daemon/journal-writer.h"
#include "daemon/roster.h"
#include "journal/journal-encoder.h"

typedef struct _Journal Journal;

/*
 * journal_new:
 * @roster: its events are written; outlives the journal
 * @folder: (nullable): where the files are; NULL writes none, whatever the configuration says
 * @uri: where the guests come from: each has files of its own
 * @host_memory: bytes
 */
Journal *journal_new(Roster *roster, const char *folder, const char *uri, guint64 host_memory,
                     gboolean dry_run);
void journal_free(Journal *journal);

/* Takes what [journal] says from @config. */
void journal_configure(Journal *journal, const Config *config);

/* Returns: (transfer full): where the journal of this user's memplugd is kept. */
char *journal_default_folder(void);

/* For the cycle: see journal-encoder.h. NULL is allowed, and writes nothing. */
void journal_inputs(Journal *journal, const JournalSubject *subjects, gsize n_subjects, gint64 now);
void journal_settings(Journal *journal, const JournalSettings *settings);
void journal_outcome(Journal *journal, const JournalSubject *subjects, gsize n_subjects);

/*
 * journal_listen:
 * @only: (nullable): names; other guests are left out
 *
 * Returns: the end of a socket from which the journal can be read, from a first line of
 *   its own; -1 with @error set. Who closes it is no longer written to, and who does
 *   not read it is cut off.
 */
int journal_listen(Journal *journal, const char *const *only, GError **error);

/* Where to look for what was written; @folder is NULL where nothing is. */
typedef struct {
    const char *folder;
    const char *prefix;
    JournalWriter *writer;
} JournalPlace;

JournalPlace journal_get_place(const Journal *journal);
