/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's shrinks on their way between the planner, which tries them (allocate/shrink-trial.h),
 * and the rest: what people are told of them.
 */
#include "daemon/managed-guest-private.h"
#include "size/size.h"

void
managed_guest_shrink_start(ManagedGuest *managed)
{
    shrink_trial_start(&managed->trial);
    probe_start(&managed->probe);
    managed->outcomes = 0;
    uptake_start(&managed->uptake);
}

void
managed_guest_shrink_plan(ManagedGuest *managed, PlanGuest *plan)
{
    plan->trial = &managed->trial;
    plan->probe = &managed->probe;
}

static void
tell_outcome(ManagedGuest *managed, gint64 now)
{
    const ShrinkTrial *trial = &managed->trial;
    gint64 pause_us = MAX(trial->not_before[trial->kind] - now, 0);
    g_autofree char *before = size_format_rounded(trial->before);
    g_autofree char *after = size_format_rounded(trial->after);
    const char *probe = trial->kind == SHRINK_PROBE ? "probe" : "shrink";

    switch (trial->outcome) {
    case SHRINK_OUTCOME_NONE:
        break;
    case SHRINK_OUTCOME_KEPT:
        managed_guest_tell(managed, EVENT_SHRINK, G_LOG_LEVEL_INFO, "%s %s → %s did no harm", probe,
                           before, after);
        break;
    case SHRINK_OUTCOME_HURT:
        managed_guest_tell(managed, EVENT_SHRINK, G_LOG_LEVEL_MESSAGE,
                           "%s %s → %s hurt, and is taken back: %s; none for %.0f s", probe, before,
                           after, trial->reason, (double)pause_us / G_USEC_PER_SEC);
        break;
    case SHRINK_OUTCOME_REFUSED:
        managed_guest_tell(managed, EVENT_SHRINK, G_LOG_LEVEL_INFO,
                           "%s %s → %s refused by its agent: %s; none for %.0f s", probe, before,
                           after, trial->reason, (double)pause_us / G_USEC_PER_SEC);
        break;
    }
}

void
managed_guest_shrink_apply(ManagedGuest *managed, const PlanGuest *plan, gint64 now)
{
    ShrinkNotice notice;

    managed->status.found = plan->found;
    managed->status.limits = plan->pin == PLAN_PIN_NONE ? plan->limits : 0;
    while (shrink_trial_next_notice(&managed->trial, &notice))
        ;
    if (managed->outcomes == managed->trial.outcomes)
        return;
    managed->outcomes = managed->trial.outcomes;
    tell_outcome(managed, now);
}

char *
managed_guest_describe_held_back(ManagedGuest *managed, gint64 now)
{
    const GuestStatus *status = &managed->status;
    gint64 left_us = shrink_trial_not_before(&managed->trial) - now;
    ShrinkHold hold = shrink_trial_hold(&managed->trial, now);
    GString *text = g_string_new(NULL);

    for (guint bit = 1; bit <= status->limits; bit <<= 1) {
        if (!(status->limits & bit))
            continue;
        g_string_append_printf(text, "%s%s", text->len ? ", " : "",
                               bit == LIMIT_TRIAL ? shrink_hold_describe(hold)
                                                  : limit_describe((Limit)bit));
        if (bit == LIMIT_TRIAL && (hold == SHRINK_HOLD_HURT || hold == SHRINK_HOLD_REFUSED))
            g_string_append_printf(text, ", for %.0f s", (double)left_us / G_USEC_PER_SEC);
    }
    return g_string_free(text, FALSE);
}
