/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/limits-in-force.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static const GuestMemory with_dimms = {
    .boot = 256 * MIB, .max = 2048 * MIB, .slots = 4, .has_balloon = TRUE
};

static LimitsInForce
force_on(const GuestMemory *memory, const GuestLimits *own)
{
    g_autoptr(Config) config = config_load("/nonexistent/memplug.conf", FALSE, NULL);

    return limits_in_force(config, "web", own, memory);
}

static LimitsInForce
force_of(const GuestLimits *own)
{
    return force_on(&with_dimms, own);
}

static void
test_boot_memory_and_maxmem_without_a_word(void **state)
{
    const GuestLimits own = { 0 };
    g_auto(LimitsInForce) force = force_of(&own);

    assert_int_equal(force.limits.floor, 256 * MIB);
    assert_int_equal(force.limits.ceiling, 2048 * MIB);
    assert_true(force.limits.managed);
    assert_int_equal(force.limits.mechanism, MECHANISM_AUTO);
}

static void
test_predictor_is_the_one_that_is_named(void **state)
{
    GuestLimits own = { 0 };
    g_auto(LimitsInForce) unsaid = force_of(&own);
    g_auto(LimitsInForce) named = { 0 }, unknown = { 0 };

    assert_ptr_equal(unsaid.predictor, predictor_list()[0]);
    assert_string_equal(unsaid.limits.predictor, predictor_list()[0]->name);
    own = (GuestLimits){ .set = GUEST_LIMIT_PREDICTOR, .predictor = "trend" };
    named = force_of(&own);
    assert_ptr_equal(named.predictor, &predictor_trend);
    /* As a newer memplug may have written it. */
    own = (GuestLimits){ .set = GUEST_LIMIT_PREDICTOR, .predictor = "oracle" };
    unknown = force_of(&own);
    assert_ptr_equal(unknown.predictor, predictor_list()[0]);
}

static void
test_never_beyond_what_the_devices_reach(void **state)
{
    const GuestLimits own = { .set = GUEST_LIMIT_FLOOR | GUEST_LIMIT_CEILING,
                              .floor = MIB,
                              .ceiling = 1024 * 1024 * MIB };
    g_auto(LimitsInForce) force = force_of(&own);

    assert_int_equal(force.limits.floor, RECIPE_LEAST_LEFT);
    assert_int_equal(force.limits.ceiling, 2048 * MIB);
}

static void
test_a_floor_above_all_moves_the_ceiling_with_it(void **state)
{
    const GuestLimits own = { .set = GUEST_LIMIT_CEILING | GUEST_LIMIT_MECHANISM,
                              .ceiling = 128 * MIB,
                              .mechanism = MECHANISM_DIMM };
    g_auto(LimitsInForce) force = force_of(&own);

    assert_int_equal(force.limits.floor, 256 * MIB); /* boot memory cannot go by DIMM */
    assert_int_equal(force.limits.ceiling, 256 * MIB);
}

static void
test_admits_within_and_says_what_to_do_outside(void **state)
{
    const GuestLimits own = { .set = GUEST_LIMIT_CEILING, .ceiling = 1024 * MIB };
    g_auto(LimitsInForce) force = force_of(&own);
    g_autoptr(GError) low = NULL;
    g_autoptr(GError) high = NULL;
    g_autoptr(GError) unreachable = NULL;

    assert_true(limits_in_force_admit(&force, "web", 256 * MIB, NULL));
    assert_true(limits_in_force_admit(&force, "web", 1024 * MIB, NULL));
    assert_false(limits_in_force_admit(&force, "web", 255 * MIB, &low));
    assert_non_null(strstr(low->message, "memplug limits web --floor '255 MiB'"));
    assert_false(limits_in_force_admit(&force, "web", 1025 * MIB, &high));
    assert_non_null(strstr(high->message, "--ceiling '1025 MiB'"));
    force.limits.ceiling = force.range.highest;
    assert_false(limits_in_force_admit(&force, "web", 4096 * MIB, &unreachable));
    assert_non_null(strstr(unreachable->message, "reach no higher than 2 GiB"));
}

