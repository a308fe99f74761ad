/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The commands, as rows.
 *
 * A command is a constant: its words, its help text and its handler. Parsing
 * (command-line.h), help and completion (complete.h) are made from the row, so
 * they cannot disagree; adding a command is writing one row in the file of its
 * family and naming it in the table of command.c.
 */
#pragma once

#include <gio/gio.h>

#include "cli/connection.h"
#include "cli/value.h"

typedef struct _CommandLine CommandLine;

typedef struct {
    const char *name; /* in capitals: "GUEST" */
    ValueKind kind;
    gboolean optional; /* only after all that are not */
    gboolean repeated; /* once or more; only the last one */
} CommandArgument;

typedef struct {
    const char *name;    /* "floor", for --floor */
    const char *metavar; /* "SIZE"; NULL if the option takes no value */
    ValueKind kind;      /* of the value */
    const char *summary; /* begins with a small letter, no full stop */
} CommandOption;

#define COMMAND_MAX_ARGUMENTS 2

typedef struct {
    const char *name;
    const char *summary;     /* one line, as in "memplug help" */
    const char *description; /* sentences for the command's own help; lines below 76 columns */
    const char *examples;    /* one a line */
    CommandArgument arguments[COMMAND_MAX_ARGUMENTS + 1]; /* ends with a NULL name */
    const CommandOption *options;                         /* (nullable): ends with a NULL name */

    /*
     * run:
     * @line: is complete: all of its values have been checked
     *
     * Returns: FALSE with @error set if the command failed; an error of the
     *   domain G_OPTION_ERROR says that the command line made no sense.
     */
    gboolean (*run)(const CommandLine *line, Connection *connection, GError **error);
} Command;

/* What the program ends with. */
typedef enum {
    COMMAND_DONE = 0,
    COMMAND_FAILED = 1,
    COMMAND_WRONG_USAGE = 2,
} CommandStatus;

/* Returns: "done", "failed" or "wrong usage". */
const char *command_status_meaning(CommandStatus status);

/* The families' rows. */
extern const Command command_list, command_info, command_stats;
extern const Command command_setmem, command_plug, command_unplug;
extern const Command command_reserve, command_release, command_leases, command_start, command_host;
extern const Command command_limits, command_manage;
extern const Command command_events, command_explain, command_history, command_report;
extern const Command command_record;
extern const Command command_doctor, command_setup;
extern const Command command_policies;
extern const Command command_simulate;
extern const Command command_version, command_help;

/* Options that every command takes, before or after its name: ends with a NULL name. */
extern const CommandOption command_global_options[];

/* Returns: (transfer none): all commands, in the order of the help text. */
const Command *const *command_all(void);

/* Returns: (nullable): the command of that name. */
const Command *command_find(const char *name);

/*
 * Returns: (nullable): the option --@name of @command, else of every command.
 * @command: (nullable)
 */
const CommandOption *command_find_option(const Command *command, const char *name);

/* Returns: (transfer full): "memplug setmem GUEST SIZE [--no-wait] [--timeout S]". */
char *command_usage(const Command *command);

/* Returns: (transfer full): the help text of @command, with a line feed at its end. */
char *command_describe(const Command *command);

/* Returns: (transfer full): the program's help text, with a line feed at its end. */
char *command_describe_all(void);

/*
 * command_run:
 * @line: in any state; what it lacks is reported
 *
 * Runs what a line of words asks for, help included, and prints the error.
 */
CommandStatus command_run(CommandLine *line, Connection *connection);

/* Prints @error and what else helps to write it rightly. */
CommandStatus command_print_usage_error(const Command *command, const GError *error);
