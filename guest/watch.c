/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that already stalls cannot be helped in time: plugging memory takes
 * memory. Measured under TCG in guests of 256 MiB, with a program that allocates
 * at full speed: asked for at the first stall, memory came after 2 to 8 s, and in
 * many runs something had been killed by then; asked for when the forecast said
 * "gone within 1 s", it was there after 40 to 80 ms, and nothing ever stalled.
 *
 * When to look. A burst begins whenever it likes, so the next look must come
 * before it can have used up what is there now:
 *
 *     interval = available / (fastest · SAFETY)      within 5 ms and 1 s
 *
 * fastest is what one CPU can put to use, measured at the start, and more once
 * more was seen. With SAFETY 8, a burst by eight CPUs at once is still seen, and one
 * by a single CPU has used up an eighth at its first look. What is left then lasts
 * for seven intervals. Below 5 ms the kernel's own counters are too coarse.
 * Once a fall is seen, looks come four times as often, to see how fast it is.
 *
 * How fast. What counts is the growth of use, total less available: it is not
 * changed by memory that comes or goes meanwhile. Of all slopes between an earlier
 * look and this one the steepest counts, as a burst is always younger than the
 * looks; but only over 5 ms and more, and only of a fall that counts, 1/64 of what
 * is left and 2 MiB. (The kernel adds up each CPU's share of a counter when it is
 * 125 pages off, so that four CPUs account for 2 MiB.) If memory was falling more
 * slowly before that slope, the fall is accelerating, and is expected to grow once
 * more by as much as it has grown, though not beyond the fastest there is.
 *
 * What the host gives and takes. With new memory the kernel raises its reserves, at
 * once and by up to a tenth of it (seen on 6.12), which looks used. When it gives up
 * memory, that is first no more available, and gone from the total only when all of a
 * block is empty; in between it looks used too. So of an announced shrink the part that
 * is still in the total may be hidden in use, and of every change of the total an
 * eighth; and use is taken to have changed by the least that explains what is seen. A
 * burst at that time is seen later by that much: so half of what is available is the
 * most that a shrink may hide. New memory shows in the total first, and where it is freed page by
 * page (a balloon) up to 16 MiB of it in the CPU's own lists, neither free nor in use (seen on
 * 6.12): so a fall begins only where what is available falls.
 *
 * When to ask. If all would be gone within the horizon: eight times what plugging
 * takes, and at least the second that served above.
 *
 * For how much. What the fall uses up in two horizons, less what is left: so that,
 * once it came, there is nothing to ask for during another horizon.
 *
 * When nothing is left. Available is what lies above the kernel's reserves, which in a small guest
 * with transparent huge pages can be more than all that is free: seen on 6.12, 80 MiB free and 0 to
 * 16 available in a guest of 256 MiB. A burst there is not a fall, but a stall; so a guest asks as
 * soon as it has nothing available, whether it falls or not.
 *
 * When tasks wait. For memory, says the kernel; but it counts so as well that they read back what
 * was once given up, or wait until free memory is in one piece. Where there is as much free
 * (not merely available: a page cache that is read again and again is) as would be asked for, more
 * would lie beside it: seen on 6.12, a guest of 450 MiB that read 200 MiB of a file back for a
 * minute had grown to 846 MiB within three seconds, of which 670 were available.
 *
 * Not again. A request stands until the host has forgotten it, or there was no
 * danger for a horizon; in a guest that has nothing left, memory falls by fits and
 * starts. While it stands it is repeated only if it has become twice as large, or
 * something came and was not enough.
 */
#include "guest/watch.h"

#include <string.h>

#define INTERVAL_MIN_US 5000
#define INTERVAL_MAX_US 1000000
#define SAFETY          8
#define FALLING_DIVISOR 4

#define SLOPE_MIN_US   5000
#define SLOPE_MAX_US   1000000 /* of a look that is not the one before */
#define NOISE_FRACTION 64
#define NOISE_MIN      (2 << 20)

/* Of new memory, with some to spare. */
#define RESERVE_FRACTION 8

#define HORIZON_PLUGS  8
#define HORIZON_MIN_US 1000000
#define HORIZON_MAX_US 10000000

/* Until the host tells: the middle of what was measured for virtio-mem and DIMMs, and
 * the ten seconds for which Neon's autoscaler bears an urgent request in mind. */
#define PLUG_DEFAULT_US  100000
#define VALID_DEFAULT_US 10000000

/* What was seen raises the fastest only over some time, and not without bound: one
 * wrong figure would have the guest look 200 times a second until it reboots. */
#define LEARN_MIN_US  20000
#define LEARN_MOST    4
#define FASTEST_LEAST (64 << 20)

/* Tasks that wait are told of once a second. */
#define STALL_SPACING_US 1000000

/* Of the total: what is asked for at the least where no forecast tells how much. */
#define LEAST_FRACTION 8

