/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The watch, on made-up guests: it looks when it says so, at what a function of time
 * says is available. Random guests follow from a seed, which is printed;
 * MEMPLUG_TEST_SEED sets it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib.h>

#include "guest/watch.h"

#define MIB    ((guint64)1 << 20)
#define GIB    ((guint64)1 << 30)
#define SECOND ((gint64)G_USEC_PER_SEC)
#define MS     ((gint64)1000)

static GRand *dice;

/* A guest that is calm, then uses memory at @rate until it has used @most; the host
 * adds what it asks for @plug_us later. */
typedef struct {
    Watch watch;
    gint64 now;
    guint64 total;
    guint64 calm;  /* available before the burst */
    gint64 begin;  /* of the burst */
    double rate;   /* bytes per µs */
    double growth; /* of the rate, per µs */
    double most;
    double jitter;  /* bytes, each way */
    gint64 plug_us; /* 0: the host gives nothing */
    guint64 coming;
    gint64 comes_at;
    guint64 least; /* available at any time */
    guint looks;
    guint requests;
    WatchRequest request; /* the latest */
    guint64 available;    /* then */
} Guest;

static guint64
between(guint64 least, guint64 most)
{
    double fraction = g_rand_double(dice);

    return least + (guint64)(fraction * fraction * fraction * (double)(most - least));
}

static void
start(Guest *guest, guint64 fastest, guint64 calm)
{
    *guest = (Guest){ .calm = calm, .total = 2 * calm, .begin = G_MAXINT64, .most = 1e18 };
    guest->least = calm;
    watch_start(&guest->watch, fastest);
}

static double
used_by_burst(const Guest *guest, gint64 at)
{
    double t = at > guest->begin ? (double)(at - guest->begin) : 0;

    return MIN(guest->rate * t + guest->growth * t * t / 2, guest->most);
}

static guint64
available(Guest *guest)
{
    double left;

    if (guest->coming > 0 && guest->now >= guest->comes_at) {
        guest->total += guest->coming;
        guest->calm += guest->coming;
        guest->coming = 0;
    }
    left = (double)guest->calm - used_by_burst(guest, guest->now);
    left += guest->jitter * (2 * g_rand_double(dice) - 1);
    left = CLAMP(left, 0, (double)guest->total);
    guest->least = MIN(guest->least, (guint64)left);
    return (guint64)left;
}

/* Returns: whether it asks at this look. */
static gboolean
look(Guest *guest)
{
    WatchLook seen = { guest->now, 0, 0 };

    seen.available = available(guest);
    seen.total = guest->total;
    guest->looks++;
    if (!watch_look(&guest->watch, &seen, &guest->request))
        return FALSE;
    guest->available = seen.available;
    guest->requests++;
    if (guest->plug_us > 0 && guest->coming == 0) {
        guest->coming = guest->request.size;
        guest->comes_at = guest->now + guest->plug_us;
    }
    return TRUE;
}

static void
run(Guest *guest, gint64 until)
{
    while (guest->now < until) {
        guest->now += watch_interval(&guest->watch);
        look(guest);
    }
}

static void
run_until_asked(Guest *guest, gint64 until)
{
    do
        guest->now += watch_interval(&guest->watch);
    while (!look(guest) && guest->now < until);
}

/* From so much that the interval is above its least, with any burst that one CPU can
 * make, in any phase of the looks. */
