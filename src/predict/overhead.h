/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest has but its MemTotal does not count: the kernel's image and its
 * reservations, the page array of what was there at boot.
 *
 * It is actual - MemTotal, yet that difference also holds what has only just been
 * plugged and is not online, or is never going to be. Taken at face value, each
 * DIMM that a guest leaves offline would be answered by another one. So
 *   - it is looked at only when actual has rested for a while;
 *   - it may fall freely, but rises beyond an ordinary kernel's share only by
 *     what the page array of new memory takes.
 * It is negative where the balloon's pages stay in MemTotal (deflate-on-oom): such
 * a guest counts its balloon as used.
 */
#pragma once

#include "monitor/sample.h"

typedef struct {
    double bytes;           /* as last seen at rest */
    double bytes_of;        /* what actual was then; 0: it was never seen at rest */
    double actual;          /* as of the last forecast */
    double actual_since_us; /* since when it is so */
} Overhead;

/* @actual: bytes that the guest has at @now. Returns: bytes that of it are missing from the
 *   MemTotal of @latest; may be negative. */
double overhead_track(Overhead *overhead, const Sample *latest, guint64 actual, gint64 now);
