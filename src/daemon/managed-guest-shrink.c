/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's shrinks on their way between the planner, which tries them (allocate/shrink-trial.h),
 * and the rest: its agent, which is asked and told, and people.
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

/* A dry run takes nothing, so there is nothing to be announced. */
static gboolean
has_agent_that_answers(ManagedGuest *managed, gint64 now)
{
    const AgentClaims *claims = stats_channel_get_claims(managed->channel);

    return !managed->dry_run && stats_channel_get_state(managed->channel) == STATS_CHANNEL_OPEN &&
           guest_monitor_has_agent(&managed->monitor, now) && claims->greeted &&
           (claims->hello.can & STATS_CAN_ANSWER) != 0;
}

void
managed_guest_shrink_plan(ManagedGuest *managed, PlanGuest *plan, gint64 now)
{
    plan->trial = &managed->trial;
    plan->probe = &managed->probe;
    plan->answers = has_agent_that_answers(managed, now);
}

static const char *
answer_reason(guint64 reason)
{
    static const char *const texts[] = {
        [STATS_REASON_NONE] = "it gives no reason",
        [STATS_REASON_LITTLE] = "too little would stay available",
        [STATS_REASON_FALLING] = "what is available falls too fast",
        [STATS_REASON_STALLING] = "its tasks waited for memory lately",
        [STATS_REASON_SWAPPING] = "it read back from swap lately",
        [STATS_REASON_UNKNOWN] = "it cannot tell how it is",
    };

    return reason < G_N_ELEMENTS(texts) ? texts[reason] : texts[STATS_REASON_NONE];
}

void
managed_guest_shrink_answer(ManagedGuest *managed, const StatsAnswer *answer, gint64 now)
{
    shrink_trial_note_margin(&managed->trial, answer->id, answer->margin);
    shrink_trial_answer(&managed->trial, answer->id, answer->verdict == STATS_ANSWER_BEARS,
                        answer_reason(answer->reason), now);
}

static void
carry(ManagedGuest *managed, const ShrinkNotice *notice)
{
    const StatsShrink shrink = { .id = notice->id,
                                 .size = notice->size,
                                 .start_us = (guint64)notice->start_us,
                                 .watch_us = (guint64)notice->watch_us };
    const StatsShrinkEnd end = { .id = notice->id,
                                 .outcome = notice->kind == SHRINK_NOTICE_DONE
                                                ? STATS_SHRINK_DONE
                                                : STATS_SHRINK_UNDONE };

    if (notice->kind == SHRINK_NOTICE_SHRINK)
        stats_channel_send_shrink(managed->channel, &shrink);
    else
        stats_channel_send_shrink_end(managed->channel, &end);
}

/* Returns: (transfer full): in words; the figures go beside it. */
static char *
describe_end(const ShrinkEnd *end, gint64 pause_us)
{
    g_autofree char *before = size_format_rounded(end->before);
    g_autofree char *after = size_format_rounded(end->after);
    const char *kind = end->kind == SHRINK_PROBE ? "probe" : "shrink";

    if (end->outcome == SHRINK_OUTCOME_KEPT)
        return g_strdup_printf("%s %s → %s did no harm", kind, before, after);
    return g_strdup_printf("%s %s → %s %s: %s; none for %.0f s", kind, before, after,
                           end->outcome == SHRINK_OUTCOME_HURT ? "hurt, and is taken back"
                                                               : "refused by its agent",
                           end->reason, (double)pause_us / G_USEC_PER_SEC);
}

static void
tell_outcome(ManagedGuest *managed, gint64 now)
{
    const ShrinkEnd end = shrink_trial_get_end(&managed->trial);
    gint64 pause_us = MAX(managed->trial.not_before[end.kind] - now, 0);
    g_autofree char *message = NULL;

    if (end.outcome == SHRINK_OUTCOME_NONE)
        return;
    message = describe_end(&end, pause_us);
    managed_guest_tell_event(
        managed,
        &(Event){ .kind = EVENT_SHRINK,
                  .level =
                      end.outcome == SHRINK_OUTCOME_HURT ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_INFO,
                  .guest = guest_get_name(managed->guest),
                  .decision = end.outcome == SHRINK_OUTCOME_REFUSED ? 0 : managed->shrink_decision,
                  .message = message,
                  .shrink = &end });
}

void
managed_guest_shrink_apply(ManagedGuest *managed, const PlanGuest *plan, gint64 now)
{
    ShrinkNotice notice;

    managed->status.found = plan->found;
    managed->status.limits = plan->pin == PLAN_PIN_NONE ? plan->limits : 0;
    while (shrink_trial_next_notice(&managed->trial, &notice))
        carry(managed, &notice);
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
        if (bit == LIMIT_TRIAL && hold == SHRINK_HOLD_PRESSED)
            g_string_append_printf(text, ": %s", managed->trial.pressed_by);
    }
    return g_string_free(text, FALSE);
}
