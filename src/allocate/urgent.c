/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate/urgent.h"

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
