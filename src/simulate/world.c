/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between two cycles a guest is touched only if its devices move or its agent is awake: the
 * heap has those. All others are brought up to date by the next cycle. So what changes the
 * host's sum happens in the order of time, and the cost of a second is that of its
 * cycles, and of what really goes on in it.
 *
 * Who asks urgently is planned alone while the budget is not short (planner_serve()): all other
 * guests get by it what they would get by a whole plan, only that what damping held back or a
 * trial awaited is looked at by the next cycle. It is served as late as by a whole plan, though,
 * which is what the daemon makes.
 */
#include "simulate/world.h"

#include "simulate/agent-model.h"
#include "simulate/event-heap.h"
#include "simulate/row-log.h"

/* From an agent's request to the cycle that serves it, as measured. */
#define URGENT_US 3000

/* Guests that settle within this time of each other share a cycle out of turn, as with the
 * daemon (daemon/cycle.c). */
#define SOON_US 20000

/* What a cycle takes of the host's time for each guest (collect, predict, allocate and apply, as
 * measured with 10,000): cycles out of turn wait for the one before. */
#define CYCLE_NS 2000

/* Progress is told so often at most. */
#define CYCLES_BETWEEN_TELLS 256

typedef struct {
    const WorldSettings *settings;
    const WorldWatcher *watcher;
    const GuestSpec *specs;
    guint n;
    GuestModel *guests;
    AgentModel *agents;
    PredictorState *states;
    ShrinkTrial *trials;
    Probe *probes;
    PlanGuest *plan;
    PlanSettings plan_settings;
    gint64 spoken_us; /* when the policy last spoke */
    HostAccount host;
    EventHeap *heap;
    RowLog *rows; /* (nullable) */
    gint64 tick_us;
    gint64 busy_us;   /* until then the last cycle takes */
    gint64 soon_us;   /* when a cycle out of turn is due; G_MAXINT64: none */
    gint64 asked_us;  /* when who asks urgently is to be served; G_MAXINT64: nobody does */
    GArray *asking;   /* guint: who asks */
    guint64 *counted; /* of each guest, what it has or was asked to have, whichever is more, ... */
    guint64 taken;    /* ... and the sum */
    gboolean waiting; /* somebody's growth waits for donors, ... */
    gboolean urgent;  /* ... and that one asks urgently */
    gboolean with_agents;
    guint64 cycles;
} World;

/*
 * Rows
 */

static void
add_row(World *world, guint i, gint64 time_us, double demand, double cached)
{
    const WorldRow row = {
        .time_us = time_us,
        .guest = i,
        .demand = demand,
        .cached = cached,
        .requested = world->settings->policy ? world->plan[i].requested : world->guests[i].actual,
        .actual = world->guests[i].actual,
        .steps = world->guests[i].account.steps,
    };

    row_log_add(world->rows, &row);
}

static void
add_present_row(World *world, guint i)
{
    const GuestModel *guest = &world->guests[i];

    if (world->rows)
        add_row(world, i, guest->now_us, trace_cursor_used(&guest->cursor, guest->now_us),
                trace_cursor_cached(&guest->cursor, guest->now_us));
}

/*
 * Guests
 */

static void
advance(World *world, guint i, gint64 now)
{
    GuestModel *guest = &world->guests[i];

    /* Each corner of the trace on the way is a row. */
    while (world->rows && guest->cursor.end_us <= now) {
        guest_model_advance(guest, guest->cursor.end_us);
        add_present_row(world, i);
    }
    guest_model_advance(guest, now);
}

static void
schedule(World *world, guint i)
{
    event_heap_set(world->heap, i,
                   MIN(resize_model_next(&world->guests[i].resize), world->agents[i].look_us));
}

static void
count(World *world, guint i)
{
    guint64 actual = guest_memory_actual(&world->guests[i].resize.devices.memory);
    guint64 counts = MAX(actual, world->plan[i].requested);

    world->taken += counts - world->counted[i];
    world->counted[i] = counts;
}

static void
take_over(World *world, guint i, guint64 before)
{
    GuestModel *guest = &world->guests[i];

    host_account_change(&world->host, before, guest->actual);
    count(world, i);
    add_present_row(world, i);
}

static void
ask(World *world, guint i, gint64 due)
{
    world->asked_us = MIN(world->asked_us, due);
    g_array_append_val(world->asking, i);
}

