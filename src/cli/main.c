/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memplug: the command line of memplugd.
 */
#include <locale.h>
#include <stdio.h>

#include "cli/command-line.h"
#include "cli/complete.h"
#include "cli/shell.h"

/* memplug --complete LINE: one candidate a line, for the completion of shells.
 * LINE is what was written up to the cursor, from the program's name on. */
static CommandStatus
print_candidates(const char *text)
{
    g_autofree char *last = NULL;
    g_auto(GStrv) words = complete_split(text, &last);
    g_auto(GStrv) candidates = NULL;

    if (!words || !words[0])
        return COMMAND_DONE;
    candidates = complete_word(words + 1, last, NULL);
    for (char **candidate = candidates; *candidate; candidate++)
        puts(*candidate);
    return COMMAND_DONE;
}

static gboolean
asks_for_shell(const CommandLine *line)
{
    return !command_line_command(line) && !command_line_next(line).option &&
           !command_line_has(line, "help") && !command_line_has(line, "version");
}

int
main(int argc, char **argv)
{
    g_autoptr(CommandLine) line = command_line_new();
    g_autoptr(Connection) connection = NULL;
    g_autoptr(GError) error = NULL;
    const Value *bus;

    /* Characters are those of the user's; numbers are written alike everywhere. */
    setlocale(LC_CTYPE, "");
    if (argc == 3 && g_str_equal(argv[1], "--complete"))
        return print_candidates(argv[2]);

    if (!command_line_feed_all(line, argv + 1, &error))
        return command_print_usage_error(command_line_command(line), error);
    bus = command_line_option(line, "bus");
    connection = connection_new(bus ? bus->text : NULL);
    return asks_for_shell(line) ? shell_run(connection) : command_run(line, connection);
}
