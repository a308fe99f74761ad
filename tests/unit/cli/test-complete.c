/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Completion of what no daemon is asked for; test-memplug.c has the rest.
 */
#include "cli/complete.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_split(void **state)
{
    /* Words before the last one joined by "|". */
    static const struct {
        const char *text;
        const char *words;
        const char *last;
    } rows[] = {
        { "", "", "" },
        { "se", "", "se" },
        { "setmem ", "setmem", "" },
        { "setmem we", "setmem", "we" },
        { "  setmem   web  ", "setmem|web", "" },
        { "info 'web 1' x", "info|web 1", "x" },
        { "info 'web", "info", "web" },
        { "info 'web ", "info", "web " },
        { "info \"web ", "info", "web " },
        { "info \"it's ", "info", "it's " },
        { "info web\\ ", "info", "web " },
        { "info web\\ 1", "info", "web 1" },
        { "info a|b", "info", "a|b" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *last = NULL;
        g_auto(GStrv) words = complete_split(rows[i].text, &last);
        g_autofree char *joined = NULL;

        assert_non_null(words);
        joined = g_strjoinv("|", words);
        assert_string_equal(joined, rows[i].words);
        assert_string_equal(last, rows[i].last);
    }
}

static void
test_split_in_a_comment(void **state)
{
    g_autofree char *last = NULL;

    assert_null(complete_split("list # what is", &last));
    assert_null(last);
}

static void
assert_completes(const char *text, const char *expected)
{
    g_autofree char *last = NULL;
    g_auto(GStrv) words = complete_split(text, &last);
    /* Nobody answers there. */
    g_autoptr(Connection) connection = connection_new("unix:path=/nonexistent/bus");
    g_auto(GStrv) found = complete_word(words, last, connection);
    g_autofree char *joined = g_strjoinv(" ", found);

    assert_string_equal(joined, expected);
}

static void
test_words_of_the_language(void **state)
{
    assert_completes("li", "list limits");
    assert_completes("--bus session li", "list limits");
    assert_completes("--", "--bus --json --help --version");
    assert_completes("setmem --", "--no-wait --timeout --config --bus --json --help --version");
    assert_completes("setmem --t", "--timeout");
    assert_completes("setmem --timeout ", "");
    assert_completes("limits web --mechanism ", "auto dimm virtio-mem balloon");
    assert_completes("limits web --mechanism=d", "--mechanism=dimm");
    assert_completes("limits web --predictor s", "season");
    assert_completes("limits web --predictor d", "default");
    assert_completes("limits --floor d", "default");
    assert_completes("limits --nonsense=d", "");
    assert_completes("list --json=", "");
    assert_completes("--bus s", "system session");
    assert_completes("manage web o", "on off");
    assert_completes("help set", "setmem setup");
    assert_completes("list ", "");
    assert_completes("nonsense ", "list info stats setmem limits manage plug unplug reserve "
                                  "release leases run host doctor setup events explain history "
                                  "report record policies simulate version help");
    assert_completes("manage -- --", "");
}

static void
test_guests_without_a_daemon(void **state)
{
    assert_completes("info ", "");
    assert_completes("unplug web ", "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_in_a_comment),
        cmocka_unit_test(test_words_of_the_language),
        cmocka_unit_test(test_guests_without_a_daemon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
