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
#include "allocate/urgent.h"
#include "guest/watch.h"
#include "hotplug/plug-time.h"
#include "simulate/guest-model.h"

typedef struct {
    Watch *watch;    /* NULL while it sleeps */
    gint64 look_us;  /* when it looks next; G_MAXINT64 while it sleeps */
    gint64 calm_us;  /* since when there was no danger */
    gint64 empty_us; /* since when nothing is available; -1: something is */
    gint64 hurt_us;  /* when nothing was available the last time; -1: never */

    /* What the host bears in mind of it. */
    UrgentRequest request;
    PlugTime plug_time;
    gint64 plug_us;    /* what that expects */
    gint64 ordered_us; /* when more was ordered that has not come yet; -1: nothing was */
} AgentModel;

void agent_model_init(AgentModel *agent);
void agent_model_clear(AgentModel *agent);

/* Goes to sleep or wakes, as what may happen to @guest up to @until calls for. */
void agent_model_consider(AgentModel *agent, const GuestModel *guest, gint64 until);

/* Looks. @guest has lived up to now. Returns: whether it asks for more. */
gboolean agent_model_look(AgentModel *agent, const GuestModel *guest);

/* What the planner is told of it. Fills in @plan's asking, urgent, burst and answers; its actual
 *   and ceiling are filled in. */
void agent_model_tell(AgentModel *agent, PlanGuest *plan, gint64 now);

/* More was ordered for its guest, or the first of it has come. */
void agent_model_ordered(AgentModel *agent, gint64 now);
void agent_model_followed(AgentModel *agent, gint64 now);

/* Returns: whether the next part of its request is to be given. */
gboolean agent_model_waits(AgentModel *agent, guint64 actual, guint64 requested, gint64 now);

/*
 * agent_model_answer:
 * @size: bytes that are about to be taken from @guest, which has lived up to now
 *
 * Returns: (nullable): static text: why it refuses; NULL if it can bear it.
 */
const char *agent_model_answer(const AgentModel *agent, const GuestModel *guest, guint64 size);
