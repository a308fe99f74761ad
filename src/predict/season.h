/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest used at this hour of other days and weeks, as far as that has proved to tell
 * something.
 *
 *     hour 0   1   2  ...  23 │ 0  ...            the most that was used in each hour of
 *     day  ▂   ▂   ▂       ▇  │ ▂                 the day, and of the week, smoothed
 *
 * When an hour is over, its peak is held against what each of three would have foretold:
 * the hour before, the same hour of other days, the same hour of other weeks. Whichever was
 * off least of late is believed; the day or the week only if it is clearly better than the
 * hour before, and was there often enough to have been put to the proof. (The seasonal term of
 * Holt and Winters, with the seasonal naive forecast as the one to beat: Hyndman and
 * Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., sections 5.2 and 8.3.)
 *
 * Hours are counted on the monotonic clock: only that they come back matters, not what people
 * call them. Constant memory; what is learned is lost when the daemon ends.
 */
#pragma once

#include <glib.h>

#define SEASON_DAY  24
#define SEASON_WEEK (7 * SEASON_DAY)

typedef struct {
    gint64 hour;  /* the hour that goes on, counted from 1; 0: none yet */
    float peak;   /* bytes: the most that was used in it so far */
    float before; /* the peak of the hour before; 0: it was not seen */
    /* By how much each was off, smoothed, and how often it was tried. */
    float off_before, off_day, off_week;
    guint16 tried_day, tried_week;
    float day[SEASON_DAY]; /* 0: not seen yet */
    float week[SEASON_WEEK];
} Season;

/* That the guest uses @bytes. */
void season_add(Season *season, double bytes, gint64 now);

/* Returns: bytes that it may be expected to use at its peak between @now and @ahead_us
 *   later; 0 if nothing is known that holds. */
double season_expect(const Season *season, gint64 now, gint64 ahead_us);
