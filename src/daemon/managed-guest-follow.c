/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest does, as its ManagedGuest hears it: that its memory changed, how a step went, that
 * somebody else resized it, its balloon's statistics, its restarts, its state and its limits.
 */
#include "daemon/managed-guest-private.h"
#include "size/size.h"

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
        managed_guest_tell(managed, EVENT_SETTLED, G_LOG_LEVEL_INFO, "has %s", actual);
    else if (phase == RESIZE_SHORT)
        managed_guest_tell(managed, EVENT_SHORT, G_LOG_LEVEL_WARNING, "has %s of %s requested: %s",
                           actual, requested, resize_get_reason(managed->resize));
}

/*
 * How long growth took: a DIMM until the guest has it, a virtio-mem device until the first of it
 * has come, since the rest comes faster than it can be used up, and how much was asked for must
 * not tell how soon to ask. A balloon that is filled again after a DIMM has come serves no
 * growth.
 */
static void
note_plug_time(ManagedGuest *managed, const ResizeReport *report)
{
    gboolean grows = managed->grown_us > managed->shrunk_us;

    if (report->step->kind == MEMORY_STEP_RESIZE_VIRTIO_MEM) {
        gboolean ordered = report->kind == RESIZE_REPORT_ORDERED && grows;

        managed->plug_from_us = ordered ? g_get_monotonic_time() : 0;
        managed->plug_from = managed->status.actual;
    } else if (report->step->kind == MEMORY_STEP_PLUG_DIMM &&
               report->kind == RESIZE_REPORT_FOLLOWED && grows) {
        plug_time_add(&managed->plug_time, report->duration_us);
    }
}

/* Before the end of the step is told. */
static void
note_first_memory(ManagedGuest *managed)
{
    if (managed->plug_from_us == 0 || managed->status.actual <= managed->plug_from)
        return;
    plug_time_add(&managed->plug_time, g_get_monotonic_time() - managed->plug_from_us);
    managed->plug_from_us = 0;
}

static void
on_resize_changed(ManagedGuest *managed)
{
    const GuestMemory *memory = resize_get_memory(managed->resize);
    GuestStatus *status = &managed->status;

    if (memory) {
        status->actual = guest_memory_actual(memory);
        note_first_memory(managed);
        if (!status->observed)
            managed_guest_adopt(managed);
        else if (managed_guest_work_out_limits(managed))
            managed_guest_pursue(managed, FALSE);
        if (!status->held && (!status->force.limits.managed || status->force.obstacle))
            status->requested = guest_memory_requested(memory);
        tell_phase(managed);
        managed_guest_urgent_follow(managed);
    }
    managed_guest_changed(managed);
}

/* Somebody else's word about the guest's memory. */
static void
on_overruled(Resize *resize, const Foreign *foreign, gpointer data)
{
    ManagedGuest *managed = data;
    GuestStatus *status = &managed->status;
    guint64 requested = guest_memory_requested(resize_get_memory(resize));
    gint64 now = g_get_monotonic_time();

    if (foreign->kind == FOREIGN_BY_START) {
        if (!status->held)
            managed_guest_intend(managed, requested, FALSE, status->decision, now);
        return;
    }
    if (foreign->movable)
        requested = MIN(requested, status->force.limits.ceiling);
    managed_guest_intend(managed, requested, TRUE, event_new_decision(), now);
    intent_store_flush(managed->intents);
    managed_guest_tell(managed, EVENT_HELD, G_LOG_LEVEL_MESSAGE,
                       "somebody else resized it: %s; held there; 'memplug manage %s on' gives it "
                       "back to the policy",
                       foreign->what, guest_get_name(managed->guest));
}

static void
on_resize_report(Resize *resize, const ResizeReport *report, gpointer data)
{
    g_autofree char *step = memory_step_describe(report->step, resize_get_memory(resize));
    const char *kind = resize_report_kind_name(report->kind);
    gboolean followed = report->kind == RESIZE_REPORT_FOLLOWED;

    note_plug_time(data, report);
    /* Of neither is anything known that the end, or the next decision, does not tell. */
    if (report->kind == RESIZE_REPORT_ORDERED || report->kind == RESIZE_REPORT_OVERTAKEN)
        managed_guest_tell(data, EVENT_STEP, G_LOG_LEVEL_DEBUG, "%s: %s", step, kind);
    else
        managed_guest_tell(data, EVENT_STEP, followed ? G_LOG_LEVEL_INFO : G_LOG_LEVEL_WARNING,
                           "%s: %s after %.3f s%s%s", step, kind,
                           (double)report->duration_us / G_USEC_PER_SEC, report->reason ? ": " : "",
                           report->reason ? report->reason : "");
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
        managed_guest_tell(managed, EVENT_STATS, G_LOG_LEVEL_WARNING, "statistics refused: %s",
                           managed->monitor.refusal);
}

void
managed_guest_forget_run(ManagedGuest *managed)
{
    guest_monitor_reset(&managed->monitor, g_get_monotonic_time());
    managed->predictor->start(&managed->predictor_state);
    managed_guest_shrink_start(managed);
    urgent_forget(&managed->urgent);
    managed->urgent_from_us = 0;
}

static void
on_memory_event(Guest *guest, const GuestMemoryEvent *event, gpointer data)
{
    ManagedGuest *managed = data;

    if (event->kind != GUEST_MEMORY_EVENT_RESET)
        return;
    managed_guest_forget_run(managed);
    managed_guest_tell(managed, EVENT_STATE, G_LOG_LEVEL_INFO, "restarts");
}

static void
on_guest_state(ManagedGuest *managed)
{
    managed_guest_tell(managed, EVENT_STATE, G_LOG_LEVEL_INFO, "is %s",
                       guest_state_name(guest_get_state(managed->guest)));
    managed_guest_changed(managed);
}

static void
on_limits_changed(ManagedGuest *managed)
{
    GuestStatus *status = &managed->status;
    g_autofree char *floor = NULL;
    g_autofree char *ceiling = NULL;

    if (!status->observed)
        return;
    managed_guest_work_out_limits(managed);
    managed_guest_pursue(managed, FALSE);
    floor = size_format(status->force.limits.floor);
    ceiling = size_format(status->force.limits.ceiling);
    managed_guest_tell(managed, EVENT_LIMITS, G_LOG_LEVEL_INFO,
                       "floor %s, ceiling %s, weight %g, mechanism %s, %s", floor, ceiling,
                       status->force.limits.weight, mechanism_name(status->force.limits.mechanism),
                       status->force.limits.managed ? "managed" : "not managed");
    managed_guest_changed(managed);
}

void
managed_guest_follow_start(ManagedGuest *managed)
{
    g_signal_connect_object(managed->resize, "changed", G_CALLBACK(on_resize_changed), managed,
                            G_CONNECT_SWAPPED);
    g_signal_connect_object(managed->resize, "report", G_CALLBACK(on_resize_report), managed, 0);
    g_signal_connect_object(managed->resize, "overruled", G_CALLBACK(on_overruled), managed, 0);
    g_signal_connect_object(managed->guest, "stats", G_CALLBACK(on_stats), managed, 0);
    g_signal_connect_object(managed->guest, "memory-event", G_CALLBACK(on_memory_event), managed,
                            0);
    g_signal_connect_object(managed->guest, "notify::state", G_CALLBACK(on_guest_state), managed,
                            G_CONNECT_SWAPPED);
    g_signal_connect_object(managed->guest, "limits-changed", G_CALLBACK(on_limits_changed),
                            managed, G_CONNECT_SWAPPED);
}
