/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The intent (requested, held) is the only thing that is decided here and kept;
 * it changes in one function, intend(), which also keeps it on disk, tells the
 * Resize and announces it. It is changed by the policy through the cycle, and by
 * an administrator, who is answered only once it is on disk:
 *
 *      state       the policy moves it   Resize has a target   left by
 *      managed     yes                   requested             setmem, manage off
 *      held        no                    requested             manage on, manage off
 *      unmanaged   no                    none: left alone      manage on, setmem
 *
 * A guest is adopted when it is first observed: with the intent kept of a daemon
 * before this one if there is any, else with what its devices were last asked
 * for, so that a change half way is finished rather than taken back.
 */
#include "daemon/managed-guest.h"

#include "daemon/decision.h"
#include "size/size.h"

/* The balloon's statistics cannot come more often. */
#define STATS_PERIOD_S 1

struct _ManagedGuest {
    GObject parent;

    Guest *guest;
    const Config *config;
    IntentStore *intents;
    gboolean dry_run;

    GuestMonitor monitor;
    GuestMonitorState monitor_state; /* as last told */
    const Predictor *predictor;
    PredictorState predictor_state;

    Resize *resize;
    ResizePhase phase; /* as last told */
    GuestStatus status;
    gint64 grown_us;  /* when it was last asked to grow, ... */
    gint64 shrunk_us; /* ... and to shrink */
    guint64 proposed; /* dry run: what was last told to be wanted */
};

G_DEFINE_TYPE(ManagedGuest, managed_guest, G_TYPE_OBJECT)

enum { SIGNAL_CHANGED, SIGNAL_EVENT, N_SIGNALS };
static guint signals[N_SIGNALS];

G_GNUC_PRINTF(4, 5)
static void
tell(ManagedGuest *managed, EventKind kind, GLogLevelFlags level, const char *format, ...)
{
    g_autofree char *message = NULL;
    Event event;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    event = (Event){
        .kind = kind,
        .level = level,
        .guest = guest_get_name(managed->guest),
        .decision = kind == EVENT_DECISION || kind == EVENT_HELD || kind == EVENT_STEP ||
                            kind == EVENT_SETTLED || kind == EVENT_SHORT
                        ? managed->status.decision
                        : 0,
        .message = message,
    };
    g_signal_emit(managed, signals[SIGNAL_EVENT], 0, &event);
}

static void
changed(ManagedGuest *managed)
{
    g_signal_emit(managed, signals[SIGNAL_CHANGED], 0);
}

static void
work_out_limits(ManagedGuest *managed)
{
    managed->status.force =
        limits_in_force(managed->config, guest_get_name(managed->guest),
                        guest_get_limits(managed->guest), resize_get_memory(managed->resize));
}

/*
 * The intent
 */

/* Gives the Resize the target that follows from the intent. */
static void
pursue(ManagedGuest *managed, gboolean insist)
{
    const GuestStatus *status = &managed->status;

    if (status->held || status->force.limits.managed)
        resize_set_target(managed->resize, status->requested, status->force.limits.mechanism,
                          insist);
    else
        resize_clear_target(managed->resize);
}

static void
keep(ManagedGuest *managed)
{
    const GuestStatus *status = &managed->status;
    const Intent intent = { status->requested, status->held, status->decision };

    intent_store_put(managed->intents, guest_get_instance(managed->guest), &intent);
}

/* The one place where what is wanted of the guest changes. */
static void
intend(ManagedGuest *managed, guint64 requested, gboolean held, guint64 decision, gint64 now)
{
    GuestStatus *status = &managed->status;

    if (requested > status->requested)
        managed->grown_us = now;
    else if (requested < status->requested)
        managed->shrunk_us = now;
    status->requested = requested;
    status->held = held;
    status->decision = decision;
    keep(managed);
    pursue(managed, held);
    changed(managed);
}

static void
adopt(ManagedGuest *managed)
{
    GuestStatus *status = &managed->status;
    const char *instance = guest_get_instance(managed->guest);
    Intent intent;

    status->observed = TRUE;
    if (intent_store_get(managed->intents, instance, &intent)) {
        status->requested = intent.requested;
        status->held = intent.held;
        status->decision = intent.decision;
    } else {
        status->requested = guest_memory_requested(resize_get_memory(managed->resize));
    }
    work_out_limits(managed);
    pursue(managed, FALSE);
}

/*
 * What the guest does
 */

