/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the guest can bear to lose memory: from its latest samples, what the
 * watch foresees, and what the host told it to keep. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest/stats-frame.h"
#include "guest/watch.h"

typedef struct {
    /* private */
    StatsSample last;
    int64_t last_us;
    bool any;
    bool stalled; /* at @stalled_us, at the latest */
    int64_t stalled_us;
    bool swapped;
    int64_t swapped_us;
} ShrinkHistory;

void shrink_history_start(ShrinkHistory *history);

/* To be told of every sample. */
void shrink_history_add(ShrinkHistory *history, const StatsSample *sample, int64_t now);

/* To be told when the kernel tells that tasks wait. */
void shrink_history_stall(ShrinkHistory *history, int64_t now);

/*
 * shrink_answer:
 * @available: what is available at @now; STATS_MISSING if that is not known
 * @reserve: what the host wants to stay available; STATS_MISSING if it did not say
 * @answer: (out): complete
 */
void shrink_answer(const ShrinkHistory *history, const Watch *watch, uint64_t available,
                   uint64_t reserve, const StatsShrink *shrink, int64_t now, StatsAnswer *answer);
