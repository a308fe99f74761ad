/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks ahead: from how much memory was available at some moments, when to look
 * again, and when to ask the host for more, and for how much.
 *
 *   watch_start()                     once, with how fast memory can be used up
 *   watch_tell()                      whatever the host says
 *   watch_look()  ─▶ ask, or not      at each look
 *   watch_stall() ─▶ ask, or not      when the kernel tells that tasks wait
 *   watch_interval()                  then
 *
 * Pure: the caller has the clock and the figures. A plain struct; nothing to free.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int64_t time_us;
    uint64_t total;
    uint64_t available;
} WatchLook;

typedef struct {
    uint64_t size;    /* what to ask for */
    uint64_t fall;    /* bytes a second by which memory falls; 0: it does not */
    uint64_t left_us; /* until nothing is left; UINT64_MAX: never */
} WatchRequest;

/* A look, and the bytes that the guest itself had in use then. */
typedef struct {
    WatchLook look;
    double use;
} WatchUse;

/* So many looks are kept: a second of them when they come every 5 ms. */
#define WATCH_LOOKS 200

typedef struct {
    /* to be read by others */
    uint64_t fastest; /* bytes a second that a burst may use up, as far as was seen */

    /* private */
    uint64_t fastest_most;
    int64_t plug_us;
    int64_t valid_us;
    uint64_t growth;
    double reserves;      /* bytes in use that came with new memory */
    uint64_t taken;       /* what the host is taking; 0: nothing */
    uint64_t taken_total; /* what there was when it began */
    WatchUse looks[WATCH_LOOKS];
    unsigned next;
    unsigned count;
    double fall;  /* bytes per µs at the last look, as it will be next */
    bool falling; /* a burst was seen, and has not ended */
    bool asking;  /* since @asked_us, for @asked_size when there was @asked_total */
    int64_t asked_us;
    uint64_t asked_size;
    uint64_t asked_total;
    int64_t danger_us; /* when all would last have been gone within two horizons */
} Watch;

/* @fastest: bytes a second that one CPU can put to use, as measured */
void watch_start(Watch *watch, uint64_t fastest);

/* Forgets what was seen, for instance after a time without looks. */
void watch_forget(Watch *watch);

/*
 * watch_tell:
 * @plug_us: from a request until the new memory is in use; UINT64_MAX if not known
 * @valid_us: how long the host bears a request in mind; UINT64_MAX if not known
 * @growth: what there is to ask for; UINT64_MAX if not known
 */
void watch_tell(Watch *watch, uint64_t plug_us, uint64_t valid_us, uint64_t growth);

/* The host is about to take @size, which the guest bears; 0: it is done, or will not.
 * Of more than half of what is available the rest counts as if the guest used it. */
void watch_expect(Watch *watch, uint64_t size);

/*
 * watch_look:
 * @request: (out): written if the host shall be asked
 *
 * Returns: whether it shall. That counts as done: it is not repeated unless things
 *   get worse, what came was not enough, or the host has forgotten it.
 */
bool watch_look(Watch *watch, const WatchLook *look, WatchRequest *request);

/* The same when tasks wait for memory at @now, whatever the forecast was. Of which @free is
 * left (MemFree); UINT64_MAX if that is not known. */
bool watch_stall(Watch *watch, uint64_t free, int64_t now, WatchRequest *request);

/* A request was not made: what was to be asked may be asked again. */
void watch_withdraw(Watch *watch);

/* Returns: µs from the latest look to the next. */
int64_t watch_interval(const Watch *watch);

/* Returns: bytes a second by which memory falls; 0: it does not. */
uint64_t watch_fall(const Watch *watch);

/* Returns: µs until nothing is left of @available; UINT64_MAX: never. */
uint64_t watch_left_us(const Watch *watch, uint64_t available);

/* Returns: a request is due if less than this is left, in µs. */
int64_t watch_horizon(const Watch *watch);
