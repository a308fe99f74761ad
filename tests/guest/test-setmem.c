/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first test of the patent, on every mechanism: a guest of 256 MiB is set to 512
 * MiB, to 562 MiB, and back to 256 MiB. After each step memplug, QEMU and the guest
 * must agree, and at the end nothing is left in the guest.
 *
 * And what an administrator can do by hand besides: limits refuse, a guest is held,
 * single DIMMs are plugged and unplugged.
 *
 * Usage: test-setmem KERNEL-LINE MACHINE
 */
#include <string.h>

#include "tests/guest/harness/test-scene.h"

/* The policy leaves guests as they are. */
#define STATIC "[policy]\nname=static\n"

static const char *kernel;
static const char *machine;

static TestSceneGuest *
boot(TestScene *scene, TestGuestOptions options)
{
    options.kernel = kernel;
    options.machine = machine;
    return test_scene_boot(scene, &options);
}

/* memplug setmem, which must say @says and end with 0; then all must agree on @actual. */
static void
set(TestScene *scene, TestSceneGuest *guest, const char *size, guint64 requested, guint64 actual,
    const char *says)
{
    g_autofree char *said =
        test_scene_memplug(scene, 0, "setmem", test_guest_name(guest->guest), size, NULL);

    print_message("  %s", said);
    if (!strstr(said, says))
        fail_msg("setmem does not say '%s'", says);
    test_scene_agree(scene, guest, requested, actual, "settled");
}

static void
test_virtio_mem(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene, (TestGuestOptions){ .virtio_mem = 1024 * MIB });
    Witness *witness = test_guest_witness(guest->guest);
    guint64 size;

    test_scene_start_daemon(scene, STATIC, NULL);
    set(scene, guest, "512M", 512 * MIB, 512 * MIB, "512 MiB (was 256 MiB)");
    set(scene, guest, "562M", 562 * MIB, 562 * MIB, "562 MiB (was 512 MiB)");
    test_check(witness_get_number(witness, TEST_GUEST_VIRTIO_MEM_PATH, "size", &size, &error));
    assert_int_equal(size, (562 - 256) * MIB);
    set(scene, guest, "256M", 256 * MIB, 256 * MIB, "256 MiB (was 562 MiB)");
    test_scene_nothing_left(guest);
    test_check(
        witness_get_number(witness, TEST_GUEST_VIRTIO_MEM_PATH, "requested-size", &size, &error));
    assert_int_equal(size, 0);
    test_scene_passed(scene);
}

static void
test_dimm_and_balloon(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene, (TestGuestOptions){ 0 });

    test_scene_start_daemon(scene, STATIC, NULL);
    set(scene, guest, "512M", 512 * MIB, 512 * MIB, "512 MiB (was 256 MiB)");
    set(scene, guest, "562M", 562 * MIB, 562 * MIB, "562 MiB (was 512 MiB)");
    set(scene, guest, "256M", 256 * MIB, 256 * MIB, "256 MiB (was 562 MiB)");
    test_scene_nothing_left(guest);
    test_scene_passed(scene);
}

/* Whole DIMMs alone: a large one is swapped for a smaller one; the nearest size above is as good
 * as it gets, and is said to be so. */
static void
test_dimm(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene, (TestGuestOptions){ .no_balloon = TRUE });

    test_scene_start_daemon(scene, STATIC "[defaults]\nmechanism=dimm\n", NULL);
    set(scene, guest, "512M", 512 * MIB, 512 * MIB, "512 MiB (was 256 MiB)");
    assert_int_equal(test_scene_count_ours(guest, TEST_SCENE_DEVICES), 1);
    set(scene, guest, "384M", 384 * MIB, 384 * MIB, "384 MiB (was 512 MiB)");
    assert_int_equal(test_scene_count_ours(guest, TEST_SCENE_DEVICES), 1);
    set(scene, guest, "562M", 562 * MIB, 640 * MIB, "not exactly 562 MiB");
    set(scene, guest, "256M", 256 * MIB, 256 * MIB, "256 MiB (was 640 MiB)");
    test_scene_nothing_left(guest);
    test_scene_passed(scene);
}

/* A balloon cannot go beyond boot memory, so the guest has 640 MiB of that. */
static void
test_balloon(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene, (TestGuestOptions){ .memory = 640 * MIB });

    test_scene_start_daemon(scene, STATIC "[defaults]\nmechanism=balloon\nfloor=256M\n", NULL);
    set(scene, guest, "512M", 512 * MIB, 512 * MIB, "512 MiB (was 640 MiB)");
    set(scene, guest, "562M", 562 * MIB, 562 * MIB, "562 MiB (was 512 MiB)");
    set(scene, guest, "256M", 256 * MIB, 256 * MIB, "256 MiB (was 562 MiB)");
    set(scene, guest, "640M", 640 * MIB, 640 * MIB, "640 MiB (was 256 MiB)");
    test_scene_nothing_left(guest);
    test_scene_passed(scene);
}

