/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/agent-model.h"

/* What one CPU can put to use: page faults on anonymous memory, which the kernel has to
 * clear, at some 2 µs for each page of 4 KiB. The real agent measures it. */
#define FASTEST (G_GUINT64_CONSTANT(2) << 30)

/* From asking until new memory is in use, as measured. */
#define PLUG_US 100000
/* As the daemon tells its agents. */
#define VALID_US (10 * G_USEC_PER_SEC)

/* The watch expects a fall to become at most twice as fast. */
#define ACCELERATION 2

/* It falls asleep after so long without danger: its slopes reach back a second. */
#define CALM_US G_USEC_PER_SEC

/* The kernel's trigger: tasks stalled for 50 ms of half a second. */
#define STALL_US 50000
/* Where nothing is left looks tell nothing new. */
#define EMPTY_INTERVAL_US 100000

void
agent_model_init(AgentModel *agent)
{
    *agent = (AgentModel){ .look_us = G_MAXINT64, .empty_us = -1 };
}

static void
fall_asleep(AgentModel *agent)
{
    g_clear_pointer(&agent->watch, g_free);
    agent->look_us = G_MAXINT64;
    agent->empty_us = -1;
}

void
agent_model_clear(AgentModel *agent)
{
    fall_asleep(agent);
}

static gboolean
is_in_danger(const AgentModel *agent, const GuestModel *guest, gint64 until)
{
    double most;
    double rate = trace_cursor_look_ahead(&guest->cursor, guest->now_us, until, &most);
    double horizon = PLUG_US * 10; /* at least the watch's own */

    return (double)guest->actual - most <= ACCELERATION * rate * horizon;
}

void
agent_model_consider(AgentModel *agent, const GuestModel *guest, gint64 until)
{
    gint64 now = guest->now_us;

    if (is_in_danger(agent, guest, until)) {
        agent->calm_us = until;
        if (agent->watch)
            return;
        agent->watch = g_new(Watch, 1);
        watch_start(agent->watch, FASTEST);
        agent->look_us = now;
        agent->empty_us = -1;
    } else if (agent->watch && now - agent->calm_us > CALM_US) {
        fall_asleep(agent);
    }
}

static void
ask(AgentModel *agent, const GuestModel *guest, const WatchRequest *request)
{
    agent->valid_us = guest->now_us + VALID_US;
    agent->wanted = guest->actual + request->size;
    agent->fastest = MAX(agent->fastest, request->fall);
}

gboolean
agent_model_look(AgentModel *agent, const GuestModel *guest)
{
    gint64 now = guest->now_us;
    guint64 available = guest_model_available(guest);
    guint64 ceiling = guest->spec->ceiling;
    WatchRequest request;
    gboolean asks;

    watch_tell(agent->watch, PLUG_US, VALID_US, ceiling - MIN(ceiling, guest->actual));
    asks = watch_look(agent->watch, &(WatchLook){ now, guest->actual, available }, &request);
    if (available > 0)
        agent->empty_us = -1;
    else if (agent->empty_us < 0)
        agent->empty_us = now;
    else if (!asks && now - agent->empty_us >= STALL_US)
        asks = watch_stall(agent->watch, now, &request);
    agent->look_us = now + (available > 0 ? watch_interval(agent->watch) : EMPTY_INTERVAL_US);
    if (asks)
        ask(agent, guest, &request);
    return asks;
}

void
agent_model_tell(const AgentModel *agent, PlanGuest *plan, gint64 now)
{
    plan->asking = now < agent->valid_us;
    plan->urgent = plan->asking && agent->wanted > plan->actual ? agent->wanted - plan->actual : 0;
    plan->burst = agent->fastest * PLUG_US / G_USEC_PER_SEC;
}
