/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/guest-model.h"

/* The balloon tells and the agent samples once a second. */
#define SAMPLE_PERIOD_US G_USEC_PER_SEC

/* The agent samples so much more often while a shrink is watched (guest/PROTOCOL.md). */
#define WATCHED_DIVISOR 4

/* While a guest lacks memory it swaps to and fro what it lacks, once a second, as far as
 * its swap is fast enough: zram under TCG was seen to read 25,000 pages in some seconds. */
#define SWAP_RATE ((double)(64 << 20) / G_USEC_PER_SEC) /* bytes a µs */

/* Each page that is to be read back waits for a page to be freed. */
#define STALLS_PER_BYTE (1.0 / 4096 / 32)

void
guest_model_init(GuestModel *guest, const GuestSpec *spec, const DeviceTuning *tuning, guint64 seed,
                 guint64 index)
{
    Chance chance = chance_new(seed, index);
    DeviceModel devices;

    *guest = (GuestModel){ .spec = spec };
    /* Guests do not sample in step. */
    guest->sample_us = (gint64)chance_between(&chance, 0, SAMPLE_PERIOD_US);
    guest->period_us = SAMPLE_PERIOD_US;
    trace_cursor_start(&guest->cursor, spec->trace, spec->shift_us);
    device_model_init(&devices, tuning, chance, spec->mechanism, spec->floor, spec->ceiling,
                      spec->size);
    resize_model_init(&guest->resize, &devices, spec->mechanism);
    guest->actual = device_model_actual(&guest->resize.devices);
}

void
guest_model_clear(GuestModel *guest)
{
    resize_model_clear(&guest->resize);
}

static double
lacked(double used, double actual)
{
    return MAX(0, used - actual);
}

/* What is swapped while it lives from one moment to another. */
static void
swap(GuestModel *guest, const GuestStretch *stretch)
{
    double before = lacked(stretch->used, stretch->actual);
    double after = lacked(stretch->used_end, stretch->actual);
    double thrashed;

    if (before <= 0 && after <= 0)
        return;
    thrashed = MIN((before + after) / 2 / G_USEC_PER_SEC, SWAP_RATE) * stretch->us;
    guest->swap_out += MAX(0, after - before) + thrashed;
    guest->swap_in += MAX(0, before - after) + thrashed;
    guest->stalls += thrashed * STALLS_PER_BYTE;
    guest->stalled_us += stretch->us;
}

/* Lives up to @until, within the stretch of the trace. */
static void
live(GuestModel *guest, gint64 until)
{
    const TraceCursor *cursor = &guest->cursor;
    const GuestStretch stretch = {
        .us = (double)(until - guest->now_us),
        .actual = (double)guest->actual,
        .used = trace_cursor_used(cursor, guest->now_us),
        .used_end = trace_cursor_used(cursor, until),
        .cached = trace_cursor_cached(cursor, guest->now_us),
        .cached_end = trace_cursor_cached(cursor, until),
    };

    if (until <= guest->now_us)
        return;
    guest_account_add(&guest->account, &stretch);
    swap(guest, &stretch);
    guest->now_us = until;
}

static void
take_sample(GuestModel *guest)
{
    double actual = (double)guest->actual;
    double used = trace_cursor_used(&guest->cursor, guest->now_us);
    double cached = trace_cursor_cached(&guest->cursor, guest->now_us);
    double left = MAX(0, actual - used);
    double swapped = lacked(used, actual);
    const Sample sample = {
        .time_us = guest->now_us,
        .source = guest->has_agent ? SAMPLE_SOURCE_AGENT : SAMPLE_SOURCE_BALLOON,
        .fields = (guest->has_agent ? SAMPLE_PRESSURE : 0) | SAMPLE_AVAILABLE | SAMPLE_SWAP |
                  SAMPLE_STALLS | SAMPLE_COMMITTED | SAMPLE_SWAP_SIZE,
        .total = guest->actual,
        .free = (guint64)(left - MIN(left, cached)),
        .available = (guint64)left,
        .cached = (guint64)MIN(left, cached),
        .swap_in = (guint64)guest->swap_in,
        .swap_out = (guint64)guest->swap_out,
        .alloc_stalls = (guint64)guest->stalls,
        .stall_some_us = guest->has_agent ? (guint64)guest->stalled_us : 0,
        /* What it uses is promised to programs, be it in memory or in swap. */
        .committed = (guint64)used,
        .swap_total = guest->spec->ceiling,
        .swap_free = guest->spec->ceiling - MIN(guest->spec->ceiling, (guint64)swapped),
    };

    sample_ring_push(&guest->ring, &sample);
}

void
guest_model_advance(GuestModel *guest, gint64 now)
{
    while (guest->now_us < now) {
        gint64 until = MIN(now, guest->cursor.end_us);

        until = MIN(until, guest->sample_us);
        live(guest, until);
        if (until == guest->sample_us) {
            take_sample(guest);
            guest->sample_us += guest->period_us;
        }
        if (until == guest->cursor.end_us)
            trace_cursor_next(&guest->cursor);
    }
}

void
guest_model_watch_shrink(GuestModel *guest, gboolean watched)
{
    if (!guest->has_agent)
        return;
    guest->period_us = watched ? SAMPLE_PERIOD_US / WATCHED_DIVISOR : SAMPLE_PERIOD_US;
    guest->sample_us = MIN(guest->sample_us, guest->now_us + guest->period_us);
}

guint64
guest_model_available(const GuestModel *guest)
{
    double used = trace_cursor_used(&guest->cursor, guest->now_us);

    return (guint64)MAX(0, (double)guest->actual - used);
}

static void
take_over(GuestModel *guest)
{
    guint64 before = guest->actual;
    double used = trace_cursor_used(&guest->cursor, guest->now_us);
    double lacks = lacked(used, (double)before), lacks_now;

    guest->actual = device_model_actual(&guest->resize.devices);
    lacks_now = lacked(used, (double)guest->actual);
    guest->swap_in += MAX(0, lacks - lacks_now);
    guest->swap_out += MAX(0, lacks_now - lacks);
    guest->account.churn +=
        guest->actual > before ? guest->actual - before : before - guest->actual;
    guest->account.steps = guest->resize.steps;
}

void
guest_model_request(GuestModel *guest, guint64 target)
{
    resize_model_set_target(&guest->resize, target, guest_model_available(guest), guest->now_us);
    take_over(guest);
}

gboolean
guest_model_run(GuestModel *guest)
{
    gboolean rests = resize_model_run(&guest->resize, guest_model_available(guest), guest->now_us);

    take_over(guest);
    return rests;
}
