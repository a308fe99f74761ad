/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The object around the loop: what its users may ask of it, and what happens around
 * it. How it works is told in resize-loop.c.
 */
#include "hotplug/resize.h"

#include "hotplug/resize-loop.h"

/* The figures are for TCG on a busy machine; KVM is far below them. A DIMM is
 * acknowledged after 40 to 80 ms and a refusal comes within a second or never;
 * virtio-mem and the balloon move every few ms, and virtio-mem's driver sleeps 5 s
 * before it tries again what failed, so after that nothing comes by itself. But a guest
 * that thrashes has been seen to take 8 s until new memory came, and to withdraw that is
 * to leave it alone. libvirt learns of a balloon's size by events of which QEMU sends one a
 * second. */
const ResizeTuning resize_tuning_default = {
    .patience = { .plug_us = 10 * G_USEC_PER_SEC,
                  .unplug_us = 10 * G_USEC_PER_SEC,
                  .progress_us = 5 * G_USEC_PER_SEC,
                  .grow_us = 20 * G_USEC_PER_SEC },
    .refresh_us = 5 * G_USEC_PER_SEC,
    .rest_us = 3 * G_USEC_PER_SEC,
    .trouble = { .first_us = 10 * G_USEC_PER_SEC, .most_us = 600 * G_USEC_PER_SEC },
};

G_DEFINE_TYPE(Resize, resize, G_TYPE_OBJECT)

guint resize_signals[RESIZE_N_SIGNALS];

static const char *const phase_names[] = {
    [RESIZE_UNKNOWN] = "unknown", [RESIZE_SETTLED] = "settled", [RESIZE_MOVING] = "moving",
    [RESIZE_SHORT] = "short",     [RESIZE_FROZEN] = "frozen",
};
G_STATIC_ASSERT(G_N_ELEMENTS(phase_names) == RESIZE_FROZEN + 1);

const char *
resize_phase_name(ResizePhase phase)
{
    return phase_names[phase];
}

static const char *const report_kind_names[] = {
    [RESIZE_REPORT_ORDERED] = "ordered",     [RESIZE_REPORT_FOLLOWED] = "followed",
    [RESIZE_REPORT_REFUSED] = "refused",     [RESIZE_REPORT_FAILED] = "failed",
    [RESIZE_REPORT_OVERTAKEN] = "overtaken",
};
G_STATIC_ASSERT(G_N_ELEMENTS(report_kind_names) == RESIZE_REPORT_OVERTAKEN + 1);

const char *
resize_report_kind_name(ResizeReportKind kind)
{
    return report_kind_names[kind];
}

/*
 * What happens around
 */

static void
on_memory_event(Guest *guest, const GuestMemoryEvent *event, gpointer data)
{
    Resize *resize = data;

    switch (event->kind) {
    case GUEST_MEMORY_EVENT_UNPLUG_REFUSED:
        if (resize->memory && event->device && guest_memory_find(resize->memory, event->device)) {
            resize_loop_record_trouble(resize, event->device, event->reason);
            if (g_strcmp0(resize->open.device, event->device) == 0)
                resize_loop_close_step(resize, RESIZE_REPORT_REFUSED, event->reason);
        }
        break;
    case GUEST_MEMORY_EVENT_UNPLUGGED:
        if (event->device)
            trouble_book_forget(resize->troubles, event->device);
        break;
    case GUEST_MEMORY_EVENT_RESET:
        trouble_book_clear(resize->troubles);
        resize->restarted = TRUE;
        break;
    case GUEST_MEMORY_EVENT_CHANGED:
        break;
    }
    resize_loop_wake(resize);
}

static void
on_guest_state(Resize *resize)
{
    resize_loop_resume_orders(resize);
    resize_loop_wake(resize);
}

Resize *
resize_new(Guest *guest, const ResizeTuning *tuning, gboolean dry_run)
{
    Resize *resize = g_object_new(TYPE_RESIZE, NULL);

    resize->guest = g_object_ref(guest);
    resize->tuning = tuning ? *tuning : resize_tuning_default;
    resize->dry_run = dry_run;
    resize->foreign = foreign_watch_new(resize->tuning.rest_us);
    g_signal_connect_object(guest, "memory-event", G_CALLBACK(on_memory_event), resize, 0);
    g_signal_connect_object(guest, "notify::state", G_CALLBACK(on_guest_state), resize,
                            G_CONNECT_SWAPPED);
    resize_loop_wake(resize);
    return resize;
}

void
resize_stop(Resize *resize)
{
    g_cancellable_cancel(resize->cancellable);
    g_clear_handle_id(&resize->timer, g_source_remove);
    if (resize->order.task)
        hand_order_answer(&resize->order, "the guest is gone");
}

