/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The signs, in the order in which they are looked for; the first that holds is told:
 *
 *   killed     a program was killed for lack of memory
 *   little     less is available than the reserve
 *   swap       it reads back from swap
 *   refaults   it reads again what it had to give up
 *   stalls     tasks wait for memory (PSI)
 *   failing    allocations stall, or programs are read again and again: what the
 *              balloon's statistics have where there is no agent
 *
 * Each counter is compared with what it did before (ShrinkAmbient), since its own pace is
 * no sign. A counter that is not told on both sides is left out, and one that falls has
 * begun anew.
 */
#include "allocate/shrink-signs.h"

/* How far back the ambient rates look. */
#define AMBIENT_US (10 * G_USEC_PER_SEC)

/* Rates over less than that are jitter of the times at which samples are taken. */
#define SPAN_MIN_S 0.2

/* The same pace goes on with ups and downs. */
#define AMBIENT_SLACK 1.5

/* As guest/shrink-answer.c: below it the agent refuses. In a large guest less of it does: what is
 * available is beyond the kernel's watermarks already. */
#define RESERVE_FRACTION 16
#define RESERVE_MOST     (G_GUINT64_CONSTANT(256) << 20)

/*
 * 256 pages a second are what the predictor takes for pressure when they come from swap,
 * and what costs from 3 % of the time on a fast disk; a stall of 1 % of six seconds is what
 * the agent bears when it is asked. Major faults and stalled allocations as the
 * predictor has them (predict/headroom.c).
 */
const ShrinkBudget shrink_budget_plain = {
    .stall_us = 60000,
    .refaults = 256,
    .swap_in = 1 << 20,
    .faults = 100,
    .alloc_stalls = 5,
};

/* Senpai's budget: 10 ms of stall in 6 s (facebookincubator/senpai). The counters that it
 * does not look at: a quarter of the above. */
const ShrinkBudget shrink_budget_probe = {
    .stall_us = 10000,
    .refaults = 64,
    .swap_in = 256 << 10,
    .faults = 25,
    .alloc_stalls = 1,
};

static double
counted(guint64 before, guint64 now)
{
    return now > before ? (double)(now - before) : 0;
}

static double
span_s(const Sample *from, const Sample *to)
{
    return MAX((double)(to->time_us - from->time_us) / G_USEC_PER_SEC, SPAN_MIN_S);
}

static gboolean
both_tell(const Sample *a, const Sample *b, SampleField field)
{
    return (a->fields & b->fields & field) != 0;
}

static double
refaults(const Sample *from, const Sample *to)
{
    return counted(from->refaults_anon, to->refaults_anon) +
           counted(from->refaults_file, to->refaults_file);
}

ShrinkAmbient
shrink_signs_ambient(const SampleRing *ring, gint64 now)
{
    const Sample *latest = sample_ring_get(ring, 0), *first = latest, *sample;
    ShrinkAmbient ambient = { 0 };
    double span;

    for (guint age = 1; (sample = sample_ring_get(ring, age)); age++) {
        if (now - sample->time_us > AMBIENT_US)
            break;
        first = sample;
    }
    if (first == latest)
        return ambient;
    span = span_s(first, latest);
    if (both_tell(first, latest, SAMPLE_PRESSURE))
        ambient.stall_us = counted(first->stall_some_us, latest->stall_some_us) / span;
    if (both_tell(first, latest, SAMPLE_REFAULTS))
        ambient.refaults = refaults(first, latest) / span;
    if (both_tell(first, latest, SAMPLE_SWAP))
        ambient.swap_in = counted(first->swap_in, latest->swap_in) / span;
    if (both_tell(first, latest, SAMPLE_FAULTS))
        ambient.faults = counted(first->major_faults, latest->major_faults) / span;
    if (both_tell(first, latest, SAMPLE_STALLS))
        ambient.alloc_stalls = counted(first->alloc_stalls, latest->alloc_stalls) / span;
    return ambient;
}

guint64
shrink_signs_reserve(guint64 total)
{
    return MIN(total / RESERVE_FRACTION, RESERVE_MOST);
}

/* Whether @events in @span seconds are more than ambient ones and @borne a second. One
 * second's worth is borne at once: a burst is none yet. */
static gboolean
exceeds(double events, double span, double ambient, double borne)
{
    return events > AMBIENT_SLACK * ambient * span + borne * MAX(span, 1);
}

/* Of counters that tell at once, from the first byte on. */
static const char *
find_in_all(const ShrinkBudget *budget, const ShrinkAmbient *ambient, const Sample *base,
            const Sample *latest)
{
    double span = span_s(base, latest);

    if (counted(base->oom_kills, latest->oom_kills) > 0)
        return "a program was killed for lack of memory";
    if (latest->available < shrink_signs_reserve(latest->total) &&
        latest->available < base->available)
        return "too little memory stayed available";
    if (both_tell(base, latest, SAMPLE_SWAP) &&
        exceeds(counted(base->swap_in, latest->swap_in), span, ambient->swap_in, budget->swap_in))
        return "it read back from swap";
    if (both_tell(base, latest, SAMPLE_REFAULTS) &&
        exceeds(refaults(base, latest), span, ambient->refaults, budget->refaults))
        return "it read again what it had given up";
    return NULL;
}

/* Of counters that rise with the work of giving memory up as well. */
static const char *
find_since_arrived(const ShrinkBudget *budget, const ShrinkAmbient *ambient, const Sample *arrived,
                   const Sample *latest)
{
    double span = span_s(arrived, latest);

    if (both_tell(arrived, latest, SAMPLE_PRESSURE) &&
        counted(arrived->stall_some_us, latest->stall_some_us) >
            AMBIENT_SLACK * ambient->stall_us * span + budget->stall_us)
        return "its tasks waited for memory";
    if (both_tell(arrived, latest, SAMPLE_STALLS) &&
        exceeds(counted(arrived->alloc_stalls, latest->alloc_stalls), span, ambient->alloc_stalls,
                budget->alloc_stalls))
        return "its allocations stalled";
    /* Where refaults are told, they say it better: a program that starts has faults. */
    if (both_tell(arrived, latest, SAMPLE_FAULTS) && !both_tell(arrived, latest, SAMPLE_REFAULTS) &&
        exceeds(counted(arrived->major_faults, latest->major_faults), span, ambient->faults,
                budget->faults))
        return "it read its programs again";
    return NULL;
}

const char *
shrink_signs_find(const ShrinkBudget *budget, const ShrinkAmbient *ambient, const Sample *base,
                  const Sample *arrived, const Sample *latest)
{
    const char *sign = find_in_all(budget, ambient, base, latest);

    if (!sign && arrived && latest->time_us > arrived->time_us)
        sign = find_since_arrived(budget, ambient, arrived, latest);
    return sign;
}

double
shrink_signs_stalled(const ShrinkBudget *budget, const Sample *arrived, const Sample *latest)
{
    if (!both_tell(arrived, latest, SAMPLE_PRESSURE))
        return 0;
    return CLAMP(counted(arrived->stall_some_us, latest->stall_some_us) / budget->stall_us, 0, 1);
}
