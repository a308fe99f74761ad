/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The intent (requested, held) is the only thing that is decided here and kept;
 * it changes in one function, managed_guest_intend(), which also keeps it on disk, tells
 * the Resize and announces it. It is changed by the policy through the cycle, and by
 * an administrator, who is answered only once it is on disk:
 *
 *      state       the policy moves it   Resize has a target   left by
 *      managed     yes                   requested             setmem, a hand, manage off
 *      held        no                    requested             manage on, manage off
 *      unmanaged   no                    none: left alone      manage on, setmem
 *
 * "A hand" is somebody who changes the guest's memory without memplug: with virsh, or on a
 * second monitor (hotplug/foreign.h). That is an administrator's word as good as setmem:
 * the guest is held at what it was asked for by hand, and a guest that is held already is
 * held at the newer word. A hand is not bound by floor and ceiling, since whoever has it
 * could change those as well; but if only the balloon moved, which a guest can do
 * by itself, the ceiling holds. Of an unmanaged guest every change is just followed.
 *
 * Whatever its intent, a guest with an obstacle (LimitsInForce) has no target, and none
 * has one beyond its cap. The intent stays, for when that is over.
 *
 * A guest is adopted when it is first observed: with the intent kept of a daemon
 * before this one, or of the run that this one continues, if there is any, or with the word
 * that it brought from another host (managed-guest-word.c); else with what its devices were
 * last asked for, so that a change half way is finished rather than
 * taken back. A guest that was started with less than its boot memory is found before its
 * balloon driver has filled the balloon; when that comes to rest, it is adopted anew.
 */
#include "daemon/managed-guest.h"

#include "daemon/decision.h"
#include "daemon/managed-guest-private.h"
#include "size/size.h"

/* The balloon's statistics cannot come more often; nobody looks at them more often than
 * once an interval. */
static guint
stats_period_s(const Config *config)
{
    return (guint)MAX(1, (config->interval_us + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC);
}

G_DEFINE_TYPE(ManagedGuest, managed_guest, G_TYPE_OBJECT)

enum { SIGNAL_CHANGED, SIGNAL_EVENT, SIGNAL_URGENT, N_SIGNALS };
static guint signals[N_SIGNALS];

void
managed_guest_tell(ManagedGuest *managed, EventKind kind, GLogLevelFlags level, const char *format,
                   ...)
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
    managed_guest_tell_event(managed, &event);
}

void
managed_guest_tell_event(ManagedGuest *managed, const Event *event)
{
    g_signal_emit(managed, signals[SIGNAL_EVENT], 0, event);
}

void
managed_guest_changed(ManagedGuest *managed)
{
    g_signal_emit(managed, signals[SIGNAL_CHANGED], 0);
}

static void
tell_obstacle(ManagedGuest *managed)
{
    const char *obstacle = managed->status.force.obstacle;

    if (obstacle)
        managed_guest_tell(managed, EVENT_STATE, G_LOG_LEVEL_WARNING, "is left as it is: %s",
                           obstacle);
    else
        managed_guest_tell(managed, EVENT_STATE, G_LOG_LEVEL_INFO, "can be resized");
}

/* A predictor that is not known here, as the guest's own definition may name one, is told once. */
static void
use_predictor(ManagedGuest *managed)
{
    const GuestLimits *own = guest_get_limits(managed->guest);
    const Predictor *predictor = managed->status.force.predictor;
    gboolean unknown = own->set & GUEST_LIMIT_PREDICTOR && !predictor_find(own->predictor);

    if (unknown && !managed->predictor_unknown)
        managed_guest_tell(managed, EVENT_LIMITS, G_LOG_LEVEL_WARNING,
                           "its definition names a predictor that is not known, %s: %s serves",
                           own->predictor, predictor->name);
    managed->predictor_unknown = unknown;
    if (managed->predictor == predictor)
        return;
    managed->predictor = predictor;
    managed->predictor->start(&managed->predictor_state);
}

gboolean
managed_guest_work_out_limits(ManagedGuest *managed)
{
    g_auto(LimitsInForce) before = managed->status.force;
    LimitsInForce *force = &managed->status.force;
    gboolean obstacle;

    *force = limits_in_force(managed->config, guest_get_name(managed->guest),
                             guest_get_limits(managed->guest), resize_get_memory(managed->resize));
    use_predictor(managed);
    obstacle = g_strcmp0(before.obstacle, force->obstacle) != 0;
    if (obstacle)
        tell_obstacle(managed);
    return obstacle || before.cap != force->cap;
}

