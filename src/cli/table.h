/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table of text: a line of titles, then the rows, with columns as wide as
 * their widest cell on the screen and two blanks between them.
 */
#pragma once

#include <glib.h>

typedef struct {
    const char *title;
    gboolean right; /* numbers stand at the right */
} TableColumn;

typedef struct _Table Table;

/* @columns: (array length=n_columns): constant */
Table *table_new(const TableColumn *columns, guint n_columns);
void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)

/*
 * table_add:
 * @text: (nullable): NULL or "" is shown as "-"
 *
 * Adds the next cell; cells fill the rows from left to right. Control
 * characters in it are made harmless.
 */
void table_add(Table *table, const char *text);

/* As table_add(), but shown as nothing at all if empty: for notes in the last column. */
void table_add_note(Table *table, const char *text);

/* As table_add(), for what was made for it. @text: (transfer full) */
void table_add_take(Table *table, char *text);

/*
 * table_render:
 * @columns: the last cell of a row is shortened so that the row fits in as many
 *   columns, if its others leave room; 0 shortens nothing
 *
 * Returns: (transfer full): the lines, without blanks at their ends.
 */
char *table_render(const Table *table, guint columns);

/* Prints the table to standard output, fitted if that is a terminal. */
void table_print(const Table *table);