void
watch_start(Watch *watch, uint64_t fastest)
{
    memset(watch, 0, sizeof(*watch));
    watch->fastest = fastest > FASTEST_LEAST ? fastest : FASTEST_LEAST;
    watch->fastest_most =
        watch->fastest < UINT64_MAX / LEARN_MOST ? watch->fastest * LEARN_MOST : UINT64_MAX;
    watch_tell(watch, UINT64_MAX, UINT64_MAX, UINT64_MAX);
}

void
watch_forget(Watch *watch)
{
    watch->count = 0;
    watch->fall = 0;
    watch->asking = watch->falling = false;
    watch->reserves = 0;
    watch->taken = 0;
}

static int64_t
clamp(uint64_t value, int64_t least, int64_t most)
{
    if (value < (uint64_t)least)
        return least;
    return value < (uint64_t)most ? (int64_t)value : most;
}

void
watch_tell(Watch *watch, uint64_t plug_us, uint64_t valid_us, uint64_t growth)
{
    watch->plug_us = clamp(plug_us == UINT64_MAX ? PLUG_DEFAULT_US : plug_us, 1, HORIZON_MAX_US);
    watch->valid_us =
        clamp(valid_us == UINT64_MAX ? VALID_DEFAULT_US : valid_us, watch->plug_us, INT32_MAX);
    watch->growth = growth;
}

int64_t
watch_horizon(const Watch *watch)
{
    return clamp((uint64_t)watch->plug_us * HORIZON_PLUGS, HORIZON_MIN_US, HORIZON_MAX_US);
}

/* Returns: (nullable): the look before the latest by @age. */
static const WatchUse *
look_before(const Watch *watch, unsigned age)
{
    if (age >= watch->count)
        return NULL;
    return &watch->looks[(watch->next + WATCH_LOOKS - 1 - age) % WATCH_LOOKS];
}

void
watch_expect(Watch *watch, uint64_t size)
{
    const WatchUse *last = look_before(watch, 0);

    watch->taken = 0;
    if (!last)
        return;
    watch->taken = size < last->look.available / 2 ? size : last->look.available / 2;
    watch->taken_total = last->look.total;
}

/* What the host takes and is not gone from the total. */
static double
hidden_at_most(const Watch *watch, uint64_t total)
{
    uint64_t gone = watch->taken_total > total ? watch->taken_total - total : 0;

    return watch->taken > gone ? (double)(watch->taken - gone) : 0;
}

/* What of a growth of use since @last came with a change of the total. */
static double
new_reserves(const WatchUse *last, const WatchLook *look, double use)
{
    double change = (double)look->total - (double)last->look.total;
    double most = (change < 0 ? -change : change) / RESERVE_FRACTION;
    double growth = use - last->use;

    if (growth <= 0)
        return 0;
    return growth < most ? growth : most;
}

static double
use_at(Watch *watch, const WatchLook *look)
{
    const WatchUse *last = look_before(watch, 0);
    double most = (double)look->total - (double)look->available - watch->reserves;
    double least;
    double reserves;

    if (!last || last->use > most)
        return most;
    reserves = new_reserves(last, look, most);
    watch->reserves += reserves;
    most -= reserves;
    least = most - hidden_at_most(watch, look->total);
    return last->use < least ? least : last->use;
}

static double
slope(const WatchUse *from, const WatchUse *to)
{
    return (to->use - from->use) / (double)(to->look.time_us - from->look.time_us);
}

/* By how much use grew. Until a fall is seen, no more than what is available fell by: what the host
 * gives is in the total first, and lies in the CPU's own lists before it counts as free. */
static double
growth_of_use(const Watch *watch, const WatchUse *from, const WatchUse *to)
{
    double growth = to->use - from->use;
    double fell = (double)from->look.available - (double)to->look.available;

    return watch->falling || growth < fell ? growth : fell;
}

/* The slope, or 0 if it is not one to go by. Nothing available says only that as much as all was in
 * use: what comes then and does not show at once is no growth of use. */
static double
sound_slope(const Watch *watch, const WatchUse *from, const WatchUse *to)
{
    double noise = (double)to->look.available / NOISE_FRACTION;
    double growth = growth_of_use(watch, from, to);
    int64_t time_us = to->look.time_us - from->look.time_us;

    if (noise < NOISE_MIN)
        noise = NOISE_MIN;
    if (from->look.available == 0 || time_us < SLOPE_MIN_US || growth < noise)
        return 0;
    return growth / (double)time_us;
}

static void
learn(Watch *watch, const WatchUse *from, const WatchUse *to, double steepest)
{
    double seen = steepest * 1e6;

    if (to->look.time_us - from->look.time_us < LEARN_MIN_US || seen <= (double)watch->fastest)
        return;
    watch->fastest = seen < (double)watch->fastest_most ? (uint64_t)seen : watch->fastest_most;
}

