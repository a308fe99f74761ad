/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way of the data, whole: see cycle_run().
 *
 * A tick first has the hypervisor read all statistics, which takes as long as
 * the slowest guest but no longer than a deadline; then the four stages run at
 * one go, without waiting for anything. Donors are asked in the same cycle as
 * acceptors, but the limits let acceptors grow only on what is free; as soon as
 * a donor has shrunk, a cycle out of turn passes on what it gave.
 */
#include "daemon/cycle.h"

#include "size/size.h"

/* A guest that answers later than this counts with its next answer. */
#define COLLECT_DEADLINE_MS 250

/* Guests that settle within this time of each other share a cycle out of turn. */
#define SOON_MS 20

struct _Cycle {
    Hypervisor *hypervisor;
    Roster *roster;
    Reservations *reservations; /* nullable */
    HostWatch *host;            /* nullable */
    HostMarks marks;
    CycleHost terms;
    PlanSettings settings;
    gint64 spoken_us; /* when the policy last spoke */
    gint64 interval_us;
    guint64 host_memory;

    GArray *plan;      /* PlanGuest, one for each of ... */
    GPtrArray *guests; /* ... these: ManagedGuest, held for the run of a cycle */
    PlanSummary summary;
    Journal *journal; /* nullable */
    GArray *subjects; /* JournalSubject, as @plan */
    guint64 spare;    /* bytes of the budget that nobody has, is to have or claims */
    gboolean waiting; /* somebody's growth waits for donors, ... */
    gboolean urgent;  /* ... and it asks urgently */
    gboolean unseen;  /* what some guest has is not known yet */

    GCancellable *cancellable;
    gboolean collecting;
    guint tick;
    guint soon;
    guint now; /* the cycle for a guest that asks urgently */
};

/*
 * The four stages
 */

static void
collect(Cycle *cycle, gint64 now)
{
    GPtrArray *all = roster_get_guests(cycle->roster);

    g_array_set_size(cycle->plan, 0);
    g_ptr_array_set_size(cycle->guests, 0);
    cycle->unseen = FALSE;
    for (guint i = 0; i < all->len; i++) {
        PlanGuest plan;

        if (!managed_guest_collect(all->pdata[i], &plan, now)) {
            cycle->unseen = TRUE;
            continue;
        }
        g_array_append_val(cycle->plan, plan);
        g_ptr_array_add(cycle->guests, g_object_ref(all->pdata[i]));
    }
}

/* Before anything is changed by the planner. */
static void
note_inputs(Cycle *cycle, gint64 now)
{
    g_array_set_size(cycle->subjects, 0);
    for (guint i = 0; i < cycle->plan->len; i++) {
        const PlanGuest *plan = &g_array_index(cycle->plan, PlanGuest, i);
        Guest *guest = managed_guest_get_guest(cycle->guests->pdata[i]);
        const JournalSubject subject = { .name = guest_get_name(guest),
                                         .instance = guest_get_instance(guest),
                                         .plan = plan,
                                         .requested = plan->requested };

        g_array_append_val(cycle->subjects, subject);
    }
    journal_inputs(cycle->journal, (JournalSubject *)cycle->subjects->data, cycle->subjects->len,
                   now);
}

static void
predict(Cycle *cycle, gint64 now)
{
    planner_predict((PlanGuest *)cycle->plan->data, cycle->plan->len, now);
}

/* What leases claim, and what the host itself does, of which no more than can be had without
 * hurting anybody. */
static PlanSettings
settle_claims(Cycle *cycle, gint64 now)
{
    ManagedGuest *const *guests = (ManagedGuest *const *)cycle->guests->pdata;
    PlanGuest *plans = (PlanGuest *)cycle->plan->data;
    PlanSettings settings = cycle->settings;
    ReservationsGate gate = cycle->unseen ? RESERVATIONS_UNSEEN : RESERVATIONS_OPEN;
    HostAllowance allowance = { .budget = settings.budget };

    if (cycle->host)
        allowance =
            host_watch_look(cycle->host, plans, guests, cycle->plan->len, settings.budget, now);
    if (cycle->host && host_watch_get_level(cycle->host) > HOST_LEVEL_WELL &&
        gate == RESERVATIONS_OPEN)
        gate = RESERVATIONS_SHORT;
    if (cycle->reservations)
        settings.claimed = reservations_claim(
            cycle->reservations, plans, guests, cycle->plan->len, settings.budget,
            MIN(cycle->terms.promises, settings.budget), gate, now);
    /* What leases hold is not in use yet: the host has it besides what guests have. */
    settings.budget = MIN(settings.budget, allowance.budget + settings.claimed);
    if (allowance.spare > 0)
        settings.claimed += MIN(
            allowance.spare,
            room_look(plans, cycle->plan->len, settings.budget, settings.claimed, NULL).obtainable);
    return settings;
}

/* What @plan's guest has, or will, until the next cycle. */
static guint64
lent_to(const PlanGuest *plan)
{
    return MAX(plan->actual, plan->pin != PLAN_PIN_NONE ? plan->requested : plan->target);
}