static void
test_no_burst_runs_from_plenty_to_nothing_unseen(void **state)
{
    for (guint i = 0; i < 5000; i++) {
        guint64 fastest = between(64 * MIB, 16 * GIB);
        guint64 calm = between(MAX(64 * MIB, fastest / 25), 256 * GIB);
        double rate = (double)fastest * 1e-6 * (0.05 + 0.95 * g_rand_double(dice));
        double horizon;
        double worth;
        Guest guest;

        start(&guest, fastest, calm);
        horizon = (double)watch_horizon(&guest.watch);
        run(&guest, 3 * SECOND + g_rand_int_range(dice, 0, (gint32)SECOND));
        assert_int_equal(guest.requests, 0);
        guest.begin = guest.now + g_rand_int_range(dice, 0, (gint32)watch_interval(&guest.watch));
        guest.rate = rate;
        run_until_asked(&guest, guest.begin + (gint64)((double)calm / rate) + SECOND);

        assert_int_equal(guest.requests, 1);
        /* Asked for while most of what can be hoped for is left: what the burst takes in
         * a horizon, or all there was. */
        worth = MIN((double)calm, rate * horizon);
        if ((double)guest.available < 0.6 * worth)
            fail_msg("fastest %" G_GUINT64_FORMAT ", calm %" G_GUINT64_FORMAT
                     ", rate %g: asked when %" G_GUINT64_FORMAT " of %g were left",
                     fastest, calm, rate, guest.available, worth);
        assert_true((double)guest.request.size >= 0.99 * (double)guest.available);
        assert_true(guest.request.left_us <= (guint64)horizon);
        assert_true((double)guest.request.fall <= (double)fastest * 1.001);
    }
}

static void
test_eight_cpus_at_once_are_seen(void **state)
{
    for (guint i = 0; i < 2000; i++) {
        guint64 fastest = between(64 * MIB, 4 * GIB);
        guint64 calm = between(MAX(64 * MIB, fastest / 5), 64 * GIB);
        double share = (double)fastest * 1e-6 * 7.5;
        gboolean seen = FALSE;
        Guest guest;

        start(&guest, fastest, calm);
        run(&guest, 2 * SECOND);
        guest.begin = guest.now + g_rand_int_range(dice, 0, (gint32)watch_interval(&guest.watch));
        guest.rate = share;
        while (!seen && available(&guest) > 0) {
            guest.now += watch_interval(&guest.watch);
            look(&guest);
            seen = watch_fall(&guest.watch) > 0 || guest.requests > 0;
        }
        assert_true(seen);
        assert_true(available(&guest) > 0);
    }
}

/* A host that gives what is asked for, and a burst to many times what there was. */
static void
test_a_guest_that_is_answered_never_runs_out(void **state)
{
    for (guint i = 0; i < 500; i++) {
        guint64 fastest = between(128 * MIB, 4 * GIB);
        gint64 plug_us = (gint64)between(20 * 1000, 200 * 1000);
        /* Less than a burst takes while memory is plugged cannot be helped. */
        guint64 calm = (guint64)((double)fastest * (0.06 + 2.5e-6 * (double)plug_us)) + 64 * MIB;
        Guest guest;

        start(&guest, fastest, calm);
        watch_tell(&guest.watch, (guint64)plug_us, UINT64_MAX, UINT64_MAX);
        guest.plug_us = plug_us;
        run(&guest, 2 * SECOND);
        guest.begin = guest.now + g_rand_int_range(dice, 0, (gint32)watch_interval(&guest.watch));
        guest.rate = (double)fastest * 1e-6 * (0.3 + 0.7 * g_rand_double(dice));
        guest.most = (double)calm * 20;
        run(&guest, guest.begin + (gint64)(guest.most / guest.rate) + 3 * SECOND);
        if (guest.least == 0)
            fail_msg("fastest %" G_GUINT64_FORMAT ", calm %" G_GUINT64_FORMAT
                     ", rate %g, plug %" G_GINT64_FORMAT " us: ran out after %u requests",
                     fastest, calm, guest.rate, plug_us, guest.requests);
        /* It does not ask all the time: every request serves for about a horizon. */
        assert_in_range(guest.requests, 1,
                        3 + 2 * (guint)(guest.most / guest.rate / (double)SECOND));
    }
}

static void
test_a_steady_guest_costs_a_look_a_second(void **state)
{
    Guest guest;

    /* With 8 GiB, a second is just what follows from them, and the jitter decides. */
    start(&guest, GIB, 9 * GIB);
    guest.jitter = 2.0 * MIB;
    run(&guest, 60 * SECOND);
    assert_in_range(guest.looks, 60, 61);
    assert_int_equal(guest.requests, 0);
}

