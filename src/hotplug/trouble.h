/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's devices that would not follow, each with what it can do at present,
 * why, and when it will be tried again. Each time that a device fails anew the
 * wait doubles; when it follows, its record is forgotten.
 */
#pragma once

#include "hotplug/recipe.h"

typedef struct {
    gint64 first_us; /* wait after the first failure */
    gint64 most_us;  /* the wait never grows beyond this */
} TroubleTuning;

typedef struct {
    char *device;
    guint64 least; /* as in RecipeBound */
    guint64 most;
    char *reason;
    guint strikes;   /* failures in a row */
    gint64 retry_us; /* when it may be tried again */
} Trouble;

typedef struct {
    GArray *list; /* of Trouble */
} TroubleBook;

TroubleBook *trouble_book_new(void);
void trouble_book_free(TroubleBook *book);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TroubleBook, trouble_book_free)

/*
 * Records that @bound->device can only go as far as @bound says, because of
 * @reason, and is to be left alone until a time that doubles with every strike.
 */
void trouble_book_record(TroubleBook *book, const TroubleTuning *tuning, const RecipeBound *bound,
                         const char *reason, gint64 now);

/*
 * @device has followed: forgets its record. Unless that record still holds at
 * @now, for then it only went as far as its bound.
 */
void trouble_book_followed(TroubleBook *book, const char *device, gint64 now);

/* Forgets @device: it is gone. */
void trouble_book_forget(TroubleBook *book, const char *device);

/* Forgets everything: the guest was restarted. */
void trouble_book_clear(TroubleBook *book);

/* Makes every device due at once, but keeps the strikes: somebody asks anew. */
void trouble_book_retry_all(TroubleBook *book, gint64 now);

/* Returns: (transfer container) (element-type RecipeBound): what holds at @now, and as
 *   lapsed what held before; the strings stay @book's. */
GArray *trouble_book_bounds(const TroubleBook *book, gint64 now);

/* Returns: (nullable): the trouble that is over first of those that hold at @now. */
const Trouble *trouble_book_next(const TroubleBook *book, gint64 now);
