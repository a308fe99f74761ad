/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The contract of the predictors: from a guest's samples to its demand.
 *
 * A predictor is one file that ends in one `const Predictor`. It is pure: it
 * does no I/O, reads no clock and keeps what it must remember in a
 * PredictorState of fixed size that the caller owns, so memory per guest is
 * constant and a recorded trace replays to the same forecasts.
 *
 *   predictor->start(state) ─▶ predictor->forecast(state, ring, actual, now) each cycle
 *
 * start() is called again when the guest restarts. Before each forecast the planner
 * writes PredictorState.burst and .transit.asked, which no predictor changes. @actual is what the
 * guest has at @now, while the samples are older: while memory is being plugged or unplugged the
 * two disagree, and a predictor must bear that.
 */
#pragma once

#include "monitor/sample.h"
#include "predict/cache-set.h"
#include "predict/histogram.h"
#include "predict/holt.h"
#include "predict/overhead.h"
#include "predict/season.h"
#include "predict/swap-debt.h"
#include "predict/transit.h"

/* What one consideration alone would come to: "in use", "trend", "recent peak". */
typedef struct {
    const char *name; /* static text, for people */
    guint64 bytes;    /* of actual; 0: it has nothing to say now */
} ForecastPart;

#define FORECAST_PARTS_MAX 10

typedef struct {
    guint64 demand;     /* bytes of actual that the guest should have; 0 without samples */
    guint64 need;       /* of the demand, what its use calls for right now, headroom included;
                         * the rest remembers the past or looks ahead */
    guint64 used;       /* bytes in use as of the latest sample; never above @demand */
    double slope;       /* bytes a second, as far as a trend was seen; may be negative */
    gboolean valid;     /* FALSE: there is nothing to go by; leave the guest as it is */
    gboolean pressed;   /* the guest swaps in or stalls: never take from it */
    gboolean urgent;    /* its agent asks for memory now; set by the planner, not by predictors */
    const char *reason; /* static text: which part decided, for people */

    ForecastPart parts[FORECAST_PARTS_MAX]; /* what @demand was made of, ... */
    guint n_parts;                          /* ... how many there are, ... */
    guint decisive;                         /* ... and which of them it follows */
} Forecast;

/* What a predictor may keep between two forecasts: about 2 KiB, of which each touches what
 * it looks at. */
typedef struct {
    /* in: bytes that the guest can use up, as fast as it ever did, before memory asked
     * for is there; 0: not known. A demand had better hold so much above what is used: it
     * is what lets a guest live through the beginning of a burst. A claim, so part of the
     * demand, which yields to others' need, and never of the need. */
    guint64 burst;
    Transit transit; /* its member @asked is in as well */
    gint64 time_us;  /* of the last forecast */
    gint64 seen_us;  /* of the last sample taken in */
    double peak;     /* bytes of MemTotal that were needed, fading */
    Overhead overhead;
    SwapDebt swap;
    Holt trend;
    CacheSet cache;
    Histogram histogram;
    double window, top; /* bytes: below them it was for most, and nearly all, of the time before
                         * the last sample */
    Season season;
} PredictorState;

typedef struct {
    const char *name;
    const char *summary; /* one line, for people */
    void (*start)(PredictorState *state);
    Forecast (*forecast)(PredictorState *state, const SampleRing *ring, guint64 actual, gint64 now);
} Predictor;

/* The predictors there are, for the table in predictor.c and for tests of one alone. */
extern const Predictor predictor_composite;
extern const Predictor predictor_headroom;
extern const Predictor predictor_percentile;
extern const Predictor predictor_pressure;
extern const Predictor predictor_season;
extern const Predictor predictor_trend;
extern const Predictor predictor_working_set;

/* Returns: whether @state, from whoever says it is one, can be given to a predictor without
 *   harm. What it makes of it is another matter. */
gboolean predictor_state_is_sane(const PredictorState *state);

/* For tables: forgets everything. */
void predictor_start(PredictorState *state);

/* Returns: (nullable): the predictor called @name. */
const Predictor *predictor_find(const char *name);

/* Returns: all predictors, ended by NULL; the first is the default. */
const Predictor *const *predictor_list(void);