/*
 * The intent
 */

/* Nobody's word is worth a dead guest, so it is never beyond the cap. */
void
managed_guest_pursue(ManagedGuest *managed, gboolean insist)
{
    const GuestStatus *status = &managed->status;
    guint64 most = status->force.cap > 0 ? status->force.cap : G_MAXUINT64;

    resize_allow_peak(managed->resize, status->held ? status->force.limits.ceiling : 0);
    if (!status->force.obstacle && (status->held || status->force.limits.managed))
        resize_set_target(managed->resize, MIN(status->requested, most),
                          status->force.limits.mechanism, insist);
    else
        resize_clear_target(managed->resize);
}

static void
keep(ManagedGuest *managed)
{
    const GuestStatus *status = &managed->status;
    const Intent intent = { status->requested, status->held, status->decision };

    intent_store_put(managed->intents, guest_get_instance(managed->guest),
                     guest_get_lineage(managed->guest), &intent);
}

void
managed_guest_intend(ManagedGuest *managed, guint64 requested, gboolean held, guint64 decision,
                     gint64 now)
{
    GuestStatus *status = &managed->status;

    if (requested > status->requested)
        managed->grown_us = now;
    else if (requested < status->requested)
        managed->shrunk_us = now;
    if (held) {
        urgent_forget(&managed->urgent); /* an administrator's word is above the agent's */
        managed->urgent_from_us = 0;
    }
    status->requested = requested;
    status->held = held;
    status->decision = decision;
    keep(managed);
    managed_guest_word_tend(managed, now);
    managed_guest_pursue(managed, held);
    managed_guest_changed(managed);
}

void
managed_guest_adopt(ManagedGuest *managed)
{
    GuestStatus *status = &managed->status;
    Intent intent = { 0 };
    gboolean found = intent_store_inherit(managed->intents, guest_get_instance(managed->guest),
                                          guest_get_lineage(managed->guest),
                                          guest_continues(managed->guest), &intent);

    status->observed = TRUE;
    if (managed_guest_word_take(managed, found, &intent)) {
        status->requested = intent.requested;
        status->held = intent.held;
        status->decision = intent.decision;
        keep(managed);
    } else {
        status->requested = guest_memory_requested(resize_get_memory(managed->resize));
    }
    managed_guest_work_out_limits(managed);
    managed_guest_pursue(managed, FALSE);
    managed_guest_channel_tend(managed);
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
        managed_guest_tell(managed, EVENT_STATS, G_LOG_LEVEL_INFO, "statistics come in");
    else
        managed_guest_tell(managed, EVENT_STATS, G_LOG_LEVEL_WARNING, "%s",
                           guest_monitor_trouble(&managed->monitor, now));
    managed->monitor_state = state;
}

void
managed_guest_emit_urgent(ManagedGuest *managed)
{
    g_signal_emit(managed, signals[SIGNAL_URGENT], 0);
}

static PlanPin
pin_of(ManagedGuest *managed, gint64 now)
{
    if (managed->status.force.obstacle)
        return PLAN_PIN_OBSTACLE;
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
    managed_guest_channel_tend(managed);
    managed_guest_word_tend(managed, now);
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
        .stuck =
            resize_get_phase(managed->resize) == RESIZE_SHORT && status->actual > status->requested,
        .pin = pin_of(managed, now),
        .raw = managed->raw,
    };
    managed_guest_shrink_plan(managed, plan, now);
    managed_guest_uptake_plan(managed, plan, now);
    managed_guest_urgent_plan(managed, plan, now);
    return TRUE;
}

static void
tell_decision(ManagedGuest *managed, const PlanGuest *plan, guint64 before)
{
    g_autofree char *decision = decision_describe(plan, before);

    managed_guest_tell(managed, EVENT_DECISION, G_LOG_LEVEL_INFO, "%s %s",
                       managed->dry_run ? "would ask:" : "asked:", decision);
}

