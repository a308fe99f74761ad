/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "predict/season.h"

#include <math.h>

#define HOUR_US (3600 * (gint64)G_USEC_PER_SEC)

/* What is new counts for a third: a habit is believed after three or four times. */
#define SMOOTHING 0.33f
/* The latest days count most: a habit that has ended is given up within some. */
#define OFF_SMOOTHING 0.1f
/* Two days of hours, and a week of them, put to the proof. */
#define TRIED_DAY  (2 * SEASON_DAY)
#define TRIED_WEEK SEASON_WEEK
/* Clearly better than the hour before: off by no more than half as much. */
#define BETTER 0.5f

static void
learn(float *seen, float peak)
{
    *seen = *seen > 0 ? *seen + SMOOTHING * (peak - *seen) : peak;
}

/* Returns: whether @foretold was anything to be tried. */
static gboolean
try_out(float *off, float foretold, float peak)
{
    if (!(foretold > 0))
        return FALSE;
    *off += OFF_SMOOTHING * (fabsf(peak - foretold) - *off);
    return TRUE;
}

/* The hour is over. */
static void
conclude(Season *season)
{
    float *day = &season->day[season->hour % SEASON_DAY];
    float *week = &season->week[season->hour % SEASON_WEEK];

    if (season->before > 0) {
        try_out(&season->off_before, season->before, season->peak);
        if (try_out(&season->off_day, *day, season->peak) && season->tried_day < G_MAXUINT16)
            season->tried_day++;
        if (try_out(&season->off_week, *week, season->peak) && season->tried_week < G_MAXUINT16)
            season->tried_week++;
    }
    learn(day, season->peak);
    learn(week, season->peak);
    season->before = season->peak;
}

void
season_add(Season *season, double bytes, gint64 now)
{
    gint64 hour = MAX(now, 0) / HOUR_US + 1;

    if (season->hour != hour) {
        if (season->hour > 0)
            conclude(season);
        /* It was away meanwhile: nothing is known of the hour before. */
        if (hour != season->hour + 1)
            season->before = 0;
        season->hour = hour;
        season->peak = 0;
    }
    season->peak = MAX(season->peak, (float)CLAMP(bytes, 1, 1e30));
}

static const float *
believed(const Season *season, gsize *length)
{
    float limit = season->off_before * BETTER;
    gboolean day = season->tried_day >= TRIED_DAY && season->off_day <= limit;
    gboolean week = season->tried_week >= TRIED_WEEK && season->off_week <= limit;

    if (!day && !week)
        return NULL;
    if (week && (!day || season->off_week < season->off_day)) {
        *length = SEASON_WEEK;
        return season->week;
    }
    *length = SEASON_DAY;
    return season->day;
}

double
season_expect(const Season *season, gint64 now, gint64 ahead_us)
{
    gint64 first = MAX(now, 0) / HOUR_US + 1, last = (MAX(now, 0) + ahead_us) / HOUR_US + 1;
    gsize length;
    const float *hours = believed(season, &length);
    float most = 0;

    if (!hours)
        return 0;
    for (gint64 hour = first; hour <= last; hour++)
        most = MAX(most, hours[(gsize)hour % length]);
    return (double)most;
}
