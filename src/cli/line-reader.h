/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines of commands: edited, with history and completion, where standard input
 * is a terminal and the program was built with readline; just read otherwise.
 */
#pragma once

#include <glib.h>

typedef struct _LineReader LineReader;

/*
 * @prompt: shown on a terminal
 * @complete: returns (transfer full) what the word at the cursor may become,
 *   for the text up to it
 */
LineReader *line_reader_new(const char *prompt, char **(*complete)(const char *text, gpointer data),
                            gpointer data);
/* Saves the history. */
void line_reader_free(LineReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LineReader, line_reader_free)

/* Returns: (transfer full) (nullable): the next line without its line feed; NULL
 *   at the end. */
char *line_reader_next(LineReader *reader);

/* Whether somebody sits at the other end. */
gboolean line_reader_is_interactive(const LineReader *reader);
