/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "build-config.h"
#include "cli/command-line.h"

static const Command *const commands[] = {
    &command_list,     &command_info,     &command_stats,   &command_setmem,  &command_limits,
    &command_manage,   &command_plug,     &command_unplug,  &command_reserve, &command_release,
    &command_leases,   &command_start,    &command_host,    &command_doctor,  &command_setup,
    &command_events,   &command_explain,  &command_history, &command_report,  &command_record,
    &command_policies, &command_simulate, &command_version, &command_help,    NULL,
};

const CommandOption command_global_options[] = {
    { "bus", "BUS", VALUE_BUS, "system, session or a D-Bus address; also MEMPLUG_BUS" },
    { "json", NULL, VALUE_TEXT, "print JSON; sizes are bytes" },
    { "help", NULL, VALUE_TEXT, "show help on the command, or on all" },
    { "version", NULL, VALUE_TEXT, "show the version of this program" },
    { NULL },
};

static const char *const status_meanings[] = {
    [COMMAND_DONE] = "done",
    [COMMAND_FAILED] = "failed",
    [COMMAND_WRONG_USAGE] = "wrong usage",
};

const char *
command_status_meaning(CommandStatus status)
{
    return status_meanings[status];
}

const Command *const *
command_all(void)
{
    return commands;
}

const Command *
command_find(const char *name)
{
    for (const Command *const *command = commands; *command; command++) {
        if (g_str_equal((*command)->name, name))
            return *command;
    }
    return NULL;
}

const CommandOption *
command_find_option(const Command *command, const char *name)
{
    const CommandOption *tables[] = { command ? command->options : NULL, command_global_options };

    for (gsize i = 0; i < G_N_ELEMENTS(tables); i++) {
        for (const CommandOption *option = tables[i]; option && option->name; option++) {
            if (g_str_equal(option->name, name))
                return option;
        }
    }
    return NULL;
}

/* "--timeout SECONDS" */
static char *
option_synopsis(const CommandOption *option)
{
    if (!option->metavar)
        return g_strconcat("--", option->name, NULL);
    return g_strdup_printf("--%s %s", option->name, option->metavar);
}

/* Where a usage that is too long for one line goes on: below the command's name, with
 * "Usage: " before it. */
#define USAGE_WIDTH 90
#define USAGE_BREAK "\n               "

static void
add_to_usage(GString *text, const char *part, gboolean optional)
{
    const char *line = strrchr(text->str, '\n');
    gsize length = strlen(line ? line + 1 : text->str);

    if (length + strlen(part) + 3 > USAGE_WIDTH)
        g_string_append(text, USAGE_BREAK);
    else
        g_string_append_c(text, ' ');
    g_string_append_printf(text, optional ? "[%s]" : "%s", part);
}

char *
command_usage(const Command *command)
{
    GString *text = g_string_new("memplug ");

    g_string_append(text, command->name);
    for (const CommandArgument *argument = command->arguments; argument->name; argument++) {
        g_autofree char *name = g_strconcat(argument->name, argument->repeated ? "..." : "", NULL);

        add_to_usage(text, name, argument->optional);
    }
    for (const CommandOption *option = command->options; option && option->name; option++) {
        g_autofree char *synopsis = option_synopsis(option);

        add_to_usage(text, synopsis, TRUE);
    }
    return g_string_free(text, FALSE);
}

#define SYNOPSIS_WIDTH 22

static void
describe_options(GString *text, const char *title, const CommandOption *options)
{
    if (!options)
        return;
    g_string_append_printf(text, "\n%s:\n", title);
    for (const CommandOption *option = options; option->name; option++) {
        g_autofree char *synopsis = option_synopsis(option);

        g_string_append_printf(text, "  %-*s %s\n", SYNOPSIS_WIDTH, synopsis, option->summary);
    }
}

static void
describe_examples(GString *text, const char *examples)
{
    g_auto(GStrv) lines = g_strsplit(examples, "\n", -1);

    g_string_append(text, "\nExamples:\n");
    for (char **line = lines; *line; line++)
        g_string_append_printf(text, "  %s\n", *line);
}

char *
command_describe(const Command *command)
{
    g_autofree char *usage = command_usage(command);
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "Usage: %s\n\n%s\n", usage, command->description);
    describe_options(text, "Options", command->options);
    describe_options(text, "Options of every command", command_global_options);
    describe_examples(text, command->examples);
    return g_string_free(text, FALSE);
}

static void
describe_statuses(GString *text)
{
    g_string_append(text, "Exit status:");
    for (CommandStatus status = COMMAND_DONE; status <= COMMAND_WRONG_USAGE; status++) {
        g_string_append_printf(text, "%s %d %s", status == COMMAND_DONE ? "" : ",", status,
                               command_status_meaning(status));
    }
    g_string_append(text, ".\n");
}

char *
command_describe_all(void)
{
    GString *text = g_string_new("Usage: memplug [--bus BUS] [COMMAND [ARGUMENT...]]\n\n"
                                 "Shows and changes the memory of running guests, by way of "
                                 "memplugd. Without a\ncommand, reads commands line by line, up to "
                                 "'quit'.\n\nCommands:\n");

    for (const Command *const *command = commands; *command; command++) {
        g_string_append_printf(text, "  %-*s %s\n", SYNOPSIS_WIDTH, (*command)->name,
                               (*command)->summary);
    }
    describe_options(text, "Options of every command", command_global_options);
    g_string_append(text, "\n'memplug help COMMAND' tells more about each.\n");
    describe_statuses(text);
    return g_string_free(text, FALSE);
}

static gboolean
run_help(const CommandLine *line, Connection *connection, GError **error)
{
    const char *name = command_line_text(line, 0);
    const Command *command = *name ? command_find(name) : NULL;
    g_autofree char *text = NULL;

    if (*name && !command) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "unknown command '%s'", name);
        return FALSE;
    }
    text = command ? command_describe(command) : command_describe_all();
    fputs(text, stdout);
    return TRUE;
}

const Command command_help = {
    .name = "help",
    .summary = "show help on all commands, or on one",
    .description = "Shows what commands there are, or how one of them is used.",
    .examples = "memplug help setmem",
    .arguments = { { "COMMAND", VALUE_COMMAND, .optional = TRUE } },
    .run = run_help,
};

CommandStatus
command_print_usage_error(const Command *command, const GError *error)
{
    if (command) {
        g_autofree char *usage = command_usage(command);

        fprintf(stderr, "error: %s: %s\nUsage: %s\nTry 'memplug help %s'.\n", command->name,
                error->message, usage, command->name);
    } else {
        fprintf(stderr, "error: %s\nTry 'memplug help'.\n", error->message);
    }
    return COMMAND_WRONG_USAGE;
}

CommandStatus
command_run(CommandLine *line, Connection *connection)
{
    const Command *command = command_line_command(line);
    g_autoptr(GError) error = NULL;
    g_autofree char *words = NULL;

    if (command_line_has(line, "help")) {
        words = command ? command_describe(command) : command_describe_all();
        fputs(words, stdout);
        return COMMAND_DONE;
    }
    if (command_line_has(line, "version")) {
        puts("memplug " MEMPLUG_VERSION);
        return COMMAND_DONE;
    }
    if (!command_line_finish(line, &error))
        return command_print_usage_error(command, error);
    if (command->run(line, connection, &error))
        return COMMAND_DONE;
    if (error->domain == G_OPTION_ERROR)
        return command_print_usage_error(command, error);
    words = connection_explain(connection, error);
    fprintf(stderr, "error: %s\n", words);
    return COMMAND_FAILED;
}
