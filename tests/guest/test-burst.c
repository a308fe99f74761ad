/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Growth before it hurts, by a real agent: a program in a guest of 256 MiB uses several times
 * what is free as fast as it can. The agent asks, memory comes by each mechanism, and nothing
 * is killed. How fast that is, is printed; whether the guest stalled, too: one of many does,
 * and bench-burst has the table.
 *
 * Usage: test-burst KERNEL-LINE
 */
#include "tests/guest/harness/burst-stage.h"
#include "tests/guest/harness/test-scene.h"

#define MEGABYTES 400

static const char *kernel;

static void
check_stats(TestDaemon *daemon)
{
    g_auto(TestCommand) command = { 0 };
    JsonObject *stats;

    test_check(test_daemon_run(daemon, &command, &error, "stats", "guest", "--json", NULL));
    assert_int_equal(command.status, 0);
    stats = json_node_get_object(command.json);
    assert_string_equal(json_object_get_string_member(stats, "source"), "agent");
    assert_string_equal(json_object_get_string_member(stats, "agent"), "memplug-guest test");
    assert_string_equal(json_object_get_string_member(stats, "channel"), "open");
    assert_true(json_object_get_int_member(stats, "urgent_requests") > 0);
    assert_true(json_object_get_int_member(stats, "urgent_first_us") > 0);
    assert_true(json_object_has_member(stats, "stall_some_us"));
    assert_true(json_array_get_length(json_object_get_array_member(stats, "zones")) > 0);
    assert_int_equal(json_object_get_int_member(stats, "frames_damaged"), 0);
}

static void
run(TestRoom *room, BurstMechanism mechanism)
{
    g_autoptr(BurstStage) stage = NULL;
    g_autofree char *log = NULL;
    BurstResult result;

    test_check((stage = burst_stage_new(room, kernel, mechanism, &error)) != NULL);
    test_check(burst_stage_serve(stage, &(BurstService){ "", NULL }, &error));
    test_check(burst_stage_run(stage, MEGABYTES, &result, &error));
    print_message("  %s: first memory after %" G_GINT64_FORMAT " ms, done after %" G_GINT64_FORMAT
                  " ms, stalled for %" G_GINT64_FORMAT " us, %" G_GINT64_FORMAT " pages swapped\n",
                  burst_mechanism_name(mechanism), result.first_ms, result.done_ms, result.some_us,
                  result.swapped);
    log = test_daemon_log(burst_stage_daemon(stage));
    if (result.first_ms < 0 || result.oom_kills != 0 || !strstr(log, "got first memory after"))
        test_daemon_print_log(burst_stage_daemon(stage));
    assert_true(result.first_ms >= 0);
    assert_true(result.done_ms >= 0);
    assert_int_equal(result.oom_kills, 0);
    assert_non_null(strstr(log, " urgent: asks for "));
    assert_non_null(strstr(log, " urgent: got first memory after "));
    check_stats(burst_stage_daemon(stage));
}

static void
run_in_room(BurstMechanism mechanism)
{
    TestRoom *room = NULL;

    test_check((room = test_room_new(&error)) != NULL);
    run(room, mechanism);
    test_room_free(room);
}

static void
test_virtio_mem(void **state)
{
    run_in_room(BURST_VIRTIO_MEM);
}

static void
test_dimm(void **state)
{
    run_in_room(BURST_DIMM);
}

static void
test_balloon(void **state)
{
    run_in_room(BURST_BALLOON);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_virtio_mem),
        cmocka_unit_test(test_dimm),
        cmocka_unit_test(test_balloon),
    };

    if (argc != 2) {
        g_printerr("usage: test-burst KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_scene_main("burst", kernel, tests);
}
