/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A change of a guest's memory that was asked for: how it stands, judged from
 * the guest's properties, and told in words. follow.h waits for its end.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "dbus/memplug-dbus.h"

typedef enum {
    CHANGE_MOVING,      /* no end yet */
    CHANGE_ASKED,       /* no end yet, and nobody waits for it */
    CHANGE_SETTLED,     /* the guest has what was asked for */
    CHANGE_ROUNDED,     /* it has the nearest size that its devices can make */
    CHANGE_OVERRULED,   /* it has what it was asked for, but that is something else by now */
    CHANGE_SHORT,       /* it stopped short */
    CHANGE_FROZEN,      /* it is paused, migrates or does not answer */
    CHANGE_TIMED_OUT,   /* still moving; waited long enough */
    CHANGE_INTERRUPTED, /* still moving; the user waits no longer */
    CHANGE_GUEST_GONE,
    CHANGE_DAEMON_GONE,
} ChangeOutcome;

typedef struct {
    ChangeOutcome outcome;
    char *guest;       /* owned: its name */
    guint64 asked;     /* bytes: by the user */
    guint64 before;    /* what the guest had */
    guint64 requested; /* what memplugd asks of the guest */
    guint64 actual;    /* what it has */
    guint64 grain;     /* the smallest step of its devices */
    char *phase;       /* owned */
    char *reason;      /* owned: of the phase; may be "" */
    double seconds;    /* since the question */
} Change;

/* Begins a change: what @guest has now is what it had @before. */
Change *change_new(BusGuest *guest, guint64 asked);
void change_free(Change *change);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Change, change_free)

/*
 * change_update:
 * @guest: as it is now
 * @decision: the one that the change was made by, as SetMemory returned it
 *
 * Takes over what @guest has and judges: the change moves as long as the guest
 * follows an earlier decision, or its phase is moving or unknown.
 */
void change_update(Change *change, BusGuest *guest, guint64 decision);

/* Returns: whether that is what the user wanted. */
gboolean change_succeeded(const Change *change);

/* Returns: (transfer full): "web: 562 MiB (was 256 MiB) in 0.31 s", or how far it
 *   got and why. */
char *change_describe(const Change *change);

/* Adds the change as an object. */
void change_to_json(const Change *change, JsonBuilder *json);
