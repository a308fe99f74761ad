/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reasons to refuse, in the order in which they are looked for; the first that
 * holds is told:
 *
 *   unknown    the guest cannot tell how much is available
 *   stalling   tasks waited for memory in the last ten seconds, for longer than a
 *              hundredth of a time between two samples. (Senpai shrinks on within a
 *              budget of 10 ms in 6 s, a sixth of that, but goes by steps of 1 %.)
 *   swapping   more than 1 MiB a second was read back from swap in the last ten seconds.
 *              MemAvailable is no help then: it rises while a guest swaps
 *   little     what stays available would be less than the reserve: what the host
 *              says, or a sixteenth of what the guest would have
 *   falling    what stays would be gone within two horizons of the watch, so that the
 *              guest would soon ask for it again
 */
#include "guest/shrink-answer.h"

#include <string.h>

#define QUIET_US         10000000
#define STALL_FRACTION   100
#define SWAP_PER_S       (1 << 20)
#define RESERVE_FRACTION 16
#define HORIZONS         2

void
shrink_history_start(ShrinkHistory *history)
{
    memset(history, 0, sizeof(*history));
}

/* How much a counter rose; 0 if it is missing, or began anew. */
static uint64_t
rise(uint64_t from, uint64_t to)
{
    return from == STATS_MISSING || to == STATS_MISSING || to < from ? 0 : to - from;
}

void
shrink_history_stall(ShrinkHistory *history, int64_t now)
{
    history->stalled = true;
    history->stalled_us = now;
}

void
shrink_history_add(ShrinkHistory *history, const StatsSample *sample, int64_t now)
{
    if (history->any && now > history->last_us) {
        uint64_t elapsed = (uint64_t)(now - history->last_us);
        uint64_t stall = rise(history->last.stall_some_us, sample->stall_some_us);
        uint64_t swap = rise(history->last.swap_in, sample->swap_in);

        if (stall > elapsed / STALL_FRACTION)
            shrink_history_stall(history, now);
        if ((double)swap / SWAP_PER_S > (double)elapsed * 1e-6) {
            history->swapped = true;
            history->swapped_us = now;
        }
    }
    history->last = *sample;
    history->last_us = now;
    history->any = true;
}

static bool
is_lately(bool ever, int64_t when, int64_t now)
{
    return ever && now - when < QUIET_US;
}

static uint64_t
default_reserve(const ShrinkHistory *history, uint64_t size)
{
    uint64_t total = history->last.total;

    return (total > size ? total - size : 0) / RESERVE_FRACTION;
}

static StatsAnswerReason
find_reason(const ShrinkHistory *history, const Watch *watch, uint64_t available, uint64_t reserve,
            uint64_t size, int64_t now)
{
    if (available == STATS_MISSING || !history->any)
        return STATS_REASON_UNKNOWN;
    if (is_lately(history->stalled, history->stalled_us, now))
        return STATS_REASON_STALLING;
    if (is_lately(history->swapped, history->swapped_us, now))
        return STATS_REASON_SWAPPING;
    if (available < size || available - size < reserve)
        return STATS_REASON_LITTLE;
    if (watch_left_us(watch, available - size) < HORIZONS * (uint64_t)watch_horizon(watch))
        return STATS_REASON_FALLING;
    return STATS_REASON_NONE;
}

void
shrink_answer(const ShrinkHistory *history, const Watch *watch, uint64_t available,
              uint64_t reserve, const StatsShrink *shrink, int64_t now, StatsAnswer *answer)
{
    if (reserve == STATS_MISSING)
        reserve = default_reserve(history, shrink->size);
    answer->id = shrink->id;
    answer->reason = find_reason(history, watch, available, reserve, shrink->size, now);
    if (answer->reason == STATS_REASON_NONE) {
        answer->verdict = STATS_ANSWER_BEARS;
        answer->margin = available - shrink->size - reserve;
    } else {
        answer->verdict = STATS_ANSWER_REFUSES;
        answer->margin = 0;
    }
}