static void
test_looks_follow_from_what_is_left(void **state)
{
    static const struct {
        guint64 available;
        gint64 interval;
    } cases[] = { { 0, 5 * MS },           { MIB, 5 * MS },        { 80 * MIB, 10 * MS },
                  { 800 * MIB, 100 * MS }, { 8000 * MIB, SECOND }, { 900 * GIB, SECOND } };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        Guest guest;

        start(&guest, 1000 * MIB, cases[i].available);
        assert_int_equal(watch_interval(&guest.watch), 5 * MS);
        look(&guest);
        guest.now = 1;
        look(&guest);
        assert_int_equal(watch_interval(&guest.watch), cases[i].interval);
    }
}

static void
test_a_fall_is_looked_at_more_often(void **state)
{
    Guest guest;

    start(&guest, 1000 * MIB, 800 * MIB);
    run(&guest, SECOND);
    assert_int_equal(watch_interval(&guest.watch), 100 * MS);
    guest.calm = 720 * MIB;
    guest.now += 100 * MS;
    look(&guest);
    assert_int_equal(watch_interval(&guest.watch), 90 * MS / 4);
    run(&guest, guest.now + 2 * SECOND);
    assert_int_equal(watch_interval(&guest.watch), 90 * MS);
}

/* Whatever is available, what the kernel's counters are off by is no fall. */
static void
test_noise_is_no_reason_to_ask(void **state)
{
    for (guint i = 0; i < 100; i++) {
        Guest guest;

        start(&guest, between(64 * MIB, 16 * GIB), between(32 * MIB, 64 * GIB));
        guest.jitter = 0.99 * MIB;
        run(&guest, 20 * SECOND);
        assert_int_equal(guest.requests, 0);
    }
}

static void
test_a_slow_fall_is_for_the_samples(void **state)
{
    Guest guest;

    start(&guest, GIB, 4 * GIB);
    guest.begin = 0;
    guest.rate = 1.0; /* 1 MB a second: gone in more than an hour */
    run(&guest, 60 * SECOND);
    assert_int_equal(guest.requests, 0);
}

static void
test_an_acceleration_is_foreseen(void **state)
{
    Guest even;
    Guest faster;

    for (guint i = 0; i < 2; i++) {
        Guest *guest = i == 0 ? &even : &faster;

        start(guest, GIB, GIB);
        run(guest, SECOND);
        guest->begin = guest->now;
        /* Both have used half of it after a second. */
        guest->rate = i == 0 ? 0.5 * (double)GIB * 1e-6 : 0;
        guest->growth = i == 0 ? 0 : (double)GIB * 1e-12;
        run_until_asked(guest, 5 * SECOND);
        assert_int_equal(guest->requests, 1);
    }
    /* The one that grows uses its last half in 0.4 s; there is a second of notice. */
    assert_true(faster.now - faster.begin < SECOND * 8 / 10);
    assert_true(even.now - even.begin < SECOND * 6 / 10);
}

static void
test_an_unanswered_request_is_not_repeated(void **state)
{
    Guest guest;

    start(&guest, GIB, 512 * MIB);
    guest.begin = SECOND;
    guest.rate = 0.25 * (double)GIB * 1e-6;
    guest.most = 500.0 * MIB;
    run(&guest, 3 * SECOND);
    assert_in_range(guest.requests, 1, 2);
}

/* Nothing is left, and what is freed is used at once: as a guest is that swaps. */
static void
test_fits_and_starts_are_one_request(void **state)
{
    Guest guest;

    start(&guest, GIB, 64 * MIB);
    for (guint i = 0; i < 500; i++) {
        guest.now += watch_interval(&guest.watch);
        guest.calm = i % 3 == 0 ? 64 * MIB : i % 3 == 1 ? 32 * MIB : 4 * MIB;
        look(&guest);
    }
    assert_true(guest.now > 2 * SECOND);
    assert_int_equal(guest.requests, 1);
}

static void
test_a_forgotten_request_is_repeated(void **state)
{
    Guest guest;

    /* Falls for ever: as the horizon is ten seconds, from the beginning on all would be
     * gone within it. */
    start(&guest, GIB, 900 * MIB);
    watch_tell(&guest.watch, (guint64)SECOND, 2 * (guint64)SECOND, UINT64_MAX);
    guest.begin = 0;
    guest.rate = 90.0 * (double)MIB * 1e-6;
    run(&guest, 9 * SECOND);
    assert_in_range(guest.requests, 4, 6);
}

