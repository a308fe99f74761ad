/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a terminal needs that a file does not: text that cannot move its cursor,
 * how wide a text is, and a line of progress that is written over.
 */
#pragma once

#include <glib.h>

/*
 * terminal_clean:
 *
 * Returns: (transfer full): @text with everything that is not a printable
 *   character replaced: white space by a blank, the rest by '?'. Names and
 *   reasons come from elsewhere, and shall not carry escape sequences.
 */
char *terminal_clean(const char *text);

/* Returns: how many columns @text (clean, UTF-8) takes. */
guint terminal_text_width(const char *text);

/* Returns: (transfer full): the beginning of @text that fits in @columns, with
 *   an ellipsis in the last one if it is not all. */
char *terminal_shorten(const char *text, guint columns);

/* Returns: how wide standard output is; 0 if it is no terminal. */
guint terminal_columns(void);

/* Writes @text over the line of progress on standard error; nothing if that is
 * no terminal. */
void terminal_progress(const char *text);

/* Takes the line of progress away. */
void terminal_progress_end(void);