static void
tell_phase(ManagedGuest *managed)
{
    ResizePhase phase = resize_get_phase(managed->resize);
    ResizePhase before = managed->phase;
    g_autofree char *actual = size_format(managed->status.actual);
    g_autofree char *requested = size_format(managed->status.requested);

    if (phase == before)
        return;
    managed->phase = phase;
    if (phase == RESIZE_SETTLED && (before == RESIZE_MOVING || before == RESIZE_SHORT))
        tell(managed, EVENT_SETTLED, G_LOG_LEVEL_INFO, "has %s", actual);
    else if (phase == RESIZE_SHORT)
        tell(managed, EVENT_SHORT, G_LOG_LEVEL_WARNING, "has %s of %s requested: %s", actual,
             requested, resize_get_reason(managed->resize));
}

static void
on_resize_changed(ManagedGuest *managed)
{
    const GuestMemory *memory = resize_get_memory(managed->resize);
    GuestStatus *status = &managed->status;

    if (memory) {
        status->actual = guest_memory_actual(memory);
        if (!status->observed)
            adopt(managed);
        else
            work_out_limits(managed);
        if (!status->held && !status->force.limits.managed)
            status->requested = guest_memory_requested(memory);
        tell_phase(managed);
    }
    changed(managed);
}

static void
on_resize_report(Resize *resize, const ResizeReport *report, gpointer data)
{
    g_autofree char *step = memory_step_describe(report->step, resize_get_memory(resize));
    const char *kind = resize_report_kind_name(report->kind);
    gboolean well = report->kind == RESIZE_REPORT_ORDERED || report->kind == RESIZE_REPORT_FOLLOWED;

    if (report->kind == RESIZE_REPORT_ORDERED)
        tell(data, EVENT_STEP, G_LOG_LEVEL_DEBUG, "%s: %s", step, kind);
    else
        tell(data, EVENT_STEP, well ? G_LOG_LEVEL_INFO : G_LOG_LEVEL_WARNING,
             "%s: %s after %.3f s%s%s", step, kind, (double)report->duration_us / G_USEC_PER_SEC,
             report->reason ? ": " : "", report->reason ? report->reason : "");
}

static void
on_stats(Guest *guest, const BalloonStats *stats, gpointer data)
{
    ManagedGuest *managed = data;
    const GuestMemory *memory = resize_get_memory(managed->resize);

    if (!memory)
        return;
    guest_monitor_update(&managed->monitor, stats, memory->max, g_get_monotonic_time());
    if (managed->monitor.refused == 1)
        tell(managed, EVENT_STATS, G_LOG_LEVEL_WARNING, "statistics refused: %s",
             managed->monitor.refusal);
}

static void
on_memory_event(Guest *guest, const GuestMemoryEvent *event, gpointer data)
{
    ManagedGuest *managed = data;

    if (event->kind != GUEST_MEMORY_EVENT_RESET)
        return;
    guest_monitor_reset(&managed->monitor, g_get_monotonic_time());
    managed->predictor->start(&managed->predictor_state);
    tell(managed, EVENT_STATE, G_LOG_LEVEL_INFO, "restarts");
}

static void
on_guest_state(ManagedGuest *managed)
{
    tell(managed, EVENT_STATE, G_LOG_LEVEL_INFO, "is %s",
         guest_state_name(guest_get_state(managed->guest)));
    changed(managed);
}

static void
on_limits_changed(ManagedGuest *managed)
{
    GuestStatus *status = &managed->status;
    g_autofree char *floor = NULL;
    g_autofree char *ceiling = NULL;

    if (!status->observed)
        return;
    work_out_limits(managed);
    pursue(managed, FALSE);
    floor = size_format(status->force.limits.floor);
    ceiling = size_format(status->force.limits.ceiling);
    tell(managed, EVENT_LIMITS, G_LOG_LEVEL_INFO,
         "floor %s, ceiling %s, weight %g, mechanism %s, %s", floor, ceiling,
         status->force.limits.weight, mechanism_name(status->force.limits.mechanism),
         status->force.limits.managed ? "managed" : "not managed");
    changed(managed);
}

/*
 * The cycle
 */

