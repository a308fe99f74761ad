/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/journal-replay.h"

JournalReplay *
journal_replay_new(void)
{
    JournalReplay *replay = g_new0(JournalReplay, 1);

    replay->differences = g_array_new(FALSE, FALSE, sizeof(JournalDifference));
    replay->plan = g_array_new(FALSE, FALSE, sizeof(PlanGuest));
    return replay;
}

void
journal_replay_free(JournalReplay *replay)
{
    if (!replay)
        return;
    g_array_unref(replay->differences);
    g_array_unref(replay->plan);
    g_free(replay);
}

/* In a dry run, a wish that stays the same is told once, and nothing comes of it. */
static gboolean
is_repeated(const JournalDecoder *decoder, const JournalGuest *guest, guint64 target)
{
    return decoder->header.dry_run && !guest->decided && guest->decision.target == target;
}

static void
compare(JournalReplay *replay, const JournalDecoder *decoder, const JournalGuest *guest,
        const PlanGuest *plan)
{
    guint64 live = guest->decided ? guest->decision.target : plan->requested;
    guint64 replayed = plan->pin == PLAN_PIN_NONE ? plan->target : plan->requested;
    JournalDifference difference = { decoder->now_us, guest->name, plan->requested, live,
                                     replayed };

    if (guest->decided)
        replay->decisions++;
    if (live == replayed && guest->decided)
        replay->alike++;
    else if (live != replayed && !is_repeated(decoder, guest, replayed))
        g_array_append_val(replay->differences, difference);
}

void
journal_replay_cycle(JournalReplay *replay, JournalDecoder *decoder)
{
    GPtrArray *guests = decoder->guests;
    PlanGuest *plan;

    replay->cycles++;
    g_array_set_size(replay->plan, guests->len);
    plan = (PlanGuest *)replay->plan->data;
    for (guint i = 0; i < guests->len; i++)
        plan[i] = ((const JournalGuest *)guests->pdata[i])->plan;

    planner_predict(plan, guests->len, decoder->now_us);
    if (decoder->settings.plan.policy)
        planner_allocate(&decoder->settings.plan, plan, guests->len, decoder->now_us);

    for (guint i = 0; i < guests->len; i++) {
        JournalGuest *guest = guests->pdata[i];

        guest->plan.raw = plan[i].raw; /* what the policy goes by, the next time */
        compare(replay, decoder, guest, &plan[i]);
    }
}
