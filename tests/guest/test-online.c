/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What guest/'s udev rule promises, on real guests: added memory is online by itself
 * and movable as far as the kernel's ratio of 3:1 allows, so that it can come back;
 * and what happens without the rule, which the rest of memplug must bear.
 *
 * Usage: test-online KERNEL-LINE
 */
#include <string.h>

#include "tests/guest/harness/test-check.h"
#include "tests/guest/harness/test-guest.h"

#define MIB       (G_GUINT64_CONSTANT(1) << 20)
#define TOLERANCE (MIB / 4)
#define PATIENCE  (20 * G_USEC_PER_SEC)

static const char *kernel;

typedef struct {
    TestRoom *room;
    TestGuest *guest;
    Witness *witness;
    guint64 total; /* MemTotal as it should be */
} Fixture;

static int
start(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    *state = fixture;
    test_check((fixture->room = test_room_new(&error)) != NULL);
    return 0;
}

static int
end(void **state)
{
    Fixture *fixture = *state;
    test_guest_free(fixture->guest);
    test_room_free(fixture->room);
    g_free(fixture);
    return 0;
}

static void
boot(Fixture *fixture, TestGuestOptions options)
{
    g_autofree char *folder = test_room_path(fixture->room, "");
    options.kernel = kernel;
    test_check((fixture->guest = test_guest_boot(fixture->room, folder, &options, &error)) != NULL);
    fixture->witness = test_guest_witness(fixture->guest);
    test_check(test_guest_meminfo(fixture->guest, "MemTotal", &fixture->total, &error));
}

static void
plug(Fixture *fixture, const char *id, guint64 size)
{
    test_check(witness_plug_dimm(fixture->witness, id, size, &error));
    fixture->total += size;
    test_check(test_guest_wait_total(fixture->guest, fixture->total, TOLERANCE, PATIENCE, &error));
}

static void
unplug(Fixture *fixture, const char *id, guint64 size)
{
    test_check(witness_unplug_dimm(fixture->witness, id, PATIENCE, &error));
    fixture->total -= size;
    test_check(test_guest_wait_total(fixture->guest, fixture->total, TOLERANCE, PATIENCE, &error));
}

/* Waits for it: a driver loaded at boot plugs block by block while the guest is ready. */
static void
check_zones(Fixture *fixture, guint64 movable, guint64 normal)
{
    const gint64 deadline = g_get_monotonic_time() + PATIENCE;
    guint64 movable_now, normal_now;
    do {
        g_autoptr(JsonObject) report = NULL;
        test_check((report = test_guest_report(fixture->guest, &error)) != NULL);
        movable_now = test_guest_report_zone(report, "Movable");
        normal_now = test_guest_report_zone(report, "Normal");
    } while ((movable_now != movable || normal_now != normal) && g_get_monotonic_time() < deadline);
    assert_int_equal(movable_now, movable);
    assert_int_equal(normal_now, normal);
}

/* Three times the boot memory is movable and comes back, in any order; what is above is not. */
static void
test_ratio(void **state)
{
    Fixture *fixture = *state;
    boot(fixture, (TestGuestOptions){ 0 });
    plug(fixture, "a", 256 * MIB);
    plug(fixture, "b", 512 * MIB);
    check_zones(fixture, 768 * MIB, 0);
    plug(fixture, "c", 128 * MIB);
    check_zones(fixture, 768 * MIB, 128 * MIB);
    unplug(fixture, "a", 256 * MIB);
    unplug(fixture, "b", 512 * MIB);
    check_zones(fixture, 0, 128 * MIB);
}

/* A DIMM goes to one zone as a whole: too large for the rest of the ratio, none of it is movable.
 */
static void
test_too_large_dimm(void **state)
{
    Fixture *fixture = *state;
    boot(fixture, (TestGuestOptions){ 0 });
    plug(fixture, "a", 896 * MIB);
    check_zones(fixture, 0, 896 * MIB);
}

/* What virtio-mem plugs while udev replays the devices races with the rule: the kernel's
 * command line decides. */
static void
test_virtio_mem_at_boot(void **state)
{
    Fixture *fixture = *state;
    boot(fixture, (TestGuestOptions){ .virtio_mem = 1024 * MIB,
                                      .virtio_mem_at_boot = 256 * MIB,
                                      .append = "memory_hotplug.online_policy=auto-movable" });
    check_zones(fixture, 256 * MIB, 0);
}

/* A DIMM that is there at boot is onlined before udev runs: the kernel's command line decides. */
static void
test_dimm_at_boot(void **state)
{
    Fixture *fixture = *state;
    const char *const dimm[] = { "-object", "memory-backend-ram,id=mem-a,size=256M", "-device",
                                 "pc-dimm,id=a,memdev=mem-a", NULL };
    boot(fixture, (TestGuestOptions){ .extra = dimm,
                                      .append = "memory_hotplug.online_policy=auto-movable" });
    check_zones(fixture, 256 * MIB, 0);
    unplug(fixture, "a", 256 * MIB);
}

/* The rule keeps to what an administrator has chosen. */
static void
test_administrators_choice(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(JsonObject) report = NULL;
    boot(fixture, (TestGuestOptions){ .append = "memhp_default_state=online_movable" });
    test_check((report = test_guest_report(fixture->guest, &error)) != NULL);
    assert_string_equal(json_object_get_string_member(report, "auto_online"), "online_movable");
    plug(fixture, "a", 896 * MIB);
    check_zones(fixture, 896 * MIB, 0);
}

/*
 * Without the rule 6.1 leaves a DIMM offline, and it can always be had back; newer
 * kernels online it into the kernel zone, where it may stay for good.
 */
static void
test_without_rule(void **state)
{
    Fixture *fixture = *state;
    boot(fixture, (TestGuestOptions){ .no_udev_rule = TRUE });
    if (g_str_equal(kernel, "6.1")) {
        g_autoptr(JsonObject) answer = NULL;
        test_check(witness_plug_dimm(fixture->witness, "a", 256 * MIB, &error));
        /* A removal asked for before the guest has answered the insertion is lost. */
        test_check((answer = witness_wait_event(fixture->witness, "ACPI_DEVICE_OST", PATIENCE,
                                                &error)) != NULL);
        check_zones(fixture, 0, 0);
        test_check(witness_unplug_dimm(fixture->witness, "a", PATIENCE, &error));
    } else {
        plug(fixture, "a", 256 * MIB);
        check_zones(fixture, 0, 256 * MIB);
    }
}

#define ONLINE_TEST(function) cmocka_unit_test_setup_teardown(function, start, end)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        ONLINE_TEST(test_ratio),
        ONLINE_TEST(test_too_large_dimm),
        ONLINE_TEST(test_virtio_mem_at_boot),
        ONLINE_TEST(test_dimm_at_boot),
        ONLINE_TEST(test_administrators_choice),
        ONLINE_TEST(test_without_rule),
    };
    if (argc != 2) {
        g_printerr("usage: test-online KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    g_autofree char *reason = test_guest_unavailable(kernel);
    if (reason != NULL) {
        g_printerr("skipped: %s\n", reason);
        return 77;
    }
    return cmocka_run_group_tests_name("online", tests, NULL, NULL);
}
