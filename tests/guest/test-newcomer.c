/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Room for one more: a pool of 1 GiB is full of guests, and others are to come. They get room of
 * what is idle, in proportion, and nobody stalls for it; of guests that are busy they get none, and
 * are told why; and many at once get no more than there is.
 *
 * Usage: test-newcomer KERNEL-LINE
 */
#include <stdio.h>
#include <string.h>

#include "tests/guest/harness/test-pool.h"

/* Nobody's load may stand still for longer while room is made: as long as the kernel's own trigger
 * lets it stall in half a second before it says so (guest/PROTOCOL.md). */
#define STALL_BUDGET_US (50 * 1000)

/* What a guest keeps above its use: a quarter of that, and at least so much (predict/usage.c). An
 * agent's guest keeps less. */
#define KEPT_LEAST (64 * MIB)

/* Until a load that has grown no longer counts as growing. */
#define SETTLE_US (5 * G_USEC_PER_SEC)

static const char *kernel;
static TestPool pool;

static int
set_up(void **state)
{
    test_pool_boot(&pool, kernel);
    test_scene_start_daemon(pool.scene, "[host]\n" TEST_POOL_CONFIG, NULL);
    return 0;
}

static int
tear_down(void **state)
{
    test_pool_teardown(&pool);
    return 0;
}

/* How donors stood before room was made. */
typedef struct {
    guint64 had;
    guint64 idle; /* of that */
    gint64 stalled_us;
} Before;

static void
note_before(Before *before)
{
    for (guint i = 0; i < TEST_SCENE_GUESTS; i++) {
        TestPoolReport report = test_pool_report(&pool, i);

        guint64 kept = MAX(report.used / 4, KEPT_LEAST);

        before[i] = (Before){ .had = test_pool_actual(&pool, i),
                              .idle = report.available - MIN(report.available, kept),
                              .stalled_us = report.stalled_us };
    }
}

static guint64
given_by(guint i, const Before *before)
{
    guint64 has = test_pool_actual(&pool, i);

    return before[i].had - MIN(before[i].had, has);
}

/* Who had more idle gave more: as much of it as all gave of theirs, give or take what its devices
 * can make and its use moved meanwhile. */
static void
check_gifts(const Before *before)
{
    guint64 gave[TEST_SCENE_GUESTS], all_gave = 0, all_idle = 0;

    for (guint i = 0; i < TEST_SCENE_GUESTS; i++) {
        gave[i] = given_by(i, before);
        all_gave += gave[i];
        all_idle += before[i].idle;
    }
    for (guint i = 0; i < TEST_SCENE_GUESTS; i++) {
        gint64 stalled = test_pool_report(&pool, i).stalled_us - before[i].stalled_us;
        double part = (double)before[i].idle * (double)all_gave / (double)all_idle;

        print_message("  %s had %.0f MiB, %.0f of it idle; gave %.0f, its part is %.0f; "
                      "stalled for %.1f ms\n",
                      test_guest_name(test_pool_guest(&pool, i)),
                      (double)before[i].had / (double)MIB, (double)before[i].idle / (double)MIB,
                      (double)gave[i] / (double)MIB, part / (double)MIB, (double)stalled / 1000.0);
        assert_true((double)gave[i] >= 0.5 * part && (double)gave[i] <= 1.5 * part + 32.0 * MIB);
        assert_true(stalled <= STALL_BUDGET_US);
    }
}

