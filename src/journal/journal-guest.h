/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the planner is given of a guest, as members of an object: all of them, or
 * those that have changed.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "allocate/planner.h"

/* Adds those inputs of @plan that differ from @before's; all if that is NULL. */
void journal_guest_add_inputs(GString *line, const PlanGuest *plan, const PlanGuest *before);

/* Takes those inputs that @object has. @version: of the journal. Returns: FALSE if one of them is
 *   bad. */
gboolean journal_guest_read_inputs(JsonObject *object, guint version, PlanGuest *plan);

/* What the planner and its parts remember of a guest. */
typedef struct {
    PredictorState state;
    ShrinkTrial trial;
    Probe probe;
} JournalMemory;

/* Copies what @plan's pointers point to, byte by byte. */
void journal_guest_remember(const PlanGuest *plan, JournalMemory *memory);

/* Adds those parts that are no longer what they are in @before; all if that is NULL. */
void journal_guest_add_memory(GString *line, const PlanGuest *plan, const JournalMemory *before);

/*
 * Takes those parts that @object has, as far as they are of this build's form, and points
 * @plan at them: at @memory, which is to stay where it is. A part of another form is as it
 * is at a guest's start. Returns: whether all of them could be taken.
 */
gboolean journal_guest_read_memory(JsonObject *object, PlanGuest *plan, JournalMemory *memory);

/* Returns: (nullable) static text: the name of one Limit; NULL beyond the last. */
const char *journal_limit_name(Limit limit);

/* Returns: the Limit of that name; 0 if there is none. */
guint journal_limit_from_name(const char *name);

/* Returns: static text: "none", "held", ... */
const char *journal_pin_name(PlanPin pin);
