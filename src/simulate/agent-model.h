/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The agent of a guest that does not exist: the real watch (guest/watch.h) on its memory.
 *
 * A real agent looks at least once a second and up to 200 times. Here it sleeps as long as it is
 * certain that it would not ask: while what is available outlasts the horizon even if
 * use grew twice as fast as the trace's steepest line in that time, since the watch
 * expects no fall to become more than twice as fast as it saw it.
 */
#pragma once

#include "allocate/planner.h"
#include "guest/watch.h"
#include "simulate/guest-model.h"

typedef struct {
    Watch *watch;    /* NULL while it sleeps */
    gint64 look_us;  /* when it looks next; G_MAXINT64 while it sleeps */
    gint64 calm_us;  /* since when there was no danger */
    gint64 empty_us; /* since when nothing is available; -1: something is */

    /* What the host bears in mind. */
    gint64 valid_us; /* its latest request holds until then */
    guint64 wanted;  /* what it is to have by that */
    guint64 fastest; /* bytes a second that its memory was ever said to fall by */
} AgentModel;

void agent_model_init(AgentModel *agent);
void agent_model_clear(AgentModel *agent);

/* Goes to sleep or wakes, as what may happen to @guest up to @until calls for. */
void agent_model_consider(AgentModel *agent, const GuestModel *guest, gint64 until);

/* Looks. @guest has lived up to now. Returns: whether it asks for more. */
gboolean agent_model_look(AgentModel *agent, const GuestModel *guest);

/* What the planner is told of its request. Fills in @plan's asking, urgent and burst; its actual
 *   is filled in. */
void agent_model_tell(const AgentModel *agent, PlanGuest *plan, gint64 now);
