/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/shell.h"

#include <stdio.h>

#include "build-config.h"
#include "cli/command-line.h"
#include "cli/complete.h"
#include "cli/line-reader.h"

static CommandStatus
run_words(char **words, Connection *connection)
{
    g_autoptr(CommandLine) line = command_line_new();
    g_autoptr(GError) error = NULL;

    if (!command_line_feed_all(line, words, &error))
        return command_print_usage_error(command_line_command(line), error);
    if (command_line_has(line, "bus")) {
        fputs("error: another bus needs another shell: memplug --bus BUS\n", stderr);
        return COMMAND_WRONG_USAGE;
    }
    return command_run(line, connection);
}

static gboolean
is_quit(char **words)
{
    static const char *const names[] = { "quit", "exit", NULL };

    return g_strv_contains(names, words[0]) && !words[1];
}

static char **
complete(const char *text, gpointer data)
{
    g_autofree char *last = NULL;
    g_auto(GStrv) words = complete_split(text, &last);

    return words ? complete_word(words, last, data) : g_new0(char *, 1);
}

CommandStatus
shell_run(Connection *connection)
{
    g_autoptr(LineReader) reader = line_reader_new("memplug> ", complete, connection);
    CommandStatus status = COMMAND_DONE;

    if (line_reader_is_interactive(reader))
        puts("memplug " MEMPLUG_VERSION ": 'help' lists the commands, 'quit' leaves.");
    for (;;) {
        g_autofree char *text = line_reader_next(reader);
        g_auto(GStrv) words = NULL;
        g_autoptr(GError) error = NULL;

        if (!text)
            break;
        if (!g_shell_parse_argv(text, NULL, &words, &error)) {
            if (g_error_matches(error, G_SHELL_ERROR, G_SHELL_ERROR_EMPTY_STRING))
                continue;
            status = command_print_usage_error(NULL, error);
            continue;
        }
        if (is_quit(words))
            break;
        status = run_words(words, connection);
        fflush(stdout);
    }
    return line_reader_is_interactive(reader) ? COMMAND_DONE : status;
}
