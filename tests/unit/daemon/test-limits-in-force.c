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
force_of(const GuestLimits *own)
{
    g_autoptr(Config) config = config_load("/nonexistent/memplug.conf", FALSE, NULL);

    return limits_in_force(config, "web", own, &with_dimms);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boot_memory_and_maxmem_without_a_word),
        cmocka_unit_test(test_never_beyond_what_the_devices_reach),
        cmocka_unit_test(test_a_floor_above_all_moves_the_ceiling_with_it),
        cmocka_unit_test(test_admits_within_and_says_what_to_do_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