static void
test_what_came_and_is_not_enough_is_told(void **state)
{
    Guest guest;
    guint requests;

    start(&guest, GIB, 400 * MIB);
    guest.begin = SECOND;
    guest.rate = 0.5 * (double)GIB * 1e-6;
    run_until_asked(&guest, 2 * SECOND);
    requests = guest.requests;
    /* The host gives a crumb, 150 ms later. */
    run(&guest, guest.now + 150 * MS);
    assert_int_equal(guest.requests, requests);
    guest.total += 16 * MIB;
    guest.calm += 16 * MIB;
    run(&guest, guest.now + 60 * MS);
    assert_int_equal(guest.requests, requests + 1);
}

static void
test_nothing_is_asked_for_where_nothing_is(void **state)
{
    Guest guest;
    WatchRequest request;

    start(&guest, GIB, 512 * MIB);
    watch_tell(&guest.watch, UINT64_MAX, UINT64_MAX, 0);
    guest.begin = SECOND;
    guest.rate = 0.5 * (double)GIB * 1e-6;
    run(&guest, 3 * SECOND);
    assert_int_equal(guest.requests, 0);
    assert_false(watch_stall(&guest.watch, 0, guest.now, &request));

    start(&guest, GIB, 512 * MIB);
    watch_tell(&guest.watch, UINT64_MAX, UINT64_MAX, 10 * MIB);
    guest.begin = SECOND;
    guest.rate = 0.5 * (double)GIB * 1e-6;
    run_until_asked(&guest, 3 * SECOND);
    assert_int_equal(guest.request.size, 10 * MIB);
}

/* The host takes memory, quickly: the guest has less, but uses no more. */
static void
test_a_shrink_is_no_fall(void **state)
{
    Guest guest;

    start(&guest, GIB, 2 * GIB);
    run(&guest, SECOND);
    for (guint i = 0; i < 30; i++) {
        guest.total -= 64 * MIB;
        guest.calm -= 64 * MIB;
        run(&guest, guest.now + 20 * MS);
        assert_true(watch_fall(&guest.watch) == 0);
    }
    assert_int_equal(guest.requests, 0);
}

/* A tenth of it is the kernel's at once. */
static void
test_new_memory_is_no_fall(void **state)
{
    Guest guest;

    start(&guest, 200 * MIB, 100 * MIB);
    run(&guest, SECOND);
    for (guint i = 0; i < 8; i++) {
        guest.total += 128 * MIB;
        guest.calm += 115 * MIB;
        run(&guest, guest.now + 20 * MS);
        assert_true(watch_fall(&guest.watch) == 0);
    }
    assert_int_equal(guest.requests, 0);
    assert_int_equal(guest.watch.fastest, 200 * MIB);
}

/* As memory blocks go: first nothing of them is available, later they are gone. */
static void
take_blocks(Guest *guest, guint blocks)
{
    for (guint i = 0; i < blocks; i++) {
        guest->calm -= 128 * MIB;
        run(guest, guest->now + 30 * MS);
        if (i > 0)
            guest->total -= 128 * MIB;
        run(guest, guest->now + 30 * MS);
    }
    guest->total -= 128 * MIB;
    run(guest, guest->now + 30 * MS);
}

static void
test_an_announced_shrink_that_looks_like_use_is_no_fall(void **state)
{
    for (guint announced = 0; announced < 2; announced++) {
        Guest guest;

        start(&guest, GIB, 2 * GIB);
        run(&guest, SECOND);
        if (announced)
            watch_expect(&guest.watch, 7 * 128 * MIB);
        take_blocks(&guest, 7);
        if (announced)
            watch_expect(&guest.watch, 0);
        run(&guest, guest.now + 2 * SECOND);
        assert_int_equal(guest.requests > 0, !announced);
    }
}