static void
tend_statistics(ManagedGuest *managed, gint64 now)
{
    GuestMonitorState state = guest_monitor_state(&managed->monitor, now);

    if (guest_monitor_check(&managed->monitor, now) == GUEST_MONITOR_SET_PERIOD)
        guest_set_stats_period(managed->guest, managed->monitor.period_s);
    if (state == managed->monitor_state)
        return;
    if (state == GUEST_MONITOR_FRESH)
        tell(managed, EVENT_STATS, G_LOG_LEVEL_INFO, "statistics come in");
    else
        tell(managed, EVENT_STATS, G_LOG_LEVEL_WARNING, "%s",
             guest_monitor_trouble(&managed->monitor, now));
    managed->monitor_state = state;
}

static PlanPin
pin_of(ManagedGuest *managed, gint64 now)
{
    if (managed->status.held)
        return PLAN_PIN_HELD;
    if (!managed->status.force.limits.managed)
        return PLAN_PIN_UNMANAGED;
    if (guest_get_state(managed->guest) != GUEST_STATE_RUNNING)
        return PLAN_PIN_FROZEN;
    return guest_monitor_state(&managed->monitor, now) == GUEST_MONITOR_FRESH ? PLAN_PIN_NONE
                                                                              : PLAN_PIN_NO_SAMPLE;
}

gboolean
managed_guest_collect(ManagedGuest *managed, PlanGuest *plan, gint64 now)
{
    const GuestStatus *status = &managed->status;

    tend_statistics(managed, now);
    if (!status->observed)
        return FALSE;
    *plan = (PlanGuest){
        .ring = &managed->monitor.ring,
        .predictor = managed->predictor,
        .state = &managed->predictor_state,
        .actual = status->actual,
        .requested = status->requested,
        .floor = status->force.limits.floor,
        .ceiling = status->force.limits.ceiling,
        .weight = status->force.limits.weight,
        .grain = status->force.range.grain,
        .grain_base = status->force.range.base,
        .knee = status->force.range.knee,
        .coarse = status->force.range.coarse,
        .grown_us = managed->grown_us,
        .shrunk_us = managed->shrunk_us,
        .pin = pin_of(managed, now),
    };
    return TRUE;
}

static void
tell_decision(ManagedGuest *managed, const PlanGuest *plan, guint64 before)
{
    g_autofree char *decision = decision_describe(plan, before);

    tell(managed, EVENT_DECISION, G_LOG_LEVEL_INFO, "%s %s",
         managed->dry_run ? "would ask:" : "asked:", decision);
}

void
managed_guest_apply(ManagedGuest *managed, const PlanGuest *plan, gint64 now)
{
    GuestStatus *status = &managed->status;
    guint64 before = status->requested;

    status->forecast = plan->forecast;
    status->pin = plan->pin;
    if (plan->pin != PLAN_PIN_NONE || plan->target == before)
        return;
    if (managed->dry_run) {
        if (managed->proposed != plan->target)
            tell_decision(managed, plan, before);
        managed->proposed = plan->target;
        return;
    }
    intend(managed, plan->target, FALSE, event_new_decision(), now);
    tell_decision(managed, plan, before);
}

/*
 * The administrator
 */

static gboolean
check_changeable(ManagedGuest *managed, GError **error)
{
    if (managed->dry_run) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "memplugd runs with --dry-run and changes nothing");
        return FALSE;
    }
    if (!managed->status.observed) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_INITIALIZED,
                    "%s has not been observed yet; try again in a second",
                    guest_get_name(managed->guest));
        return FALSE;
    }
    return TRUE;
}

guint64
managed_guest_set_memory(ManagedGuest *managed, guint64 size, GError **error)
{
    g_autofree char *from = size_format(managed->status.requested);
    g_autofree char *to = size_format(size);

    if (!check_changeable(managed, error) ||
        !limits_in_force_admit(&managed->status.force, guest_get_name(managed->guest), size, error))
        return 0;
    intend(managed, size, TRUE, event_new_decision(), g_get_monotonic_time());
    intent_store_flush(managed->intents);
    tell(managed, EVENT_HELD, G_LOG_LEVEL_INFO, "an administrator asked: %s → %s", from, to);
    return managed->status.decision;
}

