/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plans again what was planned when a journal was written, by the same code, and
 * compares what is decided.
 *
 * It answers whether the journal tells all that a decision follows from: then, given the
 * same predictor and policy, nothing differs. What another policy would have done is not
 * answered so, since the guests then had not been what they were.
 */
#pragma once

#include "journal/journal-decoder.h"

typedef struct {
    gint64 now_us;     /* of the cycle, monotonic */
    const char *guest; /* lives as long as the decoder */
    guint64 requested; /* what it was asked for before */
    guint64 live;      /* what it was asked for then; @requested if it was left as it was */
    guint64 replayed;  /* what it would be asked for now */
} JournalDifference;

typedef struct {
    guint64 cycles;
    guint64 decisions;   /* that were taken live */
    guint64 alike;       /* of them, those that were taken again, to the byte */
    GArray *differences; /* JournalDifference: the others, and those taken now only */
    GArray *plan;        /* private */
} JournalReplay;

JournalReplay *journal_replay_new(void);
void journal_replay_free(JournalReplay *replay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalReplay, journal_replay_free)

/* To be called after each line that was a JOURNAL_LINE_CYCLE. */
void journal_replay_cycle(JournalReplay *replay, JournalDecoder *decoder);
