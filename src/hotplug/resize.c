/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Resize is a loop that never trusts its own past:
 *
 *            ┌──────────────────────────────────────────────┐
 *            ▼                                              │
 *     wake ─▶ observe ─▶ derive (recipe) ─┬─ STEP ─▶ act ───┤
 *      ▲                                  ├─ WAIT ─▶ poll ──┘
 *      │                                  └─ DONE ─▶ rest
 *      └── new target, event, time for another try, refresh
 *
 * At most one observation or action is in flight (`busy`); a wake-up that comes
 * meanwhile is remembered (`again`) and served when it ends. So one step is in
 * flight per guest, and what a step has come to is always read from the guest.
 *
 * The step that was ordered last is kept in `open` only to tell how it ended:
 * it is over when the recipe no longer waits for its device. If the recipe
 * waits too long without any progress (`wait`), or the guest says no, the device
 * goes into the book of troubles with what it can do now, and the next
 * derivation works around it.
 *
 * Polling. QEMU limits its events to one a second for each device, so they are
 * taken as hints and the sizes are read again: at first after POLL_FIRST_MS,
 * then after a sixteenth of the time waited so far, at most POLL_LAST_MS. That
 * finds the end of a step within about 6 % of its duration.
 */
#include "hotplug/resize.h"

#define POLL_FIRST_MS 1
#define POLL_LAST_MS  100

/* After an observation that failed. */
#define RETRY_OBSERVE_MS 1000

/* The figures are for TCG on a busy machine; KVM is far below them. A DIMM is
 * acknowledged after 40 to 80 ms and a refusal comes within a second or never;
 * virtio-mem and the balloon move every few ms, and virtio-mem's driver sleeps 5 s
 * before it tries again what failed, so after that nothing comes by itself. */
const ResizeTuning resize_tuning_default = {
    .patience = { .plug_us = 10 * G_USEC_PER_SEC,
                  .unplug_us = 10 * G_USEC_PER_SEC,
                  .progress_us = 5 * G_USEC_PER_SEC },
    .refresh_us = 5 * G_USEC_PER_SEC,
    .trouble = { .first_us = 10 * G_USEC_PER_SEC, .most_us = 600 * G_USEC_PER_SEC },
};

/* A step that was ordered and has not been seen to end. */
typedef struct {
    gboolean active;
    MemoryStep step;
    char *device; /* owned: behind step.device */
    gint64 ordered_us;
} OpenStep;

/* What the recipe waits for, whoever set it moving. */
typedef struct {
    char *subject; /* a device's id or RECIPE_BALLOON; NULL: nothing is waited for */
    gint64 since_us;
    gint64 progress_us; /* when it last moved */
    guint64 size;       /* what it had then */
} Wait;

struct _Resize {
    GObject parent;

    Guest *guest;
    ResizeTuning tuning;
    gboolean dry_run;
    GCancellable *cancellable;

    guint64 target;
    Mechanism mechanism;
    gboolean has_target;

    GuestMemory *memory;
    ResizePhase phase;
    char *reason;
    OpenStep open;
    Wait wait;
    TroubleBook *troubles;

    gboolean busy;
    gboolean again;
    guint timer;

    GTask *order; /* a person's step, until it has ended */
    MemoryStep order_step;
    char *order_device;
    gboolean order_issued;
};

G_DEFINE_TYPE(Resize, resize, G_TYPE_OBJECT)

enum { SIGNAL_CHANGED, SIGNAL_REPORT, N_SIGNALS };
static guint signals[N_SIGNALS];

static void wake(Resize *resize);
static gboolean derive(Resize *resize);

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

static void
enter(Resize *resize, ResizePhase phase, const char *reason)
{
    if (resize->phase == phase && g_str_equal(resize->reason, reason))
        return;
    resize->phase = phase;
    g_free(resize->reason);
    resize->reason = g_strdup(reason);
    g_signal_emit(resize, signals[SIGNAL_CHANGED], 0);
}

/*
 * Waking
 */

static gboolean
on_timer(gpointer data)
{
    Resize *resize = data;

    resize->timer = 0;
    wake(resize);
    return G_SOURCE_REMOVE;
}

static void
wake_in(Resize *resize, gint64 delay_us)
{
    g_clear_handle_id(&resize->timer, g_source_remove);
    resize->timer = g_timeout_add((guint)(MAX(delay_us, 0) / 1000), on_timer, resize);
}