static void
on_limits_stored(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    GError *error = NULL;

    if (guest_store_limits_finish(MEMPLUG_GUEST(source), result, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

void
managed_guest_set_limits_async(ManagedGuest *managed, const GuestLimits *change, guint unset,
                               guint scope, GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(managed, NULL, callback, user_data);
    GuestLimits own = guest_limits_overlay(guest_get_limits(managed->guest), change);
    GuestLimits merged;
    GError *error = NULL;

    own.set &= ~unset;
    merged = config_guest_limits(managed->config, guest_get_name(managed->guest), &own);
    if (!check_changeable(managed, &error) || !guest_limits_check(&merged, &error))
        g_task_return_error(task, error);
    else
        guest_store_limits_async(managed->guest, &own, scope, NULL, on_limits_stored,
                                 g_steal_pointer(&task));
}

gboolean
managed_guest_set_limits_finish(ManagedGuest *managed, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* Whether it is managed has been kept: ends a hold. */
static void
take_managed(ManagedGuest *managed, gboolean on)
{
    intend(managed, managed->status.requested, FALSE, managed->status.decision,
           g_get_monotonic_time());
    intent_store_flush(managed->intents);
    tell(managed, EVENT_MANAGED, G_LOG_LEVEL_INFO, "%s",
         on ? "given to the policy" : "no longer managed");
}

static void
on_managed_stored(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    ManagedGuest *managed = MEMPLUG_MANAGED_GUEST(source);
    GError *error = NULL;

    if (!managed_guest_set_limits_finish(managed, result, &error)) {
        g_task_return_error(task, error);
        return;
    }
    take_managed(managed, GPOINTER_TO_INT(g_task_get_task_data(task)));
    g_task_return_boolean(task, TRUE);
}

void
managed_guest_set_managed_async(ManagedGuest *managed, gboolean on, GAsyncReadyCallback callback,
                                gpointer user_data)
{
    const GuestLimits change = { .set = GUEST_LIMIT_MANAGED, .managed = on };
    g_autoptr(GTask) task = g_task_new(managed, NULL, callback, user_data);
    GError *error = NULL;

    g_task_set_task_data(task, GINT_TO_POINTER(on), NULL);
    if (!check_changeable(managed, &error)) {
        g_task_return_error(task, error);
    } else if (managed->status.force.limits.managed != on) {
        managed_guest_set_limits_async(managed, &change, 0, GUEST_SCOPE_ALL, on_managed_stored,
                                       g_steal_pointer(&task));
    } else {
        take_managed(managed, on);
        g_task_return_boolean(task, TRUE);
    }
}

gboolean
managed_guest_set_managed_finish(ManagedGuest *managed, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

static void
on_ordered(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    ManagedGuest *managed = g_task_get_source_object(task);
    GError *error = NULL;
    gboolean ok = resize_order_finish(MEMPLUG_RESIZE(source), result, &error);

    /* A refused order has moved the target back. */
    intend(managed, resize_get_target(managed->resize), TRUE, managed->status.decision,
           g_get_monotonic_time());
    intent_store_flush(managed->intents);
    if (ok)
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
order(ManagedGuest *managed, const MemoryStep *step, GTask *task)
{
    guint64 decision = event_new_decision();

    /* An unmanaged guest has no target yet from which the order could move it. */
    resize_set_target(managed->resize, managed->status.requested,
                      managed->status.force.limits.mechanism, FALSE);
    resize_order_async(managed->resize, step, on_ordered, g_object_ref(task));
    intend(managed, resize_get_target(managed->resize), TRUE, decision, g_get_monotonic_time());
    tell(managed, EVENT_HELD, G_LOG_LEVEL_INFO, "an administrator ordered by hand: %s",
         step->kind == MEMORY_STEP_PLUG_DIMM ? "plug a DIMM" : step->device);
}

void
managed_guest_plug_async(ManagedGuest *managed, guint64 size, GAsyncReadyCallback callback,
                         gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(managed, NULL, callback, user_data);
    const MemoryStep step = { .kind = MEMORY_STEP_PLUG_DIMM, .size = size };
    GError *error = NULL;

    if (!check_changeable(managed, &error)) {
        g_task_return_error(task, error);
    } else if (size == 0 || size % MEMORY_DIMM_GRAIN != 0) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                                "a DIMM must be a multiple of 128 MiB");
    } else if (guest_memory_free_slots(resize_get_memory(managed->resize)) == 0) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "%s has no free DIMM slot",
                                guest_get_name(managed->guest));
    } else if (!limits_in_force_admit(&managed->status.force, guest_get_name(managed->guest),
                                      managed->status.requested +
                                          MIN(size, G_MAXUINT64 - managed->status.requested),
                                      &error)) {
        g_task_return_error(task, error);
    } else {
        order(managed, &step, task);
    }
}

void
managed_guest_unplug_async(ManagedGuest *managed, const char *device, GAsyncReadyCallback callback,
                           gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(managed, NULL, callback, user_data);
    const MemoryDevice *found = NULL;
    GError *error = NULL;

    if (managed->status.observed)
        found = guest_memory_find(resize_get_memory(managed->resize), device);
    if (!check_changeable(managed, &error)) {
        g_task_return_error(task, error);
    } else if (!found || found->kind != MEMORY_DEVICE_DIMM) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                                "%s has no DIMM called '%s'; memplug info %s lists its devices",
                                guest_get_name(managed->guest), device,
                                guest_get_name(managed->guest));
    } else {
        const MemoryStep step = { MEMORY_STEP_UNPLUG_DIMM, found->size, found->node, found->id };

        order(managed, &step, task);
    }
}

