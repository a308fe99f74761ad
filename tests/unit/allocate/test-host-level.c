/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "allocate/host-level.h"

#define S G_USEC_PER_SEC

static const HostMarks marks = { .soft = 400, .hard = 200, .emergency = 100 };

static HostLevel
look(HostState *state, guint64 available, gint64 now)
{
    const HostLook what = { .available = available };

    return host_level_look(state, &marks, &what, now);
}

static void
test_levels_are_entered_at_once(void **state)
{
    HostState host = { 0 };

    assert_int_equal(look(&host, 400, 1 * S), HOST_LEVEL_WELL);
    assert_int_equal(look(&host, 399, 2 * S), HOST_LEVEL_SOFT);
    assert_int_equal(look(&host, 199, 3 * S), HOST_LEVEL_HARD);
    assert_int_equal(look(&host, 99, 4 * S), HOST_LEVEL_EMERGENCY);

    host = (HostState){ 0 };
    assert_int_equal(look(&host, 0, 1 * S), HOST_LEVEL_EMERGENCY);
}

static void
test_levels_are_left_slowly(void **state)
{
    HostState host = { 0 };

    assert_int_equal(look(&host, 50, 1 * S), HOST_LEVEL_EMERGENCY);
    /* Above the mark, not yet beyond it. */
    assert_int_equal(look(&host, 124, 100 * S), HOST_LEVEL_EMERGENCY);
    assert_int_equal(look(&host, 125, 101 * S), HOST_LEVEL_EMERGENCY);
    assert_int_equal(look(&host, 125, 106 * S - 1), HOST_LEVEL_EMERGENCY);
    assert_int_equal(look(&host, 125, 106 * S), HOST_LEVEL_HARD);
    /* One at a time, and from the beginning after each relapse. */
    assert_int_equal(look(&host, 1000, 108 * S), HOST_LEVEL_HARD);
    assert_int_equal(look(&host, 240, 110 * S), HOST_LEVEL_HARD);
    assert_int_equal(look(&host, 1000, 111 * S), HOST_LEVEL_HARD);
    assert_int_equal(look(&host, 1000, 116 * S), HOST_LEVEL_SOFT);
    assert_int_equal(look(&host, 1000, 121 * S), HOST_LEVEL_WELL);
}

static void
test_stalls_make_it_worse(void **state)
{
    HostState host = { 0 };
    HostLook what = { .available = 300 };

    assert_int_equal(host_level_look(&host, &marks, &what, 10 * S), HOST_LEVEL_SOFT);
    what.stalled_us = S / 10;
    assert_int_equal(host_level_look(&host, &marks, &what, 11 * S), HOST_LEVEL_SOFT);
    what.stalled_us += S / 10 + 1;
    assert_int_equal(host_level_look(&host, &marks, &what, 12 * S), HOST_LEVEL_HARD);

    /* Or the kernel says so by itself. */
    host = (HostState){ 0 };
    what = (HostLook){ .available = 300, .stalling = TRUE };
    assert_int_equal(host_level_look(&host, &marks, &what, 10 * S), HOST_LEVEL_HARD);

    /* Others' stalls, in a control group of their own say, where there is plenty. */
    host = (HostState){ 0 };
    what = (HostLook){ .available = 4000 };
    host_level_look(&host, &marks, &what, 10 * S);
    what.stalled_us = S;
    assert_int_equal(host_level_look(&host, &marks, &what, 11 * S), HOST_LEVEL_WELL);
}

static HostAllowance
allow(HostLevel level, guint64 available)
{
    const HostLook what = { .available = available };

    /* The guests have 1000 of 2000; their floors are 300. */
    return host_level_allow(level, &marks, &what, 2000, 1000, 300);
}

static void
test_what_guests_may_have(void **state)
{
    HostAllowance a;

    assert_int_equal(allow(HOST_LEVEL_WELL, 5000).budget, 2000);
    /* They do not grow into what the host is about to lack. */
    assert_int_equal(allow(HOST_LEVEL_WELL, 600).budget, 1200);
    a = allow(HOST_LEVEL_SOFT, 350);
    assert_int_equal(a.budget, 1000);
    assert_int_equal(a.spare, 50);
    a = allow(HOST_LEVEL_SOFT, 450);
    assert_int_equal(a.budget, 1000);
    assert_int_equal(a.spare, 0);
    a = allow(HOST_LEVEL_HARD, 150);
    assert_int_equal(a.budget, 750);
    assert_int_equal(a.spare, 0);
    assert_int_equal(allow(HOST_LEVEL_EMERGENCY, 50).budget, 300);
}

static void
test_no_marks(void **state)
{
    const HostMarks none = { 0 };
    const HostLook what = { .available = 0, .stalled_us = 0 };
    HostState host = { 0 };

    assert_int_equal(host_level_look(&host, &none, &what, S), HOST_LEVEL_WELL);
    assert_int_equal(host_level_allow(HOST_LEVEL_WELL, &none, &what, 2000, 1000, 300).budget, 2000);
}

/* Whatever there is: never below the floors, never above the budget. */
static void
test_bounds(void **state)
{
    static const guint64 sizes[] = { 0, 1, 99, 100, 250, 400, 500, 2000, G_MAXUINT64 };

    for (HostLevel level = HOST_LEVEL_WELL; level <= HOST_LEVEL_EMERGENCY; level++)
        for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++)
            for (gsize j = 0; j < G_N_ELEMENTS(sizes); j++)
                for (gsize k = 0; k < G_N_ELEMENTS(sizes); k++) {
                    const HostLook what = { .available = sizes[i] };
                    HostAllowance a =
                        host_level_allow(level, &marks, &what, 2000, sizes[j], sizes[k]);

                    assert_true(a.budget <= 2000);
                    assert_true(a.budget >= MIN(sizes[k], 2000));
                    assert_true(a.spare <= a.budget);
                }
    for (HostLevel level = HOST_LEVEL_WELL; level <= HOST_LEVEL_EMERGENCY; level++)
        assert_non_null(host_level_name(level));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_are_entered_at_once),
        cmocka_unit_test(test_levels_are_left_slowly),
        cmocka_unit_test(test_stalls_make_it_worse),
        cmocka_unit_test(test_what_guests_may_have),
        cmocka_unit_test(test_no_marks),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