static void
on_observed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Resize) resize = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GuestMemory) memory = guest_observe_finish(MEMPLUG_GUEST(source), result, &error);
    gboolean changed;

    if (g_cancellable_is_cancelled(resize->cancellable))
        return;
    if (!memory) {
        resize->busy = FALSE;
        enter(resize, resize->phase, error->message);
        wake_in(resize, RETRY_OBSERVE_MS * 1000);
        return;
    }
    changed = !guest_memory_equal(resize->memory, memory);
    g_clear_pointer(&resize->memory, guest_memory_free);
    resize->memory = g_steal_pointer(&memory);
    /* Busy to the end: who hears of it may set a target, and that must not
     * observe at once, beside the step that is derived here. */
    if (changed)
        g_signal_emit(resize, signals[SIGNAL_CHANGED], 0);
    resize->busy = derive(resize);
    if (resize->again)
        wake(resize);
}

static void
wake(Resize *resize)
{
    if (g_cancellable_is_cancelled(resize->cancellable))
        return;
    if (resize->busy) {
        resize->again = TRUE;
        return;
    }
    g_clear_handle_id(&resize->timer, g_source_remove);
    /* A guest that never ran is looked at all the same, once. */
    if (resize->memory && guest_get_state(resize->guest) != GUEST_STATE_RUNNING) {
        enter(resize, RESIZE_FROZEN, guest_state_name(guest_get_state(resize->guest)));
        return;
    }
    resize->again = FALSE;
    resize->busy = TRUE;
    guest_observe_async(resize->guest, resize->cancellable, on_observed, g_object_ref(resize));
}

/*
 * The step in flight
 */

static void
report(Resize *resize, ResizeReportKind kind, const char *reason)
{
    const ResizeReport told = {
        .kind = kind,
        .step = &resize->open.step,
        .reason = reason,
        .duration_us = g_get_monotonic_time() - resize->open.ordered_us,
    };

    g_signal_emit(resize, signals[SIGNAL_REPORT], 0, &told);
}

/* Answers the person who ordered a step, if it was that one. */
static void
answer_order(Resize *resize, const char *reason)
{
    g_autoptr(GTask) task = NULL;

    if (!resize->order || !resize->order_issued)
        return;
    task = g_steal_pointer(&resize->order);
    g_clear_pointer(&resize->order_device, g_free);
    if (!reason) {
        g_task_return_boolean(task, TRUE);
        return;
    }
    /* The target moved with the order; without it, it moves back. */
    if (resize->order_step.kind == MEMORY_STEP_PLUG_DIMM)
        resize->target -= MIN(resize->target, resize->order_step.size);
    else if (resize->order_step.kind == MEMORY_STEP_UNPLUG_DIMM)
        resize->target += resize->order_step.size;
    g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_FAILED, "%s", reason);
}

static void
close_step(Resize *resize, ResizeReportKind kind, const char *reason)
{
    if (!resize->open.active)
        return;
    resize->open.active = FALSE;
    report(resize, kind, reason);
    answer_order(resize, reason);
}

static void
record_trouble(Resize *resize, const char *subject, const char *reason)
{
    const RecipeBound bound = follow_bound(resize->memory, subject);

    trouble_book_record(resize->troubles, &resize->tuning.trouble, &bound, reason,
                        g_get_monotonic_time());
}

static void
on_acted(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Resize) resize = data;
    g_autoptr(GError) error = NULL;
    gboolean ok = guest_act_finish(MEMPLUG_GUEST(source), result, &error);

    if (g_cancellable_is_cancelled(resize->cancellable))
        return;
    if (ok && resize->open.active) {
        report(resize, RESIZE_REPORT_ORDERED, NULL);
    } else if (!ok) {
        record_trouble(resize, follow_subject(&resize->open.step), error->message);
        close_step(resize, RESIZE_REPORT_FAILED, error->message);
    }
    resize->busy = FALSE;
    wake(resize);
}

/* The recipe no longer waits for the open step: tells how it ended. */
static void
conclude_step(Resize *resize, ResizeReportKind otherwise, const char *reason)
{
    if (!resize->open.active)
        return;
    if (!follow_arrived(resize->memory, &resize->open.step)) {
        close_step(resize, otherwise, reason);
        return;
    }
    trouble_book_followed(resize->troubles, follow_subject(&resize->open.step),
                          g_get_monotonic_time());
    close_step(resize, RESIZE_REPORT_FOLLOWED, NULL);
}

