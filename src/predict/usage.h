/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every predictor looks at first, and how its parts become a forecast.
 *
 *     ring, actual ─▶ usage_look() ─▶ parts, each in bytes of the guest's MemTotal
 *                                       └─▶ usage_forecast(): + overhead = bytes of actual
 *
 * Used is MemTotal - MemAvailable: page cache counts as free here; what of it is worth
 * keeping is a part of its own. Counting all of it as used would make every guest climb to
 * its ceiling. What is being taken from the guest is left out (transit.h).
 *
 * All sums are in doubles, which hold any hostile value without overflow. Whoever adds a
 * part keeps to this: it rises or stays when the latest use rises.
 */
#pragma once

#include "predict/predictor.h"

typedef struct {
    const Sample *latest;
    double overhead; /* see overhead.h */
    double used; /* bytes of MemTotal in use; the balloon's own, and what is set aside, left out */
    double has;  /* bytes of MemTotal, the balloon's own left out */
    double swapped;       /* bytes that it would use beside, if it had them: see swap-debt.h */
    double burst;         /* see PredictorState; 0 if it is not known */
    gboolean asks;        /* the guest has an agent, which asks before memory runs out */
    const char *pressure; /* (nullable): by what it is pressed */
} Usage;

/* Parts of a demand in the making. */
typedef struct {
    double bytes[FORECAST_PARTS_MAX]; /* of MemTotal; 0: it has nothing to say */
    const char *names[FORECAST_PARTS_MAX];
    const char *reasons[FORECAST_PARTS_MAX];
    guint n;
} UsageParts;

/* Room that any guest needs above what is used, in bytes: the watermarks, a little page
 * cache and a fork or two. */
#define USAGE_ROOM_MIN ((double)(64 << 20))

/*
 * usage_look:
 * @usage: (out)
 * @nothing: (out): an invalid forecast that says why, if there is nothing to go by
 *
 * Returns: FALSE if there is nothing to go by.
 */
gboolean usage_look(PredictorState *state, const SampleRing *ring, guint64 actual, gint64 now,
                    Usage *usage, Forecast *nothing);

/* Bytes that went to swap less those that came back, between two samples, the older first. */
double usage_swapped(const Sample *before, const Sample *after);

/* Counters begin at 0 again when the guest restarts. Returns: @now - @before, or 0. */
double usage_counted(guint64 now, guint64 before);

/* @name and @reason: static text: "trend", "growing". Parts added later win ties. */
void usage_add_part(UsageParts *parts, const char *name, const char *reason, double bytes);

/* Returns: @use and the room that a guest needs above it, which is asked for before it is
 *   used up: less is enough where an agent asks in time. */
double usage_with_room(const Usage *usage, double use);

/* Returns: what a pressed guest is to have, 0 if it is not pressed: a step more than it has,
 * free memory counting as a part of the step; or what it uses and had to put into swap lately,
 * and room, if that is more. It keeps what it has in any case, but one that has free what it
 * would be given does not wait for that. */
double usage_pressed_need(const Usage *usage);

/* Up at once, down by half in each @half_life_s, and not at all while the guest is pressed.
 *   Returns: bytes; at least @need. */
double usage_follow_peak(PredictorState *state, const Usage *usage, double need, double half_life_s,
                         gint64 now);

/* @need: bytes of MemTotal, at most the largest of @parts. Returns: the forecast, which
 *   demands the largest of @parts. */
Forecast usage_forecast(const Usage *usage, const UsageParts *parts, double need);
