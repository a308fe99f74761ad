/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of a world, each alone: accounts, heap, chance, devices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "simulate/account.h"
#include "simulate/event-heap.h"
#include "simulate/resize-model.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

/*
 * Accounts
 */

static void
assert_near(double a, double b)
{
    if (ABS(a - b) > 1e-6 * MAX(1, ABS(b)))
        fail_msg("%.9g is not %.9g", a, b);
}

static void
test_lines_that_cross_are_counted_exactly(void **state)
{
    GuestAccount account = { 0 };

    /* Use rises from 50 to 150 in 10 s, beyond the 100 there are: the latter half. */
    guest_account_add(
        &account,
        &(GuestStretch){
            .us = 10, .actual = 100, .used = 50, .used_end = 150, .cached = 20, .cached_end = 20 });
    assert_near(account.starved_us, 5);
    assert_near(account.starved_area, 5 * 25);
    assert_near(account.demand_area, 1000);
    assert_near(account.lent_area, 1000);
    /* Cache of 20 is squeezed from 80 used on (after 3 s): 2 s up to all of it, then 5 s. */
    assert_near(account.squeezed_area, 2 * 10 + 5 * 20);

    guest_account_add(&account,
                      &(GuestStretch){ .us = 10, .actual = 100, .used = 150, .used_end = 50 });
    assert_near(account.starved_us, 10);
    guest_account_add(&account,
                      &(GuestStretch){ .us = 4, .actual = 100, .used = 100, .used_end = 100 });
    assert_near(account.starved_us, 10);
    guest_account_add(&account,
                      &(GuestStretch){ .us = 4, .actual = 100, .used = 101, .used_end = 103 });
    assert_near(account.starved_us, 14);
    assert_near(account.starved_area, 2 * 125 + 8);
}

static void
test_sums(void **state)
{
    const GuestAccount guests[] = {
        { .starved_us = 5e6,
          .starved_area = 50e6,
          .demand_area = 100e6,
          .lent_area = 200e6,
          .churn = 7,
          .steps = 2,
          .requests = 1 },
        { .demand_area = 100e6, .lent_area = 100e6, .squeezed_area = 3e6, .churn = 1 },
    };
    HostAccount host = { 0 };
    Outcome outcome;

    host_account_change(&host, 0, 10);
    host_account_change(&host, 0, 20);
    host_account_change(&host, 20, 5);
    outcome = account_sum_up(guests, 2, &host, 10 * G_USEC_PER_SEC);
    assert_near(outcome.duration_s, 10);
    assert_int_equal(outcome.lent_peak, 30);
    assert_near(outcome.lent_mean, 30);
    assert_near(outcome.starved_time_ratio, 0.25);
    assert_near(outcome.starved_byte_seconds, 50);
    assert_near(outcome.squeezed_byte_seconds, 3);
    assert_int_equal(outcome.churn_bytes, 8);
    assert_int_equal(outcome.steps, 2);
    assert_int_equal(outcome.requests, 1);
    assert_near(outcome.worst_served, 0.5);
    assert_near(outcome.jain, 1.5 * 1.5 / (2 * 1.25));
}

static void
test_a_guest_that_needs_nothing_is_served(void **state)
{
    const GuestAccount nothing = { 0 };
    const HostAccount host = { 0 };
    Outcome outcome = account_sum_up(&nothing, 1, &host, 1);

    assert_near(outcome.jain, 1);
    assert_near(outcome.worst_served, 1);
}

/*
 * Heap and chance
 */

static void
test_the_heap_gives_the_earliest_and_of_them_the_first(void **state)
{
    enum { N = 50 };
    g_autoptr(EventHeap) heap = event_heap_new(N);
    Chance chance = chance_new(1, 2);
    gint64 times[N];
    guint number;

    for (guint i = 0; i < N; i++)
        times[i] = G_MAXINT64;
    assert_true(event_heap_first(heap, &number) == G_MAXINT64);
    for (guint turn = 0; turn < 20000; turn++) {
        guint i = (guint)(chance_next(&chance) % N), best = 0;

        times[i] = chance_next(&chance) % 3 ? (gint64)(chance_next(&chance) % 40) : G_MAXINT64;
        event_heap_set(heap, i, times[i]);
        for (guint k = 1; k < N; k++)
            best = times[k] < times[best] ? k : best;
        assert_true(event_heap_first(heap, &number) == times[best]);
        if (times[best] < G_MAXINT64)
            assert_int_equal(number, best);
    }
}

static void
test_chance_is_the_same_every_time(void **state)
{
    Chance a = chance_new(7, 1), b = chance_new(7, 1), other = chance_new(7, 2);
    double sum = 0;

    assert_true(chance_next(&a) == chance_next(&b));
    assert_false(chance_next(&a) == chance_next(&other));
    for (guint i = 0; i < 10000; i++) {
        double real = chance_between(&a, 2, 4);

        assert_true(real >= 2 && real < 4);
        sum += real;
    }
    assert_true(ABS(sum / 10000 - 3) < 0.05);
}

/*
 * Devices and the loop around them
 */

static const Mechanism mechanisms[] = { MECHANISM_AUTO, MECHANISM_VIRTIO_MEM, MECHANISM_DIMM,
                                        MECHANISM_BALLOON };

static void
make(ResizeModel *model, const DeviceTuning *tuning, guint mechanism, guint64 seed)
{
    DeviceModel devices;

    device_model_init(&devices, tuning, chance_new(seed, 0), mechanisms[mechanism], 256 * MIB,
                      4096 * MIB, 1024 * MIB);
    resize_model_init(model, &devices, mechanisms[mechanism]);
}

