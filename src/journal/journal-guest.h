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

/* Takes those inputs that @object has. Returns: FALSE if one of them is bad. */
gboolean journal_guest_read_inputs(JsonObject *object, PlanGuest *plan);

/* What a predictor remembers: [time, value, ...]. */
void journal_guest_add_state(GString *line, const PredictorState *state);
gboolean journal_guest_read_state(JsonArray *array, PredictorState *state);

/* Returns: (nullable) static text: the name of one Limit; NULL beyond the last. */
const char *journal_limit_name(Limit limit);

/* Returns: the Limit of that name; 0 if there is none. */
guint journal_limit_from_name(const char *name);

/* Returns: static text: "none", "held", ... */
const char *journal_pin_name(PlanPin pin);
