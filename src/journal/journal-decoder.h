/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the lines of a journal to what was known in each cycle: see memplug-journal(5).
 *
 * Fed line by line, a decoder holds after each JOURNAL_LINE_CYCLE what the planner was
 * given then: the guests, in the order of the plan, each a PlanGuest that is ready for
 * planner_predict(). Whoever plans with them changes their predictors' states, and that is
 * as it should be: what a predictor remembers is told once, and follows from there on.
 */
#pragma once

#include "journal/journal-guest.h"
#include "journal/journal-lines.h"

typedef enum {
    JOURNAL_LINE_HEADER,   /* a file begins: there are no guests */
    JOURNAL_LINE_SETTINGS, /* hold from the next cycle on */
    JOURNAL_LINE_GUEST,    /* is there from the next cycle on */
    JOURNAL_LINE_CYCLE,
    JOURNAL_LINE_EVENT,
    JOURNAL_LINE_UNKNOWN, /* of a later version */
} JournalLineKind;

typedef struct {
    guint number;
    const char *name;
    const char *instance;
    const char *predictor_name;
    PlanGuest plan; /* its pointers are to what is below; @predictor is one of those known here,
                     * the first if there is none of that name */
    SampleRing ring;
    JournalMemory memory;
    gboolean forgetful; /* what was remembered could not be read: it was written by another
                         * build. What is planned for it may differ at first */
    gboolean seen;      /* a cycle has had it */

    /* of the latest cycle */
    guint n_new;      /* how many samples have come */
    gboolean told;    /* @forecast is: demand, need and used of it */
    gboolean decided; /* @decision is */
    Forecast forecast;
    JournalDecision decision;

    /* private */
    Sample last; /* that was told: what the next one differs from */
    gboolean has_last;
} JournalGuest;

/* To be read by others. */
typedef struct {
    JournalHeader header;
    JournalSettings settings;
    gint64 now_us;       /* of the latest cycle, monotonic */
    GPtrArray *guests;   /* JournalGuest */
    GPtrArray *gone;     /* JournalGuest: had no part in the latest cycle any more */
    JournalEvent event;  /* the latest */
    gboolean has_header; /* nothing can be read without */

    /* private */
    ShrinkEnd shrink;    /* of @event */
    GHashTable *numbers; /* number -> JournalGuest, in @guests */
    GStringChunk *strings;
    JsonParser *parser;
} JournalDecoder;

#define JOURNAL_ERROR journal_error_quark()
GQuark journal_error_quark(void);

typedef enum {
    JOURNAL_ERROR_SYNTAX,  /* no line of a journal */
    JOURNAL_ERROR_VERSION, /* of a later version than can be read */
    JOURNAL_ERROR_LENGTH,  /* a line without end */
} JournalError;

JournalDecoder *journal_decoder_new(void);
void journal_decoder_free(JournalDecoder *decoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalDecoder, journal_decoder_free)

/*
 * journal_decoder_feed:
 * @line: without its line feed
 * @kind: (out): what it was
 *
 * Returns: FALSE with @error set if it cannot be read; the rest of that file can then not
 *   be either, but the next one's first line begins anew.
 */
gboolean journal_decoder_feed(JournalDecoder *decoder, const char *line, gssize length,
                              JournalLineKind *kind, GError **error);

/* Returns: (nullable) (transfer none): the guest of that name as of the latest cycle. */
JournalGuest *journal_decoder_find(const JournalDecoder *decoder, const char *name);

/* Returns: the wall clock (since 1970) at @now_us of the monotonic one. */
gint64 journal_decoder_wall(const JournalDecoder *decoder, gint64 now_us);