static void
test_the_floor_is_what_the_guest_was_given(void **state)
{
    const GuestLimits own = { 0 };
    GuestMemory memory = with_dimms;
    g_auto(LimitsInForce) force = { 0 };

    memory.given = 128 * MIB;
    force = force_on(&memory, &own);
    assert_int_equal(force.limits.floor, 128 * MIB);
    assert_null(force.obstacle);
}

static void
test_nobody_is_given_more_than_the_cap(void **state)
{
    const GuestLimits own = { .set = GUEST_LIMIT_CEILING | GUEST_LIMIT_FLOOR,
                              .floor = 1500 * MIB,
                              .ceiling = 2048 * MIB };
    GuestMemory memory = with_dimms;
    g_auto(LimitsInForce) force = { 0 };
    g_autoptr(GError) error = NULL;

    memory.cap = 1024 * MIB + 1;
    memory.cap_reason = (char *)"the domain's memtune hard_limit";
    force = force_on(&memory, &own);
    assert_int_equal(force.cap, 1024 * MIB);
    assert_int_equal(force.limits.ceiling, 1024 * MIB);
    assert_int_equal(force.limits.floor, 1024 * MIB);
    assert_false(limits_in_force_admit(&force, "web", 1025 * MIB, &error));
    assert_non_null(strstr(error->message, "with more than 1 GiB it would be killed by the "
                                           "domain's memtune hard_limit"));
}

/* Without a balloon a target between two sizes is rounded up, so the cap is rounded down. */
static void
test_the_cap_is_a_size_that_the_devices_can_make(void **state)
{
    const GuestLimits own = { 0 };
    GuestMemory memory = with_dimms;
    g_auto(LimitsInForce) force = { 0 };
    g_auto(LimitsInForce) below = { 0 };

    memory.has_balloon = FALSE;
    memory.cap = 1000 * MIB;
    force = force_on(&memory, &own);
    assert_int_equal(force.limits.ceiling, (256 + 5 * 128) * MIB);
    memory.cap = 100 * MIB; /* it has more already, and cannot have less */
    below = force_on(&memory, &own);
    assert_int_equal(below.limits.ceiling, 256 * MIB);
}

static void
test_what_must_not_be_touched_says_why(void **state)
{
    const GuestLimits own = { 0 };
    GuestMemory memory = with_dimms;
    g_auto(LimitsInForce) force = { 0 };
    g_autoptr(GError) error = NULL;

    memory.obstacle = (char *)"a physical device holds all of its memory";
    force = force_on(&memory, &own);
    assert_string_equal(force.obstacle, "a physical device holds all of its memory");
    assert_false(limits_in_force_admit(&force, "web", 256 * MIB, &error));
    assert_non_null(strstr(error->message, "a physical device"));
}

static void
test_what_cannot_be_moved_says_what_is_missing(void **state)
{
    static const struct {
        Mechanism mechanism;
        const char *part;
    } cases[] = {
        { MECHANISM_AUTO, "no balloon, no virtio-mem device and no room" },
        { MECHANISM_DIMM, "no DIMM slots" },
        { MECHANISM_VIRTIO_MEM, "no virtio-mem device" },
        { MECHANISM_BALLOON, "has none" },
    };
    const GuestMemory bare = { .boot = 256 * MIB, .max = 256 * MIB };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const GuestLimits own = { .set = GUEST_LIMIT_MECHANISM, .mechanism = cases[i].mechanism };
        g_auto(LimitsInForce) force = force_on(&bare, &own);

        assert_non_null(force.obstacle);
        assert_non_null(strstr(force.obstacle, cases[i].part));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boot_memory_and_maxmem_without_a_word),
        cmocka_unit_test(test_predictor_is_the_one_that_is_named),
        cmocka_unit_test(test_never_beyond_what_the_devices_reach),
        cmocka_unit_test(test_a_floor_above_all_moves_the_ceiling_with_it),
        cmocka_unit_test(test_admits_within_and_says_what_to_do_outside),
        cmocka_unit_test(test_the_floor_is_what_the_guest_was_given),
        cmocka_unit_test(test_nobody_is_given_more_than_the_cap),
        cmocka_unit_test(test_the_cap_is_a_size_that_the_devices_can_make),
        cmocka_unit_test(test_what_must_not_be_touched_says_why),
        cmocka_unit_test(test_what_cannot_be_moved_says_what_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
