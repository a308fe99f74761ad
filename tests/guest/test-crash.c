/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memplugd is killed in the middle of a resize and started again: it finishes what was
 * asked for, still holds the guest where an administrator wants it, and no device
 * and no memory backend is orphaned.
 *
 * A resize is killed not after so many milliseconds but after so many of its steps, so
 * that it is in its middle on machines of any speed. What is killed within a step
 * varies with the milliseconds that are waited on top.
 *
 * Usage: test-crash KERNEL-LINE
 */
#include <stdlib.h>

#include "tests/guest/harness/test-scene.h"

#define STATIC "[policy]\nname=static\n"

static const char *kernel;

static TestSceneGuest *
boot(TestScene *scene, TestGuestOptions options)
{
    TestSceneGuest *guest;

    options.kernel = kernel;
    guest = test_scene_boot(scene, &options);
    test_scene_start_daemon(scene, STATIC, NULL);
    return guest;
}

static void
check_held(TestScene *scene)
{
    g_autoptr(JsonObject) listed = test_scene_listed(scene, "guest");

    assert_non_null(listed);
    assert_true(json_object_get_boolean_member(listed, "held"));
}

static void
order(TestScene *scene, const char *size)
{
    g_free(test_scene_memplug(scene, 0, "setmem", "guest", size, "--no-wait", NULL));
}

/* Kills memplugd, starts it again, and waits for the end of the resize to @target. */
static void
crash(TestScene *scene, TestSceneGuest *guest, guint64 target)
{
    guint64 actual, ballooned;
    gint64 start_us;

    test_daemon_kill(scene->daemon);
    test_check(witness_actual(test_guest_witness(guest->guest), &actual, &ballooned, &error));
    print_message("  killed at %4.0f MiB with %u devices, %u backends",
                  (double)actual / (double)MIB, test_scene_count_ours(guest, TEST_SCENE_DEVICES),
                  test_scene_count_ours(guest, TEST_SCENE_OBJECTS));
    start_us = g_get_monotonic_time();
    test_scene_restart_daemon(scene);
    test_scene_await(test_scene_is(scene, "guest", "settled", target), TEST_SCENE_PATIENCE);
    print_message("; at %4.0f MiB %.2f s later\n", (double)target / (double)MIB,
                  (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC);
    test_scene_agree(scene, guest, target, target, "settled");
    check_held(scene);
    /* A backend goes a moment after its device. */
    test_scene_await(test_scene_count_ours(guest, TEST_SCENE_OBJECTS) ==
                         test_scene_count_ours(guest, TEST_SCENE_DEVICES),
                     TEST_SCENE_PATIENCE);
}

/* When to kill: once so many DIMMs have come or gone, and so much later. */
static const struct {
    int dimms;
    guint ms;
} moments[] = { { 0, 0 }, { 1, 0 }, { 2, 4 }, { 3, 12 }, { 4, 30 } };

static int
count_dimms(TestSceneGuest *guest)
{
    return (int)test_scene_count_ours(guest, TEST_SCENE_DEVICES);
}

/* From 256 MiB to 1000 and back in steps of 128 MiB, and a little balloon. */
static void
test_ladder(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene, (TestGuestOptions){ .max_memory = 1280 * MIB });

    for (guint i = 0; i < G_N_ELEMENTS(moments); i++) {
        order(scene, "1000M");
        test_scene_await(count_dimms(guest) >= moments[i].dimms, TEST_SCENE_PATIENCE);
        g_usleep(moments[i].ms * 1000);
        crash(scene, guest, 1000 * MIB);
        assert_int_equal(count_dimms(guest), 6);

        order(scene, "256M");
        test_scene_await(count_dimms(guest) <= 6 - moments[i].dimms, TEST_SCENE_PATIENCE);
        g_usleep(moments[i].ms * 1000);
        crash(scene, guest, 256 * MIB);
        test_scene_nothing_left(guest);
    }
    test_scene_passed(scene);
}

static guint64
virtio_mem_size(TestSceneGuest *guest)
{
    guint64 size;

    test_check(witness_get_number(test_guest_witness(guest->guest), TEST_GUEST_VIRTIO_MEM_PATH,
                                  "size", &size, &error));
    return size;
}

/* The device moves on while nobody is there; who comes back must take it as it is. */
static void
test_virtio_mem(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene, (TestGuestOptions){ .virtio_mem = 1024 * MIB });

    for (int wait = 0; wait <= 1; wait++) {
        order(scene, "1000M");
        test_scene_await(!wait || virtio_mem_size(guest) > 0, TEST_SCENE_PATIENCE);
        crash(scene, guest, 1000 * MIB);
        order(scene, "256M");
        test_scene_await(!wait || virtio_mem_size(guest) < 744 * MIB, TEST_SCENE_PATIENCE);
        crash(scene, guest, 256 * MIB);
        test_scene_nothing_left(guest);
    }
    test_scene_passed(scene);
}

static void
add_backend(TestSceneGuest *guest, const char *id)
{
    g_autoptr(JsonNode) reply = NULL;

    test_check((reply = witness_execute(test_guest_witness(guest->guest), &error, "object-add",
                                        "{'qom-type': <'memory-backend-ram'>, 'id': <%s>, "
                                        "'size': <%t>}",
                                        id, (guint64)(128 * MIB))) != NULL);
}

/* As if memplugd had been killed between object-add and device_add. Others' are not touched. */
static void
test_orphan(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene, (TestGuestOptions){ 0 });
    guint others;

    order(scene, "384M");
    test_scene_await(test_scene_is(scene, "guest", "settled", 384 * MIB), TEST_SCENE_PATIENCE);
    test_daemon_kill(scene->daemon);
    add_backend(guest, "memplug-dimm5-memory");
    add_backend(guest, "another-memory");
    assert_int_equal(test_scene_count_ours(guest, TEST_SCENE_OBJECTS), 2);

    test_scene_restart_daemon(scene);
    test_scene_await(test_scene_count_ours(guest, TEST_SCENE_OBJECTS) == 1, TEST_SCENE_PATIENCE);
    test_scene_agree(scene, guest, 384 * MIB, 384 * MIB, "settled");
    check_held(scene);
    order(scene, "256M");
    test_scene_await(test_scene_is(scene, "guest", "settled", 256 * MIB), TEST_SCENE_PATIENCE);
    test_scene_nothing_left(guest);
    test_check(witness_count_prefix(test_guest_witness(guest->guest), TEST_SCENE_OBJECTS,
                                    "another-memory", &others, &error));
    assert_int_equal(others, 1);
    test_scene_passed(scene);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST_SCENE_CASE(test_ladder),
        TEST_SCENE_CASE(test_virtio_mem),
        TEST_SCENE_CASE(test_orphan),
    };

    if (argc != 2) {
        g_printerr("usage: test-crash KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_scene_main("crash", kernel, tests);
}
