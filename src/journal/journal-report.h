/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What became of the guests in a span of time, added up from a journal's cycles and events.
 *
 *   journal_report_new(span) ─▶ journal_report_line() after each line, file after file
 *                                 └─▶ guests: an account each
 *
 * What a guest has holds from one cycle to the next. Between two that are farther apart than
 * a minute nobody looked: that time counts as unknown, and nothing is made of it. Pure.
 */
#pragma once

#include "journal/journal-decoder.h"

/* Of one guest. Areas are in bytes · µs, over the time that is known. */
typedef struct {
    char *name;
    gint64 known_us;  /* of the span */
    double actual;    /* area: what it had, ... */
    double requested; /* ... and was asked to have */
    guint64 actual_peak, actual_least;

    gint64 forecast_us; /* of the time that is known, with a demand; the next four are of it */
    double demand, used;
    guint64 demand_peak, used_peak;
    gint64 short_us; /* so long it had less than it demanded, ... */
    double lacked;   /* ... area: by so much */

    guint64 swap_in, swap_out;                 /* bytes; 0 where the guest does not tell */
    guint64 stall_some_us, stall_full_us;      /* so long tasks waited for memory (PSI) */
    guint64 oom_kills;                         /* programs killed for lack of memory */
    guint64 decisions, steps, shorts, urgents; /* of the policy; device actions; those that
                                                * ended short; times that its agent began to ask */
    guint64 churn;                             /* bytes that came and went */

    /* private: as of the latest cycle */
    gint64 last_us; /* since 1970; 0: none */
    guint64 last_actual, last_requested, last_demand, last_used;
    gboolean last_asking;
    char *instance;
    Sample sample;    /* the latest, ... */
    gint64 sample_us; /* ... and when it was taken, since 1970; 0: there was none */
} JournalAccount;

typedef struct {
    GPtrArray *accounts; /* JournalAccount, in the order in which the guests came */

    /* private */
    gint64 since_us, until_us;
    GHashTable *by_name;
} JournalReport;

/* @since_us, @until_us: the span, since 1970 */
JournalReport *journal_report_new(gint64 since_us, gint64 until_us);
void journal_report_free(JournalReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalReport, journal_report_free)

/* To be called after each line of @kind that @decoder was fed. */
void journal_report_line(JournalReport *report, const JournalDecoder *decoder,
                         JournalLineKind kind);
