/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate/shrink-trial.h"

#include <string.h>

/* A step that may be taken is taken by the next cycle. */
#define GRANT_US (3 * (gint64)G_USEC_PER_SEC)

/* As long as a device is waited for (hotplug/resize), and some more: a guest that has not
 * followed by then is watched all the same, for part of it may be taken. */
#define TAKE_US (20 * (gint64)G_USEC_PER_SEC)

static const char *const state_names[] = {
    [SHRINK_TRIAL_REST] = "rest",       [SHRINK_TRIAL_ANNOUNCED] = "announced",
    [SHRINK_TRIAL_GRANTED] = "granted", [SHRINK_TRIAL_TAKING] = "taking",
    [SHRINK_TRIAL_WATCHED] = "watched", [SHRINK_TRIAL_UNDOING] = "undoing",
};
G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == SHRINK_TRIAL_UNDOING + 1);

const char *
shrink_trial_state_name(ShrinkTrialState state)
{
    return state_names[state];
}

static const char *const hold_texts[] = {
    [SHRINK_HOLD_NONE] = "may be shrunk",
    [SHRINK_HOLD_ASKING] = "not shrunk before its agent was asked",
    [SHRINK_HOLD_STEP] = "not shrunk further than one step",
    [SHRINK_HOLD_WATCHING] = "not shrunk further while the last step is watched",
    [SHRINK_HOLD_UNDOING] = "given back what a shrink that hurt took",
    [SHRINK_HOLD_HURT] = "not shrunk: backing off after a shrink that hurt",
    [SHRINK_HOLD_REFUSED] = "not shrunk: backing off after its agent refused",
    [SHRINK_HOLD_PRESSED] = "not tried: pressed",
};
G_STATIC_ASSERT(G_N_ELEMENTS(hold_texts) == SHRINK_HOLD_PRESSED + 1);

const char *
shrink_hold_describe(ShrinkHold hold)
{
    return hold_texts[hold];
}

void
shrink_trial_start(ShrinkTrial *trial)
{
    guint64 id = trial->id; /* an agent that lived on must not take the next for this one */

    memset(trial, 0, sizeof *trial);
    trial->id = id;
}

/* The one place where the state changes. */
static void
enter(ShrinkTrial *trial, ShrinkTrialState state, gint64 now)
{
    trial->state = state;
    trial->since = now;
}

/* An end replaces its own beginning where that was not fetched yet. */
static void
notify(ShrinkTrial *trial, ShrinkNoticeKind kind)
{
    ShrinkNotice *notice = &trial->notices[trial->notices[0].kind == SHRINK_NOTICE_NONE ? 0 : 1];

    if (!trial->with_agent)
        return;
    *notice = (ShrinkNotice){
        .kind = kind,
        .id = trial->id,
        .size = trial->size,
        .start_us = SHRINK_ANSWER_US,
        .watch_us = SHRINK_WATCH_AGENT_US,
    };
}

gboolean
shrink_trial_next_notice(ShrinkTrial *trial, ShrinkNotice *notice)
{
    if (trial->notices[0].kind == SHRINK_NOTICE_NONE)
        return FALSE;
    *notice = trial->notices[0];
    trial->notices[0] = trial->notices[1];
    trial->notices[1].kind = SHRINK_NOTICE_NONE;
    return TRUE;
}

/* @latest: (nullable): nothing was taken */
static ShrinkFigures
figures_of(const ShrinkTrial *trial, const Sample *latest, gint64 now)
{
    gboolean since_arrived =
        latest && trial->has_arrived && trial->arrived.time_us < latest->time_us;
    ShrinkFigures figures = { .margin = trial->margin };

    if (!latest || !trial->has_base)
        return figures;
    figures.watched_us = now - trial->taken_us;
    figures.available_before = trial->base.available;
    figures.available_after = latest->available;
    figures.before = trial->pace;
    figures.after = shrink_pace_between(since_arrived ? &trial->arrived : &trial->base, latest);
    return figures;
}

/* @latest: as for figures_of() */
static void
conclude(ShrinkTrial *trial, ShrinkOutcome outcome, const char *reason, const Sample *latest,
         gint64 now)
{
    trial->figures = figures_of(trial, latest, now);
    trial->outcome = outcome;
    trial->reason = reason;
    trial->ended_kind = trial->kind;
    trial->ended_before = trial->before;
    trial->ended_after = trial->after;
    trial->outcomes++;
}

