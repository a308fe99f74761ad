/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rows of the command table, and what words make of them.
 */
#include "cli/command-line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "size/size.h"

static CommandLine *
parse(const char *text, GError **error)
{
    g_autoptr(CommandLine) line = command_line_new();
    g_auto(GStrv) words = NULL;

    assert_true(g_shell_parse_argv(text, NULL, &words, NULL));
    if (!command_line_feed_all(line, words, error) || !command_line_finish(line, error))
        return NULL;
    return g_steal_pointer(&line);
}

static CommandLine *
parse_well(const char *text)
{
    g_autoptr(GError) error = NULL;
    CommandLine *line = parse(text, &error);

    if (!line)
        fail_msg("%s: %s", text, error->message);
    return line;
}

/*
 * The table
 */

static void
assert_text(const char *text, guint columns)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    assert_true(*text != '\0');
    for (char **line = lines; *line; line++) {
        if (g_utf8_strlen(*line, -1) > columns)
            fail_msg("longer than %u columns: %s", columns, *line);
    }
}

static void
assert_row(const Command *command)
{
    gboolean optional = FALSE;

    assert_ptr_equal(command_find(command->name), command);
    assert_non_null(command->run);
    assert_text(command->summary, 55);
    assert_text(command->description, 79);
    for (const CommandArgument *argument = command->arguments; argument->name; argument++) {
        /* What is optional comes last, or nobody could tell which was left out. */
        assert_true(argument->optional || !optional);
        optional = argument->optional;
    }
    for (const CommandOption *option = command->options; option && option->name; option++) {
        assert_ptr_equal(command_find_option(command, option->name), option);
        assert_null(command_find_option(NULL, option->name));
        assert_text(option->summary, 56);
    }
}

static void
test_rows_are_whole(void **state)
{
    for (const Command *const *command = command_all(); *command; command++)
        assert_row(*command);
}

static void
test_examples_can_be_written_so(void **state)
{
    for (const Command *const *command = command_all(); *command; command++) {
        g_auto(GStrv) examples = g_strsplit((*command)->examples, "\n", -1);

        assert_non_null(examples[0]);
        for (char **example = examples; *example; example++) {
            g_autoptr(CommandLine) line = NULL;

            assert_true(g_str_has_prefix(*example, "memplug "));
            line = parse_well(*example + strlen("memplug "));
            assert_ptr_equal(command_line_command(line), *command);
        }
    }
}

static void
test_help_is_made_from_the_row(void **state)
{
    for (const Command *const *command = command_all(); *command; command++) {
        g_autofree char *help = command_describe(*command);
        g_autofree char *usage = command_usage(*command);
        g_autofree char *all = command_describe_all();
        g_auto(GStrv) examples = g_strsplit((*command)->examples, "\n", -1);

        assert_non_null(strstr(help, usage));
        assert_non_null(strstr(help, (*command)->description));
        for (char **example = examples; *example; example++)
            assert_non_null(strstr(help, *example));
        assert_non_null(strstr(help, "--json"));
        assert_non_null(strstr(all, (*command)->summary));
        for (const CommandOption *option = (*command)->options; option && option->name; option++)
            assert_non_null(strstr(help, option->summary));
        assert_text(help, 100);
    }
}

/*
 * The words
 */

static void
test_options_stand_anywhere(void **state)
{
    static const char *const lines[] = {
        "setmem web 512M --json --timeout 2.5 --bus session",
        "--json --bus=session setmem --timeout=2.5 web 512M",
        "--bus session setmem web --json --timeout 2.5 -- 512M",
        "--bus system --bus session setmem --json web --timeout 1 --timeout 2.5 512M",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(CommandLine) line = parse_well(lines[i]);

        assert_string_equal(command_line_command(line)->name, "setmem");
        assert_string_equal(command_line_text(line, 0), "web");
        assert_int_equal(command_line_argument(line, 1)->number, 512 * SIZE_MIB);
        assert_true(command_line_has(line, "json"));
        assert_false(command_line_has(line, "no-wait"));
        assert_string_equal(command_line_option(line, "bus")->text, "session");
        assert_true(command_line_seconds(line, "timeout", 0.0) == 2.5);
    }
}

static void
test_values(void **state)
{
    g_autoptr(CommandLine) kib = parse_well("setmem web 524288");
    g_autoptr(CommandLine) limits =
        parse_well("limits web --floor default --ceiling '1.5 GiB' --weight 0.25");
    g_autoptr(CommandLine) off = parse_well("manage web off");
    g_autoptr(CommandLine) count = parse_well("events --count 4294967295");

    assert_int_equal(command_line_argument(kib, 1)->number, 512 * SIZE_MIB);
    assert_int_equal(command_line_option(limits, "floor")->number, 0);
    assert_int_equal(command_line_option(limits, "ceiling")->number, 1536 * SIZE_MIB);
    assert_true(command_line_option(limits, "weight")->real == 0.25);
    assert_null(command_line_option(limits, "mechanism"));
    assert_int_equal(command_line_argument(off, 1)->number, 0);
    assert_int_equal(command_line_option(count, "count")->number, G_MAXUINT32);
}