gboolean
managed_guest_order_finish(ManagedGuest *managed, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/*
 * Life
 */

ManagedGuest *
managed_guest_new(Guest *guest, const Config *config, IntentStore *intents, gboolean dry_run)
{
    ManagedGuest *managed = g_object_new(TYPE_MANAGED_GUEST, NULL);

    managed->guest = g_object_ref(guest);
    managed->config = config;
    managed->intents = intents;
    managed->dry_run = dry_run;
    managed->predictor = config->predictor;
    managed->predictor->start(&managed->predictor_state);
    guest_monitor_start(&managed->monitor, STATS_PERIOD_S, g_get_monotonic_time());

    managed->resize = resize_new(guest, NULL, dry_run);
    g_signal_connect_object(managed->resize, "changed", G_CALLBACK(on_resize_changed), managed,
                            G_CONNECT_SWAPPED);
    g_signal_connect_object(managed->resize, "report", G_CALLBACK(on_resize_report), managed, 0);
    g_signal_connect_object(guest, "stats", G_CALLBACK(on_stats), managed, 0);
    g_signal_connect_object(guest, "memory-event", G_CALLBACK(on_memory_event), managed, 0);
    g_signal_connect_object(guest, "notify::state", G_CALLBACK(on_guest_state), managed,
                            G_CONNECT_SWAPPED);
    g_signal_connect_object(guest, "limits-changed", G_CALLBACK(on_limits_changed), managed,
                            G_CONNECT_SWAPPED);
    return managed;
}

void
managed_guest_configure(ManagedGuest *managed, const Config *config)
{
    managed->config = config;
    if (managed->predictor != config->predictor) {
        managed->predictor = config->predictor;
        managed->predictor->start(&managed->predictor_state);
    }
    if (managed->status.observed) {
        work_out_limits(managed);
        pursue(managed, FALSE);
        changed(managed);
    }
}

void
managed_guest_stop(ManagedGuest *managed)
{
    resize_stop(managed->resize);
    intent_store_release(managed->intents, guest_get_instance(managed->guest),
                         g_get_monotonic_time());
}

Guest *
managed_guest_get_guest(ManagedGuest *managed)
{
    return managed->guest;
}

Resize *
managed_guest_get_resize(ManagedGuest *managed)
{
    return managed->resize;
}

const GuestMonitor *
managed_guest_get_monitor(ManagedGuest *managed)
{
    return &managed->monitor;
}

const GuestStatus *
managed_guest_get_status(ManagedGuest *managed)
{
    return &managed->status;
}

static void
managed_guest_dispose(GObject *object)
{
    ManagedGuest *managed = MEMPLUG_MANAGED_GUEST(object);

    if (managed->resize)
        resize_stop(managed->resize);
    g_clear_object(&managed->resize);
    g_clear_object(&managed->guest);
    G_OBJECT_CLASS(managed_guest_parent_class)->dispose(object);
}

static void
managed_guest_class_init(ManagedGuestClass *class)
{
    G_OBJECT_CLASS(class)->dispose = managed_guest_dispose;

    signals[SIGNAL_CHANGED] = g_signal_new("changed", TYPE_MANAGED_GUEST, G_SIGNAL_RUN_LAST, 0,
                                           NULL, NULL, NULL, G_TYPE_NONE, 0);
    signals[SIGNAL_EVENT] = g_signal_new("event", TYPE_MANAGED_GUEST, G_SIGNAL_RUN_LAST, 0, NULL,
                                         NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
}

static void
managed_guest_init(ManagedGuest *managed)
{
}
