/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/similar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const words[] = { "list", "limits", "setmem", "web", "webserver", NULL };

static void
test_slips_are_recognised(void **state)
{
    static const struct {
        const char *typed;
        const char *meant;
    } rows[] = {
        { "lits", "list" },    { "lst", "list" },      { "LIST", "list" },
        { "limit", "limits" }, { "setmme", "setmem" }, { "setemem", "setmem" },
        { "wbe", "web" },      { "wep", "web" },       { "webserve", "webserver" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        assert_string_equal(similar_find(rows[i].typed, words), rows[i].meant);
}

static void
test_other_words_are_left_alone(void **state)
{
    static const char *const others[] = { "nonsense", "x", "wxy", "", "setxyz" };
    g_autofree char *endless = g_strnfill(100000, 'w');

    for (gsize i = 0; i < G_N_ELEMENTS(others); i++)
        assert_null(similar_find(others[i], words));
    assert_null(similar_find(endless, words));
    assert_null(similar_find("web", (const char *const[]){ endless, NULL }));
    assert_null(similar_find("web", (const char *const[]){ NULL }));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slips_are_recognised),
        cmocka_unit_test(test_other_words_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
