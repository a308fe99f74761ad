/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What becomes of the memory that a guest was plugged: one that brings nothing online is named,
 * with what to do; and one that brings all of it online as movable memory is not grown beyond
 * what its kernel bears, and why is told.
 *
 * Usage: test-uptake KERNEL-LINE
 */
#include <string.h>

#include "tests/guest/harness/test-scene.h"

/* All that the budget has is handed out, so that the guest need not use anything. */
#define SHARE "[host]\nbudget=2G\n[policy]\nsurplus=share\n[defaults]\nceiling=2G\n"

#define CEILING (2048 * MIB)

static const char *kernel;

/* Nothing in the guest brings memory online: it is named, with what to do. */
static void
test_nothing_online(void **state)
{
    TestScene *scene = *state;
    const TestGuestOptions options = {
        .kernel = kernel,
        .no_udev_rule = TRUE,
        .append = "memhp_default_state=offline",
    };
    g_autofree char *doctor = NULL, *info = NULL;
    TestSceneGuest *guest = test_scene_boot(scene, &options);

    test_scene_start_daemon(scene, "", NULL);
    g_free(test_scene_memplug(scene, 0, "setmem", "guest", "768M", NULL));
    test_scene_await(test_scene_log_has(scene, "of the 512 MiB plugged are not in use"),
                     TEST_SCENE_PATIENCE);
    doctor = test_scene_memplug(scene, 0, "doctor", "guest", NULL);
    assert_non_null(strstr(doctor, "80-memplug-online.rules"));
    info = test_scene_memplug(scene, 0, "info", "guest", NULL);
    print_message("%s", strstr(info, "Plugged"));
    assert_non_null(strstr(info, "not in use: see memplug doctor"));

    /* And no longer, when it has been brought online. */
    test_check(test_guest_run(guest->guest,
                              "for block in /sys/devices/system/memory/memory*; do "
                              "grep -q offline $block/state && echo online_movable "
                              ">$block/state; done; true",
                              NULL, &error));
    test_scene_await(test_scene_log_has(scene, "uses what it was plugged"), TEST_SCENE_PATIENCE);
    test_scene_passed(scene);
}

static gboolean
is_stopped_by_its_zones(TestScene *scene)
{
    g_autoptr(JsonObject) info = test_scene_info(scene, "guest");

    return strstr(test_scene_text(info, "held_back"), "its kernel has too little memory") != NULL;
}

static guint64
uptake_size(JsonObject *info, const char *member)
{
    return test_scene_size(json_object_get_object_member(info, "uptake"), member);
}

/* All of it has come, and the agent has told where it went. */
static gboolean
is_told(TestScene *scene, guint64 boot)
{
    g_autoptr(JsonObject) info = test_scene_info(scene, "guest");

    return g_str_equal(test_scene_text(info, "phase"), "settled") &&
           uptake_size(info, "online_movable") >= test_scene_size(info, "actual") - boot;
}

/* Each block of memory that the agent tells of is in one run, and what was plugged is movable. */
static void
check_runs(TestScene *scene, guint64 movable)
{
    g_autoptr(JsonNode) stats = test_scene_json(scene, "stats", "guest", "--json", NULL);
    JsonArray *runs = json_object_get_array_member(json_node_get_object(stats), "runs");
    guint64 count = 0;

    for (guint i = 0; i < json_array_get_length(runs); i++) {
        JsonObject *run = json_array_get_object_element(runs, i);

        assert_string_equal(test_scene_text(run, "state"), "online");
        if (g_str_equal(test_scene_text(run, "zone"), "Movable"))
            count += test_scene_size(run, "count");
    }
    assert_int_equal(count * 128 * MIB, movable);
}

/* With online_movable everywhere a guest can be grown until its kernel dies. */
static void
test_kernel_zone(void **state)
{
    TestScene *scene = *state;
    const TestGuestOptions options = {
        .kernel = kernel,
        .stats_port = TRUE,
        .virtio_mem = 3072 * MIB,
        .append = "memhp_default_state=online_movable",
    };
    g_autofree char *text = NULL, *stats = NULL;
    g_autoptr(JsonObject) info = NULL;
    TestSceneGuest *guest = test_scene_boot(scene, &options);
    guint64 most, actual;

    test_check(test_guest_agent_start(guest->guest, "", &error));
    test_scene_start_daemon(scene, SHARE, NULL);
    test_scene_await(is_stopped_by_its_zones(scene), 2 * TEST_SCENE_PATIENCE);
    test_scene_await(is_told(scene, guest->actual), TEST_SCENE_PATIENCE);
    info = test_scene_info(scene, "guest");
    text = test_scene_memplug(scene, 0, "info", "guest", NULL);
    print_message("%s", text);
    actual = test_scene_size(info, "actual");
    most = uptake_size(info, "most");
    assert_true(actual > 2 * guest->actual);
    assert_true(actual <= most && most < CEILING);
    assert_non_null(strstr(text, "for its kernel's sake"));

    stats = test_scene_memplug(scene, 0, "stats", "guest", NULL);
    print_message("%s", strstr(stats, "Blocks"));
    assert_non_null(strstr(stats, "online in Movable"));
    check_runs(scene, uptake_size(info, "online_movable"));
    test_scene_passed(scene);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST_SCENE_CASE(test_nothing_online),
        TEST_SCENE_CASE(test_kernel_zone),
    };

    if (argc != 2) {
        g_printerr("usage: test-uptake KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_scene_main("uptake", kernel, tests);
}
