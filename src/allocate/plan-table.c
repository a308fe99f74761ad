/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate/plan-table.h"

void
plan_table_init(PlanTable *table, gsize n_most)
{
    table->n = 0;
    table->views = g_new(GuestView, n_most);
    table->guests = g_new(LimitGuest, n_most);
    table->raw = g_new(guint64, n_most);
    table->limited = g_new(LimitedTarget, n_most);
    table->idle = g_new0(guint64, n_most);
    table->stuck = g_new0(gboolean, n_most);
}

void
plan_table_clear(PlanTable *table)
{
    g_free(table->views);
    g_free(table->guests);
    g_free(table->raw);
    g_free(table->limited);
    g_free(table->idle);
    g_free(table->stuck);
}