/* How fast memory will fall from the latest look on, in bytes per µs. */
static double
forecast(Watch *watch)
{
    const WatchUse *now = look_before(watch, 0);
    const WatchUse *begin = NULL;
    const WatchUse *oldest = NULL;
    const WatchUse *from;
    double steepest = 0;
    double before;
    double most;

    for (unsigned age = 1; (from = look_before(watch, age)); age++) {
        double one = sound_slope(watch, from, now);

        if (age > 1 && now->look.time_us - from->look.time_us > SLOPE_MAX_US)
            break;
        oldest = from;
        if (one > steepest) {
            steepest = one;
            begin = from;
        }
    }
    if (!begin)
        return 0;
    learn(watch, begin, now, steepest);
    if (begin == oldest)
        return steepest;
    before = slope(oldest, begin);
    if (before >= steepest)
        return steepest;
    most = (double)watch->fastest * 1e-6;
    steepest += steepest - (before > 0 ? before : 0);
    return steepest < most ? steepest : most;
}

static void
keep(Watch *watch, const WatchLook *look)
{
    double use = use_at(watch, look);

    watch->looks[watch->next] = (WatchUse){ *look, use };
    watch->next = (watch->next + 1) % WATCH_LOOKS;
    if (watch->count < WATCH_LOOKS)
        watch->count++;
}

uint64_t
watch_fall(const Watch *watch)
{
    return (uint64_t)(watch->fall * 1e6);
}

uint64_t
watch_left_us(const Watch *watch, uint64_t available)
{
    double left;

    if (watch->fall <= 0)
        return UINT64_MAX;
    left = (double)available / watch->fall;
    return left < 1e18 ? (uint64_t)left : UINT64_MAX;
}

/* Whether another request tells the host something: it came to nothing, or things
 * are twice as bad, or what came was not enough. */
static bool
is_news(const Watch *watch, const WatchLook *now, uint64_t size)
{
    int64_t age = now->time_us - watch->asked_us;

    if (!watch->asking || age >= watch->valid_us)
        return true;
    if (size / 2 >= watch->asked_size)
        return true;
    return now->total > watch->asked_total && age >= watch->plug_us;
}

static void
ask(Watch *watch, const WatchLook *now, uint64_t size, WatchRequest *request)
{
    watch->asking = true;
    watch->asked_us = now->time_us;
    watch->asked_size = size;
    watch->asked_total = now->total;
    request->size = size;
    request->fall = watch_fall(watch);
    request->left_us = watch_left_us(watch, now->available);
}

/* What is used up in two horizons, less what is left, but so much at the least, and not more
 * than there is. */
static uint64_t
size_wanted(const Watch *watch, uint64_t available, uint64_t least)
{
    double wanted = watch->fall * 2 * (double)watch_horizon(watch) - (double)available;

    if (wanted < (double)least)
        wanted = (double)least;
    return wanted < (double)watch->growth ? (uint64_t)wanted : watch->growth;
}

bool
watch_look(Watch *watch, const WatchLook *look, WatchRequest *request)
{
    const WatchUse *last = look_before(watch, 0);
    uint64_t horizon = (uint64_t)watch_horizon(watch);
    bool nothing_left = look->available < NOISE_MIN;
    uint64_t left;
    uint64_t size;

    if (last && look->time_us <= last->look.time_us)
        return false;
    keep(watch, look);
    watch->fall = forecast(watch);
    left = watch_left_us(watch, look->available);
    if (left <= 2 * horizon)
        watch->falling = true;
    if (left <= 2 * horizon || nothing_left)
        watch->danger_us = look->time_us;
    else if (look->time_us - watch->danger_us > (int64_t)horizon)
        watch->asking = watch->falling = false;
    if (left > horizon && !nothing_left)
        return false;
    size = size_wanted(watch, look->available, nothing_left ? look->total / LEAST_FRACTION : 0);
    if (size == 0 || !is_news(watch, look, size))
        return false;
    ask(watch, look, size, request);
    return true;
}

void
watch_withdraw(Watch *watch)
{
    watch->asking = false;
}

bool
watch_stall(Watch *watch, uint64_t free, int64_t now, WatchRequest *request)
{
    const WatchUse *last = look_before(watch, 0);
    uint64_t least;
    uint64_t size;

    if (!last || watch->growth == 0)
        return false;
    if (watch->asking && now - watch->asked_us < STALL_SPACING_US)
        return false;
    least = last->look.total / LEAST_FRACTION;
    if (free != UINT64_MAX && free >= least)
        return false;
    size = size_wanted(watch, last->look.available, least);
    ask(watch, &(WatchLook){ now, last->look.total, last->look.available }, size, request);
    return true;
}

int64_t
watch_interval(const Watch *watch)
{
    const WatchUse *last = look_before(watch, 0);
    double interval;

    if (!last)
        return INTERVAL_MIN_US;
    interval = (double)last->look.available / ((double)watch->fastest * SAFETY) * 1e6;
    if (watch->fall > 0)
        interval /= FALLING_DIVISOR;
    if (interval < INTERVAL_MIN_US)
        return INTERVAL_MIN_US;
    return interval < INTERVAL_MAX_US ? (int64_t)interval : INTERVAL_MAX_US;
}
