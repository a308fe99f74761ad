/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/load.h"

#include <math.h>

#include "simulate/chance.h"

#define MIB   ((double)(1 << 20))
#define TOTAL (G_GUINT64_CONSTANT(4) << 30)

/* 0 up to, but not, 1. */
static double
draw(guint64 (*random)(gpointer), gpointer source)
{
    return (double)(random(source) >> 11) * 0x1p-53;
}

/* Jobs of half a minute that take some hundred MiB to 2.5 GiB, at once, and leave. */
static void
bursty(double at_s, double *state, guint64 (*random)(gpointer), gpointer source, double *used,
       double *cached)
{
    double *level = &state[0], *left_s = &state[1], *cache = &state[2];

    if (*left_s <= 0) {
        gboolean job = *level == 0 && draw(random, source) < 0.02;

        *level = job ? (200 + 2300 * pow(draw(random, source), 2)) * MIB : 0;
        *left_s = job ? 5 + 50 * draw(random, source) : 0;
    }
    *left_s -= 1;
    *cache = MIN(*cache + *level / 100, 900 * MIB);
    *used = 350 * MIB + *level + 20 * MIB * draw(random, source);
    *cached = 100 * MIB + *cache;
}

/* A day of an office: 0.6 GiB at night, 2.8 GiB at noon, with people coming and going. */
static void
diurnal(double at_s, double *state, guint64 (*random)(gpointer), gpointer source, double *used,
        double *cached)
{
    double hour = fmod(at_s / 3600, 24);
    double work = pow(sin(G_PI * CLAMP((hour - 6) / 14, 0, 1)), 2);

    state[0] += (draw(random, source) - 0.5) * 60 * MIB - state[0] * 0.02;
    *used = 600 * MIB + work * 2200 * MIB + fabs(state[0]) * (0.2 + work);
    *cached = (300 + 500 * work) * MIB;
}

/* Grows by 1.5 MiB a second until somebody restarts it. */
static void
leaking(double at_s, double *state, guint64 (*random)(gpointer), gpointer source, double *used,
        double *cached)
{
    state[0] += 1.5 * MIB * 2 * draw(random, source);
    if (state[0] > 3000 * MIB)
        state[0] = 0;
    *used = 300 * MIB + state[0];
    *cached = 250 * MIB;
}

static void
idle(double at_s, double *state, guint64 (*random)(gpointer), gpointer source, double *used,
     double *cached)
{
    *used = 280 * MIB + 10 * MIB * draw(random, source);
    *cached = MIN(400 * MIB, 80 * MIB + at_s * 0.1 * MIB);
}

/* To and fro every 20 s, between 0.7 and 1.9 GiB: who follows moves all the time. */
static void
flapping(double at_s, double *state, guint64 (*random)(gpointer), gpointer source, double *used,
         double *cached)
{
    double phase = fmod(at_s, 40);

    *used = 700 * MIB + CLAMP(phase < 20 ? phase / 3 : (40 - phase) / 3, 0, 1) * 1200 * MIB +
            10 * MIB * draw(random, source);
    *cached = 200 * MIB;
}

/* A build: some compilers at a time, each growing for seconds and gone at once, now and then a
 * linker; what they read and write stays in the page cache. */
static void
compiling(double at_s, double *state, guint64 (*random)(gpointer), gpointer source, double *used,
          double *cached)
{
    double *level = &state[0], *cache = &state[1], *link_s = &state[2];

    *level += (40 + 120 * draw(random, source)) * MIB;
    if (draw(random, source) < 0.35)
        *level -= *level * (0.2 + 0.6 * draw(random, source));
    if (*link_s > 0)
        *link_s -= 1;
    else if (draw(random, source) < 0.004)
        *link_s = 20 + 20 * draw(random, source);
    *cache = MIN(*cache + 2 * MIB * draw(random, source), 1200 * MIB);
    *used = 300 * MIB + MIN(*level, 1500 * MIB) + (*link_s > 0 ? 900 * MIB : 0);
    *cached = 80 * MIB + *cache;
}

/* A server: use wanders within hours, and a crowd comes now and then, within half a minute. */
static void
serving(double at_s, double *state, guint64 (*random)(gpointer), gpointer source, double *used,
        double *cached)
{
    double *drift = &state[0], *crowd = &state[1], *wanted = &state[2];

    *drift = CLAMP(*drift + (draw(random, source) - 0.5) * 6 * MIB, 0, 700 * MIB);
    if (draw(random, source) < 0.003)
        *wanted = *wanted > 0 ? 0 : (300 + 900 * draw(random, source)) * MIB;
    *crowd += CLAMP(*wanted - *crowd, -10 * MIB, 35 * MIB);
    *used = 500 * MIB + *drift + *crowd + 8 * MIB * draw(random, source);
    *cached = 350 * MIB;
}

const Load loads[] = {
    { "bursty", "jobs that come at once", 3600, 1, bursty },
    { "diurnal", "days of an office", 2 * 86400, 10, diurnal },
    { "leaking", "grows until restarted", 7200, 1, leaking },
    { "idle", "does nothing", 3600, 1, idle },
    { "flapping", "to and fro", 3600, 1, flapping },
    { "compiling", "a build", 3600, 1, compiling },
    { "serving", "a server with crowds", 3600, 1, serving },
    { NULL },
};

static guint64
next_of_chance(gpointer chance)
{
    return chance_next(chance);
}

Trace *
load_make(const Load *load, guint64 seed)
{
    Trace *trace = trace_new(load->name);
    Chance chance = chance_new(seed, g_str_hash(load->name));
    double state[4] = { 0 };

    for (gint64 at_s = 0; at_s <= load->length_s; at_s += load->step_s) {
        TracePoint point = { .time_us = at_s * G_USEC_PER_SEC, .total = TOTAL };
        double used, cached;

        load->next((double)at_s, state, next_of_chance, &chance, &used, &cached);
        point.used = MIN((guint64)used, TOTAL);
        point.cached = MIN((guint64)cached, TOTAL - point.used);
        g_array_append_val(trace->points, point);
    }
    trace_close(trace);
    return trace;
}
