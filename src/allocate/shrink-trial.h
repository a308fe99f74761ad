/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shrinking as a transaction: one step is taken, watched, and kept or taken back whole.
 *
 *            want             bears, or nobody to ask       the guest is asked for less
 *   REST ─────────▶ ANNOUNCED ──────────▶ GRANTED ──────────▶ TAKING
 *    ▲  ◀──────────────┴─ refuses ───────────┘ not taken         │ it has followed
 *    │                                                           ▼
 *    ├──────────────────────────────── kept ◀──────────────── WATCHED
 *    │                                                           │ it hurts
 *    └──── back-off, longer each time ◀──── UNDOING ◀────────────┘
 *
 * The trial bounds from below what the planner may ask of a guest (its `least`), and that
 * is all: which size is wanted stays the policy's to say. The budget can overrule it, as it
 * overrules all damping; the trial then goes on with what it sees.
 *
 * Pure and level-triggered: that a step was taken it sees from what is requested, and from
 * the samples what came of it. What a guest's agent must be told comes out as notices,
 * for others to carry; an agent that never answers, or none, changes nothing but times.
 */
#pragma once

#include "allocate/shrink-figures.h"
#include "allocate/shrink-signs.h"

typedef enum {
    /* Entered at the start, and when a trial has ended in any way. Nothing may be taken:
     * a step must be wanted first, its back-off be over, and the guest show no signs of harm
     * already. Left by shrink_trial_want(). */
    SHRINK_TRIAL_REST,
    /* Entered when a step is wanted from a guest whose agent answers. Nothing may be
     * taken. Left by the answer; without one after ANSWER_US, as if there were no agent. */
    SHRINK_TRIAL_ANNOUNCED,
    /* The step may be taken, and no more than it. Left when it is, or after GRANT_US. */
    SHRINK_TRIAL_GRANTED,
    /* Entered when the guest is asked for less. Nothing more may be taken. Left when it has
     * followed, after TAKE_US without that, or when it hurts. */
    SHRINK_TRIAL_TAKING,
    /* Nothing more may be taken. Left at the end of the window, or when it hurts. */
    SHRINK_TRIAL_WATCHED,
    /* Entered when it hurts: the guest is to have at least what it was asked to have before
     * the step. Left when it is asked for that again, or its back-off is over. */
    SHRINK_TRIAL_UNDOING,
} ShrinkTrialState;

/* Returns: "rest", "announced", "granted", "taking", "watched" or "undoing". */
const char *shrink_trial_state_name(ShrinkTrialState state);

/* Why less may not be asked for. */
typedef enum {
    SHRINK_HOLD_NONE,
    SHRINK_HOLD_ASKING,   /* its agent is being asked, or it was not wanted before */
    SHRINK_HOLD_STEP,     /* one step is under way */
    SHRINK_HOLD_WATCHING, /* what the last step did is not known yet */
    SHRINK_HOLD_UNDOING,  /* the last step hurt and is taken back */
    SHRINK_HOLD_HURT,     /* backing off after a step that hurt */
    SHRINK_HOLD_REFUSED,  /* backing off after the guest refused */
    SHRINK_HOLD_PRESSED,  /* it shows signs of harm already: see @pressed_by of the trial */
} ShrinkHold;

/* What a step takes. */
typedef enum {
    SHRINK_PLAIN, /* what the guest does not need, as the predictor says */
    SHRINK_PROBE, /* what it may not need, to find out */
    SHRINK_KINDS,
} ShrinkKind;

/* What the agent is to be told. */
typedef enum {
    SHRINK_NOTICE_NONE,
    SHRINK_NOTICE_SHRINK, /* @size is about to be taken, in SHRINK_ANSWER_US */
    SHRINK_NOTICE_DONE,   /* and it stays so */
    SHRINK_NOTICE_UNDONE, /* it is given back, or was never taken */
} ShrinkNoticeKind;

typedef struct {
    ShrinkNoticeKind kind;
    guint64 id; /* of the shrink; never 0 */
    guint64 size;
    gint64 start_us; /* of SHRINK: from now until it begins, ... */
    gint64 watch_us; /* ... and how long the guest is watched after */
} ShrinkNotice;

/* The outcome of a trial, for people. */
typedef enum {
    SHRINK_OUTCOME_NONE,
    SHRINK_OUTCOME_KEPT,
    SHRINK_OUTCOME_HURT,    /* it is taken back; the reason tells why */
    SHRINK_OUTCOME_REFUSED, /* by the guest; the reason tells why */
} ShrinkOutcome;

/* A trial that has ended, whole. */
typedef struct {
    ShrinkKind kind;
    ShrinkOutcome outcome;
    guint64 before, after; /* what the guest was asked to have, or was to be */
    const char *reason;    /* nullable: why it was not kept */
    ShrinkFigures figures;
} ShrinkEnd;

/* A guest as the trial sees it. */
typedef struct {
    const SampleRing *ring;
    guint64 actual;
    guint64 requested;
    guint64 grain;
    guint64 idle;     /* the most that may be taken at once: what the guest does not need */
    gboolean pressed; /* it is hurt already, or asks for memory: nothing may be taken */
    gboolean answers; /* it has an agent that answers */
} ShrinkView;