static void
back_off(ShrinkTrial *trial, gboolean refused, gint64 now)
{
    guint *failures = &trial->failures[trial->kind];
    guint doublings = MIN(*failures, SHRINK_BACK_OFF_MOST);

    trial->not_before[trial->kind] = now + (SHRINK_BACK_OFF_US << doublings);
    trial->refused[trial->kind] = refused;
    *failures = MIN(*failures + 1, G_MAXUINT - 1);
}

static void
undo(ShrinkTrial *trial, const char *reason, const Sample *latest, gint64 now)
{
    conclude(trial, SHRINK_OUTCOME_HURT, reason, latest, now);
    back_off(trial, FALSE, now);
    notify(trial, SHRINK_NOTICE_UNDONE);
    enter(trial, SHRINK_TRIAL_UNDOING, now);
}

static void
keep(ShrinkTrial *trial, const Sample *latest, gint64 now)
{
    conclude(trial, SHRINK_OUTCOME_KEPT, NULL, latest, now);
    trial->failures[trial->kind] = 0;
    trial->not_before[trial->kind] = now;
    trial->settled_us = trial->has_arrived ? trial->arrived.time_us : now;
    trial->stalled = trial->has_arrived
                         ? shrink_signs_stalled(&shrink_budget_probe, &trial->arrived, latest)
                         : 0;
    notify(trial, SHRINK_NOTICE_DONE);
    enter(trial, SHRINK_TRIAL_REST, now);
}

void
shrink_trial_abandon(ShrinkTrial *trial, gint64 now)
{
    if (trial->state == SHRINK_TRIAL_TAKING || trial->state == SHRINK_TRIAL_WATCHED)
        notify(trial, SHRINK_NOTICE_DONE);
    else if (trial->state == SHRINK_TRIAL_ANNOUNCED || trial->state == SHRINK_TRIAL_GRANTED)
        notify(trial, SHRINK_NOTICE_UNDONE);
    if (trial->state != SHRINK_TRIAL_REST)
        enter(trial, SHRINK_TRIAL_REST, now);
    trial->seen = 0;
}

/*
 * What the samples say
 */

static const ShrinkBudget *
budget_of(ShrinkKind kind)
{
    return kind == SHRINK_PROBE ? &shrink_budget_probe : &shrink_budget_plain;
}

/* Returns: (nullable): why the step is to be undone. */
static const char *
find_hurt(ShrinkTrial *trial, const ShrinkView *view)
{
    const Sample *latest = sample_ring_get(view->ring, 0);

    if (view->pressed)
        return "it came under pressure";
    if (!trial->has_base || !latest || latest->time_us <= trial->base.time_us)
        return NULL;
    return shrink_signs_find(budget_of(trial->kind), &trial->baseline, &trial->base,
                             trial->has_arrived ? &trial->arrived : NULL, latest);
}

/* Whether the step takes nothing but free memory, and leaves enough of it. */
static gboolean
takes_only_free(const ShrinkTrial *trial)
{
    guint64 size = trial->before - trial->after;

    return trial->kind == SHRINK_PLAIN && trial->has_base && trial->base.free >= size &&
           trial->base.free - size >= shrink_signs_reserve(trial->base.total);
}

static gint64
watch_us(const ShrinkTrial *trial)
{
    if (takes_only_free(trial))
        return SHRINK_WATCH_FREE_US;
    return trial->with_agent ? SHRINK_WATCH_AGENT_US : SHRINK_WATCH_BALLOON_US;
}

/* The guest was asked for less than @before. */
static void
begin(ShrinkTrial *trial, const ShrinkView *view, guint64 before, gint64 now)
{
    const Sample *latest = sample_ring_get(view->ring, 0);

    trial->before = before;
    trial->after = view->requested;
    trial->has_base = latest != NULL;
    trial->has_arrived = FALSE;
    if (latest)
        trial->base = *latest;
    trial->baseline = shrink_signs_baseline(view->ring, trial->settled_us, now);
    trial->watch_us = watch_us(trial);
    trial->taken_us = now;
    trial->pace = shrink_pace_before(view->ring, now);
    enter(trial, SHRINK_TRIAL_TAKING, now);
}