/* 512 MiB are announced, but they go elsewhere, and more: that is the guest's doing. */
static void
test_a_burst_during_a_shrink_is_seen(void **state)
{
    static const guint64 announced[] = { 512 * MIB, 100 * GIB };

    for (guint i = 0; i < G_N_ELEMENTS(announced); i++) {
        Guest guest;

        start(&guest, GIB, GIB);
        run(&guest, SECOND);
        watch_expect(&guest.watch, announced[i]);
        guest.begin = guest.now;
        guest.rate = 0.5 * (double)GIB * 1e-6;
        run_until_asked(&guest, 3 * SECOND);
        assert_int_equal(guest.requests, 1);
        assert_true(guest.available > 300 * MIB);
    }
}

static void
test_a_stall_is_told_once_a_second(void **state)
{
    Guest guest;
    WatchRequest request;
    guint told = 0;

    start(&guest, GIB, 64 * MIB);
    assert_false(watch_stall(&guest.watch, 0, 0, &request)); /* nothing is known yet */
    run(&guest, 100 * MS);
    for (gint64 at = guest.now; at < guest.now + 5 * SECOND; at += 100 * MS)
        told += watch_stall(&guest.watch, UINT64_MAX, at, &request);
    assert_int_equal(told, 5);
    assert_int_equal(request.size, guest.total / 8);
    assert_true(request.left_us == UINT64_MAX);
}

/* From nothing available nothing falls: it asks before it is seen to. */
static void
test_a_guest_with_nothing_available_asks_at_rest(void **state)
{
    Guest guest;

    start(&guest, GIB, MIB);
    guest.total = 256 * MIB;
    run(&guest, 100 * MS);
    assert_int_equal(guest.requests, 1);
    assert_int_equal(guest.request.size, 256 * MIB / 8);
    assert_int_equal(guest.request.fall, 0);

    /* Once, as long as the host bears it in mind. */
    run(&guest, 9 * SECOND);
    assert_int_equal(guest.requests, 1);
    run(&guest, 12 * SECOND);
    assert_int_equal(guest.requests, 2);

    /* What it got is enough. */
    start(&guest, GIB, MIB);
    guest.total = 256 * MIB;
    guest.plug_us = 50 * MS;
    run(&guest, 30 * SECOND);
    assert_int_equal(guest.requests, 1);
    assert_int_equal(guest.total, 288 * MIB);
}

/* The kernel's reserves first take what comes: that is no fall. */
static void
test_what_the_reserves_take_does_not_fall(void **state)
{
    const struct {
        gint64 time_us;
        guint64 total;
        guint64 available;
    } looks[] = {
        { 1000 * MS, 137 * MIB, 0 },        { 1005 * MS, 137 * MIB, 0 },
        { 1100 * MS, 160 * MIB, 0 },        { 1200 * MS, 186 * MIB, 4 * MIB },
        { 1300 * MS, 186 * MIB, 16 * MIB }, { 1400 * MS, 186 * MIB, 16 * MIB },
    };
    Watch watch;
    WatchRequest request;
    guint requests = 0;

    watch_start(&watch, GIB);
    for (guint i = 0; i < G_N_ELEMENTS(looks); i++) {
        const WatchLook look = { looks[i].time_us, looks[i].total, looks[i].available };

        requests += watch_look(&watch, &look, &request);
        assert_int_equal(watch_fall(&watch), 0);
    }
    /* Freed page by page, it is in the CPU's lists at first. */
    for (guint i = 0; i < 20; i++) {
        const WatchLook look = { (1500 + (gint64)i * 10) * MS, (186 + i) * MIB, 16 * MIB };

        requests += watch_look(&watch, &look, &request);
        assert_int_equal(watch_fall(&watch), 0);
    }
    /* At first, and when what came was not enough. */
    assert_int_equal(requests, 2);
}

/* What tasks wait for is not always what there is too little of. */
static void
test_a_stall_beside_free_memory_is_no_lack(void **state)
{
    Guest guest;
    WatchRequest request;

    start(&guest, GIB, 512 * MIB);
    run(&guest, 100 * MS);
    assert_false(watch_stall(&guest.watch, 512 * MIB, guest.now, &request));
    assert_false(watch_stall(&guest.watch, guest.total / 8, guest.now, &request));
    /* Available is not free: the page cache is all used. */
    assert_true(watch_stall(&guest.watch, guest.total / 8 - 1, guest.now, &request));
    assert_int_equal(request.size, guest.total / 8);
}

