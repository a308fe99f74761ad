/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One who listens to the journal, at the other end of a socket: he has an encoder of his
 * own, since his file begins when he comes. What he does not read in time waits, up to a
 * bound; beyond that he is cut off, so that nobody makes the daemon fill its memory.
 */
#pragma once

#include "journal/journal-encoder.h"

typedef struct _JournalListener JournalListener;

/*
 * journal_listener_new:
 * @only: (nullable): as for journal_encoder_new()
 * @end: (out): his end of it
 *
 * Returns: (transfer full): NULL with @error set.
 */
JournalListener *journal_listener_new(const char *const *only, int *end, GError **error);
void journal_listener_free(JournalListener *listener);

/* To be written to, and then sent: */
JournalEncoder *journal_listener_encoder(JournalListener *listener);
GString *journal_listener_text(JournalListener *listener);

/* Writes what there is, as far as it can be without waiting. */
void journal_listener_send(JournalListener *listener);

/* Returns: whether he has gone, or was cut off. */
gboolean journal_listener_is_gone(const JournalListener *listener);

/* Whether his first line was written. */
gboolean journal_listener_take_begun(JournalListener *listener);
