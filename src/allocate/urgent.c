/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate/urgent.h"

#include "allocate/shrink-signs.h"
#include "predict/pressure.h"

/*
 * What plugging takes before it gives: a page descriptor of 64 bytes for each page of 4 KiB
 * (Documentation/mm/memory-model.rst), 1/64, and where the direct map has pages of 4 KiB an
 * eight-byte entry for each of them, 1/512. So a byte pays for 56.
 */
#define BYTES_PER_COST 56
/* The rest is for whoever needs it meanwhile. */
#define COST_SHARE 2
/* However fast it falls: the forecast is one, and what falls can be given up in part. */
#define LEFT_LEAST_DIVISOR 8

/* From the request on: what a sample tells of the time before is what the request came from. */
#define LOOK_AFTER_US G_USEC_PER_SEC
/* Two of the agent's horizons, as long as plugging takes no more than an eighth of a second. */
#define LASTS_S 2.0

static guint64
add(guint64 a, guint64 b)
{
    return a <= G_MAXUINT64 - b ? a + b : G_MAXUINT64;
}

static guint64
double_of(guint64 bytes)
{
    return add(bytes, bytes);
}

/* What the guest can surely afford. */
static guint64
first_chunk(const UrgentTerms *terms)
{
    double falls = (double)terms->fall * (double)terms->plug_us / G_USEC_PER_SEC;
    double left =
        MAX((double)terms->available - falls, (double)terms->available / LEFT_LEAST_DIVISOR);
    double chunk = left / COST_SHARE * BYTES_PER_COST;

    return MAX(chunk < 1e18 ? (guint64)chunk : (guint64)1e18, terms->grain);
}

void
urgent_ask(UrgentRequest *request, const UrgentTerms *terms, gint64 now)
{
    gboolean valid = urgent_is_valid(request, now);
    guint64 wanted = MAX(terms->size, terms->ballooned);
    guint64 chunk = first_chunk(terms);

    /* What came was borne, so that more will be. */
    if (valid && terms->actual >= request->stage)
        chunk = MAX(chunk, double_of(request->chunk));
    request->goal = MIN(MAX(add(terms->actual, wanted), valid ? request->goal : 0), terms->ceiling);
    request->chunk = chunk;
    request->stage =
        MAX(add(terms->actual, add(terms->ballooned, chunk)), valid ? request->stage : 0);
    request->asked_us = now;
    request->until_us = now + terms->valid_us;
}

void
urgent_forget(UrgentRequest *request)
{
    *request = (UrgentRequest){ 0 };
}

/* Whether @latest, which follows @before, tells of a guest that does not need to ask. */
static gboolean
is_calm(const Sample *before, const Sample *latest)
{
    double gap = (double)(latest->time_us - before->time_us) / G_USEC_PER_SEC;
    double growth = (double)sample_used(latest) - (double)sample_used(before);

    return latest->available >= shrink_signs_reserve(latest->total) &&
           (double)latest->available > growth / gap * LASTS_S;
}

void
urgent_look(UrgentRequest *request, const SampleRing *ring, gint64 now)
{
    const Sample *latest = sample_ring_get(ring, 0), *before = sample_ring_get(ring, 1);

    if (!urgent_is_valid(request, now) || !before ||
        latest->time_us - request->asked_us < LOOK_AFTER_US)
        return;
    if (is_calm(before, latest) && !pressure_find(ring))
        urgent_forget(request);
}

gboolean
urgent_is_valid(const UrgentRequest *request, gint64 now)
{
    return request->asked_us != 0 && now < request->until_us;
}

guint64
urgent_missing(UrgentRequest *request, guint64 actual, gint64 now)
{
    guint64 until;

    if (!urgent_is_valid(request, now) || actual >= request->goal)
        return 0;
    if (actual >= request->stage) {
        request->chunk = double_of(request->chunk);
        request->stage = add(actual, request->chunk);
    }
    until = MIN(request->stage, request->goal);
    return until - actual;
}
