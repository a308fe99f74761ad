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
 * derivation works around it. An order for which the hypervisor had no time (it was
 * busy with the guest, or did not answer) is no trouble of a device: it is derived
 * anew after a pause, which doubles until one is taken.
 *
 * What is observed is first shown to the watch on somebody else's hand (`foreign`).
 * If it finds one, that is told before the recipe is asked, so that who hears of it
 * can make it the target; else the recipe would undo it. While a balloon moves for
 * reasons that are not clear yet, nothing is ordered.
 *
 * A guest that does not run is not looked at, so no patience with it runs out.
 *
 * Polling. QEMU limits its events to one a second for each device, so they are
 * taken as hints and the sizes are read again: at first after POLL_FIRST_MS,
 * then after a sixteenth of the time waited so far, at most POLL_LAST_MS. That
 * finds the end of a step within about 6 % of its duration.
 */
#include "hotplug/resize-loop.h"

#define POLL_FIRST_MS 1
#define POLL_LAST_MS  100

/* After an observation that failed. */
#define RETRY_OBSERVE_MS 1000

/* After an order for which the hypervisor had no time. */
#define BUSY_FIRST_US (250 * 1000)
#define BUSY_MOST_US  (4 * G_USEC_PER_SEC)

static gboolean derive(Resize *resize);

void
resize_loop_enter(Resize *resize, ResizePhase phase, const char *reason)
{
    if (resize->phase == phase && g_str_equal(resize->reason, reason))
        return;
    resize->phase = phase;
    g_free(resize->reason);
    resize->reason = g_strdup(reason);
    g_signal_emit(resize, resize_signals[RESIZE_SIGNAL_CHANGED], 0);
}

/*
 * Waking
 */

static gboolean
on_timer(gpointer data)
{
    Resize *resize = data;

    resize->timer = 0;
    resize_loop_wake(resize);
    return G_SOURCE_REMOVE;
}

static void
wake_in(Resize *resize, gint64 delay_us)
{
    g_clear_handle_id(&resize->timer, g_source_remove);
    resize->timer = g_timeout_add((guint)(MAX(delay_us, 0) / 1000), on_timer, resize);
}

static void
freeze(Resize *resize)
{
    follow_wait_end(&resize->wait);
    resize_loop_enter(resize, RESIZE_FROZEN, guest_state_name(guest_get_state(resize->guest)));
}

/* Shows @memory to the watch, and whom it may concern what that found. */
static void
judge(Resize *resize, const GuestMemory *memory)
{
    g_auto(Foreign) foreign = { FOREIGN_NONE, FALSE, NULL };

    if (resize->restarted || resize->after_restart)
        foreign_watch_restarted(resize->foreign);
    foreign = foreign_watch_judge(resize->foreign, memory, g_get_monotonic_time());
    resize->foreign_moves = foreign.kind == FOREIGN_UNDER_WAY;
    if (resize->has_target && !resize->dry_run &&
        (foreign.kind == FOREIGN_BY_START || foreign.kind == FOREIGN_CHANGED))
        g_signal_emit(resize, resize_signals[RESIZE_SIGNAL_OVERRULED], 0, &foreign);
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
        resize_loop_enter(resize, resize->phase, error->message);
        wake_in(resize, RETRY_OBSERVE_MS * 1000);
        return;
    }
    changed = !guest_memory_equal(resize->memory, memory);
    g_clear_pointer(&resize->memory, guest_memory_free);
    resize->memory = g_steal_pointer(&memory);
    /* Busy to the end: who hears of it may set a target, and that must not
     * observe at once, beside the step that is derived here. */
    if (changed)
        g_signal_emit(resize, resize_signals[RESIZE_SIGNAL_CHANGED], 0);
    judge(resize, resize->memory);
    resize->busy = derive(resize);
    if (resize->again)
        resize_loop_wake(resize);
}

void
resize_loop_wake(Resize *resize)
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
        freeze(resize);
        return;
    }
    resize->again = FALSE;
    resize->busy = TRUE;
    resize->after_restart = resize->restarted;
    resize->restarted = FALSE;
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

    g_signal_emit(resize, resize_signals[RESIZE_SIGNAL_REPORT], 0, &told);
}

