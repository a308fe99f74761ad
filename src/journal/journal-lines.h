/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lines of the journal that are not about guests in a cycle: what a file begins
 * with, the settings, events; and a decision, which is a member of a cycle's line.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "allocate/planner.h"

/* The version of the format that is written, and the latest that can be read. */
#define JOURNAL_VERSION 2

typedef struct {
    const char *program; /* the version of memplug that wrote it */
    const char *uri;     /* where the guests are */
    gint64 wall_us;      /* since 1970, ... */
    gint64 now_us;       /* ... and the monotonic clock at the same moment */
    guint64 host_memory; /* bytes */
    gboolean dry_run;
    guint version; /* of the format, when read */
} JournalHeader;

typedef struct {
    PlanSettings plan;       /* @spoken_us: nullable; points at the member below when read */
    const char *policy_name; /* when read; plan.policy is NULL if it is not known here */
    gint64 spoken_us;        /* when read: as of the first cycle with these settings */
    gint64 interval_us;
} JournalSettings;

/* One decision, with what led to it: see PlanGuest. */
typedef struct {
    guint64 id;        /* 0: of a dry run that gives none */
    guint64 from;      /* what the guest was asked for before */
    guint64 raw;       /* the policy's target */
    guint64 target;    /* what it is asked for */
    guint limits;      /* Limit: which made the difference */
    Forecast forecast; /* its @valid is TRUE */
} JournalDecision;

typedef struct {
    const char *kind;        /* "step", "settled", ... */
    const char *guest;       /* "" for the host */
    guint64 decision;        /* 0: none */
    const char *message;     /* in words */
    gint64 now_us;           /* when it happened, monotonic */
    const ShrinkEnd *shrink; /* nullable: what it tells of, in figures */
} JournalEvent;

/* Times since something: milliseconds; microseconds in the first version. */
void journal_lines_add_time(GString *line, gint64 time_us);
gboolean journal_lines_read_time(JsonObject *object, guint version, gint64 *time_us);

/* Returns: the wall clock (since 1970) at @now_us of the monotonic one. */
gint64 journal_lines_wall(const JournalHeader *header, gint64 now_us);

/* Append one line each, with its line feed. Of an event, the time is told as from @before; of
 * settings what differs from @before, all if that is NULL. */
void journal_lines_append_header(GString *out, const JournalHeader *header);
void journal_lines_append_settings(GString *out, const JournalSettings *settings,
                                   const JournalSettings *before);
void journal_lines_append_event(GString *out, const JournalEvent *event, gint64 before);

/* Returns: whether @a and @b would be written alike. */
gboolean journal_lines_same_settings(const JournalSettings *a, const JournalSettings *b);

/* Adds the member "forecast": demand, need and used, to the MiB. Reading changes no other member of
 * @forecast but @valid. */
void journal_lines_add_forecast(GString *line, const Forecast *forecast);
gboolean journal_lines_read_forecast(JsonArray *array, guint version, Forecast *forecast);

/*
 * Adds the member "decision".
 * @decision: when read, in: the guest's decision before, for what is not told again
 * @requested: what the guest is known to have been asked for before
 * @wall_us: of the cycle, by the journal's clocks
 */
void journal_lines_add_decision(GString *line, const JournalDecision *decision, guint64 requested,
                                gint64 wall_us);

/* As they are before the first line of settings. */
void journal_lines_start_settings(JournalSettings *settings);

/*
 * Read what was written; an event's @shrink is where it is kept. Of settings what is not there
 * stays as it is in @settings.
 * @strings: gets the texts, which live as long as it does.
 * The results are untouched on failure, which is what FALSE says.
 */
gboolean journal_lines_read_header(JsonObject *object, GStringChunk *strings,
                                   JournalHeader *header);
gboolean journal_lines_read_settings(JsonObject *object, GStringChunk *strings,
                                     JournalSettings *settings);
gboolean journal_lines_read_event(JsonObject *object, guint version, GStringChunk *strings,
                                  gint64 before, ShrinkEnd *shrink, JournalEvent *event);
gboolean journal_lines_read_decision(JsonObject *object, guint version, GStringChunk *strings,
                                     guint64 requested, gint64 wall_us, JournalDecision *decision);
