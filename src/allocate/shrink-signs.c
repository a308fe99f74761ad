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
 * What counts is the change. A guest has a pace of its own: it reads files, and a task waits
 * now and then. So each counter's rate is held against its rate in the ten seconds before
 * anything was taken, the baseline; more than that by twice what it differed by from sample to
 * sample, and by what is borne, is a sign. A hot page cache that fits has a baseline of nothing,
 * however fast it is read; and shows thousands of refaults a second when it no longer fits.
 *
 * A baseline that is above what is borne is a sign by itself, and the guest is left alone: it
 * lacks memory already. Below it, ups and downs make harm be seen later, but not unseen: the
 * standard deviation of n numbers that are not negative is at most sqrt(n - 1) times their mean.
 * So with a sample a second eight times what is borne is harm, whatever came before.
 *
 * A counter that is not told on both sides is left out, and one that falls has begun anew.
 */
#include "allocate/shrink-signs.h"

#include <math.h>

/* How far back the baseline looks. */
#define BASELINE_US (10 * G_USEC_PER_SEC)

/* Rates over less than that are jitter of the times at which samples are taken. */
#define SPAN_MIN_S 0.2

/* Standard deviations beyond the mean: the same pace, with its ups and downs, stays below that
 * for nearly all of the time. */
#define NOISE 2

/* For which a budget's stall_us is meant. */
#define STALL_SPAN_S 6

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

static double
stalls_us(const Sample *from, const Sample *to)
{
    return counted(from->stall_some_us, to->stall_some_us);
}

static double
swap_in(const Sample *from, const Sample *to)
{
    return counted(from->swap_in, to->swap_in);
}

static double
faults(const Sample *from, const Sample *to)
{
    return counted(from->major_faults, to->major_faults);
}

static double
alloc_stalls(const Sample *from, const Sample *to)
{
    return counted(from->alloc_stalls, to->alloc_stalls);
}

ShrinkAmbient
shrink_signs_rates(const Sample *from, const Sample *to)
{
    double span = span_s(from, to);
    ShrinkAmbient rates = { 0 };

    if (both_tell(from, to, SAMPLE_PRESSURE))
        rates.stall_us = stalls_us(from, to) / span;
    if (both_tell(from, to, SAMPLE_REFAULTS))
        rates.refaults = refaults(from, to) / span;
    if (both_tell(from, to, SAMPLE_SWAP))
        rates.swap_in = swap_in(from, to) / span;
    if (both_tell(from, to, SAMPLE_FAULTS))
        rates.faults = faults(from, to) / span;
    if (both_tell(from, to, SAMPLE_STALLS))
        rates.alloc_stalls = alloc_stalls(from, to) / span;
    return rates;
}

/* Of a ShrinkAmbient, which is a row of them. */
#define N_RATES (sizeof(ShrinkAmbient) / sizeof(double))

/* Adds up the rates of @span seconds, and their squares. */
static void
add_rates(ShrinkBaseline *sums, const ShrinkAmbient *rates, double span)
{
    const double *rate = (const double *)rates;
    double *sum = (double *)&sums->mean, *square = (double *)&sums->noise;

    for (gsize i = 0; i < N_RATES; i++) {
        sum[i] += rate[i] * span;
        square[i] += rate[i] * rate[i] * span;
    }
}

ShrinkBaseline
shrink_signs_baseline(const SampleRing *ring, gint64 since, gint64 now)
{
    const Sample *to = sample_ring_get(ring, 0), *from;
    gboolean refaults_told = to && to->fields & SAMPLE_REFAULTS;
    ShrinkBaseline baseline = { 0 };
    double *mean = (double *)&baseline.mean, *noise = (double *)&baseline.noise, time = 0;

    for (guint age = 1; (from = sample_ring_get(ring, age)) && from->time_us >= since &&
                        now - from->time_us <= BASELINE_US;
         age++) {
        ShrinkAmbient rates = shrink_signs_rates(from, to);
        double span = span_s(from, to);

        /* Where refaults are told, they say it better: a program that starts has faults. */
        if (refaults_told)
            rates.faults = 0;
        add_rates(&baseline, &rates, span);
        time += span;
        to = from;
    }
    for (gsize i = 0; i < N_RATES && time > 0; i++) {
        mean[i] /= time;
        noise[i] = sqrt(MAX(noise[i] / time - mean[i] * mean[i], 0));
    }
    return baseline;
}

