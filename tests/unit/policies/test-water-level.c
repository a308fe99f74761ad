/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policies/water-level.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_high_marks_fit(void **state)
{
    WaterVessel vessels[] = { { 0, 10, 1 }, { 5, 20, 3 } };

    water_level_fill(vessels, 2, 30);
    assert_int_equal(vessels[0].amount, 10);
    assert_int_equal(vessels[1].amount, 20);
}

static void
test_low_marks_exceed(void **state)
{
    WaterVessel vessels[] = { { 10, 20, 1 }, { 5, 20, 3 } };

    water_level_fill(vessels, 2, 14);
    assert_int_equal(vessels[0].amount, 10);
    assert_int_equal(vessels[1].amount, 5);
}

static void
test_water_stands_equally_high(void **state)
{
    WaterVessel vessels[] = { { 0, 100, 1 }, { 0, 100, 1 }, { 0, 7, 1 }, { 30, 100, 1 } };

    /* 7 full, 30 above the level, so 60 are left for two. */
    water_level_fill(vessels, 4, 97);
    assert_int_equal(vessels[0].amount, 30);
    assert_int_equal(vessels[1].amount, 30);
    assert_int_equal(vessels[2].amount, 7);
    assert_int_equal(vessels[3].amount, 30);
}

static void
test_weights_are_widths(void **state)
{
    WaterVessel vessels[] = { { 0, 1000, 1 }, { 0, 1000, 4 }, { 0, 1000, 0.5 } };

    water_level_fill(vessels, 3, 550);
    assert_int_equal(vessels[0].amount, 100);
    assert_int_equal(vessels[1].amount, 400);
    assert_int_equal(vessels[2].amount, 50);
}

/* 1 : 3 is no binary fraction: the shares are right to nine digits. */
static void
test_weights_are_nearly_exact(void **state)
{
    const guint64 tib = G_GUINT64_CONSTANT(1) << 40;
    WaterVessel vessels[] = { { 0, 4 * tib, 1 }, { 0, 4 * tib, 3 } };

    water_level_fill(vessels, 2, 4 * tib);
    assert_true(vessels[0].amount + vessels[1].amount >= 4 * tib - 1);
    assert_true(vessels[0].amount <= tib && vessels[0].amount > tib - tib / 1000000000 * 4);
}

static void
test_what_cannot_be_split_is_left(void **state)
{
    WaterVessel vessels[] = { { 0, 100, 1 }, { 0, 100, 1 }, { 0, 100, 1 } };

    water_level_fill(vessels, 3, 11);
    for (guint i = 0; i < 3; i++)
        assert_int_equal(vessels[i].amount, 3);
}

static void
test_tax_beyond_what_is_busy(void **state)
{
    WaterVessel vessels[] = { { 0, 1000, 1, .busy = 200, .tax = 4 },
                              { 0, 1000, 1, .busy = 100, .tax = 4 } };

    /* Up to 100 the same; then the second rises a quarter as fast, from 200 on both. */
    water_level_fill(vessels, 2, 200);
    assert_int_equal(vessels[0].amount, 100);
    assert_int_equal(vessels[1].amount, 100);
    water_level_fill(vessels, 2, 325);
    assert_int_equal(vessels[0].amount, 200);
    assert_int_equal(vessels[1].amount, 125);
    water_level_fill(vessels, 2, 525);
    assert_int_equal(vessels[0].amount, 300);
    assert_int_equal(vessels[1].amount, 225);
    water_level_fill(vessels, 2, 2000);
    assert_int_equal(vessels[0].amount, 1000);
    assert_int_equal(vessels[1].amount, 1000);
}

static void
test_extremes(void **state)
{
    WaterVessel vessels[] = { { 0, G_MAXUINT64, 1000 },
                              { 0, G_MAXUINT64, 1e-9 },
                              { G_MAXUINT64, G_MAXUINT64, 1 } };

    water_level_fill(vessels, 3, G_MAXUINT64);
    assert_int_equal(vessels[0].amount, 0);
    assert_int_equal(vessels[1].amount, 0);
    assert_int_equal(vessels[2].amount, G_MAXUINT64);

    /* 1000 : 1e-9 is beyond the resolution of widths; the heavy one has the rest. */
    water_level_fill(vessels, 2, G_MAXUINT64);
    assert_true(vessels[1].amount <= G_MAXUINT64 >> 29);
    assert_true(vessels[0].amount >= G_MAXUINT64 - vessels[1].amount - 1);

    vessels[1] = (WaterVessel){ 0, G_MAXUINT64, 1e-9, .tax = WATER_TAX_MAX };
    water_level_fill(vessels, 2, G_MAXUINT64);
    assert_true(vessels[1].amount <= G_MAXUINT64 >> 29);

    water_level_fill(NULL, 0, 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_high_marks_fit),
        cmocka_unit_test(test_low_marks_exceed),
        cmocka_unit_test(test_water_stands_equally_high),
        cmocka_unit_test(test_weights_are_widths),
        cmocka_unit_test(test_weights_are_nearly_exact),
        cmocka_unit_test(test_what_cannot_be_split_is_left),
        cmocka_unit_test(test_tax_beyond_what_is_busy),
        cmocka_unit_test(test_extremes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
