/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Something that an administrator may want to know. Events are made where a
 * thing happens, passed up as the "event" signal of ManagedGuest and Roster, and
 * told in two places: the log (event-log) and the bus.
 */
#pragma once

#include "allocate/shrink-trial.h"

typedef enum {
    EVENT_GUEST_ADDED,
    EVENT_GUEST_REMOVED,
    EVENT_STATE,    /* the guest paused, runs again, migrates, ... */
    EVENT_DECISION, /* the policy asks the guest to have another size */
    EVENT_HELD,     /* an administrator does */
    EVENT_STEP,     /* a device action was ordered, or has ended */
    EVENT_SETTLED,  /* the guest has what it was asked to have */
    EVENT_SHORT,    /* the guest stopped short of it */
    EVENT_ONLINING, /* memory that was plugged does not come into use, or does at last */
    EVENT_SHRINK,   /* what became of a shrink that was tried */
    EVENT_URGENT,   /* the guest's agent asks for memory, or got some */
    EVENT_STATS,    /* the guest's statistics stopped, or came back */
    EVENT_MANAGED,  /* given to the policy, or opted out */
    EVENT_LIMITS,   /* floor, ceiling, weight or mechanism changed */
    EVENT_BUDGET,   /* the promises exceed the budget, or no longer do */
    EVENT_HOST,     /* the host itself is short of memory, or no longer */
    EVENT_LEASE,    /* memory is asked for, granted, handed over, ... for a guest to come */
    EVENT_CONFIG,   /* the configuration was read anew, or refused */
    EVENT_JOURNAL,  /* the journal cannot be written, or can again */
} EventKind;

typedef struct {
    EventKind kind;
    GLogLevelFlags level;
    const char *guest;       /* "" for the host */
    guint64 decision;        /* that led to it; 0: none */
    const char *message;     /* in words */
    const ShrinkEnd *shrink; /* nullable: of EVENT_SHRINK: its figures, for the journal */
} Event;

/* Returns: "guest-added", "decision", ... as on the bus. */
const char *event_kind_name(EventKind kind);

/* Writes @event to the log, with its parts as fields of the journal. */
void event_log(const Event *event);

/*
 * Returns: an id for a new decision: the wall clock in microseconds, but always
 *   more than the one before. So ids stay unique over restarts, and tell when.
 */
guint64 event_new_decision(void);
