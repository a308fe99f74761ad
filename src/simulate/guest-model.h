/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that does not exist: what it uses follows a trace, what it has follows what is
 * asked of it, and between the two stand its page cache and its swap.
 *
 *          actual ┬────────────────
 *                 │ free                    cache shrinks when use grows towards actual;
 *                 │ cache (as traced,       what it had to give up is told in the account
 *                 │        as far as it fits)
 *                 │ used (as traced)        beyond actual it is swapped out: it starves
 *                 ┴
 *
 * A trace's load goes on as it was recorded, however much it starves: a real one would
 * go slower. So what is lacked is counted, not how much later the work was done.
 *
 * Actual is taken for what the guest can use (MemTotal): what its kernel takes for itself is
 * the same under every policy.
 */
#pragma once

#include "monitor/sample.h"
#include "simulate/account.h"
#include "simulate/resize-model.h"
#include "simulate/trace.h"

/* What a guest of a simulation is. */
typedef struct {
    const char *name;
    const Trace *trace;
    gint64 shift_us; /* it began with its trace so long before */
    guint64 floor, ceiling;
    guint64 size; /* what it has at first */
    double weight;
    Mechanism mechanism;
} GuestSpec;

typedef struct {
    const GuestSpec *spec;
    TraceCursor cursor;
    ResizeModel resize;
    GuestAccount account;
    guint64 actual;
    gint64 now_us; /* up to here it has lived */

    /* What it tells. */
    gboolean has_agent;
    gint64 sample_us;         /* when the next sample is taken */
    gint64 period_us;         /* between two of them */
    double swap_in, swap_out; /* bytes */
    double stalls;
    double stalled_us;
    SampleRing ring;
} GuestModel;

void guest_model_init(GuestModel *guest, const GuestSpec *spec, const DeviceTuning *tuning,
                      guint64 seed, guint64 index);
void guest_model_clear(GuestModel *guest);

/* Lives up to @now, in which nothing but its use changes. */
void guest_model_advance(GuestModel *guest, gint64 now);

/* Its agent, if it has one, samples as often as while a shrink is watched, or as ever. */
void guest_model_watch_shrink(GuestModel *guest, gboolean watched);

/* Returns: bytes used beyond which nothing is left. */
guint64 guest_model_available(const GuestModel *guest);

/* Asks for @target, or has happen what is due. To be called once it has lived up to now.
 * Returns: whether it came to rest. What it has may be another then. */
void guest_model_request(GuestModel *guest, guint64 target);
gboolean guest_model_run(GuestModel *guest);
