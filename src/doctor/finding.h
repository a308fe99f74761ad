/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an examination found: what is so, why it matters, and what to do about it.
 */
#pragma once

#include <glib.h>

typedef enum {
    FINDING_OK,      /* as it should be, or good to know */
    FINDING_ADVICE,  /* would be better otherwise */
    FINDING_WARNING, /* will make trouble, or does so already */
    FINDING_PROBLEM, /* memplug cannot do its work so */
} FindingLevel;

typedef struct {
    const char *check; /* what was looked at: "maxmem" */
    FindingLevel level;
    char *text;   /* owned: what is so */
    char *reason; /* owned: why it matters; may be "" */
    char *fix;    /* owned: the command or the text that changes it, perhaps of several
                   * lines; may be "" */
} Finding;

/* Returns: "ok", "advice", "warning" or "problem". */
const char *finding_level_name(FindingLevel level);

/*
 * finding_new:
 * @reason: (nullable)
 * @fix: (transfer full) (nullable)
 * @format: of the text
 *
 * The check is filled in by who ran it.
 */
Finding *finding_new(FindingLevel level, const char *reason, char *fix, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* As finding_new(), for what is as it should be. */
Finding *finding_ok(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Frees @finding with what it owns. NULL is allowed. */
void finding_free(Finding *finding);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Finding, finding_free)
