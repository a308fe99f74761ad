/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hotplug/plug-time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS 1000

static void
test_nothing_known(void **state)
{
    PlugTime time = { 0 };

    assert_int_equal(plug_time_expect(&time), 100 * MS);
}

static void
test_median_of_the_latest(void **state)
{
    PlugTime time = { 0 };

    plug_time_add(&time, 60 * MS);
    assert_int_equal(plug_time_expect(&time), 60 * MS);
    plug_time_add(&time, 4000 * MS); /* one that waited for something else */
    plug_time_add(&time, 50 * MS);
    assert_int_equal(plug_time_expect(&time), 60 * MS);
    for (guint i = 0; i < 2 * PLUG_TIMES; i++)
        plug_time_add(&time, 300 * MS);
    assert_int_equal(plug_time_expect(&time), 300 * MS);
}

static void
test_within_bounds(void **state)
{
    PlugTime time = { 0 };

    plug_time_add(&time, 0);
    assert_int_equal(plug_time_expect(&time), 20 * MS);
    for (guint i = 0; i < PLUG_TIMES; i++)
        plug_time_add(&time, G_MAXINT64);
    assert_int_equal(plug_time_expect(&time), 5000 * MS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_median_of_the_latest),
        cmocka_unit_test(test_within_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
