/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Completion of a command line that is being written, for the shell of memplug
 * and for those that call "memplug --complete LINE".
 */
#pragma once

#include "cli/connection.h"

/*
 * complete_split:
 * @text: a command line up to the cursor, perhaps within quotes
 * @last: (out) (transfer full): the word at the cursor so far, unquoted; "" if
 *   a new one begins there
 *
 * Returns: (transfer full): the words before it, unquoted; NULL (@last, too) if
 *   @text cannot be understood.
 */
char **complete_split(const char *text, char **last);

/*
 * complete_word:
 * @words: those before it, without the program's name
 * @last: how it begins
 * @connection: (nullable): where guests are asked for, unless @words name
 *   another bus
 *
 * Returns: (transfer full): the words that it may become, in their order; none
 *   if anything can stand there, or if memplugd cannot be reached.
 */
char **complete_word(char *const *words, const char *last, Connection *connection);