/* @by_hand: the step is the order of a person, who waits for its end. */
static void
act(Resize *resize, const MemoryStep *step, gboolean by_hand)
{
    OpenStep *open = &resize->open;

    conclude_step(resize, RESIZE_REPORT_OVERTAKEN, "overtaken by another step");
    g_free(open->device);
    open->active = TRUE;
    open->device = g_strdup(step->device);
    open->step = *step;
    open->step.device = open->device;
    open->ordered_us = g_get_monotonic_time();
    resize->order_issued |= by_hand;
    guest_act_async(resize->guest, &open->step, resize->cancellable, on_acted,
                    g_object_ref(resize));
}

/*
 * Deriving
 */

static void
wait_end(Resize *resize)
{
    g_clear_pointer(&resize->wait.subject, g_free);
}

/*
 * Waits for @subject. Returns FALSE if it has stood still for too long: then it
 * is in the book, and the recipe is to be asked again.
 */
static gboolean
wait_for(Resize *resize, const char *subject, gint64 now)
{
    Wait *wait = &resize->wait;
    guint64 size = follow_size(resize->memory, subject);

    if (g_strcmp0(wait->subject, subject) != 0) {
        wait_end(resize);
        *wait = (Wait){ g_strdup(subject), now, now, size };
    }
    if (size != wait->size) {
        wait->size = size;
        wait->progress_us = now;
    }
    if (now - wait->progress_us >=
        follow_patience(&resize->tuning.patience, resize->memory, subject)) {
        const char *reason = follow_stall_reason(resize->memory, subject);

        record_trouble(resize, subject, reason);
        close_step(resize, RESIZE_REPORT_REFUSED, reason);
        wait_end(resize);
        return FALSE;
    }
    wake_in(resize, CLAMP((now - wait->since_us) / 16, POLL_FIRST_MS * 1000, POLL_LAST_MS * 1000));
    enter(resize, RESIZE_MOVING, "");
    return TRUE;
}

static void
rest(Resize *resize, const Recipe *recipe, gint64 now)
{
    const Trouble *trouble = trouble_book_next(resize->troubles, now);
    gint64 next = resize->tuning.refresh_us;

    conclude_step(resize, RESIZE_REPORT_REFUSED, "the guest went elsewhere");
    if (trouble)
        next = MIN(next, trouble->retry_us - now);
    wake_in(resize, next);

    if (recipe->reason == RECIPE_AT_TARGET || recipe->reason == RECIPE_SHORT_GRAIN) {
        enter(resize, RESIZE_SETTLED, "");
    } else if (recipe->reason == RECIPE_SHORT_REFUSED && trouble) {
        g_autofree char *reason = g_strdup_printf("%s: %s", trouble->device, trouble->reason);

        enter(resize, RESIZE_SHORT, reason);
    } else {
        enter(resize, RESIZE_SHORT, recipe_short_describe(recipe->reason));
    }
}

static Recipe
ask_recipe(Resize *resize, gint64 now)
{
    g_autoptr(GArray) bounds = trouble_book_bounds(resize->troubles, now);

    return recipe_next_step(resize->memory, resize->target, resize->mechanism,
                            (const RecipeBound *)bounds->data, bounds->len);
}

/* Returns: whether a step was ordered, whose end on_acted() will see. */
static gboolean
derive(Resize *resize)
{
    gint64 now = g_get_monotonic_time();
    Recipe recipe;

    if (guest_get_state(resize->guest) != GUEST_STATE_RUNNING) {
        enter(resize, RESIZE_FROZEN, guest_state_name(guest_get_state(resize->guest)));
        return FALSE;
    }
    if (!resize->has_target || resize->dry_run) {
        enter(resize, RESIZE_SETTLED, "");
        wake_in(resize, resize->tuning.refresh_us);
        return FALSE;
    }

    recipe = ask_recipe(resize, now);
    /* Each turn puts one more device into the book, so the turns end. */
    while (recipe.verdict == RECIPE_WAIT) {
        if (wait_for(resize, recipe.waiting_for, now))
            return FALSE;
        recipe = ask_recipe(resize, now);
    }
    wait_end(resize);

    if (resize->order && !resize->order_issued) {
        enter(resize, RESIZE_MOVING, "");
        act(resize, &resize->order_step, TRUE);
        return TRUE;
    }
    if (recipe.verdict == RECIPE_STEP) {
        enter(resize, RESIZE_MOVING, "");
        act(resize, &recipe.step, FALSE);
        return TRUE;
    }
    rest(resize, &recipe, now);
    return FALSE;
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
            record_trouble(resize, event->device, event->reason);
            if (g_strcmp0(resize->open.device, event->device) == 0)
                close_step(resize, RESIZE_REPORT_REFUSED, event->reason);
        }
        break;
    case GUEST_MEMORY_EVENT_UNPLUGGED:
        if (event->device)
            trouble_book_forget(resize->troubles, event->device);
        break;
    case GUEST_MEMORY_EVENT_RESET:
        trouble_book_clear(resize->troubles);
        break;
    case GUEST_MEMORY_EVENT_CHANGED:
        break;
    }
    wake(resize);
}

