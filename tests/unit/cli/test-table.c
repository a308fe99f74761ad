/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/terminal.h"

static const TableColumn columns[] = { { "Name" }, { "Size", TRUE }, { "Notes" } };

static Table *
example(const char *note)
{
    Table *table = table_new(columns, G_N_ELEMENTS(columns));

    table_add(table, "dépôt");
    table_add_take(table, g_strdup("1 GiB"));
    table_add_note(table, "");
    table_add(table, "世界");
    table_add(table, NULL);
    table_add_note(table, note);
    return table;
}

static void
test_columns_are_as_wide_as_they_look(void **state)
{
    g_autoptr(Table) table = example("held");
    g_autofree char *text = table_render(table, 0);

    assert_string_equal(text, "Name    Size  Notes\n"
                              "dépôt  1 GiB\n"
                              "世界       -  held\n");
}

static void
test_last_column_is_fitted(void **state)
{
    g_autoptr(Table) table = example("the guest does not give it back");
    g_autofree char *fitted = table_render(table, 30);
    g_autofree char *narrow = table_render(table, 18);
    g_autofree char *wide = table_render(table, 200);

    assert_non_null(strstr(fitted, "世界       -  the guest does …\n"));
    /* Too narrow for anything: nothing is lost then. */
    assert_non_null(strstr(narrow, "the guest does not give it back\n"));
    assert_non_null(strstr(wide, "the guest does not give it back\n"));
}

static void
test_text_cannot_move_the_cursor(void **state)
{
    g_autofree char *clean = terminal_clean("a\tb\n\033[2Jc\x9b"
                                            "d\xff\u202e");

    assert_string_equal(clean, "a b ?[2Jc\ufffdd\ufffd?");
}

static void
test_shortening(void **state)
{
    static const struct {
        const char *text;
        guint columns;
        const char *expected;
    } rows[] = {
        { "short", 5, "short" },
        { "shorter", 5, "shor…" },
        { "世界世界", 5, "世界…" },
        { "世界世界", 4, "世…" },
        { "x", 0, "" },
        { "", 0, "" },
        { "xy", 1, "…" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *fitted = terminal_shorten(rows[i].text, rows[i].columns);

        assert_string_equal(fitted, rows[i].expected);
        assert_true(terminal_text_width(fitted) <= rows[i].columns);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_are_as_wide_as_they_look),
        cmocka_unit_test(test_last_column_is_fitted),
        cmocka_unit_test(test_text_cannot_move_the_cursor),
        cmocka_unit_test(test_shortening),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