static guint64
find_spare(const Cycle *cycle, const PlanSettings *settings)
{
    guint64 spare = settings->budget - MIN(settings->claimed, settings->budget);

    for (guint i = 0; i < cycle->plan->len; i++)
        spare -= MIN(lent_to(&g_array_index(cycle->plan, PlanGuest, i)), spare);
    return spare;
}

static void
allocate(Cycle *cycle, gint64 now)
{
    ManagedGuest *const *guests = (ManagedGuest *const *)cycle->guests->pdata;
    PlanGuest *plans = (PlanGuest *)cycle->plan->data;
    guint64 before = cycle->summary.shortfall;
    PlanSettings settings = settle_claims(cycle, now);

    journal_settings(cycle->journal,
                     &(JournalSettings){ .plan = settings, .interval_us = cycle->interval_us });
    cycle->settings.claimed = settings.claimed;
    cycle->summary = planner_allocate(&settings, plans, cycle->plan->len, now);
    cycle->spare = find_spare(cycle, &settings);
    if (cycle->reservations)
        reservations_note(cycle->reservations, plans, guests, cycle->plan->len);
    if ((cycle->summary.shortfall > 0) != (before > 0)) {
        g_autofree char *short_of = size_format_rounded(cycle->summary.shortfall);
        g_autofree char *budget = size_format_rounded(cycle->settings.budget);
        g_autofree char *message =
            cycle->summary.shortfall > 0
                ? g_strdup_printf("floors, held guests and leases exceed the budget of %s by %s",
                                  budget, short_of)
                : g_strdup_printf("floors, held guests and leases are within the budget of %s",
                                  budget);
        const Event event = { .kind = EVENT_BUDGET,
                              .level = cycle->summary.shortfall > 0 ? G_LOG_LEVEL_WARNING
                                                                    : G_LOG_LEVEL_INFO,
                              .guest = "",
                              .message = message };

        roster_tell(cycle->roster, &event);
    }
}

/* A guest that has more for a moment, while a DIMM is taken out of it, has it of what is spare: in
 * all it is never more than the budget. */
static void
allow_passing(Cycle *cycle)
{
    for (guint i = 0; i < cycle->plan->len; i++) {
        Resize *resize = managed_guest_get_resize(cycle->guests->pdata[i]);
        guint64 has = lent_to(&g_array_index(cycle->plan, PlanGuest, i));
        guint64 wants = resize_get_passing(resize), beyond = wants - MIN(wants, has);

        if (beyond > cycle->spare)
            wants = beyond = 0;
        cycle->spare -= beyond;
        resize_allow_passing(resize, wants);
    }
}

static void
apply(Cycle *cycle, gint64 now)
{
    cycle->waiting = cycle->reservations && reservations_wait(cycle->reservations);
    cycle->urgent = FALSE;
    allow_passing(cycle);
    for (guint i = 0; i < cycle->plan->len; i++) {
        const PlanGuest *plan = &g_array_index(cycle->plan, PlanGuest, i);

        JournalSubject *subject = &g_array_index(cycle->subjects, JournalSubject, i);

        subject->decision = managed_guest_apply(cycle->guests->pdata[i], plan, now);
        subject->decided = subject->decision != 0;
        cycle->waiting |= (plan->limits & (LIMIT_DONORS | LIMIT_BUDGET)) != 0;
        cycle->urgent |=
            plan->forecast.urgent && ((plan->limits & (LIMIT_DONORS | LIMIT_BUDGET)) != 0);
    }
    journal_outcome(cycle->journal, (JournalSubject *)cycle->subjects->data, cycle->subjects->len);
    g_ptr_array_set_size(cycle->guests, 0);
}

void
cycle_run(Cycle *cycle, gint64 now)
{
    collect(cycle, now);
    note_inputs(cycle, now);
    predict(cycle, now);
    allocate(cycle, now);
    apply(cycle, now);
}

/*
 * When
 */

/* To the millisecond: nothing is decided by less, and the journal tells it in fewer digits. */
static gint64
clock_now(void)
{
    return g_get_monotonic_time() / 1000 * 1000;
}