static void
on_guest_state(Resize *resize)
{
    wake(resize);
}

Resize *
resize_new(Guest *guest, const ResizeTuning *tuning, gboolean dry_run)
{
    Resize *resize = g_object_new(TYPE_RESIZE, NULL);

    resize->guest = g_object_ref(guest);
    resize->tuning = tuning ? *tuning : resize_tuning_default;
    resize->dry_run = dry_run;
    g_signal_connect_object(guest, "memory-event", G_CALLBACK(on_memory_event), resize, 0);
    g_signal_connect_object(guest, "notify::state", G_CALLBACK(on_guest_state), resize,
                            G_CONNECT_SWAPPED);
    wake(resize);
    return resize;
}

void
resize_stop(Resize *resize)
{
    g_cancellable_cancel(resize->cancellable);
    g_clear_handle_id(&resize->timer, g_source_remove);
    if (resize->order) {
        resize->order_issued = TRUE;
        answer_order(resize, "the guest is gone");
    }
}

void
resize_set_target(Resize *resize, guint64 target, Mechanism mechanism, gboolean insist)
{
    if (resize->has_target && resize->target == target && resize->mechanism == mechanism && !insist)
        return;
    resize->target = target;
    resize->mechanism = mechanism;
    resize->has_target = TRUE;
    if (insist)
        trouble_book_retry_all(resize->troubles, g_get_monotonic_time());
    if (!resize->dry_run && resize->phase != RESIZE_FROZEN && resize->phase != RESIZE_UNKNOWN)
        enter(resize, RESIZE_MOVING, "");
    wake(resize);
}

void
resize_clear_target(Resize *resize)
{
    if (!resize->has_target)
        return;
    resize->has_target = FALSE;
    resize->target = 0;
    wait_end(resize);
    close_step(resize, RESIZE_REPORT_OVERTAKEN, "the guest is no longer managed");
    wake(resize);
}

void
resize_refresh(Resize *resize)
{
    wake(resize);
}

void
resize_order_async(Resize *resize, const MemoryStep *step, GAsyncReadyCallback callback,
                   gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(resize, resize->cancellable, callback, user_data);

    if (resize->order) {
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
    resize->order = g_steal_pointer(&task);
    resize->order_step = *step;
    resize->order_device = g_strdup(step->device);
    resize->order_step.device = resize->order_device;
    resize->order_issued = FALSE;
    if (step->kind == MEMORY_STEP_PLUG_DIMM)
        resize->target += step->size;
    else if (step->kind == MEMORY_STEP_UNPLUG_DIMM)
        resize->target -= MIN(resize->target, step->size);
    wake(resize);
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
    g_free(resize->open.device);
    g_free(resize->wait.subject);
    G_OBJECT_CLASS(resize_parent_class)->finalize(object);
}

static void
resize_class_init(ResizeClass *class)
{
    GObjectClass *object_class = G_OBJECT_CLASS(class);

    object_class->dispose = resize_dispose;
    object_class->finalize = resize_finalize;

    signals[SIGNAL_CHANGED] = g_signal_new("changed", TYPE_RESIZE, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                           NULL, G_TYPE_NONE, 0);
    signals[SIGNAL_REPORT] = g_signal_new("report", TYPE_RESIZE, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                          NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
}

static void
resize_init(Resize *resize)
{
    resize->cancellable = g_cancellable_new();
    resize->troubles = trouble_book_new();
    resize->reason = g_strdup("");
}
