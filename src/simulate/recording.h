/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What memplugd recorded (memplug-journal(5)), as traces, and checked: everything that was
 * decided then is decided once more from what was known then, by the same code.
 *
 *   recording_new() ─▶ recording_read() each file, in the order of their times
 *                   ─▶ recording_end() ─▶ traces, budget, limits, what differs
 *
 * A guest's use is what it could not give up, total - available, what it had in swap, and what its
 * kernel keeps (actual - total, as it was at least). A guest that came later or went earlier
 * is taken to have been there all the time, with the first or last use that is known of it.
 */
#pragma once

#include "journal/journal-replay.h"
#include "simulate/trace.h"

/* A decision that came out otherwise, or one that was only taken in one of both. */
typedef struct {
    gint64 time_us;                    /* since the recording's beginning */
    char *guest;                       /* owned */
    guint64 requested, live, replayed; /* as in JournalDifference */
} RecordingDifference;

typedef struct {
    GPtrArray *traces; /* Trace: one for each guest that told something, in order of appearance */
    char *policy;      /* nullable, owned: the latest */
    guint64 budget;    /* the latest; 0: none was told */
    gint64 interval_us;
    guint64 cycles, decisions, alike; /* as in JournalReplay */
    GArray *differences;              /* RecordingDifference: the first of them, and ... */
    guint64 n_differences;            /* ... how many there are in all */

    /* private */
    JournalDecoder *decoder;
    GPtrArray *tracks;
    gint64 begin_us;
    gboolean begun;
} Recording;

/* So many differences are kept. */
#define RECORDING_DIFFERENCES 20

Recording *recording_new(void);
void recording_free(Recording *recording);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Recording, recording_free)

/* Returns: whether the file at @path begins as a journal does; FALSE if it cannot be read. */
gboolean recording_is_one(const char *path);

/* Returns: FALSE with @error set, which names the place. */
gboolean recording_read(Recording *recording, const char *path, GError **error);

/* Closes the traces. Returns: FALSE with @error set if there are none. */
gboolean recording_end(Recording *recording, GError **error);
