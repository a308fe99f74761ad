/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hotplug/trouble.h"

static const TroubleTuning tuning = { .first_us = 10, .most_us = 35 };
static const RecipeBound dimm = { "dimm0", 128, 128 };

static guint
bounds_at(const TroubleBook *book, gint64 now)
{
    g_autoptr(GArray) bounds = trouble_book_bounds(book, now);
    guint count = 0;

    for (guint i = 0; i < bounds->len; i++) {
        const RecipeBound *bound = &g_array_index(bounds, RecipeBound, i);

        count += !bound->lapsed;
        assert_true(!bound->lapsed || (bound->least == 0 && bound->most == G_MAXUINT64));
    }
    return count;
}

static void
test_holds_until_its_time(void **state)
{
    g_autoptr(TroubleBook) book = trouble_book_new();
    g_autoptr(GArray) bounds = NULL;

    trouble_book_record(book, &tuning, &dimm, "in use", 100);
    bounds = trouble_book_bounds(book, 109);
    assert_int_equal(bounds->len, 1);
    assert_string_equal(g_array_index(bounds, RecipeBound, 0).device, "dimm0");
    assert_int_equal(g_array_index(bounds, RecipeBound, 0).least, 128);
    assert_string_equal(trouble_book_next(book, 109)->reason, "in use");
    assert_int_equal(bounds_at(book, 110), 0);
    assert_null(trouble_book_next(book, 110));
}

static void
test_waits_double_up_to_the_most(void **state)
{
    static const gint64 waits[] = { 10, 20, 35, 35 };
    g_autoptr(TroubleBook) book = trouble_book_new();
    gint64 now = 0;

    for (guint i = 0; i < G_N_ELEMENTS(waits); i++) {
        trouble_book_record(book, &tuning, &dimm, "in use", now);
        assert_int_equal(bounds_at(book, now + waits[i] - 1), 1);
        assert_int_equal(bounds_at(book, now + waits[i]), 0);
        now += waits[i];
    }
}

static void
test_following_forgets_only_what_is_over(void **state)
{
    g_autoptr(TroubleBook) book = trouble_book_new();

    trouble_book_record(book, &tuning, &dimm, "in use", 0);
    trouble_book_followed(book, "dimm0", 5); /* it went as far as its bound, no more */
    assert_int_equal(bounds_at(book, 5), 1);
    trouble_book_followed(book, "dimm0", 10);
    trouble_book_record(book, &tuning, &dimm, "in use", 20);
    assert_int_equal(bounds_at(book, 30), 0); /* the first strike again, not the second */
}

static void
test_retry_all_keeps_the_strikes(void **state)
{
    g_autoptr(TroubleBook) book = trouble_book_new();

    trouble_book_record(book, &tuning, &dimm, "in use", 0);
    trouble_book_retry_all(book, 1);
    assert_int_equal(bounds_at(book, 1), 0);
    trouble_book_record(book, &tuning, &dimm, "in use", 1);
    assert_int_equal(bounds_at(book, 20), 1);
}

static void
test_the_next_is_the_first_to_be_over(void **state)
{
    const RecipeBound other = { "vm0", 0, 64 };
    g_autoptr(TroubleBook) book = trouble_book_new();

    trouble_book_record(book, &tuning, &other, "slow", 5);
    trouble_book_record(book, &tuning, &dimm, "in use", 0);
    assert_string_equal(trouble_book_next(book, 6)->device, "dimm0");
    trouble_book_forget(book, "dimm0");
    assert_string_equal(trouble_book_next(book, 6)->device, "vm0");
    trouble_book_clear(book);
    assert_int_equal(bounds_at(book, 6), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds_until_its_time),
        cmocka_unit_test(test_waits_double_up_to_the_most),
        cmocka_unit_test(test_following_forgets_only_what_is_over),
        cmocka_unit_test(test_retry_all_keeps_the_strikes),
        cmocka_unit_test(test_the_next_is_the_first_to_be_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
