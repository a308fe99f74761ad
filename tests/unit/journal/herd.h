/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests that live by chance, planned for by the real planner: what a journal is
 * written of, without a daemon. A herd follows from its seed alone.
 *
 *   herd_begin_cycle()  time passes, samples come, guests come, go, restart
 *   herd_plan()         the planner plans, and the guests get what it says
 */
#pragma once

#include "journal/journal-encoder.h"

#define HERD_MOST 128

typedef enum {
    HERD_WILD,     /* everything that can happen does */
    HERD_IDLE,     /* agents tell of guests in which nothing happens but the kernel, */
    HERD_ORDINARY, /* ... of such that are busy for a fifth of the time, */
    HERD_BUSY,     /* ... and of guests that use, free and read all the time */
} HerdKind;

typedef struct {
    gboolean there;
    char name[16];
    char instance[32];
    SampleRing ring;
    PredictorState state;
    ShrinkTrial trial;
    Probe probe;
    guint64 kernel, used, cached; /* what its figures follow from */
    Sample sample;                /* the latest, without what an agent alone tells: */
    guint64 refaults, stalls_us, scans;
    gboolean busy;  /* for now */
    gint64 next_us; /* when the next comes */
    PlanGuest plan; /* kept from cycle to cycle */
} HerdGuest;

typedef struct {
    HerdKind kind;
    guint64 random;
    gint64 now;
    gint64 spoken_us;
    JournalSettings settings;
    guint n_guests;
    guint64 lives;
    HerdGuest guests[HERD_MOST];

    /* those that are there */
    guint n;
    PlanGuest plan[HERD_MOST];
    JournalSubject subjects[HERD_MOST];
    HerdGuest *which[HERD_MOST];
} Herd;

/* Returns: (transfer full): to be freed with g_free(). */
Herd *herd_new(HerdKind kind, guint n_guests, guint64 seed);

/* Returns: a random number below @end. */
guint64 herd_random(Herd *herd, guint64 end);

JournalHeader herd_header(const Herd *herd);

void herd_begin_cycle(Herd *herd);
void herd_plan(Herd *herd);

/* Both, with the cycle written to @out. */
void herd_cycle(Herd *herd, JournalEncoder *encoder, GString *out);
