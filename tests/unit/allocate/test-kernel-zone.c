/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate/kernel-zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static KernelZone
make_zone(guint64 kernel, guint64 movable)
{
    return (KernelZone){ kernel * MIB, kernel / 2 * MIB, movable * MIB, movable / 2 * MIB };
}

static void
test_nothing_is_known(void **state)
{
    const KernelZone none = { 0 };

    assert_int_equal(kernel_zone_most(&none, 1024 * MIB), 0);
    assert_false(kernel_zone_is_spent(&none));
}

static void
test_four_parts_for_one(void **state)
{
    KernelZone zone = make_zone(256, 0);

    assert_int_equal(kernel_zone_most(&zone, 256 * MIB), (256 + 1024) * MIB);
    zone = make_zone(256, 1000);
    assert_int_equal(kernel_zone_most(&zone, 1256 * MIB), (1256 + 24) * MIB);
    zone = make_zone(256, 1024);
    assert_int_equal(kernel_zone_most(&zone, 1280 * MIB), 1280 * MIB);
    zone = make_zone(256, 15 * 1024);
    assert_int_equal(kernel_zone_most(&zone, 16 * 1024 * MIB), 16 * 1024 * MIB);
}

/* What the auto-movable policy makes of any size is never bound: it keeps 3 to 1 by
 * taking what is more into the kernel's zones. */
static void
test_auto_movable_is_never_bound(void **state)
{
    guint64 kernel = 256, movable = 0;

    for (guint i = 0; i < 400; i++) {
        KernelZone zone = make_zone(kernel, movable);
        guint64 actual = (kernel + movable) * MIB;

        assert_true(kernel_zone_most(&zone, actual) >= actual + 128 * MIB);
        if (movable + 128 <= 3 * kernel)
            movable += 128;
        else
            kernel += 128;
    }
}

static void
test_spent(void **state)
{
    KernelZone zone = make_zone(256, 768);

    zone.kernel_free = 3 * MIB;
    assert_true(kernel_zone_is_spent(&zone));
    assert_int_equal(kernel_zone_most(&zone, 1024 * MIB), 1024 * MIB);
    /* Where movable memory is used up as well, more of it helps. */
    zone.movable_free = 100 * MIB;
    assert_false(kernel_zone_is_spent(&zone));
    /* Where there is little of it, the kernel's zones are full of programs, not of the kernel. */
    zone = make_zone(1024, 1024);
    zone.kernel_free = 0;
    assert_false(kernel_zone_is_spent(&zone));
}

static void
test_lies_do_not_wrap(void **state)
{
    KernelZone zone = { G_MAXUINT64, 0, 0, G_MAXUINT64 };

    assert_int_equal(kernel_zone_most(&zone, G_MAXUINT64 - 1), G_MAXUINT64);
    zone = (KernelZone){ 1, G_MAXUINT64, G_MAXUINT64, 0 };
    assert_int_equal(kernel_zone_most(&zone, 1024 * MIB), 1024 * MIB);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known),
        cmocka_unit_test(test_four_parts_for_one),
        cmocka_unit_test(test_auto_movable_is_never_bound),
        cmocka_unit_test(test_spent),
        cmocka_unit_test(test_lies_do_not_wrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
