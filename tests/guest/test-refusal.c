/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests that do not give their memory back: without memplug's udev rule a kernel that
 * onlines by itself puts added memory into the kernel zone, and uses it for what
 * cannot be moved. memplug must say so, reach what can be reached, and go on.
 *
 * 6.12 does so by default; 6.1 is told to on its command line.
 *
 * Usage: test-refusal KERNEL-LINE MACHINE
 */
#include <string.h>

#include "tests/guest/harness/test-scene.h"

#define CONFIG "[policy]\nname=static\n[defaults]\nmechanism=%s\n"

/* Inodes and names cannot be moved. The kernel zone of the added memory is the
 * first choice for them, so a few MiB are sure to be there. */
#define DIRTY                \
    "mkdir /run/dirt; i=0; " \
    "while [ $i -lt 6000 ]; do : >/run/dirt/$i; i=$((i + 1)); done"

static const char *kernel;
static const char *machine;

static TestSceneGuest *
boot(TestScene *scene, TestGuestOptions options, const char *mechanism)
{
    g_autofree char *config = g_strdup_printf(CONFIG, mechanism);
    TestSceneGuest *guest;

    options.kernel = kernel;
    options.machine = machine;
    options.no_udev_rule = TRUE;
    options.append = g_str_equal(kernel, "6.1") ? "memhp_default_state=online" : NULL;
    guest = test_scene_boot(scene, &options);
    test_scene_start_daemon(scene, config, NULL);
    return guest;
}

static char *
set(TestScene *scene, const char *size, int status)
{
    char *said = test_scene_memplug(scene, status, "setmem", "guest", size, NULL);

    print_message("  %s", said);
    return said;
}

/* Reached, and all agree. */
static void
set_well(TestScene *scene, TestSceneGuest *guest, const char *size, guint64 bytes)
{
    g_free(set(scene, size, 0));
    test_scene_agree(scene, guest, bytes, bytes, "settled");
}

/* The kernel uses what was added. */
static void
make_dirty(TestSceneGuest *guest)
{
    test_check(test_guest_run(guest->guest, DIRTY, NULL, &error));
}

/* Not reached: setmem and info give the same reason, which names @device. */
static void
set_short(TestScene *scene, TestSceneGuest *guest, const char *size, guint64 requested,
          guint64 actual, const char *device)
{
    g_autofree char *said = set(scene, size, 1);
    g_autoptr(JsonObject) info = test_scene_info(scene, "guest");
    const char *reason = test_scene_text(info, "reason");

    test_scene_agree(scene, guest, requested, actual, "short");
    assert_non_null(strstr(reason, device));
    assert_non_null(strstr(said, reason));
}

/* One DIMM is refused for good; the other goes, and so does a third one later. */
static void
test_dimm(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene, (TestGuestOptions){ .no_balloon = TRUE }, "dimm");

    set_well(scene, guest, "512M", 512 * MIB);
    make_dirty(guest);
    set_well(scene, guest, "768M", 768 * MIB);
    set_well(scene, guest, "512M", 512 * MIB);
    set_short(scene, guest, "256M", 256 * MIB, 512 * MIB, "memplug-dimm");
    set_well(scene, guest, "640M", 640 * MIB);
    set_well(scene, guest, "512M", 512 * MIB);
    test_check(test_guest_run(guest->guest, "true", NULL, &error));
    test_scene_passed(scene);
}

/* What the DIMM does not give, the balloon does. */
static void
test_dimm_and_balloon(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene, (TestGuestOptions){ 0 }, "auto");

    set_well(scene, guest, "512M", 512 * MIB);
    make_dirty(guest);
    set_well(scene, guest, "256M", 256 * MIB);
    set_well(scene, guest, "562M", 562 * MIB);
    set_well(scene, guest, "256M", 256 * MIB);
    test_check(test_guest_run(guest->guest, "true", NULL, &error));
    test_scene_passed(scene);
}

/* The device stops a few MiB above 0, and is asked for no less than that any more. */
static void
test_virtio_mem(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest =
        boot(scene, (TestGuestOptions){ .virtio_mem = 1024 * MIB }, "virtio-mem");
    Witness *witness = test_guest_witness(guest->guest);
    guint64 size, requested;

    set_well(scene, guest, "512M", 512 * MIB);
    make_dirty(guest);
    g_free(set(scene, "256M", 1));
    test_check(witness_get_number(witness, TEST_GUEST_VIRTIO_MEM_PATH, "size", &size, &error));
    test_check(witness_get_number(witness, TEST_GUEST_VIRTIO_MEM_PATH, "requested-size", &requested,
                                  &error));
    assert_true(size > 0 && size <= 64 * MIB);
    assert_int_equal(requested, size);
    test_scene_agree(scene, guest, 256 * MIB, 256 * MIB + size, "short");

    set_well(scene, guest, "562M", 562 * MIB);
    set_well(scene, guest, "384M", 384 * MIB);
    test_check(test_guest_run(guest->guest, "true", NULL, &error));
    test_scene_passed(scene);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST_SCENE_CASE(test_dimm),
        TEST_SCENE_CASE(test_dimm_and_balloon),
        TEST_SCENE_CASE(test_virtio_mem),
    };

    if (argc != 3) {
        g_printerr("usage: test-refusal KERNEL-LINE MACHINE\n");
        return 2;
    }
    kernel = argv[1];
    machine = argv[2];
    return test_scene_main("refusal", kernel, tests);
}
