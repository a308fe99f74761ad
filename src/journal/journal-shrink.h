/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What became of a shrink that was tried, with its figures, as a member of an event's line. */
#pragma once

#include <json-glib/json-glib.h>

#include "allocate/shrink-trial.h"

/* Returns: static text: "shrink" or "probe". */
const char *journal_shrink_kind_name(ShrinkKind kind);

/* Returns: static text: "kept", "hurt" or "refused"; "none" of a trial that has not ended. */
const char *journal_shrink_outcome_name(ShrinkOutcome outcome);

/* Adds the member "shrink". */
void journal_shrink_add(GString *line, const ShrinkEnd *end);

/* Returns: FALSE if @object is none; @end is untouched then. @strings: gets the reason. */
gboolean journal_shrink_read(JsonObject *object, GStringChunk *strings, ShrinkEnd *end);