const char *
shrink_signs_find_before(const ShrinkBudget *budget, const ShrinkBaseline *baseline)
{
    if (baseline->mean.swap_in > budget->swap_in)
        return "it reads back from swap";
    if (baseline->mean.refaults > budget->refaults)
        return "it reads again what it had given up";
    if (baseline->mean.stall_us > budget->stall_us / STALL_SPAN_S)
        return "its tasks wait for memory";
    if (baseline->mean.alloc_stalls > budget->alloc_stalls)
        return "its allocations stall";
    if (baseline->mean.faults > budget->faults)
        return "it reads its programs again";
    return NULL;
}

guint64
shrink_signs_reserve(guint64 total)
{
    return MIN(total / RESERVE_FRACTION, RESERVE_MOST);
}

/* Of the events of @rate, in @span seconds. */
#define EXPECTED(baseline, rate, span) \
    (((baseline)->mean.rate + NOISE * (baseline)->noise.rate) * (span))

/* Whether @events in @span seconds are more than @expected, and @borne a second. One
 * second's worth is borne at once: a burst is none yet. */
static gboolean
exceeds(double events, double expected, double span, double borne)
{
    return events > expected + borne * MAX(span, 1);
}

/* Of counters that tell at once, from the first byte on. */
static const char *
find_in_all(const ShrinkBudget *budget, const ShrinkBaseline *baseline, const Sample *base,
            const Sample *latest)
{
    double span = span_s(base, latest);

    if (counted(base->oom_kills, latest->oom_kills) > 0)
        return "a program was killed for lack of memory";
    if (latest->available < shrink_signs_reserve(latest->total) &&
        latest->available < base->available)
        return "too little memory stayed available";
    if (both_tell(base, latest, SAMPLE_SWAP) &&
        exceeds(swap_in(base, latest), EXPECTED(baseline, swap_in, span), span, budget->swap_in))
        return "it read back from swap";
    if (both_tell(base, latest, SAMPLE_REFAULTS) &&
        exceeds(refaults(base, latest), EXPECTED(baseline, refaults, span), span, budget->refaults))
        return "it read again what it had given up";
    return NULL;
}

/* Of counters that rise with the work of giving memory up as well. */
static const char *
find_since_arrived(const ShrinkBudget *budget, const ShrinkBaseline *baseline,
                   const Sample *arrived, const Sample *latest)
{
    double span = span_s(arrived, latest);

    if (both_tell(arrived, latest, SAMPLE_PRESSURE) &&
        stalls_us(arrived, latest) > EXPECTED(baseline, stall_us, span) + budget->stall_us)
        return "its tasks waited for memory";
    if (both_tell(arrived, latest, SAMPLE_STALLS) &&
        exceeds(alloc_stalls(arrived, latest), EXPECTED(baseline, alloc_stalls, span), span,
                budget->alloc_stalls))
        return "its allocations stalled";
    if (both_tell(arrived, latest, SAMPLE_FAULTS) && !both_tell(arrived, latest, SAMPLE_REFAULTS) &&
        exceeds(faults(arrived, latest), EXPECTED(baseline, faults, span), span, budget->faults))
        return "it read its programs again";
    return NULL;
}

const char *
shrink_signs_find(const ShrinkBudget *budget, const ShrinkBaseline *baseline, const Sample *base,
                  const Sample *arrived, const Sample *latest)
{
    const char *sign = find_in_all(budget, baseline, base, latest);

    if (!sign && arrived && latest->time_us > arrived->time_us)
        sign = find_since_arrived(budget, baseline, arrived, latest);
    return sign;
}

double
shrink_signs_stalled(const ShrinkBudget *budget, const Sample *arrived, const Sample *latest)
{
    if (!both_tell(arrived, latest, SAMPLE_PRESSURE))
        return 0;
    return CLAMP(stalls_us(arrived, latest) / budget->stall_us, 0, 1);
}