guint64
managed_guest_apply(ManagedGuest *managed, const PlanGuest *plan, gint64 now)
{
    GuestStatus *status = &managed->status;
    guint64 before = status->requested;

    status->forecast = plan->forecast;
    status->pin = plan->pin;
    managed_guest_shrink_apply(managed, plan, now);
    managed->raw = plan->raw;
    if (plan->pin != PLAN_PIN_NONE || plan->target == before)
        return 0;
    if (managed->dry_run) {
        if (managed->proposed == plan->target)
            return 0;
        managed->proposed = plan->target;
        status->decision = event_new_decision();
    } else {
        managed_guest_intend(managed, plan->target, FALSE, event_new_decision(), now);
        if (plan->target < before)
            managed->shrink_decision = status->decision;
    }
    tell_decision(managed, plan, before);
    return status->decision;
}

void
managed_guest_give_back(ManagedGuest *managed, guint64 bytes, guint64 lease, gint64 now)
{
    guint64 before = managed->status.requested;
    g_autofree char *from = size_format_rounded(before);
    g_autofree char *to = size_format_rounded(before + bytes);

    managed_guest_intend(managed, before + bytes, FALSE, event_new_decision(), now);
    managed_guest_tell(managed, EVENT_DECISION, G_LOG_LEVEL_INFO,
                       "asked: %s → %s: gets back what it gave for lease %" G_GUINT64_FORMAT, from,
                       to, lease);
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
    managed_guest_shrink_start(managed);
    guest_monitor_start(&managed->monitor, stats_period_s(config), g_get_monotonic_time());

    managed->resize = resize_new(guest, NULL, dry_run);
    managed_guest_follow_start(managed);
    managed_guest_channel_start(managed);
    return managed;
}

void
managed_guest_configure(ManagedGuest *managed, const Config *config)
{
    managed->config = config;
    if (managed->monitor.period_s != stats_period_s(config))
        guest_monitor_set_period(&managed->monitor, stats_period_s(config));
    if (managed->status.observed) {
        managed_guest_work_out_limits(managed);
        managed_guest_pursue(managed, FALSE);
        managed_guest_changed(managed);
    }
}

void
managed_guest_stop(ManagedGuest *managed)
{
    stats_channel_stop(managed->channel);
    resize_stop(managed->resize);
    intent_store_release(managed->intents, guest_get_instance(managed->guest),
                         g_get_real_time() / G_USEC_PER_SEC);
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

StatsChannel *
managed_guest_get_channel(ManagedGuest *managed)
{
    return managed->channel;
}

gint64
managed_guest_get_urgent_first(ManagedGuest *managed)
{
    return managed->urgent_first_us;
}

const ShrinkTrial *
managed_guest_get_trial(ManagedGuest *managed)
{
    return &managed->trial;
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

    if (managed->channel)
        stats_channel_stop(managed->channel);
    g_clear_object(&managed->channel);
    if (managed->resize)
        resize_stop(managed->resize);
    g_clear_object(&managed->resize);
    g_clear_object(&managed->guest);
    G_OBJECT_CLASS(managed_guest_parent_class)->dispose(object);
}

static void
managed_guest_finalize(GObject *object)
{
    limits_in_force_clear(&MEMPLUG_MANAGED_GUEST(object)->status.force);
    G_OBJECT_CLASS(managed_guest_parent_class)->finalize(object);
}

static void
managed_guest_class_init(ManagedGuestClass *class)
{
    G_OBJECT_CLASS(class)->dispose = managed_guest_dispose;
    G_OBJECT_CLASS(class)->finalize = managed_guest_finalize;

    signals[SIGNAL_CHANGED] = g_signal_new("changed", TYPE_MANAGED_GUEST, G_SIGNAL_RUN_LAST, 0,
                                           NULL, NULL, NULL, G_TYPE_NONE, 0);
    signals[SIGNAL_EVENT] = g_signal_new("event", TYPE_MANAGED_GUEST, G_SIGNAL_RUN_LAST, 0, NULL,
                                         NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
    signals[SIGNAL_URGENT] = g_signal_new("urgent", TYPE_MANAGED_GUEST, G_SIGNAL_RUN_LAST, 0, NULL,
                                          NULL, NULL, G_TYPE_NONE, 0);
}

static void
managed_guest_init(ManagedGuest *managed)
{
}