static void
happen(World *world, guint i, gint64 now)
{
    GuestModel *guest = &world->guests[i];
    AgentModel *agent = &world->agents[i];

    advance(world, i, now);
    if (resize_model_next(&guest->resize) <= now) {
        guint64 before = guest->actual;
        gboolean rests = guest_model_run(guest);

        take_over(world, i, before);
        if (guest->actual > before)
            agent_model_followed(agent, now);
        if (rests && world->waiting)
            world->soon_us = MIN(world->soon_us, now + (world->urgent ? 0 : SOON_US));
        if (agent_model_waits(agent, guest->actual, world->plan[i].requested, now))
            ask(world, i, now);
    }
    if (agent->look_us <= now && agent_model_look(agent, guest)) {
        guest->account.requests++;
        ask(world, i, now + URGENT_US);
    }
    schedule(world, i);
}

/*
 * The cycle, as in daemon/cycle.c
 */

static void
collect(World *world, guint i, gint64 now)
{
    GuestModel *guest = &world->guests[i];
    PlanGuest *plan = &world->plan[i];

    advance(world, i, now);
    plan->actual = guest_memory_actual(&guest->resize.devices.memory);
    plan->grain = guest->resize.range.grain;
    plan->grain_base = guest->resize.range.base;
    plan->knee = guest->resize.range.knee;
    plan->coarse = guest->resize.range.coarse;
    plan->pin = PLAN_PIN_NONE;
    if (world->with_agents)
        agent_model_tell(&world->agents[i], plan, now);
}

static void
request(World *world, guint i, guint64 target, gint64 now)
{
    PlanGuest *plan = &world->plan[i];
    guint64 before = world->guests[i].actual;

    if (target > plan->requested) {
        plan->grown_us = now;
        agent_model_ordered(&world->agents[i], now);
    } else {
        plan->shrunk_us = now;
    }
    plan->requested = target;
    guest_model_request(&world->guests[i], target);
    take_over(world, i, before);
}

/* What the trial has to say to the agent, which answers at once. */
static void
carry_notices(World *world, guint i, gint64 now)
{
    ShrinkTrial *trial = &world->trials[i];
    ShrinkNotice notice;
    const char *refusal;

    while (shrink_trial_next_notice(trial, &notice)) {
        guest_model_watch_shrink(&world->guests[i], notice.kind == SHRINK_NOTICE_SHRINK);
        if (notice.kind != SHRINK_NOTICE_SHRINK || !world->with_agents)
            continue;
        refusal = agent_model_answer(&world->agents[i], &world->guests[i], notice.size);
        shrink_trial_answer(trial, notice.id, refusal == NULL, refusal, now);
    }
}

static void
apply(World *world, guint i, gint64 now)
{
    const PlanGuest *plan = &world->plan[i];

    carry_notices(world, i, now);
    if (plan->pin == PLAN_PIN_NONE && plan->target != plan->requested)
        request(world, i, plan->target, now);
    if (world->with_agents)
        agent_model_consider(&world->agents[i], &world->guests[i],
                             MIN(world->tick_us, world->settings->duration_us));
    schedule(world, i);
}

static void
cycle(World *world, gint64 now)
{
    for (guint i = 0; i < world->n; i++)
        collect(world, i, now);
    planner_predict(world->plan, world->n, now);
    planner_allocate(&world->plan_settings, world->plan, world->n, now);
    world->waiting = world->urgent = FALSE;
    for (guint i = 0; i < world->n; i++) {
        gboolean waits = (world->plan[i].limits & (LIMIT_DONORS | LIMIT_BUDGET)) != 0;

        world->waiting |= waits;
        world->urgent |= waits && world->plan[i].forecast.urgent;
        apply(world, i, now);
    }
    row_log_flush(world->rows);
    world->cycles++;
}

/* Returns: FALSE if the budget is too short for that: then it takes a cycle. */
static gboolean
serve(World *world, gint64 now)
{
    for (guint k = 0; k < world->asking->len; k++) {
        guint i = g_array_index(world->asking, guint, k);

        collect(world, i, now);
        count(world, i);
        if (!planner_serve(&world->plan_settings, &world->plan[i], world->taken - world->counted[i],
                           now))
            return FALSE;
        apply(world, i, now);
    }
    world->cycles++;
    return TRUE;
}

/*
 * The run
 */

static void
world_init(World *world)
{
    const WorldSettings *settings = world->settings;

    world->guests = g_new(GuestModel, world->n);
    world->agents = g_new(AgentModel, world->n);
    world->states = g_new0(PredictorState, world->n);
    world->trials = g_new0(ShrinkTrial, world->n);
    world->probes = g_new0(Probe, world->n);
    world->plan = g_new0(PlanGuest, world->n);
    world->counted = g_new0(guint64, world->n);
    world->asking = g_array_new(FALSE, FALSE, sizeof(guint));
    world->heap = event_heap_new(world->n);
    world->rows = row_log_new(world->watcher);
    world->tick_us = settings->policy ? settings->interval_us : settings->duration_us;
    world->soon_us = world->asked_us = G_MAXINT64;
    world->with_agents = settings->agents && settings->policy && !settings->policy->paced;
    world->plan_settings = (PlanSettings){
        .policy = settings->policy,
        .tuning = limit_tuning_default,
        .budget = settings->budget,
        .host_total = settings->budget,
        .spoken_us = &world->spoken_us,
    };
}

