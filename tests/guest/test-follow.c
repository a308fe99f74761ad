/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The closed loop: a program in a guest of 256 MiB grows far beyond the guest's boot
 * memory. memplugd alone sees it come, grows the guest before it swaps or kills, and
 * takes the memory back when the program has ended.
 *
 * Usage: test-follow KERNEL-LINE
 */
#include <string.h>

#include "tests/guest/harness/test-scene.h"

#define BOOT (256 * MIB)

/* 320 MiB, twice what the guest has to give at its boot, in eight seconds. */
#define LOAD        "grow=320M@40M hold=4"
#define LOAD_GROWN  "step=grow="
#define LOAD_SIZE   (320 * MIB)
#define LOAD_LONGER (60 * G_USEC_PER_SEC) /* than it takes on an idle machine */

/* The peak decays by half in 30 s, and shrinking waits 30 s after the last growth. */
#define GIVE_BACK (180 * G_USEC_PER_SEC)

/* Between two rows of the table. */
#define LOOK_GROWING   (G_USEC_PER_SEC / 2)
#define LOOK_SHRINKING (2 * G_USEC_PER_SEC)

/* Pages that may go to swap: 1 MiB. None is aimed at, and none seen on an idle machine. */
#define SWAP_OUT_MOST 256

#define CONFIG "[defaults]\nceiling=1G\n"

static const char *kernel;

typedef struct {
    TestScene *scene;
    TestSceneGuest *guest;
    gint64 start_us;
    guint64 actual; /* as of the latest look */
    guint64 highest;
} Follow;

static gint64
swapped_out(TestSceneGuest *guest)
{
    g_autoptr(JsonObject) report = NULL;

    test_check((report = test_guest_report(guest->guest, &error)) != NULL);
    assert_int_equal(json_object_get_int_member(report, "oom_kills"), 0);
    return json_object_get_int_member(report, "swap_out_pages");
}

/* Prints a row of the table, and sleeps until the next. */
static void
look(Follow *follow, const char *what, gulong pause_us)
{
    g_autoptr(JsonObject) guest = test_scene_listed(follow->scene, "guest");

    assert_non_null(guest);
    follow->actual = test_scene_size(guest, "actual");
    follow->highest = MAX(follow->highest, follow->actual);
    print_message("  %6.1f  %6.0f  %9.0f  %6.0f  %s\n",
                  (double)(g_get_monotonic_time() - follow->start_us) / G_USEC_PER_SEC,
                  (double)test_scene_size(guest, "used") / (double)MIB,
                  (double)test_scene_size(guest, "requested") / (double)MIB,
                  (double)follow->actual / (double)MIB, what);
    g_usleep(pause_us);
}

static void
grow(Follow *follow)
{
    gint64 deadline = g_get_monotonic_time() + LOAD_LONGER;
    g_autofree char *output = NULL;
    gboolean running = TRUE;
    guint load;

    test_check(test_guest_load_start(follow->guest->guest, LOAD, &load, &error));
    while (running) {
        look(follow, "load runs", LOOK_GROWING);
        assert_true(g_get_monotonic_time() < deadline);
        test_check(test_guest_load_running(follow->guest->guest, load, &running, &error));
    }
    test_check((output = test_guest_load_output(follow->guest->guest, load, &error)) != NULL);
    print_message("  the program said: %s", output);
    /* Both steps were reported: it was not killed. */
    assert_non_null(strstr(output, LOAD_GROWN));
    assert_non_null(strstr(output, "step=hold="));
    assert_true(follow->highest >= BOOT + LOAD_SIZE / 2);
}

static void
give_back(Follow *follow)
{
    guint64 half = BOOT + (follow->highest - BOOT) / 2;
    gint64 ended_us = g_get_monotonic_time();

    while (follow->actual > half) {
        look(follow, "load has gone", LOOK_SHRINKING);
        assert_true(g_get_monotonic_time() - ended_us < GIVE_BACK);
    }
    print_message("  half of the %.0f MiB lent were back %.1f s after the load\n",
                  (double)(follow->highest - BOOT) / (double)MIB,
                  (double)(g_get_monotonic_time() - ended_us) / G_USEC_PER_SEC);
}

static void
follow(TestScene *scene, TestGuestOptions options)
{
    Follow follow = { .scene = scene };
    gint64 before, after;

    options.kernel = kernel;
    follow.guest = test_scene_boot(scene, &options);
    test_check(test_guest_swap_on(follow.guest->guest, 512 * MIB, &error));
    test_scene_start_daemon(scene, CONFIG, NULL);
    test_scene_await(test_scene_log_has(scene, "statistics come in"), TEST_SCENE_PATIENCE);

    before = swapped_out(follow.guest);
    follow.start_us = g_get_monotonic_time();
    print_message("  time s    used  requested  actual\n");
    look(&follow, "idle", LOOK_GROWING);
    grow(&follow);
    after = swapped_out(follow.guest);
    give_back(&follow);
    print_message("  %" G_GINT64_FORMAT " pages were swapped out\n", after - before);
    assert_true(after - before <= SWAP_OUT_MOST);
    test_scene_passed(scene);
}

static void
test_virtio_mem(void **state)
{
    follow(*state, (TestGuestOptions){ .virtio_mem = 1024 * MIB });
}

static void
test_dimm_and_balloon(void **state)
{
    follow(*state, (TestGuestOptions){ 0 });
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST_SCENE_CASE(test_virtio_mem),
        TEST_SCENE_CASE(test_dimm_and_balloon),
    };

    if (argc != 2) {
        g_printerr("usage: test-follow KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_scene_main("follow", kernel, tests);
}