void
resize_set_target(Resize *resize, guint64 target, Mechanism mechanism, gboolean insist)
{
    if (resize->has_target && resize->target == target && resize->mechanism == mechanism && !insist)
        return;
    if (resize->target != target)
        hand_order_overtake(&resize->order);
    resize->target = target;
    resize->mechanism = mechanism;
    resize->has_target = TRUE;
    if (insist) {
        trouble_book_retry_all(resize->troubles, g_get_monotonic_time());
        foreign_watch_accept(resize->foreign);
    }
    if (!resize->dry_run && resize->phase != RESIZE_FROZEN && resize->phase != RESIZE_UNKNOWN)
        resize_loop_enter(resize, RESIZE_MOVING, "");
    resize_loop_wake(resize);
}

void
resize_allow_peak(Resize *resize, guint64 peak)
{
    if (resize->peak == peak)
        return;
    resize->peak = peak;
    resize_loop_wake(resize);
}

void
resize_allow_passing(Resize *resize, guint64 most)
{
    gboolean waits =
        resize->passing > 0 && most >= resize->passing && resize->most < resize->passing;

    resize->most = most;
    if (waits)
        resize_loop_wake(resize);
}

guint64
resize_get_passing(Resize *resize)
{
    return resize->has_target ? resize->passing : 0;
}

void
resize_clear_target(Resize *resize)
{
    if (!resize->has_target)
        return;
    resize->has_target = FALSE;
    resize->target = 0;
    follow_wait_end(&resize->wait);
    resize_loop_close_step(resize, RESIZE_REPORT_OVERTAKEN, "the guest is no longer managed");
    resize_loop_wake(resize);
}

void
resize_refresh(Resize *resize)
{
    resize_loop_wake(resize);
}

void
resize_order_async(Resize *resize, const MemoryStep *step, GAsyncReadyCallback callback,
                   gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(resize, resize->cancellable, callback, user_data);

    if (resize->order.task) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_BUSY,
                                "another device is being plugged or unplugged by hand");
        return;
    }
    if (resize->dry_run || guest_get_state(resize->guest) != GUEST_STATE_RUNNING) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_FAILED, "the guest is %s",
                                resize->dry_run ? "only watched (dry run)"
                                                : guest_state_name(guest_get_state(resize->guest)));
        return;
    }
    hand_order_begin(&resize->order, g_steal_pointer(&task), step);
    resize->target = hand_order_count(&resize->order, resize->target);
    resize_loop_wake(resize);
}

gboolean
resize_order_finish(Resize *resize, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

const GuestMemory *
resize_get_memory(Resize *resize)
{
    return resize->memory;
}

ResizePhase
resize_get_phase(Resize *resize)
{
    return resize->phase;
}

const char *
resize_get_reason(Resize *resize)
{
    return resize->reason;
}

guint64
resize_get_target(Resize *resize)
{
    return resize->target;
}

static void
resize_dispose(GObject *object)
{
    Resize *resize = MEMPLUG_RESIZE(object);

    resize_stop(resize);
    g_clear_object(&resize->guest);
    G_OBJECT_CLASS(resize_parent_class)->dispose(object);
}

static void
resize_finalize(GObject *object)
{
    Resize *resize = MEMPLUG_RESIZE(object);

    g_clear_object(&resize->cancellable);
    g_clear_pointer(&resize->memory, guest_memory_free);
    g_clear_pointer(&resize->troubles, trouble_book_free);
    g_free(resize->reason);
    g_clear_pointer(&resize->foreign, foreign_watch_free);
    open_step_clear(&resize->open);
    follow_wait_end(&resize->wait);
    G_OBJECT_CLASS(resize_parent_class)->finalize(object);
}

static void
resize_class_init(ResizeClass *class)
{
    GObjectClass *object_class = G_OBJECT_CLASS(class);

    object_class->dispose = resize_dispose;
    object_class->finalize = resize_finalize;

    resize_signals[RESIZE_SIGNAL_CHANGED] = g_signal_new("changed", TYPE_RESIZE, G_SIGNAL_RUN_LAST,
                                                         0, NULL, NULL, NULL, G_TYPE_NONE, 0);
    resize_signals[RESIZE_SIGNAL_REPORT] =
        g_signal_new("report", TYPE_RESIZE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                     G_TYPE_POINTER);
    resize_signals[RESIZE_SIGNAL_OVERRULED] =
        g_signal_new("overruled", TYPE_RESIZE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE,
                     1, G_TYPE_POINTER);
}

static void
resize_init(Resize *resize)
{
    resize->cancellable = g_cancellable_new();
    resize->troubles = trouble_book_new();
    resize->reason = g_strdup("");
    resize->most = G_MAXUINT64;
}