/* Answers the person who ordered a step, if it was that one. */
static void
answer_order(Resize *resize, const char *reason)
{
    if (!resize->order.task || !resize->order.issued)
        return;
    resize->target = reason ? hand_order_discount(&resize->order, resize->target)
                            : hand_order_count(&resize->order, resize->target);
    hand_order_answer(&resize->order, reason);
}

void
resize_loop_close_step(Resize *resize, ResizeReportKind kind, const char *reason)
{
    if (!open_step_end(&resize->open))
        return;
    report(resize, kind, reason);
    answer_order(resize, reason);
}

void
resize_loop_record_trouble(Resize *resize, const char *subject, const char *reason)
{
    const RecipeBound bound = follow_bound(resize->memory, subject);

    trouble_book_record(resize->troubles, &resize->tuning.trouble, &bound, reason,
                        g_get_monotonic_time());
}

/* Whether nothing was wrong with an order but its time: somebody else was at work on the
 * guest, or who was to take it had gone, or went before he had answered. */
static gboolean
is_untimely(const GError *error)
{
    static const GIOErrorEnum codes[] = { G_IO_ERROR_BUSY, G_IO_ERROR_TIMED_OUT,
                                          G_IO_ERROR_NOT_CONNECTED, G_IO_ERROR_CONNECTION_CLOSED };
    gboolean untimely = FALSE;

    for (guint i = 0; i < G_N_ELEMENTS(codes); i++)
        untimely |= g_error_matches(error, G_IO_ERROR, codes[i]);
    return untimely;
}

static void
pause_orders(Resize *resize)
{
    resize->pause_us = CLAMP(2 * resize->pause_us, BUSY_FIRST_US, BUSY_MOST_US);
    resize->not_before_us = g_get_monotonic_time() + resize->pause_us;
}

void
resize_loop_resume_orders(Resize *resize)
{
    resize->pause_us = 0;
    resize->not_before_us = 0;
}

static void
on_acted(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Resize) resize = data;
    g_autoptr(GError) error = NULL;
    gboolean ok = guest_act_finish(MEMPLUG_GUEST(source), result, &error);

    if (g_cancellable_is_cancelled(resize->cancellable))
        return;
    foreign_watch_answered(resize->foreign, ok);
    if (ok) {
        resize_loop_resume_orders(resize);
        if (resize->open.active)
            report(resize, RESIZE_REPORT_ORDERED, NULL);
    } else {
        if (is_untimely(error))
            pause_orders(resize);
        else
            resize_loop_record_trouble(resize, follow_subject(&resize->open.step), error->message);
        resize_loop_close_step(resize, RESIZE_REPORT_FAILED, error->message);
    }
    resize->busy = FALSE;
    resize_loop_wake(resize);
}

/* The recipe no longer waits for the open step: tells how it ended. */
static void
conclude_step(Resize *resize, ResizeReportKind otherwise, const char *reason)
{
    if (!resize->open.active)
        return;
    if (!follow_arrived(resize->memory, &resize->open.step)) {
        resize_loop_close_step(resize, otherwise, reason);
        return;
    }
    trouble_book_followed(resize->troubles, follow_subject(&resize->open.step),
                          g_get_monotonic_time());
    resize_loop_close_step(resize, RESIZE_REPORT_FOLLOWED, NULL);
}

static void
act(Resize *resize, const MemoryStep *step)
{
    resize_loop_enter(resize, RESIZE_MOVING, "");
    conclude_step(resize, RESIZE_REPORT_OVERTAKEN, "overtaken by another step");
    open_step_begin(&resize->open, step, g_get_monotonic_time());
    foreign_watch_ordered(resize->foreign, step);
    guest_act_async(resize->guest, &resize->open.step, resize->cancellable, on_acted,
                    g_object_ref(resize));
}

/* The step of a person, who waits for its end. */
static void
act_by_hand(Resize *resize)
{
    /* Before it is issued, so that the end of another step is not taken for its own. */
    conclude_step(resize, RESIZE_REPORT_OVERTAKEN, "overtaken by another step");
    resize->order.issued = TRUE;
    act(resize, &resize->order.step);
}

