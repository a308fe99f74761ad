/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of the limits that looks at one guest alone, for limits.c: what is wanted of it,
 * and which sizes it can have.
 */
#pragma once

#include "allocate/limits.h"

/* A guest on its way through the stages. */
typedef struct {
    const LimitTuning *tuning;
    const GuestView *view;
    const LimitGuest *guest;
    gint64 now;
    guint64 stay;    /* what leaving it as it is means: requested, within floor and ceiling */
    guint64 need;    /* what its use calls for, as a size that it can have; 0 if undamped */
    gboolean needed; /* others need what it does not: no cool-down, no dead band downwards */
} LimitCase;

/* Returns: the wanted target: @raw when it has passed all stages, and which changed it. */
LimitedTarget limits_damp(const LimitCase *c, guint64 raw);

/* Returns: the size that @bytes take, if nothing is damped. */
guint64 limits_size_of(const LimitCase *c, guint64 bytes);

/* Returns: the largest size not above @bytes that its devices can reach; 0 if there is none. */
guint64 limits_reach_down(const LimitGuest *guest, guint64 bytes);

/* Returns: the largest size that it can have within the cut @amount, or the floor. */
guint64 limits_round_down(const LimitCase *c, guint64 amount);

/* Returns: whether it would be hurt at once, so that it is taken from last. */
gboolean limits_spare(const GuestView *view);
