/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/difference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "--- was\n+++ is\n"

static void
assert_difference(const char *before, const char *after, const char *expected)
{
    g_autofree char *text = difference(before, after, "was", "is");

    assert_string_equal(text, expected);
}

static void
test_nothing_differs(void **state)
{
    assert_difference("", "", "");
    assert_difference("a\nb\n", "a\nb\n", "");
    /* The end of the last line is not looked at. */
    assert_difference("a\nb", "a\nb\n", "");
}

/* As diff -u has them. */
static void
test_places(void **state)
{
    assert_difference("", "a\n", HEAD "@@ -0,0 +1 @@\n+a\n");
    assert_difference("a\n", "", HEAD "@@ -1 +0,0 @@\n-a\n");
    assert_difference("a\nb\nc\n", "a\nB\nc\n", HEAD "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
    assert_difference("b\n", "a\nb\nc\n", HEAD "@@ -1 +1,3 @@\n+a\n b\n+c\n");
    assert_difference("a\nb\nc\nd\n", "a\nd\n", HEAD "@@ -1,4 +1,2 @@\n a\n-b\n-c\n d\n");
    /* No more than three lines around. */
    assert_difference("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n5\n6\n7\n8\n9\n",
                      HEAD "@@ -2,6 +2,7 @@\n 2\n 3\n 4\n+x\n 5\n 6\n 7\n");
}

static void
test_changes_share_a_hunk_if_they_are_near(void **state)
{
    assert_difference("a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
                      HEAD "@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n");
    assert_difference("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\nAA\n1\n2\n3\n4\n5\n6\n7\nB\n",
                      HEAD "@@ -1,4 +1,5 @@\n-a\n+A\n+AA\n 1\n 2\n 3\n"
                           "@@ -6,4 +7,4 @@\n 5\n 6\n 7\n-b\n+B\n");
}

static char *
random_text(GRand *random)
{
    GString *text = g_string_new(NULL);
    gint lines = g_rand_int_range(random, 0, 40);

    for (gint i = 0; i < lines; i++)
        g_string_append_printf(text, "%c\n", 'a' + g_rand_int_range(random, 0, 4));
    return g_string_free(text, FALSE);
}

/* Takes @before along to the line @upto (from 1 on). */
static void
copy_lines(GString *out, char ***before, guint *line, guint upto)
{
    for (; *line < upto; (*line)++)
        g_string_append_printf(out, "%s\n", *(*before)++);
}

/* What patch(1) would make of it. */
static char *
apply(const char *before, const char *patch)
{
    g_auto(GStrv) lines = g_strsplit(before, "\n", -1);
    g_auto(GStrv) steps = g_strsplit(patch, "\n", -1);
    GString *out = g_string_new(NULL);
    char **next = lines;
    guint line = 1;

    for (char **step = steps; *step; step++) {
        if (g_str_has_prefix(*step, "@@ -")) {
            guint first = (guint)g_ascii_strtoull(*step + 4, NULL, 10);

            copy_lines(out, &next, &line, strstr(*step, ",0 +") ? first + 1 : first);
        } else if (**step == '+' && !g_str_has_prefix(*step, "+++")) {
            g_string_append_printf(out, "%s\n", *step + 1);
        } else if (**step == ' ' || (**step == '-' && !g_str_has_prefix(*step, "---"))) {
            assert_string_equal(*step + 1, *next);
            if (**step == ' ')
                g_string_append_printf(out, "%s\n", *next);
            next++;
            line++;
        }
    }
    copy_lines(out, &next, &line, g_strv_length(lines));
    return g_string_free(out, FALSE);
}

static void
test_a_patch_leads_from_one_to_the_other(void **state)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(20);

    for (guint i = 0; i < 3000; i++) {
        g_autofree char *before = random_text(random);
        g_autofree char *after = random_text(random);
        g_autofree char *patch = difference(before, after, "was", "is");
        g_autofree char *made = apply(before, patch);

        assert_string_equal(made, after);
    }
}

static void
test_endless_texts_are_not_compared(void **state)
{
    GString *text = g_string_new(NULL);
    g_autofree char *changes = NULL;

    for (guint i = 0; i <= DIFFERENCE_MAX_LINES; i++)
        g_string_append(text, "x\n");
    changes = difference(text->str, "x\n", "was", "is");
    assert_true(g_str_has_suffix(changes, "\n-x\n+x\n"));
    g_string_free(text, TRUE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_differs),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_changes_share_a_hunk_if_they_are_near),
        cmocka_unit_test(test_a_patch_leads_from_one_to_the_other),
        cmocka_unit_test(test_endless_texts_are_not_compared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
