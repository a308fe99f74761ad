/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The manual page is told what the help text tells.
 */
#include "cli/command-manual.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <gio/gio.h>

#include "cli/command.h"

/* What scdoc makes of @text where it stands for itself: without its escapes. */
static char *
read_back(const char *text)
{
    GString *plain = g_string_new(NULL);

    for (const char *c = text; *c; c++) {
        if (*c == '\\')
            c++;
        else if (*c == '*' || *c == '_')
            continue;
        g_string_append_c(plain, *c);
    }
    return g_string_free(plain, FALSE);
}

/* Help folds what is long, and a page is filled: where lines end does not matter. */
static char *
unfold(const char *text)
{
    g_autoptr(GRegex) space = g_regex_new("\\s+", 0, 0, NULL);

    return g_regex_replace_literal(space, text, -1, 0, " ", 0, NULL);
}

static void
assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no '%s' in:\n%s", part, text);
}

static void
test_every_command_is_there(void **state)
{
    g_autofree char *part = command_manual_part(COMMAND_MANUAL_COMMANDS);
    g_autofree char *plain = read_back(part);
    g_autofree char *text = unfold(plain);

    for (const Command *const *command = command_all(); *command; command++) {
        g_autofree char *heading = g_strdup_printf("## %s\n\n", (*command)->name);
        g_autofree char *usage = command_usage(*command);
        g_autofree char *usage_text = unfold(usage);
        g_autofree char *description = unfold((*command)->description);

        assert_contains(part, heading);
        assert_contains(text, usage_text);
        assert_contains(text, description);
        assert_contains(part, (*command)->examples);
        for (const CommandOption *option = (*command)->options; option && option->name; option++)
            assert_contains(text, option->summary);
    }
}

static void
test_what_every_command_shares(void **state)
{
    g_autofree char *options = command_manual_part(COMMAND_MANUAL_OPTIONS);
    g_autofree char *statuses = command_manual_part(COMMAND_MANUAL_STATUSES);
    g_autofree char *plain = read_back(options);

    for (const CommandOption *option = command_global_options; option->name; option++)
        assert_contains(plain, option->summary);
    assert_contains(options, "*\\--bus* _BUS_\n\tsystem, session");
    assert_string_equal(statuses, "*0*\n\tdone\n\n*1*\n\tfailed\n\n*2*\n\twrong usage\n");
}

static void
test_parts_come_into_the_page(void **state)
{
    g_autofree char *options = command_manual_part(COMMAND_MANUAL_OPTIONS);
    g_autofree char *commands = command_manual_part(COMMAND_MANUAL_COMMANDS);
    g_autofree char *statuses = command_manual_part(COMMAND_MANUAL_STATUSES);
    g_autofree char *expected =
        g_strdup_printf("one\n\n%s\ntwo\n%s%sthree\n", options, commands, statuses);
    g_autofree char *page =
        command_manual_page("one\n\n; options\n\ntwo\n; commands\n; statuses\nthree\n", NULL);

    assert_string_equal(page, expected);
}

static void
test_pages_that_are_refused(void **state)
{
    static const struct {
        const char *source;
        const char *message;
    } rows[] = {
        { "; options\n; statuses\n", "the line '; commands' is there 0 times" },
        { "; commands\n; commands\n; options\n; statuses\n",
          "the line '; commands' is there 2 times" },
        { "; commands\n; options\n; statuses \n", "the line '; statuses' is there 0 times" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        assert_null(command_manual_page(rows[i].source, &error));
        assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA));
        assert_string_equal(error->message, rows[i].message);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_command_is_there),
        cmocka_unit_test(test_what_every_command_shares),
        cmocka_unit_test(test_parts_come_into_the_page),
        cmocka_unit_test(test_pages_that_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