/*
 * Deriving
 */

/*
 * Waits for @subject. Returns FALSE if it has stood still for too long: then it
 * is in the book, and the recipe is to be asked again.
 */
static gboolean
wait_for(Resize *resize, const char *subject, gint64 now)
{
    FollowWait *wait = &resize->wait;

    if (!follow_wait(wait, &resize->tuning.patience, resize->memory, subject, now)) {
        const char *reason = follow_stall_reason(resize->memory, subject);

        resize_loop_record_trouble(resize, subject, reason);
        resize_loop_close_step(resize, RESIZE_REPORT_REFUSED, reason);
        follow_wait_end(wait);
        return FALSE;
    }
    wake_in(resize, CLAMP((now - wait->since_us) / 16, POLL_FIRST_MS * 1000, POLL_LAST_MS * 1000));
    resize_loop_enter(resize, RESIZE_MOVING, "");
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
        resize_loop_enter(resize, RESIZE_SETTLED, "");
    } else if (recipe->reason == RECIPE_SHORT_REFUSED && trouble) {
        g_autofree char *reason = g_strdup_printf("%s: %s", trouble->device, trouble->reason);

        resize_loop_enter(resize, RESIZE_SHORT, reason);
    } else {
        resize_loop_enter(resize, RESIZE_SHORT, recipe_short_describe(recipe->reason));
    }
}

static Recipe
ask_recipe(Resize *resize, gint64 now)
{
    g_autoptr(GArray) bounds = trouble_book_bounds(resize->troubles, now);

    const RecipeBound *first = (const RecipeBound *)bounds->data;
    Recipe recipe;

    recipe = recipe_next_step_within(resize->memory, resize->target, resize->mechanism, first,
                                     bounds->len, resize->most);
    resize->passing = recipe.passing;
    if (resize->peak > 0 && recipe.verdict == RECIPE_DONE && recipe.passing == 0)
        return recipe_swap(resize->memory, resize->target, resize->mechanism, first, bounds->len,
                           resize->peak);
    return recipe;
}

/* Whether nothing is to be ordered at present; then the next look is arranged for. */
static gboolean
must_wait(Resize *resize, gint64 now)
{
    if (resize->dry_run || (!resize->has_target && !hand_order_is_due(&resize->order))) {
        conclude_step(resize, RESIZE_REPORT_REFUSED, "the guest went elsewhere");
        resize_loop_enter(resize, RESIZE_SETTLED, "");
        wake_in(resize, resize->tuning.refresh_us);
        return TRUE;
    }
    if (now < resize->not_before_us) {
        wake_in(resize, resize->not_before_us - now);
        return TRUE;
    }
    if (resize->foreign_moves) {
        wake_in(resize, POLL_LAST_MS * 1000);
        return TRUE;
    }
    return FALSE;
}

/* Returns: whether a step was ordered, whose end on_acted() will see. */
static gboolean
follow_recipe(Resize *resize, gint64 now)
{
    Recipe recipe = ask_recipe(resize, now);

    /* Each turn puts one more device into the book, so the turns end. */
    while (recipe.verdict == RECIPE_WAIT) {
        if (wait_for(resize, recipe.waiting_for, now))
            return FALSE;
        recipe = ask_recipe(resize, now);
    }
    follow_wait_end(&resize->wait);

    if (hand_order_is_due(&resize->order)) {
        act_by_hand(resize);
        return TRUE;
    }
    if (recipe.verdict == RECIPE_STEP) {
        act(resize, &recipe.step);
        return TRUE;
    }
    rest(resize, &recipe, now);
    return FALSE;
}

/* As follow_recipe(). */
static gboolean
derive(Resize *resize)
{
    gint64 now = g_get_monotonic_time();

    if (guest_get_state(resize->guest) != GUEST_STATE_RUNNING) {
        freeze(resize);
        return FALSE;
    }
    if (must_wait(resize, now))
        return FALSE;
    if (resize->has_target)
        return follow_recipe(resize, now);
    act_by_hand(resize);
    return TRUE;
}