/* Somebody else's need took it, unannounced: it is watched all the same, and given back
 * if it hurts and nobody needs it by then. */
static void
begin_forced(ShrinkTrial *trial, const ShrinkView *view, guint64 before, gint64 now)
{
    trial->kind = SHRINK_PLAIN;
    trial->with_agent = FALSE;
    trial->margin = 0;
    begin(trial, view, before, now);
}

static void
look_while_granted(ShrinkTrial *trial, const ShrinkView *view, gint64 now)
{
    if (view->requested < trial->before)
        begin(trial, view, trial->before, now);
    else if (view->requested > trial->before || now - trial->since >= GRANT_US || view->pressed)
        shrink_trial_abandon(trial, now);
}

/* The guest was asked for another size in the middle of the step. */
static gboolean
is_overtaken(ShrinkTrial *trial, const ShrinkView *view, gint64 now)
{
    if (view->requested >= trial->before) {
        /* It needs it after all: that is no harm done by us, but nothing to be kept. */
        notify(trial, SHRINK_NOTICE_UNDONE);
        enter(trial, SHRINK_TRIAL_REST, now);
        return TRUE;
    }
    if (view->requested < trial->after) {
        notify(trial, SHRINK_NOTICE_DONE);
        begin_forced(trial, view, trial->after, now);
        return TRUE;
    }
    trial->after = view->requested;
    return FALSE;
}

static void
look_while_taking(ShrinkTrial *trial, const ShrinkView *view, gint64 now)
{
    const char *hurt;

    if (is_overtaken(trial, view, now))
        return;
    hurt = find_hurt(trial, view);
    if (hurt)
        undo(trial, hurt, sample_ring_get(view->ring, 0), now);
    else if (view->actual <= trial->after || now - trial->since >= TAKE_US)
        enter(trial, SHRINK_TRIAL_WATCHED, now);
}

/* The window counts from the first sample after the guest has followed, and ends with
 * one: without samples there is nothing to be known. */
static void
look_while_watched(ShrinkTrial *trial, const ShrinkView *view, gint64 now)
{
    const Sample *latest = sample_ring_get(view->ring, 0);
    const char *hurt;

    if (is_overtaken(trial, view, now))
        return;
    if (!trial->has_arrived && latest && latest->time_us > trial->since) {
        trial->arrived = *latest;
        trial->has_arrived = TRUE;
    }
    hurt = find_hurt(trial, view);
    if (hurt)
        undo(trial, hurt, latest, now);
    else if (trial->has_arrived && latest->time_us - trial->since >= trial->watch_us)
        keep(trial, latest, now);
}

guint64
shrink_trial_look(ShrinkTrial *trial, const ShrinkView *view, gint64 now)
{
    if (trial->seen == 0)
        trial->since = now;
    switch (trial->state) {
    case SHRINK_TRIAL_REST:
        if (view->requested < trial->seen)
            begin_forced(trial, view, trial->seen, now);
        break;
    case SHRINK_TRIAL_ANNOUNCED:
        if (view->requested < trial->before) {
            notify(trial, SHRINK_NOTICE_UNDONE);
            begin_forced(trial, view, trial->before, now);
        } else if (view->requested > trial->before || view->pressed)
            shrink_trial_abandon(trial, now);
        else if (!view->answers || now - trial->since >= SHRINK_ANSWER_US)
            enter(trial, SHRINK_TRIAL_GRANTED, now);
        break;
    case SHRINK_TRIAL_GRANTED:
        look_while_granted(trial, view, now);
        break;
    case SHRINK_TRIAL_TAKING:
        look_while_taking(trial, view, now);
        break;
    case SHRINK_TRIAL_WATCHED:
        look_while_watched(trial, view, now);
        break;
    case SHRINK_TRIAL_UNDOING:
        if (view->requested >= trial->before || now >= trial->not_before[trial->kind])
            enter(trial, SHRINK_TRIAL_REST, now);
        break;
    }

    trial->seen = view->requested;
    if (trial->state == SHRINK_TRIAL_UNDOING)
        return trial->before;
    return trial->state == SHRINK_TRIAL_GRANTED ? trial->before - trial->size : view->requested;
}

