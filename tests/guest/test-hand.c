/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Somebody changes the guest's memory on a second monitor, beside memplugd: an
 * administrator's word. The guest is held at it until it is given back to the policy,
 * and what memplugd, the kernel and the guest's driver do of themselves is never
 * taken for such a word.
 *
 * Usage: test-hand KERNEL-LINE
 */
#include "tests/guest/harness/test-scene.h"

#define CONFIG "[policy]\nname=static\n"

static const char *kernel;

static TestSceneGuest *
boot(TestScene *scene, guint64 virtio_mem)
{
    const TestGuestOptions options = { .kernel = kernel, .virtio_mem = virtio_mem };
    TestSceneGuest *guest = test_scene_boot(scene, &options);

    test_scene_start_daemon(scene, CONFIG, NULL);
    return guest;
}

static void
set_well(TestScene *scene, TestSceneGuest *guest, const char *size, guint64 bytes)
{
    g_free(test_scene_memplug(scene, 0, "setmem", "guest", size, NULL));
    test_scene_agree(scene, guest, bytes, bytes, "settled");
}

/* Ends a hold, if there is one. */
static void
give_back(TestScene *scene)
{
    g_free(test_scene_memplug(scene, 0, "manage", "guest", "on", NULL));
}

static gboolean
is_held(TestScene *scene)
{
    g_autoptr(JsonObject) info = test_scene_info(scene, "guest");

    return json_object_get_boolean_member(info, "held");
}

/* The guest comes to rest at @bytes, held there by a hand. */
static void
expect_held(TestScene *scene, TestSceneGuest *guest, guint64 bytes)
{
    test_scene_await(test_scene_is(scene, "guest", "settled", bytes), TEST_SCENE_PATIENCE);
    test_scene_agree(scene, guest, bytes, bytes, "settled");
    assert_true(is_held(scene));
    assert_true(test_scene_log_has(scene, "somebody else resized it"));
}

static void
by_hand(TestSceneGuest *guest, const char *command, const char *arguments, guint64 size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) reply =
        witness_execute(test_guest_witness(guest->guest), &error, command, arguments, size);

    if (!reply)
        fail_msg("%s: %s", command, error->message);
}

static void
test_virtio_mem(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene, 1024 * MIB);

    set_well(scene, guest, "768M", 768 * MIB);
    give_back(scene);
    assert_false(test_scene_log_has(scene, "somebody else"));
    by_hand(guest, "qom-set",
            "{'path': <'" TEST_GUEST_VIRTIO_MEM_PATH "'>, 'property': <'requested-size'>, "
            "'value': <%t>}",
            128 * MIB);
    expect_held(scene, guest, 384 * MIB);
    set_well(scene, guest, "512M", 512 * MIB); /* the newer word */
    test_scene_passed(scene);
}

static void
test_balloon(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene, 0);

    give_back(scene);
    by_hand(guest, "balloon", "{'value': <%t>}", 192 * MIB);
    expect_held(scene, guest, 192 * MIB);
    test_scene_passed(scene);
}

static void
test_dimm(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene, 0);

    test_check(witness_plug_dimm(test_guest_witness(guest->guest), "by-hand", 128 * MIB, &error));
    expect_held(scene, guest, 384 * MIB);
    test_scene_passed(scene);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST_SCENE_CASE(test_virtio_mem),
        TEST_SCENE_CASE(test_balloon),
        TEST_SCENE_CASE(test_dimm),
    };

    kernel = argc > 1 ? argv[1] : "6.1";
    return test_scene_main("hand", kernel, tests);
}