static void
test_optional_argument(void **state)
{
    g_autoptr(CommandLine) without = parse_well("help");
    g_autoptr(CommandLine) with = parse_well("help setmem");

    assert_null(command_line_argument(without, 0));
    assert_string_equal(command_line_text(without, 0), "");
    assert_string_equal(command_line_text(with, 0), "setmem");
}

static void
test_a_name_like_an_option(void **state)
{
    g_autoptr(CommandLine) line = parse_well("info -- --json");
    g_autoptr(CommandLine) dash = parse_well("info -");

    assert_string_equal(command_line_text(line, 0), "--json");
    assert_false(command_line_has(line, "json"));
    assert_string_equal(command_line_text(dash, 0), "-");
}

static void
test_what_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        { "--json", "a command is missing" },
        { "nonsense", "unknown command 'nonsense'" },
        { "lsit", "unknown command 'lsit'; did you mean 'list'?" },
        { "setmem", "GUEST is missing" },
        { "setmem web", "SIZE is missing" },
        { "setmem '' 1G", "GUEST: '' is not a name: it is empty" },
        { "setmem web 1G 2G", "'2G' is one word too many" },
        { "setmem web 0G", "SIZE: '0G' is not a size above 0" },
        { "setmem web much", "SIZE: 'much' is not a size; write for example 512M or 2GiB" },
        { "setmem web 1G --nowait", "unknown option '--nowait'; did you mean '--no-wait'?" },
        { "setmem web 1G --no-wait=1", "--no-wait takes no value" },
        { "setmem web 1G --timeout", "--timeout needs a value: SECONDS" },
        { "setmem web 1G --timeout 0", "--timeout: '0' is not a number above 0" },
        { "setmem web 1G --timeout nan", "--timeout: 'nan' is not a number above 0" },
        { "setmem web 1G --timeout inf", "--timeout: 'inf' is not a number above 0" },
        { "setmem web 1G --timeout 2s", "--timeout: '2s' is not a number above 0" },
        { "setmem web 1G -x", "unknown option '-x'" },
        { "--timeout 2 setmem web 1G", "unknown option '--timeout'" },
        { "list --timeout 2", "unknown option '--timeout'" },
        { "limits web --floor 0", "--floor: '0' is not a size above 0" },
        { "limits web --floor=", "--floor: '' is not a size; write for example 512M or 2GiB" },
        { "limits web --weight -1", "--weight: '-1' is not a number above 0" },
        { "limits web --mechanism DIMM",
          "--mechanism: 'DIMM' is not a mechanism: auto, dimm, virtio-mem or balloon" },
        { "manage web", "on|off is missing" },
        { "manage web yes", "on|off: 'yes' is not 'on' or 'off'" },
        { "events --count 0", "--count: '0' is not a whole number above 0" },
        { "events --count 1.5", "--count: '1.5' is not a whole number above 0" },
        { "events --count 4294967296", "--count: '4294967296' is not a whole number above 0" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        if (parse(rows[i].text, &error))
            fail_msg("'%s' was taken", rows[i].text);
        assert_string_equal(error->message, rows[i].message);
    }
}

static void
test_goes_on_after_a_wrong_word(void **state)
{
    g_autoptr(CommandLine) line = command_line_new();

    assert_false(command_line_feed(line, "--nonsense", NULL));
    assert_false(command_line_feed(line, "nonsense", NULL));
    assert_true(command_line_next(line).command);
    assert_true(command_line_feed(line, "setmem", NULL));
    assert_string_equal(command_line_next(line).argument->name, "GUEST");
    assert_true(command_line_feed(line, "web", NULL));
    assert_false(command_line_feed(line, "much", NULL));
    assert_string_equal(command_line_next(line).argument->name, "SIZE");
    assert_true(command_line_feed(line, "--timeout", NULL));
    assert_string_equal(command_line_next(line).option->name, "timeout");
    assert_false(command_line_feed(line, "long", NULL));
    assert_null(command_line_next(line).option);
    assert_true(command_line_feed(line, "--", NULL));
    assert_false(command_line_next(line).options);
    assert_true(command_line_feed(line, "1G", NULL));
    assert_null(command_line_next(line).argument);
    assert_true(command_line_finish(line, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_whole),
        cmocka_unit_test(test_examples_can_be_written_so),
        cmocka_unit_test(test_help_is_made_from_the_row),
        cmocka_unit_test(test_options_stand_anywhere),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_optional_argument),
        cmocka_unit_test(test_a_name_like_an_option),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_goes_on_after_a_wrong_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
