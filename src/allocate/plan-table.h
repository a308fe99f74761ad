/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the planner: what the policy and the limits work on. */
#pragma once

#include "allocate/limits.h"

/* The guests that are not pinned, in order. */
typedef struct {
    gsize n;
    GuestView *views;
    LimitGuest *guests;
    guint64 *raw;
    LimitedTarget *limited;
    guint64 *idle;   /* what a trial may take at once */
    gboolean *stuck; /* PlanGuest.stuck */
} PlanTable;

/* An empty one, with room for @n_most guests. */
void plan_table_init(PlanTable *table, gsize n_most);
void plan_table_clear(PlanTable *table);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PlanTable, plan_table_clear)