typedef struct {
    /* to be read by others */
    ShrinkTrialState state;
    ShrinkKind kind;       /* of the step in hand */
    guint64 before;        /* what the guest was asked to have before the step, ... */
    guint64 after;         /* ... and after it */
    ShrinkOutcome outcome; /* of the latest trial that ended, ... */
    const char *reason;    /* ... and why; static text, nullable */
    ShrinkKind ended_kind; /* ... and of what step: the next may be in hand already */
    guint64 ended_before, ended_after;
    ShrinkFigures figures;        /* ... and what was seen of it */
    guint outcomes;               /* how many have ended: it changes when there is news */
    guint failures[SHRINK_KINDS]; /* without a success in between */
    double stalled;               /* of the latest step kept: part of the stall budget */
    gboolean pressed;             /* nothing was tried when something was wanted last: it shows
                                   * signs of harm already, ... */
    const char *pressed_by;       /* ... namely this; static text, nullable */

    /* private */
    gint64 not_before[SHRINK_KINDS]; /* the next trial */
    gboolean refused[SHRINK_KINDS];  /* rather than hurt, the last time */
    ShrinkKind wanted;               /* the last time that anything was */
    guint64 id;
    guint64 size;
    gint64 since;      /* in this state */
    guint64 margin;    /* that the agent answered with */
    gint64 taken_us;   /* when the guest was asked for less, ... */
    ShrinkPace pace;   /* ... and its pace then */
    gint64 watch_us;   /* of the step in hand */
    guint64 seen;      /* what was requested at the last look; 0: there was none */
    gint64 settled_us; /* when the guest had followed the latest step that was kept */
    ShrinkBaseline baseline;
    Sample base, arrived;
    gboolean has_base, has_arrived, with_agent;
    ShrinkNotice notices[2]; /* to be fetched, the older first */
} ShrinkTrial;

/* How long the answer of an agent is awaited. It looks at least once a second, and a
 * guest that is slower than this to answer is not well. */
#define SHRINK_ANSWER_US (1500 * (gint64)1000)

/* Senpai counts its stall budget over six seconds; with an agent, 24 samples come in them. */
#define SHRINK_WATCH_AGENT_US (6 * (gint64)G_USEC_PER_SEC)
/* The balloon's statistics come once a second, and know less. */
#define SHRINK_WATCH_BALLOON_US (10 * (gint64)G_USEC_PER_SEC)

/* A step that is all of free memory takes nothing that the guest had put to use: a few samples
 * tell whether that was so. */
#define SHRINK_WATCH_FREE_US (3 * (gint64)G_USEC_PER_SEC)

/* The first back-off is longer than the ten seconds for which an agent remembers a
 * stall; each failure doubles it, up to 16 minutes. */
#define SHRINK_BACK_OFF_US   (15 * (gint64)G_USEC_PER_SEC)
#define SHRINK_BACK_OFF_MOST 6 /* doublings */

/* Makes @trial one that has seen nothing; the guest starts or restarts. */
void shrink_trial_start(ShrinkTrial *trial);

/*
 * Takes in what is so now. To be called once a cycle, before the targets are worked out.
 * Returns: the least that the guest may be asked to have: 0 if nothing is held back.
 */
guint64 shrink_trial_look(ShrinkTrial *trial, const ShrinkView *view, gint64 now);

/* Returns: the latest trial that has ended. */
ShrinkEnd shrink_trial_get_end(const ShrinkTrial *trial);

/* Returns: why the least is what it is, as of @now. */
ShrinkHold shrink_trial_hold(const ShrinkTrial *trial, gint64 now);

/* Returns: when the back-off of what was wanted last is over; 0, or past, if there is none. */
gint64 shrink_trial_not_before(const ShrinkTrial *trial);

/* Returns: (nullable): static text: by what the guest is pressed already, so that no step of @kind
 *   is begun. */
const char *shrink_trial_find_pressed(const ShrinkTrial *trial, const SampleRing *ring,
                                      ShrinkKind kind, gint64 now);

/*
 * Less is wanted than the guest was asked to have: @target, if the trial did not hold it. Once
 * a cycle, after the targets were worked out. A step that was hurt or refused is tried
 * with half the size the next time.
 */
void shrink_trial_want(ShrinkTrial *trial, const ShrinkView *view, guint64 target, ShrinkKind kind,
                       gint64 now);

/* The agent's answer to the shrink with @id; others are ignored. @reason: static text. */
void shrink_trial_answer(ShrinkTrial *trial, guint64 id, gboolean bears, const char *reason,
                         gint64 now);

/* And what it could give beyond that, if it bears it; to be told before the answer itself. */
void shrink_trial_note_margin(ShrinkTrial *trial, guint64 id, guint64 margin);

/* The guest is not the policy's at present: forgets the step in hand, as it is. */
void shrink_trial_abandon(ShrinkTrial *trial, gint64 now);

/* Returns: whether there was something to tell the agent; @notice is filled in. */
gboolean shrink_trial_next_notice(ShrinkTrial *trial, ShrinkNotice *notice);

/* Returns: static text for people: "not shrunk: backing off after a shrink that hurt". */
const char *shrink_hold_describe(ShrinkHold hold);
