/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
push(SampleRing *ring, gint64 time_us)
{
    Sample sample = { .time_us = time_us, .total = (guint64)time_us };

    sample_ring_push(ring, &sample);
}

static void
test_empty_ring_has_nothing(void **state)
{
    SampleRing ring = { 0 };

    assert_null(sample_ring_get(&ring, 0));
    assert_null(sample_ring_get(&ring, G_MAXUINT));
}

static void
test_latest_comes_first(void **state)
{
    SampleRing ring = { 0 };

    push(&ring, 10);
    push(&ring, 20);
    assert_int_equal(sample_ring_get(&ring, 0)->time_us, 20);
    assert_int_equal(sample_ring_get(&ring, 1)->time_us, 10);
    assert_null(sample_ring_get(&ring, 2));
}

static void
test_full_ring_forgets_the_oldest(void **state)
{
    const gint64 pushed = 3 * SAMPLE_RING_SIZE + 5;
    SampleRing ring = { 0 };

    for (gint64 i = 1; i <= pushed; i++)
        push(&ring, i);
    for (guint age = 0; age < SAMPLE_RING_SIZE; age++) {
        assert_int_equal(sample_ring_get(&ring, age)->time_us, pushed - age);
        assert_int_equal(sample_ring_get(&ring, age)->total, pushed - age);
    }
    assert_null(sample_ring_get(&ring, SAMPLE_RING_SIZE));
}

static void
test_time_never_runs_backwards(void **state)
{
    SampleRing ring = { 0 };

    push(&ring, 10);
    push(&ring, 10);
    push(&ring, 9);
    assert_int_equal(ring.count, 1);
    assert_int_equal(sample_ring_get(&ring, 0)->time_us, 10);
}

static void
test_cleared_ring_begins_anew(void **state)
{
    SampleRing ring = { 0 };

    for (gint64 i = 1; i <= 200; i++)
        push(&ring, i);
    sample_ring_clear(&ring);
    assert_null(sample_ring_get(&ring, 0));
    push(&ring, 5);
    assert_int_equal(sample_ring_get(&ring, 0)->time_us, 5);
    assert_null(sample_ring_get(&ring, 1));
}

static void
test_used_is_never_negative(void **state)
{
    Sample sample = { .total = 100, .available = 30 };

    assert_int_equal(sample_used(&sample), 70);
    sample.available = 100;
    assert_int_equal(sample_used(&sample), 0);
    sample.available = G_MAXUINT64;
    assert_int_equal(sample_used(&sample), 0);
}

/* By size: in 64 KiB, in a 4096th, in 1 MiB. */
static void
test_sizes_are_rounded_down(void **state)
{
    static const struct {
        guint64 total, free, rounded;
    } cases[] = {
        { 100000, 70000, 65536 },
        { G_GUINT64_CONSTANT(256) << 20, 131071, 65536 },
        { G_GUINT64_CONSTANT(1) << 30, 524287, 262144 },
        { G_GUINT64_CONSTANT(64) << 30, 3000000, 2 << 20 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Sample sample = { .time_us = 5001,
                          .total = cases[i].total,
                          .free = cases[i].free,
                          .available = cases[i].total,
                          .swap_in = 4096,
                          .major_faults = 3 };

        sample_round(&sample);
        assert_int_equal(sample.time_us, 5000);
        assert_int_equal(sample.total, cases[i].total);
        assert_int_equal(sample.free, cases[i].rounded);
        assert_true(sample.available <= sample.total);
        assert_int_equal(sample.swap_in, 4096);
        assert_int_equal(sample.major_faults, 3);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_ring_has_nothing),
        cmocka_unit_test(test_latest_comes_first),
        cmocka_unit_test(test_full_ring_forgets_the_oldest),
        cmocka_unit_test(test_time_never_runs_backwards),
        cmocka_unit_test(test_cleared_ring_begins_anew),
        cmocka_unit_test(test_used_is_never_negative),
        cmocka_unit_test(test_sizes_are_rounded_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