static void
check_listed(TestScene *scene, guint64 requested, gboolean held)
{
    g_autoptr(JsonObject) listed = test_scene_listed(scene, "guest");

    assert_non_null(listed);
    assert_string_equal(test_scene_text(listed, "state"), "running");
    assert_string_equal(test_scene_text(listed, "mechanism"), "auto");
    assert_int_equal(test_scene_size(listed, "actual"), requested);
    assert_int_equal(test_scene_size(listed, "requested"), requested);
    assert_int_equal(test_scene_size(listed, "floor"), 256 * MIB);
    assert_int_equal(test_scene_size(listed, "ceiling"), 1024 * MIB);
    assert_true(json_object_has_member(listed, "demand"));
    assert_true(json_object_get_double_member(listed, "weight") == 2.5);
    assert_true(json_object_get_boolean_member(listed, "managed"));
    assert_int_equal(json_object_get_boolean_member(listed, "held"), held);
}

/* memplug ends with 1, and what it says holds both texts. */
static void
expect_refusal(char *said, const char *what, const char *how)
{
    g_autofree char *text = said;

    print_message("  %s", text);
    if (!strstr(text, what) || !strstr(text, how))
        fail_msg("the refusal does not tell '%s' and '%s'", what, how);
}

static void
test_limits_and_hold(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene, (TestGuestOptions){ 0 });

    test_scene_start_daemon(scene, STATIC "[guest \"guest\"]\nceiling=1G\nweight=2.5\n", NULL);
    check_listed(scene, 256 * MIB, FALSE);
    expect_refusal(test_scene_memplug(scene, 1, "setmem", "guest", "1025M", NULL), "ceiling",
                   "1 GiB");
    expect_refusal(test_scene_memplug(scene, 1, "setmem", "guest", "255M", NULL), "256 MiB",
                   "guest");
    check_listed(scene, 256 * MIB, FALSE);

    set(scene, guest, "1G", 1024 * MIB, 1024 * MIB, "1 GiB (was 256 MiB)");
    check_listed(scene, 1024 * MIB, TRUE);
    g_free(test_scene_memplug(scene, 0, "manage", "guest", "on", NULL));
    check_listed(scene, 1024 * MIB, FALSE);
    test_scene_passed(scene);
}

/* The id of the one device that info lists, which must be memplug's. */
static char *
only_device(TestScene *scene)
{
    g_autoptr(JsonObject) info = test_scene_info(scene, "guest");
    JsonArray *devices = json_object_get_array_member(info, "devices");
    JsonObject *device;

    assert_int_equal(json_array_get_length(devices), 1);
    device = json_array_get_object_element(devices, 0);
    assert_true(json_object_get_boolean_member(device, "ours"));
    assert_string_equal(test_scene_text(device, "kind"), "dimm");
    return g_strdup(test_scene_text(device, "id"));
}

static void
test_by_hand(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene, (TestGuestOptions){ .max_memory = 1024 * MIB });
    g_autofree char *device = NULL;

    test_scene_start_daemon(scene, STATIC, NULL);
    expect_refusal(test_scene_memplug(scene, 1, "plug", "guest", "100M", NULL), "128 MiB",
                   "multiple");
    expect_refusal(test_scene_memplug(scene, 1, "plug", "guest", "1G", NULL), "1280 MiB", "1 GiB");
    expect_refusal(test_scene_memplug(scene, 1, "unplug", "guest", "dimm7", NULL), "dimm7",
                   "guest");

    g_free(test_scene_memplug(scene, 0, "plug", "guest", "384M", NULL));
    test_scene_agree(scene, guest, 640 * MIB, 640 * MIB, "settled");
    device = only_device(scene);
    g_free(test_scene_memplug(scene, 0, "unplug", "guest", device, NULL));
    test_scene_agree(scene, guest, 256 * MIB, 256 * MIB, "settled");
    test_scene_nothing_left(guest);
    test_scene_passed(scene);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST_SCENE_CASE(test_virtio_mem),
        TEST_SCENE_CASE(test_dimm_and_balloon),
        TEST_SCENE_CASE(test_dimm),
        TEST_SCENE_CASE(test_balloon),
        TEST_SCENE_CASE(test_limits_and_hold),
        TEST_SCENE_CASE(test_by_hand),
    };

    if (argc != 3) {
        g_printerr("usage: test-setmem KERNEL-LINE MACHINE\n");
        return 2;
    }
    kernel = argv[1];
    machine = argv[2];
    return test_scene_main("setmem", kernel, tests);
}
