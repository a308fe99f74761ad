/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shell: commands line by line, over one connection.
 */
#pragma once

#include "cli/command.h"

/*
 * shell_run:
 *
 * Reads commands from standard input up to its end or "quit". At a terminal it
 * prompts and goes on after errors, which are the user's to see; else the lines
 * are a script, and all of them are run.
 *
 * Returns: the status of the last command of a script; COMMAND_DONE at a terminal.
 */
CommandStatus shell_run(Connection *connection);
