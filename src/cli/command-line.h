/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words of one command line, understood one after the other.
 *
 * Words are fed from left to right, and after each the line knows what may
 * follow: that is all that both parsing (feed every word, then ask for what is
 * missing) and completion (feed every word but the last) need.
 *
 *   memplug [OPTION…] COMMAND [OPTION | ARGUMENT]… [-- ARGUMENT…]
 *
 * An option is written --name, --name VALUE or --name=VALUE; -h is --help.
 */
#pragma once

#include "cli/command.h"

/* What the next word may be. */
typedef struct {
    const CommandOption *option;     /* its value; else NULL */
    const CommandArgument *argument; /* else NULL: no more are taken, or still the command */
    gboolean command;
    gboolean options; /* an option may stand here */
} CommandLineNext;

CommandLine *command_line_new(void);
void command_line_free(CommandLine *line);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CommandLine, command_line_free)

/*
 * command_line_feed:
 *
 * Returns: FALSE with @error set (G_OPTION_ERROR) if @word makes no sense where
 *   it stands. More words can be fed then, as if it had not been there.
 */
gboolean command_line_feed(CommandLine *line, const char *word, GError **error);

/* Feeds all of @words; stops at the first error. */
gboolean command_line_feed_all(CommandLine *line, char *const *words, GError **error);

/* Returns: FALSE with @error set (G_OPTION_ERROR) if something is missing at the end. */
gboolean command_line_finish(CommandLine *line, GError **error);

/* What may follow the words fed so far. */
CommandLineNext command_line_next(const CommandLine *line);

/* Returns: (nullable): the command, once its name was fed. */
const Command *command_line_command(const CommandLine *line);

/*
 * Returns: (nullable): the @index-th argument; NULL if it was left out. One that is repeated
 *   goes on from its place.
 */
const Value *command_line_argument(const CommandLine *line, guint index);

/*
 * Returns: (nullable): the value of --@name; NULL if it was not given. An option
 *   without value has an empty text.
 */
const Value *command_line_option(const CommandLine *line, const char *name);

/* Returns: the text of argument @index; "" if it was left out. */
const char *command_line_text(const CommandLine *line, guint index);

/* Returns: whether --@name was given. */
gboolean command_line_has(const CommandLine *line, const char *name);

/* Returns: the number of seconds that --@name gives, else @fallback. */
double command_line_seconds(const CommandLine *line, const char *name, double fallback);
