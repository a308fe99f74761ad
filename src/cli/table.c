/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/table.h"

#include <stdio.h>

#include "cli/terminal.h"

#define GAP 2

/* A shortened cell that is narrower than this tells nothing any more. */
#define NARROWEST 8

struct _Table {
    const TableColumn *columns;
    guint n_columns;
    GPtrArray *cells; /* char *: row after row, the titles first */
};

Table *
table_new(const TableColumn *columns, guint n_columns)
{
    Table *table = g_new0(Table, 1);

    table->columns = columns;
    table->n_columns = n_columns;
    table->cells = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < n_columns; i++)
        g_ptr_array_add(table->cells, g_strdup(columns[i].title));
    return table;
}

void
table_free(Table *table)
{
    if (!table)
        return;
    g_ptr_array_unref(table->cells);
    g_free(table);
}

void
table_add(Table *table, const char *text)
{
    g_ptr_array_add(table->cells, terminal_clean(text && *text ? text : "-"));
}

void
table_add_note(Table *table, const char *text)
{
    g_ptr_array_add(table->cells, terminal_clean(text));
}

void
table_add_take(Table *table, char *text)
{
    table_add(table, text);
    g_free(text);
}

static guint *
measure(const Table *table)
{
    guint *widths = g_new0(guint, table->n_columns);

    for (guint i = 0; i < table->cells->len; i++) {
        guint *width = &widths[i % table->n_columns];

        *width = MAX(*width, terminal_text_width(table->cells->pdata[i]));
    }
    return widths;
}

static void
pad(GString *text, guint count)
{
    while (count-- > 0)
        g_string_append_c(text, ' ');
}

static void
append_cell(const Table *table, guint index, guint width, guint room, GString *text)
{
    guint column = index % table->n_columns;
    gboolean last = column == table->n_columns - 1;
    const char *cell = table->cells->pdata[index];
    g_autofree char *fitting = NULL;

    if (last && room >= NARROWEST) {
        fitting = terminal_shorten(cell, room);
        cell = fitting;
        width = MIN(width, room);
    }
    if (table->columns[column].right)
        pad(text, width - terminal_text_width(cell));
    g_string_append(text, cell);
    if (!table->columns[column].right)
        pad(text, width - terminal_text_width(cell));
    pad(text, GAP);
}

char *
table_render(const Table *table, guint columns)
{
    g_autofree guint *widths = measure(table);
    GString *text = g_string_new(NULL);
    guint taken = 0;

    for (guint i = 0; i + 1 < table->n_columns; i++)
        taken += widths[i] + GAP;

    for (guint i = 0; i < table->cells->len; i++) {
        guint column = i % table->n_columns;

        append_cell(table, i, widths[column], columns > taken ? columns - taken : 0, text);
        if (column == table->n_columns - 1) {
            while (text->len > 0 && text->str[text->len - 1] == ' ')
                g_string_truncate(text, text->len - 1);
            g_string_append_c(text, '\n');
        }
    }
    return g_string_free(text, FALSE);
}

void
table_print(const Table *table)
{
    g_autofree char *text = table_render(table, terminal_columns());

    fputs(text, stdout);
}
