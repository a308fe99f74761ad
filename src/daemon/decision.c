/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/decision.h"

#include "size/size.h"

char *
decision_describe(const PlanGuest *plan, guint64 before)
{
    g_autofree char *from = size_format_rounded(before);
    g_autofree char *to = size_format_rounded(plan->target);
    g_autofree char *demand = size_format_rounded(plan->forecast.demand);
    GString *text = g_string_new(NULL);
    const char *separator = "; ";

    g_string_printf(text, "%s → %s: demand %s (%s)", from, to, demand, plan->forecast.reason);
    if (plan->found > 0) {
        g_autofree char *found = size_format_rounded(plan->found);

        g_string_append_printf(text, " less %s by probing", found);
    }
    for (guint bit = 1; bit <= plan->limits; bit <<= 1) {
        if (!(plan->limits & bit))
            continue;
        g_string_append_printf(text, "%s%s", separator,
                               bit == LIMIT_TRIAL && plan->hold != SHRINK_HOLD_NONE
                                   ? shrink_hold_describe(plan->hold)
                                   : limit_describe((Limit)bit));
        separator = ", ";
    }
    return g_string_free(text, FALSE);
}