/* The guest with a load keeps what that needs. */
static void
test_a_guest_is_started_into_a_full_pool(void **state)
{
    /* Of the pool, which is the guests' alone: what QEMU needs for itself is not in it. */
    const char *const before[] = { g_getenv("MEMPLUG"),
                                   "--bus",
                                   test_daemon_address(pool.scene->daemon),
                                   "run",
                                   "--reserve",
                                   "256M",
                                   "--",
                                   NULL };
    const TestGuestOptions options = { .name = "new", .kernel = kernel, .before = before };
    Before donors[TEST_SCENE_GUESTS];
    TestGuest *newcomer = NULL;
    gint64 start;

    test_pool_enter(&pool);
    test_pool_load(&pool, 0, "grow=40M@20M hold");
    g_usleep(SETTLE_US);
    test_scene_await(test_pool_is_full(&pool), TEST_POOL_PATIENCE);
    note_before(donors);
    start = g_get_monotonic_time();
    test_check((newcomer = test_guest_start(pool.scene->room, pool.scene->folder, &options,
                                            &error)) != NULL);
    print_message("  from start to room: %.2f s\n",
                  (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC);
    test_watch_add(pool.watch, newcomer);
    test_scene_await(test_pool_nothing_is_held(&pool), TEST_POOL_PATIENCE);
    check_gifts(donors);
    test_check(test_guest_wait_ready(newcomer, &error));
    assert_true(test_scene_log_has(pool.scene, "for new: transferred"));
    test_watch_remove(pool.watch, newcomer);
    test_guest_free(newcomer);
    test_pool_leave(&pool);
}

static void
assert_nobody_lost(const Before *before)
{
    for (guint i = 0; i < TEST_SCENE_GUESTS; i++) {
        guint64 has = test_pool_actual(&pool, i);

        print_message("  %s had %.0f MiB, has %.0f\n", test_guest_name(test_pool_guest(&pool, i)),
                      (double)before[i].had / (double)MIB, (double)has / (double)MIB);
        /* But for the policy's own small movements. */
        assert_true(has + 32 * MIB >= before[i].had);
    }
}

static void
assert_names_all(const char *refusal)
{
    for (guint i = 0; i < TEST_SCENE_GUESTS; i++) {
        g_autofree char *part =
            g_strdup_printf("; %s keeps ", test_guest_name(test_pool_guest(&pool, i)));

        assert_non_null(strstr(refusal, part));
    }
}

/* All are busy: it is refused, at once or when the time is over, with what each keeps and why;
 * nothing is started, and nobody has lost anything. */
static void
test_busy_guests_refuse(void **state)
{
    static const struct {
        const char *wait, *begins;
    } ways[] = { { NULL, "no room for " }, { "2", "too little came free in time: " } };
    Before before[TEST_SCENE_GUESTS];

    test_pool_enter(&pool);
    for (guint i = 0; i < TEST_SCENE_GUESTS; i++)
        test_pool_load(&pool, i, "grow=110M@40M hold");
    g_usleep(SETTLE_US);
    note_before(before);
    for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
        gint64 start = g_get_monotonic_time();
        g_autofree char *refusal =
            ways[i].wait
                ? test_scene_memplug(pool.scene, 1, "run", "--wait", ways[i].wait, "--", "false",
                                     "-m", "256M", NULL)
                : test_scene_memplug(pool.scene, 1, "run", "--", "false", "-m", "256M", NULL);

        print_message("  refused after %.2f s: %s",
                      (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC, refusal);
        assert_non_null(strstr(refusal, ways[i].begins));
        assert_names_all(refusal);
    }
    assert_nobody_lost(before);
    assert_true(test_pool_nothing_is_held(&pool));
    test_pool_leave(&pool);
}

#define NEWCOMERS 10

/* A QEMU without a guest: its 64 MiB count all the same. */
static GSubprocess *
start_empty(guint i)
{
    g_autofree char *log = test_room_path(pool.scene->room, "newcomers.log");
    g_autofree char *name = g_strdup_printf("watch%u", i);
    g_autofree char *watched = test_room_path(pool.scene->room, name);
    g_autofree char *ours = g_strdup_printf("unix:%s,server=on,wait=off", watched);
    g_autofree char *monitor =
        g_strdup_printf("unix:%s/new%u.qmp,server=on,wait=off", pool.scene->folder, i);
    const char *const words[] = { g_getenv("MEMPLUG"),
                                  "--bus",
                                  test_daemon_address(pool.scene->daemon),
                                  "run",
                                  "--reserve",
                                  "64M",
                                  "--",
                                  "qemu-system-x86_64",
                                  "-m",
                                  "64",
                                  "-S",
                                  "-nodefaults",
                                  "-display",
                                  "none",
                                  "-qmp",
                                  monitor,
                                  "-qmp",
                                  ours,
                                  NULL };
    GSubprocess *process = NULL;

    test_check((process = test_room_spawn(pool.scene->room, words, log, G_SUBPROCESS_FLAGS_NONE,
                                          &error)) != NULL);
    test_watch_add_monitor(pool.watch, watched, process);
    return process;
}

/* Whoever was granted something runs, and whoever was not does not. */
static void
assert_accounted_for(guint running)
{
    g_autoptr(JsonNode) leases = test_scene_json(pool.scene, "leases", "--json", NULL);
    JsonArray *array = json_node_get_array(leases);
    guint transferred = 0, failed = 0;

    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonObject *lease = json_array_get_object_element(array, i);

        if (test_scene_size(lease, "asked") != 64 * MIB)
            continue;
        transferred += g_str_equal(test_scene_text(lease, "state"), "transferred");
        failed += g_str_equal(test_scene_text(lease, "state"), "failed");
    }
    print_message("  %u of %u run; %u leases were handed over, %u refused\n", running, NEWCOMERS,
                  transferred, failed);
    assert_int_equal(transferred, running);
    assert_int_equal(failed, NEWCOMERS - running);
    assert_true(running >= 1);
    assert_true(running < NEWCOMERS);
}

static void
test_ten_at_once(void **state)
{
    GSubprocess *newcomers[NEWCOMERS];
    guint running = 0;

    test_pool_enter(&pool);
    g_usleep(SETTLE_US); /* until the loads of the case before count no longer */
    for (guint i = 0; i < NEWCOMERS; i++)
        newcomers[i] = start_empty(i);
    test_scene_await(test_pool_nothing_is_held(&pool), TEST_POOL_PATIENCE);
    for (guint i = 0; i < NEWCOMERS; i++)
        running += g_subprocess_get_identifier(newcomers[i]) != NULL;
    assert_accounted_for(running);
    for (guint i = 0; i < NEWCOMERS; i++) {
        test_watch_remove_monitor(pool.watch, newcomers[i]);
        test_room_kill(newcomers[i]);
        g_object_unref(newcomers[i]);
    }
    test_pool_leave(&pool);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_guest_is_started_into_a_full_pool),
        cmocka_unit_test(test_busy_guests_refuse),
        cmocka_unit_test(test_ten_at_once),
    };

    if (argc != 2) {
        g_printerr("usage: test-newcomer KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_scene_can_run(kernel)
               ? cmocka_run_group_tests_name("newcomer", tests, set_up, tear_down)
               : 77;
}