static void
place_guest(World *world, guint i)
{
    const GuestSpec *spec = &world->specs[i];
    GuestModel *guest = &world->guests[i];

    guest_model_init(guest, spec, world->settings->devices, world->settings->seed, i);
    agent_model_init(&world->agents[i]);
    guest->has_agent = world->with_agents;
    world->plan[i] = (PlanGuest){
        .ring = &guest->ring,
        .predictor = world->settings->predictor,
        .state = &world->states[i],
        .requested = guest->actual,
        .floor = spec->floor,
        .ceiling = spec->ceiling,
        .weight = spec->weight,
        .trial = &world->trials[i],
        .probe = &world->probes[i],
    };
    shrink_trial_start(&world->trials[i]);
    probe_start(&world->probes[i]);
    if (world->settings->predictor)
        world->settings->predictor->start(&world->states[i]);
    take_over(world, i, 0);
}

static void
world_clear(World *world)
{
    for (guint i = 0; i < world->n; i++) {
        agent_model_clear(&world->agents[i]);
        guest_model_clear(&world->guests[i]);
    }
    g_free(world->guests);
    g_free(world->agents);
    g_free(world->states);
    g_free(world->trials);
    g_free(world->probes);
    g_free(world->plan);
    g_free(world->counted);
    g_array_unref(world->asking);
    event_heap_free(world->heap);
    g_clear_pointer(&world->rows, row_log_free);
}

/* What is due at @at. */
static void
run_due(World *world, gint64 at)
{
    /* While others wait, who asks has to share with them. */
    gboolean whole = at == world->tick_us || at >= world->soon_us || world->waiting;

    if (at == world->tick_us)
        world->tick_us += world->settings->interval_us;
    world->busy_us = at + (gint64)world->n * CYCLE_NS / 1000;
    if (whole || !serve(world, at))
        cycle(world, at);
    if (whole)
        world->soon_us = G_MAXINT64;
    world->asked_us = G_MAXINT64;
    g_array_set_size(world->asking, 0);
}

/* Everything up to the next cycle, which is then run. Returns: its time. */
static gint64
next_cycle(World *world)
{
    gint64 duration = world->settings->duration_us;
    gint64 at;
    guint i;

    for (;;) {
        gint64 event = event_heap_first(world->heap, &i);
        gint64 out_of_turn = MAX(MIN(world->soon_us, world->asked_us), world->busy_us);

        at = MIN(MIN(world->tick_us, out_of_turn), duration);
        if (event > at || event >= duration)
            break;
        happen(world, i, event);
    }
    if (at < duration)
        run_due(world, at);
    return at;
}

static gboolean
tell_progress(const World *world, guint64 cycles, gint64 now)
{
    const WorldWatcher *watcher = world->watcher;

    if (!watcher || !watcher->progress || cycles % CYCLES_BETWEEN_TELLS != 0)
        return TRUE;
    return watcher->progress((double)now / (double)world->settings->duration_us, watcher->data);
}

static void
end(World *world, gint64 now)
{
    for (guint i = 0; i < world->n; i++) {
        advance(world, i, now);
        add_present_row(world, i);
    }
    row_log_flush(world->rows);
}

gboolean
world_run(const WorldSettings *settings, const GuestSpec *guests, guint n_guests,
          const WorldWatcher *watcher, Outcome *outcome)
{
    World world = { .settings = settings, .watcher = watcher, .specs = guests, .n = n_guests };
    g_autofree GuestAccount *accounts = g_new(GuestAccount, n_guests);
    gint64 now = 0;
    gboolean done = TRUE;

    world_init(&world);
    for (guint i = 0; i < n_guests; i++)
        place_guest(&world, i);
    for (guint64 cycles = 1; done && now < settings->duration_us; cycles++) {
        now = next_cycle(&world);
        done = tell_progress(&world, cycles, now);
    }
    if (done) {
        end(&world, now);
        for (guint i = 0; i < n_guests; i++)
            accounts[i] = world.guests[i].account;
        *outcome = account_sum_up(accounts, n_guests, &world.host, settings->duration_us);
        outcome->cycles = world.cycles;
    }
    world_clear(&world);
    return done;
}