static void
test_a_guest_begins_with_its_size(void **state)
{
    for (guint i = 0; i < G_N_ELEMENTS(mechanisms); i++) {
        ResizeModel model;

        make(&model, &device_tuning_default, i, 1);
        assert_int_equal(device_model_actual(&model.devices), 1024 * MIB);
        assert_true(model.range.highest >= 4096 * MIB);
        assert_true(model.range.lowest <= 256 * MIB);
        assert_true(resize_model_next(&model) == G_MAXINT64);
        resize_model_clear(&model);
    }
}

/* Returns: when it came to rest. */
static gint64
run_to_rest(ResizeModel *model, gint64 now)
{
    guint events = 0;

    while (device_model_next(&model->devices) < G_MAXINT64) {
        gint64 next = resize_model_next(model);

        assert_true(next >= now);
        assert_true(++events < 100000);
        now = next;
        resize_model_run(model, 1024 * MIB, now);
    }
    return now;
}

/* Without mishaps every size of the grain is reached, and it takes time. */
static void
test_targets_are_reached(void **state)
{
    DeviceTuning tuning = device_tuning_default;
    Chance chance = chance_new(3, 3);

    tuning.unplug_stuck = tuning.unplug_refused = 0;
    for (guint i = 0; i < G_N_ELEMENTS(mechanisms); i++) {
        ResizeModel model;
        gint64 now = 0;

        make(&model, &tuning, i, 1);
        for (guint turn = 0; turn < 200; turn++) {
            guint64 target = (2 + chance_next(&chance) % 30) * 128 * MIB;
            guint64 before = device_model_actual(&model.devices);
            gint64 rest;

            resize_model_set_target(&model, target, 1024 * MIB, now);
            rest = run_to_rest(&model, now);
            assert_int_equal(device_model_actual(&model.devices), target);
            assert_true(target == before || rest > now);
            now = rest + 1;
        }
        resize_model_clear(&model);
    }
}

static void
test_without_latency_it_is_done_at_once(void **state)
{
    static const DeviceTuning none = { .unplug_stuck = 0 };

    for (guint i = 0; i < G_N_ELEMENTS(mechanisms); i++) {
        ResizeModel model;

        make(&model, &none, i, 1);
        resize_model_set_target(&model, 3072 * MIB, 1024 * MIB, 5);
        assert_int_equal(device_model_actual(&model.devices), 3072 * MIB);
        resize_model_set_target(&model, 512 * MIB, 1024 * MIB, 5);
        assert_int_equal(device_model_actual(&model.devices), 512 * MIB);
        resize_model_clear(&model);
    }
}

/* What is stuck is given up, left alone, and tried again. */
static void
shrink_by_mishaps(guint mechanism, guint64 seed, const DeviceTuning *tuning, gint64 *longest)
{
    ResizeModel model;
    guint64 smallest = 3072 * MIB;
    gint64 now = 0;

    make(&model, tuning, mechanism, seed);
    resize_model_set_target(&model, smallest, 1024 * MIB, now);
    now = run_to_rest(&model, now);
    assert_int_equal(device_model_actual(&model.devices), smallest);
    resize_model_set_target(&model, 256 * MIB, 1024 * MIB, now);
    for (guint turn = 0; turn < 5000 && resize_model_next(&model) < G_MAXINT64; turn++) {
        guint64 actual;

        now = resize_model_next(&model);
        resize_model_run(&model, 1024 * MIB, now);
        actual = device_model_actual(&model.devices);
        assert_true(actual >= 256 * MIB && actual <= smallest);
        smallest = actual;
    }
    assert_int_equal(smallest, 256 * MIB);
    *longest = MAX(*longest, now);
    resize_model_clear(&model);
}

static void
test_mishaps_are_worked_around(void **state)
{
    DeviceTuning tuning = device_tuning_default;
    gint64 longest = 0;

    tuning.unplug_stuck = tuning.unplug_refused = 0.5;
    for (guint64 seed = 1; seed <= 20; seed++) {
        shrink_by_mishaps(1, seed, &tuning, &longest); /* virtio-mem */
        shrink_by_mishaps(2, seed, &tuning, &longest); /* DIMMs */
    }
    assert_true(longest > 10 * (gint64)G_USEC_PER_SEC); /* the first back-off */
}

/* Plugging takes memory: a guest that has none left waits for seconds. */
static void
test_a_starved_guest_plugs_slowly(void **state)
{
    ResizeModel model;
    gint64 rest;

    make(&model, &device_tuning_default, 1, 1);
    resize_model_set_target(&model, 2048 * MIB, 0, 0);
    rest = run_to_rest(&model, 0);
    assert_true(rest > 2 * G_USEC_PER_SEC);
    resize_model_set_target(&model, 3072 * MIB, 64 * MIB, rest);
    assert_true(run_to_rest(&model, rest) - rest < G_USEC_PER_SEC);
    resize_model_clear(&model);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_that_cross_are_counted_exactly),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_a_guest_that_needs_nothing_is_served),
        cmocka_unit_test(test_the_heap_gives_the_earliest_and_of_them_the_first),
        cmocka_unit_test(test_chance_is_the_same_every_time),
        cmocka_unit_test(test_a_guest_begins_with_its_size),
        cmocka_unit_test(test_targets_are_reached),
        cmocka_unit_test(test_without_latency_it_is_done_at_once),
        cmocka_unit_test(test_mishaps_are_worked_around),
        cmocka_unit_test(test_a_starved_guest_plugs_slowly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
