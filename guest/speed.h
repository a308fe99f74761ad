/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/*
 * speed_measure:
 * @available: what the guest has to spare now
 *
 * Measures how fast one CPU of this guest can put memory to use: the kernel is told to
 * provide 4 MiB at once, four times, and the fastest counts. That is faster than any
 * program, which faults in page by page. Takes some ms (TCG: about 80); everything is
 * given back.
 *
 * Returns: bytes a second; 1 GiB if there is less than 64 MiB to spare, or the kernel
 *   gives none.
 */
uint64_t speed_measure(uint64_t available);
