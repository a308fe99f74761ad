/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From cycles to the lines of a journal: see memplug-journal(5).
 *
 *   journal_encoder_begin()                     a file begins: nothing is known to its reader
 *     journal_encoder_inputs()                  before the planner changes anything, ...
 *     journal_encoder_settings()                ... when it is known what it may share, ...
 *     journal_encoder_outcome()                 ... and once it is known what was asked for
 *     journal_encoder_event()                   at any time, in between too
 *
 * An encoder remembers what it wrote last, so that it writes only what has changed.
 * It does no I/O and reads no clock.
 */
#pragma once

#include "journal/journal-lines.h"

typedef struct _JournalEncoder JournalEncoder;

/* One guest in a cycle. */
typedef struct {
    const char *name;
    const char *instance; /* tells this run of it from every other guest and run */
    const PlanGuest *plan;

    /* for the outcome */
    gboolean decided;  /* @plan's target is asked for, or would be in a dry run, ... */
    guint64 decision;  /* ... under this id */
    guint64 requested; /* ... and this was asked for before */
} JournalSubject;

/* @only: (nullable): names; other guests and their events are left out */
JournalEncoder *journal_encoder_new(const char *const *only);
void journal_encoder_free(JournalEncoder *encoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalEncoder, journal_encoder_free)

/* Begins a file: everything will be written anew. */
void journal_encoder_begin(JournalEncoder *encoder, const JournalHeader *header, GString *out);

/*
 * journal_encoder_inputs:
 * @subjects: (array length=n_subjects): all guests of the plan, in its order
 * @now: as the planner is given it
 *
 * Takes down what the planner is given of the guests.
 */
void journal_encoder_inputs(JournalEncoder *encoder, const JournalSubject *subjects,
                            gsize n_subjects, gint64 now);

/* @settings: as planner_allocate() is given them. Without it, those of the cycle before. */
void journal_encoder_settings(JournalEncoder *encoder, const JournalSettings *settings);

/* @subjects: the same guests, with what came of the plan. Appends the lines of the cycle. */
void journal_encoder_outcome(JournalEncoder *encoder, const JournalSubject *subjects,
                             gsize n_subjects, GString *out);

/* An event that happens while a cycle is under way is written behind it. */
void journal_encoder_event(JournalEncoder *encoder, const JournalEvent *event, GString *out);
