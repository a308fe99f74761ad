/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/agent-model.h"

/* What one CPU can put to use: page faults on anonymous memory, which the kernel has to
 * clear, at some 2 µs for each page of 4 KiB. The real agent measures it. */
#define FASTEST (G_GUINT64_CONSTANT(2) << 30)

/* As the daemon tells its agents. */
#define VALID_US (10 * G_USEC_PER_SEC)

/* The watch expects a fall to become at most twice as fast. */
#define ACCELERATION 2

/* It falls asleep after so long without danger: its slopes reach back a second. */
#define CALM_US G_USEC_PER_SEC

/* The kernel's trigger: tasks stalled for 50 ms of half a second. */
#define STALL_US 50000
/* What the daemon wants a guest to keep when it answers. */
#define RESERVE_DIVISOR 8
#define RESERVE_MOST    (G_GUINT64_CONSTANT(64) << 20)
/* The agent refuses for so long after its guest was hurt (guest/shrink-answer.c), ... */
#define QUIET_US (10 * G_USEC_PER_SEC)
/* ... and where what is left would not last for two horizons. */
#define HORIZONS 2

/* Where nothing is left looks tell nothing new. */
#define EMPTY_INTERVAL_US 100000

void
agent_model_init(AgentModel *agent)
{
    *agent = (AgentModel){ .look_us = G_MAXINT64, .empty_us = -1, .hurt_us = -1, .ordered_us = -1 };
    agent->plug_us = plug_time_expect(&agent->plug_time);
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
    /* At least the watch's own, a second or eight times what plugging takes. */
    double horizon = (double)MAX(G_USEC_PER_SEC, 8 * agent->plug_us);

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
ask(AgentModel *agent, const GuestModel *guest, const WatchRequest *request, guint64 available)
{
    const GuestMemory *memory = &guest->resize.devices.memory;
    const UrgentTerms terms = {
        .size = request->size,
        .available = available,
        .fall = request->fall,
        .plug_us = agent->plug_us,
        .actual = guest->actual,
        .ballooned = memory->ballooned,
        .ceiling = guest->spec->ceiling,
        .grain = guest->resize.range.grain,
        .valid_us = VALID_US,
    };

    urgent_ask(&agent->request, &terms, guest->now_us);
}

/* Returns: whether it is time to tell that tasks wait. */
static gboolean
is_stalled(AgentModel *agent, guint64 available, gint64 now)
{
    if (available > 0) {
        agent->empty_us = -1;
        return FALSE;
    }
    agent->hurt_us = now;
    if (agent->empty_us < 0)
        agent->empty_us = now;
    return now - agent->empty_us >= STALL_US;
}

gboolean
agent_model_look(AgentModel *agent, const GuestModel *guest)
{
    gint64 now = guest->now_us;
    guint64 available = guest_model_available(guest);
    guint64 ceiling = guest->spec->ceiling;
    WatchRequest request;
    gboolean asks;

    watch_tell(agent->watch, (guint64)agent->plug_us, VALID_US,
               ceiling - MIN(ceiling, guest->actual));
    asks = watch_look(agent->watch, &(WatchLook){ now, guest->actual, available }, &request);
    if (is_stalled(agent, available, now) && !asks)
        asks = watch_stall(agent->watch, 0, now, &request);
    agent->look_us = now + (available > 0 ? watch_interval(agent->watch) : EMPTY_INTERVAL_US);
    if (asks)
        ask(agent, guest, &request, available);
    return asks;
}

void
agent_model_tell(AgentModel *agent, PlanGuest *plan, gint64 now)
{
    double plug_s = (double)agent->plug_us / G_USEC_PER_SEC;

    urgent_look(&agent->request, plan->ring, now);
    plan->asking = urgent_is_valid(&agent->request, now);
    plan->urgent = urgent_missing(&agent->request, plan->actual, now);
    plan->burst = (guint64)MIN((double)FASTEST * plug_s, (double)plan->ceiling);
    plan->answers = TRUE;
}

void
agent_model_ordered(AgentModel *agent, gint64 now)
{
    if (agent->ordered_us < 0)
        agent->ordered_us = now;
}

void
agent_model_followed(AgentModel *agent, gint64 now)
{
    if (agent->ordered_us >= 0) {
        plug_time_add(&agent->plug_time, now - agent->ordered_us);
        agent->plug_us = plug_time_expect(&agent->plug_time);
    }
    agent->ordered_us = -1;
}

gboolean
agent_model_waits(AgentModel *agent, guint64 actual, guint64 requested, gint64 now)
{
    return urgent_is_valid(&agent->request, now) && actual >= requested &&
           urgent_missing(&agent->request, actual, now) > 0;
}

const char *
agent_model_answer(const AgentModel *agent, const GuestModel *guest, guint64 size)
{
    guint64 available = guest_model_available(guest);
    guint64 reserve = MIN(RESERVE_MOST, guest->actual / RESERVE_DIVISOR);
    double rate = MAX(0, guest->cursor.used_rate);

    if (agent->hurt_us >= 0 && guest->now_us - agent->hurt_us < QUIET_US)
        return "tasks waited for memory lately";
    if (available < size || available - size < reserve)
        return "too little would be available";
    if ((double)(available - size) < rate * HORIZONS * G_USEC_PER_SEC)
        return "its memory falls too fast";
    return NULL;
}