static void
on_collected(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    Cycle *cycle = data;

    if (!hypervisor_collect_finish(MEMPLUG_HYPERVISOR(source), result, &error) &&
        g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    cycle->collecting = FALSE;
    if (error)
        g_warning("statistics: %s", error->message);
    cycle_run(cycle, clock_now());
}

static gboolean
on_tick(gpointer data)
{
    Cycle *cycle = data;

    if (!cycle->collecting) {
        cycle->collecting = TRUE;
        hypervisor_collect_async(cycle->hypervisor, COLLECT_DEADLINE_MS, cycle->cancellable,
                                 on_collected, cycle);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean
on_soon(gpointer data)
{
    Cycle *cycle = data;

    cycle->soon = 0;
    cycle_run(cycle, clock_now());
    return G_SOURCE_REMOVE;
}

void
cycle_soon(Cycle *cycle)
{
    if (cycle->soon == 0)
        cycle->soon = g_timeout_add(SOON_MS, on_soon, cycle);
}

static gboolean
on_now(gpointer data)
{
    Cycle *cycle = data;

    cycle->now = 0;
    g_clear_handle_id(&cycle->soon, g_source_remove);
    cycle_run(cycle, clock_now());
    return G_SOURCE_REMOVE;
}

/* Not from within whatever tells of it, but before all else. */
static void
run_at_once(Cycle *cycle)
{
    if (cycle->now == 0)
        cycle->now = g_idle_add_full(G_PRIORITY_HIGH, on_now, cycle, NULL);
}

static void
on_event(Cycle *cycle, const Event *event)
{
    gboolean freed = event->kind == EVENT_SETTLED || event->kind == EVENT_SHORT ||
                     event->kind == EVENT_GUEST_REMOVED;

    if (cycle->urgent && freed)
        run_at_once(cycle);
    else if (cycle->waiting && freed)
        cycle_soon(cycle);
}

void
cycle_set_journal(Cycle *cycle, Journal *journal)
{
    cycle->journal = journal;
}

void
cycle_configure(Cycle *cycle, const Config *config)
{
    if (cycle->settings.policy != config->policy)
        cycle->spoken_us = 0;
    cycle->settings = (PlanSettings){
        .policy = config->policy,
        .tuning = limit_tuning_default,
        .budget = config_budget(config, cycle->host_memory),
        .host_total = cycle->host_memory,
        .share = config->share,
        .probe = config->probe,
        .spoken_us = &cycle->spoken_us,
    };
    cycle->marks = config_marks(config, cycle->host_memory);
    cycle->terms = (CycleHost){
        .reserve = config_reserve(config, cycle->host_memory),
        .promises = config_promises(config, cycle->host_memory),
        .overcommit = config->overcommit > 0.0 ? config->overcommit : 1.0,
        .promise = config->promise > 0.0 ? config->promise : 1.0,
    };
    if (cycle->host)
        host_watch_configure(cycle->host, &cycle->marks);
    if (cycle->interval_us == config->interval_us)
        return;
    cycle->interval_us = config->interval_us;
    if (cycle->tick) {
        g_clear_handle_id(&cycle->tick, g_source_remove);
        cycle_start(cycle);
    }
}

static void
on_host_pressure(gpointer data)
{
    run_at_once(data);
}

void
cycle_watch_host(Cycle *cycle, const char *root)
{
    cycle->host = host_watch_new(cycle->roster, root);
    host_watch_configure(cycle->host, &cycle->marks);
    host_watch_await_pressure(cycle->host, on_host_pressure, cycle);
}

const HostWatch *
cycle_get_host_watch(const Cycle *cycle)
{
    return cycle->host;
}

void
cycle_set_reservations(Cycle *cycle, Reservations *reservations)
{
    cycle->reservations = reservations;
    g_signal_connect_swapped(reservations, "wanted", G_CALLBACK(cycle_soon), cycle);
}

Reservations *
cycle_get_reservations(const Cycle *cycle)
{
    return cycle->reservations;
}

Cycle *
cycle_new(Hypervisor *hypervisor, Roster *roster, const Config *config, guint64 host_memory)
{
    Cycle *cycle = g_new0(Cycle, 1);

    cycle->hypervisor = hypervisor;
    cycle->roster = roster;
    cycle->host_memory = host_memory;
    cycle->plan = g_array_new(FALSE, FALSE, sizeof(PlanGuest));
    cycle->subjects = g_array_new(FALSE, FALSE, sizeof(JournalSubject));
    cycle->guests = g_ptr_array_new_with_free_func(g_object_unref);
    cycle->cancellable = g_cancellable_new();
    cycle_configure(cycle, config);
    g_signal_connect_swapped(roster, "event", G_CALLBACK(on_event), cycle);
    g_signal_connect_swapped(roster, "urgent", G_CALLBACK(run_at_once), cycle);
    return cycle;
}

void
cycle_free(Cycle *cycle)
{
    if (!cycle)
        return;
    g_signal_handlers_disconnect_by_data(cycle->roster, cycle);
    if (cycle->reservations)
        g_signal_handlers_disconnect_by_data(cycle->reservations, cycle);
    g_clear_pointer(&cycle->host, host_watch_free);
    g_cancellable_cancel(cycle->cancellable);
    g_clear_handle_id(&cycle->tick, g_source_remove);
    g_clear_handle_id(&cycle->soon, g_source_remove);
    g_clear_handle_id(&cycle->now, g_source_remove);
    g_array_unref(cycle->plan);
    g_array_unref(cycle->subjects);
    g_ptr_array_unref(cycle->guests);
    g_object_unref(cycle->cancellable);
    g_free(cycle);
}

void
cycle_start(Cycle *cycle)
{
    if (cycle->tick == 0)
        cycle->tick = g_timeout_add((guint)(cycle->interval_us / 1000), on_tick, cycle);
}

const CycleHost *
cycle_get_host(const Cycle *cycle)
{
    return &cycle->terms;
}

const PlanSummary *
cycle_get_summary(const Cycle *cycle)
{
    return &cycle->summary;
}

const PlanSettings *
cycle_get_settings(const Cycle *cycle)
{
    return &cycle->settings;
}
