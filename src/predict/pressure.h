/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a guest hurts for lack of memory.
 *
 * A guest that swaps looks idle: what it swapped out counts as available again. So
 * swap-in, stalls and faults tell, and override whatever its use seems to say: it is
 * never taken from, and gets more than it has, step by step as each step arrives.
 */
#pragma once

#include "monitor/sample.h"

/* Returns: (nullable): static text, by what the guest was pressed between its two latest
 *   samples. */
const char *pressure_find(const SampleRing *ring);