/* A probe is not begun where even what is not needed could not be taken. */
static gint64
not_before(const ShrinkTrial *trial, ShrinkKind kind)
{
    return MAX(trial->not_before[kind], trial->not_before[SHRINK_PLAIN]);
}

gint64
shrink_trial_not_before(const ShrinkTrial *trial)
{
    return not_before(trial, trial->wanted);
}

ShrinkHold
shrink_trial_hold(const ShrinkTrial *trial, gint64 now)
{
    switch (trial->state) {
    case SHRINK_TRIAL_GRANTED:
    case SHRINK_TRIAL_TAKING:
        return SHRINK_HOLD_STEP;
    case SHRINK_TRIAL_WATCHED:
        return SHRINK_HOLD_WATCHING;
    case SHRINK_TRIAL_UNDOING:
        return SHRINK_HOLD_UNDOING;
    case SHRINK_TRIAL_REST:
        if (now < shrink_trial_not_before(trial))
            return trial->refused[trial->wanted] ? SHRINK_HOLD_REFUSED : SHRINK_HOLD_HURT;
        return trial->pressed ? SHRINK_HOLD_PRESSED : SHRINK_HOLD_ASKING;
    case SHRINK_TRIAL_ANNOUNCED:
        break;
    }
    return SHRINK_HOLD_ASKING;
}

/*
 * Beginning
 */

/* Returns: what may be taken of what is wanted, in whole grains; 0 if that is less. */
static guint64
step_size(const ShrinkTrial *trial, const ShrinkView *view, guint64 wanted, ShrinkKind kind)
{
    guint64 grain = MAX(view->grain, 1);
    guint64 most = MIN(wanted, view->idle);
    guint64 size = most >> MIN(trial->failures[kind], SHRINK_BACK_OFF_MOST);

    if (size < grain && most >= grain)
        size = grain;
    return size - size % grain;
}

const char *
shrink_trial_find_pressed(const ShrinkTrial *trial, const SampleRing *ring, ShrinkKind kind,
                          gint64 now)
{
    const ShrinkBaseline baseline = shrink_signs_baseline(ring, trial->settled_us, now);

    return shrink_signs_find_before(budget_of(kind), &baseline);
}

void
shrink_trial_want(ShrinkTrial *trial, const ShrinkView *view, guint64 target, ShrinkKind kind,
                  gint64 now)
{
    guint64 size;

    if (trial->state != SHRINK_TRIAL_REST || target >= view->requested)
        return;
    trial->wanted = kind;
    trial->pressed = FALSE;
    if (view->pressed || now < not_before(trial, kind))
        return;
    trial->pressed_by = shrink_trial_find_pressed(trial, view->ring, kind, now);
    trial->pressed = trial->pressed_by != NULL;
    if (trial->pressed)
        return;
    size = step_size(trial, view, view->requested - target, kind);
    if (size == 0)
        return;
    trial->kind = kind;
    trial->before = view->requested;
    trial->after = view->requested - size;
    trial->size = size;
    trial->id++;
    trial->margin = 0;
    trial->with_agent = view->answers;
    notify(trial, SHRINK_NOTICE_SHRINK);
    enter(trial, view->answers ? SHRINK_TRIAL_ANNOUNCED : SHRINK_TRIAL_GRANTED, now);
}

void
shrink_trial_answer(ShrinkTrial *trial, guint64 id, gboolean bears, const char *reason, gint64 now)
{
    if (trial->state != SHRINK_TRIAL_ANNOUNCED || id != trial->id)
        return;
    if (bears) {
        enter(trial, SHRINK_TRIAL_GRANTED, now);
        return;
    }
    conclude(trial, SHRINK_OUTCOME_REFUSED, reason, NULL, now);
    back_off(trial, TRUE, now);
    notify(trial, SHRINK_NOTICE_UNDONE);
    enter(trial, SHRINK_TRIAL_REST, now);
}

void
shrink_trial_note_margin(ShrinkTrial *trial, guint64 id, guint64 margin)
{
    if (trial->state == SHRINK_TRIAL_ANNOUNCED && id == trial->id)
        trial->margin = margin;
}

ShrinkEnd
shrink_trial_get_end(const ShrinkTrial *trial)
{
    return (ShrinkEnd){ trial->ended_kind,  trial->outcome, trial->ended_before,
                        trial->ended_after, trial->reason,  trial->figures };
}