static void
test_the_fastest_is_learned_within_bounds(void **state)
{
    Guest guest;

    start(&guest, GIB, 16 * GIB);
    guest.begin = SECOND;
    guest.rate = 3.0 * (double)GIB * 1e-6;
    guest.most = 8.0 * (double)GIB;
    run(&guest, 6 * SECOND);
    assert_in_range(guest.watch.fastest, 29 * GIB / 10, 31 * GIB / 10);

    /* A figure that cannot be true. */
    guest.calm = guest.total;
    guest.now += SECOND;
    look(&guest);
    guest.calm = 0;
    guest.now += 30 * MS;
    guest.total *= 1000;
    look(&guest);
    assert_int_equal(guest.watch.fastest, 4 * GIB);
}

static void
test_odd_figures_do_no_harm(void **state)
{
    for (guint i = 0; i < 20000; i++) {
        Watch watch;

        watch_start(&watch, (guint64)g_rand_int(dice) << g_rand_int_range(dice, 0, 33));
        for (guint n = 0; n < 20; n++) {
            WatchRequest request;
            WatchLook seen = {
                .time_us = (gint64)g_rand_int(dice) << g_rand_int_range(dice, 0, 31),
                .total = (guint64)g_rand_int(dice) << g_rand_int_range(dice, 0, 33),
                .available = (guint64)g_rand_int(dice) << g_rand_int_range(dice, 0, 33),
            };
            guint64 growth = (guint64)g_rand_int(dice) << g_rand_int_range(dice, 0, 33);

            watch_tell(&watch, g_rand_int(dice), g_rand_int(dice), growth);
            if (watch_look(&watch, &seen, &request))
                assert_in_range(request.size, 1, growth);
            assert_in_range(watch_interval(&watch), 5 * MS, SECOND);
            assert_in_range(watch_horizon(&watch), SECOND, 10 * SECOND);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_burst_runs_from_plenty_to_nothing_unseen),
        cmocka_unit_test(test_eight_cpus_at_once_are_seen),
        cmocka_unit_test(test_a_guest_that_is_answered_never_runs_out),
        cmocka_unit_test(test_a_steady_guest_costs_a_look_a_second),
        cmocka_unit_test(test_looks_follow_from_what_is_left),
        cmocka_unit_test(test_a_fall_is_looked_at_more_often),
        cmocka_unit_test(test_noise_is_no_reason_to_ask),
        cmocka_unit_test(test_a_slow_fall_is_for_the_samples),
        cmocka_unit_test(test_an_acceleration_is_foreseen),
        cmocka_unit_test(test_an_unanswered_request_is_not_repeated),
        cmocka_unit_test(test_fits_and_starts_are_one_request),
        cmocka_unit_test(test_a_forgotten_request_is_repeated),
        cmocka_unit_test(test_what_came_and_is_not_enough_is_told),
        cmocka_unit_test(test_nothing_is_asked_for_where_nothing_is),
        cmocka_unit_test(test_a_shrink_is_no_fall),
        cmocka_unit_test(test_new_memory_is_no_fall),
        cmocka_unit_test(test_an_announced_shrink_that_looks_like_use_is_no_fall),
        cmocka_unit_test(test_a_burst_during_a_shrink_is_seen),
        cmocka_unit_test(test_a_stall_is_told_once_a_second),
        cmocka_unit_test(test_a_guest_with_nothing_available_asks_at_rest),
        cmocka_unit_test(test_what_the_reserves_take_does_not_fall),
        cmocka_unit_test(test_a_stall_beside_free_memory_is_no_lack),
        cmocka_unit_test(test_the_fastest_is_learned_within_bounds),
        cmocka_unit_test(test_odd_figures_do_no_harm),
    };
    const char *seed = g_getenv("MEMPLUG_TEST_SEED");
    guint32 number = seed ? (guint32)g_ascii_strtoull(seed, NULL, 10) : g_random_int();
    int failed;

    print_message("MEMPLUG_TEST_SEED=%u\n", number);
    dice = g_rand_new_with_seed(number);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    g_rand_free(dice);
    return failed;
}
