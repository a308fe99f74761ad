/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An urgent request: how much of it is given at once, and what is still missing.
 *
 * Plugging memory costs the guest memory first, and a guest that asks has little left. So it is
 * given first what it can surely afford, and twice as much each time that has come, until all
 * that it asked for is there:
 *
 *     actual ──┬──────┬────────────┬───────────────────┬─▶
 *              │ chunk│  2 · chunk │     4 · chunk     │ goal
 *
 * What the balloon holds costs nothing, and comes back whole at once, also beyond the request, to
 * a guest whose memory falls; one that has nothing left and is at rest gets what it asks for.
 *
 * Pure: the caller has the clock. A plain struct; there is nothing to free.
 */
#pragma once

#include "monitor/sample.h"

typedef struct {
    /* to be read by others */
    gint64 asked_us; /* when it was asked last; 0: never */
    gint64 until_us; /* valid until then */
    guint64 goal;    /* bytes of actual that are asked for in all */

    /* private */
    guint64 chunk;
    guint64 stage; /* bytes of actual that are given at present */
} UrgentRequest;

/* What a request is made of. Sizes in bytes. */
typedef struct {
    guint64 size;      /* what the agent asks for */
    guint64 available; /* what it says is left */
    guint64 fall;      /* bytes a second by which that falls; 0: not told */
    gint64 plug_us;    /* from an order until new memory is in use, as measured */
    guint64 actual;    /* what the guest has */
    guint64 ballooned; /* of what it could have, what the balloon holds and gives back whole */
    guint64 ceiling;   /* the most it may have */
    guint64 grain;     /* the least that its devices can add */
    gint64 valid_us;   /* for how long the request is borne in mind */
} UrgentTerms;

/* A request has come. What one before asked for, and is still valid, stays asked for. */
void urgent_ask(UrgentRequest *request, const UrgentTerms *terms, gint64 now);

/* The request is met or void. */
void urgent_forget(UrgentRequest *request);

/*
 * What the guest told since may show that the danger is over: it is not pressed, and what is
 * available is no less than a reserve and lasts, at the pace of the latest samples, for the two
 * horizons in which its agent does not call that danger (guest/watch.h). Then the request is
 * forgotten, though its time is not over: it was a forecast, and what is kept for it others may
 * need. @ring: the guest's samples. Call it before urgent_is_valid().
 */
void urgent_look(UrgentRequest *request, const SampleRing *ring, gint64 now);

gboolean urgent_is_valid(const UrgentRequest *request, gint64 now);

/* Returns: bytes beyond @actual that are to be asked for now; 0 if none are. Call it again
 *   when @actual has changed. */
guint64 urgent_missing(UrgentRequest *request, guint64 actual, gint64 now);
