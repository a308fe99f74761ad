/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/shrink-answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib.h>

#define MIB    ((guint64)1 << 20)
#define SECOND ((gint64)G_USEC_PER_SEC)

typedef struct {
    ShrinkHistory history;
    Watch watch;
    StatsFrame frame;
    gint64 now;
} Guest;

static void
start(Guest *guest)
{
    shrink_history_start(&guest->history);
    watch_start(&guest->watch, 1024 * MIB);
    stats_frame_clear(&guest->frame, STATS_FRAME_SAMPLE);
    guest->frame.sample.total = 1024 * MIB;
    guest->frame.sample.free = guest->frame.sample.available = 600 * MIB;
    guest->frame.sample.stall_some_us = 77;
    guest->frame.sample.swap_in = 88;
    guest->now = 0;
}

/* A second passes, in which tasks wait and memory is swapped in. */
static void
pass(Guest *guest, guint64 stall_us, guint64 swap_in)
{
    StatsSample *sample = &guest->frame.sample;
    WatchRequest request;

    guest->now += SECOND;
    sample->stall_some_us += stall_us;
    sample->swap_in += swap_in;
    shrink_history_add(&guest->history, sample, guest->now);
    watch_look(&guest->watch, &(WatchLook){ guest->now, sample->total, sample->available },
               &request);
}

static StatsAnswer
ask(const Guest *guest, guint64 size, guint64 reserve)
{
    const StatsShrink shrink = { .id = 5, .size = size };
    StatsAnswer answer = { 0 };

    shrink_answer(&guest->history, &guest->watch, guest->frame.sample.available, reserve, &shrink,
                  guest->now, &answer);
    assert_int_equal(answer.id, 5);
    assert_int_equal(answer.verdict, answer.reason == STATS_REASON_NONE ? STATS_ANSWER_BEARS
                                                                        : STATS_ANSWER_REFUSES);
    return answer;
}

static void
test_bears_what_leaves_the_reserve(void **state)
{
    Guest guest;

    start(&guest);
    pass(&guest, 0, 0);
    pass(&guest, 0, 0);
    assert_int_equal(ask(&guest, 400 * MIB, 100 * MIB).margin, 100 * MIB);
    assert_int_equal(ask(&guest, 500 * MIB, 100 * MIB).reason, STATS_REASON_NONE);
    assert_int_equal(ask(&guest, 500 * MIB + 1, 100 * MIB).reason, STATS_REASON_LITTLE);
    assert_int_equal(ask(&guest, G_MAXUINT64 - 1, 0).reason, STATS_REASON_LITTLE);
    assert_int_equal(ask(&guest, 0, G_MAXUINT64 - 1).reason, STATS_REASON_LITTLE);
    assert_int_equal(ask(&guest, 500 * MIB + 1, 100 * MIB).margin, 0);
}

static void
test_without_a_reserve_told_a_sixteenth_stays(void **state)
{
    Guest guest;

    start(&guest);
    pass(&guest, 0, 0);
    assert_int_equal(ask(&guest, 512 * MIB, STATS_MISSING).margin, (600 - 512 - 32) * MIB);
    assert_int_equal(ask(&guest, 580 * MIB, STATS_MISSING).reason, STATS_REASON_LITTLE);
}

static void
test_a_guest_that_knows_nothing_refuses(void **state)
{
    Guest guest;

    start(&guest);
    assert_int_equal(ask(&guest, MIB, 0).reason, STATS_REASON_UNKNOWN);
    pass(&guest, 0, 0);
    guest.frame.sample.available = STATS_MISSING;
    assert_int_equal(ask(&guest, MIB, 0).reason, STATS_REASON_UNKNOWN);
}

static void
test_trouble_lately_is_a_reason_for_ten_seconds(void **state)
{
    static const struct {
        guint64 stall_us;
        guint64 swap_in;
        StatsAnswerReason reason;
    } cases[] = {
        { 10000, 0, STATS_REASON_NONE },
        { 10001, 0, STATS_REASON_STALLING },
        { 0, MIB, STATS_REASON_NONE },
        { 0, MIB + 4096, STATS_REASON_SWAPPING },
        { 900000, 9 * MIB, STATS_REASON_STALLING },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        Guest guest;

        start(&guest);
        pass(&guest, 0, 0);
        pass(&guest, cases[i].stall_us, cases[i].swap_in);
        for (guint s = 0; s < 10; s++) {
            assert_int_equal(ask(&guest, MIB, 0).reason, cases[i].reason);
            pass(&guest, 0, 0);
        }
        assert_int_equal(ask(&guest, MIB, 0).reason, STATS_REASON_NONE);
    }
}

static void
test_the_kernel_telling_of_a_stall_is_enough(void **state)
{
    Guest guest;

    start(&guest);
    pass(&guest, 0, 0);
    shrink_history_stall(&guest.history, guest.now);
    assert_int_equal(ask(&guest, MIB, 0).reason, STATS_REASON_STALLING);
}

/* A kernel without PSI or swap, and counters that begin anew. */
static void
test_missing_counters_are_no_trouble(void **state)
{
    Guest guest;

    start(&guest);
    pass(&guest, 0, 0);
    guest.frame.sample.stall_some_us = guest.frame.sample.swap_in = STATS_MISSING;
    guest.now += SECOND;
    shrink_history_add(&guest.history, &guest.frame.sample, guest.now);
    guest.frame.sample.stall_some_us = guest.frame.sample.swap_in = 1 << 30;
    guest.now += SECOND;
    shrink_history_add(&guest.history, &guest.frame.sample, guest.now);
    guest.frame.sample.stall_some_us = guest.frame.sample.swap_in = 0;
    guest.now += SECOND;
    shrink_history_add(&guest.history, &guest.frame.sample, guest.now);
    assert_int_equal(ask(&guest, MIB, 0).reason, STATS_REASON_NONE);
}

static void
test_what_would_soon_be_gone_is_not_given(void **state)
{
    Guest guest;

    start(&guest);
    pass(&guest, 0, 0);
    guest.frame.sample.available -= 100 * MIB;
    pass(&guest, 0, 0);
    /* 500 MiB are left, and fall by 100 MiB a second. */
    assert_int_equal(ask(&guest, 250 * MIB, 0).reason, STATS_REASON_NONE);
    assert_int_equal(ask(&guest, 350 * MIB, 0).reason, STATS_REASON_FALLING);
    assert_int_equal(ask(&guest, 350 * MIB, 200 * MIB).reason, STATS_REASON_LITTLE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bears_what_leaves_the_reserve),
        cmocka_unit_test(test_without_a_reserve_told_a_sixteenth_stays),
        cmocka_unit_test(test_a_guest_that_knows_nothing_refuses),
        cmocka_unit_test(test_trouble_lately_is_a_reason_for_ten_seconds),
        cmocka_unit_test(test_the_kernel_telling_of_a_stall_is_enough),
        cmocka_unit_test(test_missing_counters_are_no_trouble),
        cmocka_unit_test(test_what_would_soon_be_gone_is_not_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
