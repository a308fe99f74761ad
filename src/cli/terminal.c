/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/terminal.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A terminal that does not tell its width. */
#define USUAL_COLUMNS 80

char *
terminal_clean(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *clean = g_string_new(NULL);

    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);

        if (g_unichar_isprint(c))
            g_string_append_unichar(clean, c);
        else
            g_string_append_c(clean, g_unichar_isspace(c) ? ' ' : '?');
    }
    return g_string_free(clean, FALSE);
}

static guint
char_width(gunichar c)
{
    if (g_unichar_iszerowidth(c))
        return 0;
    return g_unichar_iswide(c) ? 2 : 1;
}

guint
terminal_text_width(const char *text)
{
    guint width = 0;

    for (; *text; text = g_utf8_next_char(text))
        width += char_width(g_utf8_get_char(text));
    return width;
}

char *
terminal_shorten(const char *text, guint columns)
{
    const char *end = text;
    guint width = 0;

    if (terminal_text_width(text) <= columns)
        return g_strdup(text);
    if (columns == 0)
        return g_strdup("");
    while (width + char_width(g_utf8_get_char(end)) < columns) {
        width += char_width(g_utf8_get_char(end));
        end = g_utf8_next_char(end);
    }
    return g_strdup_printf("%.*s…", (int)(end - text), text);
}

static guint
columns_of(int fd)
{
    struct winsize size = { 0 };

    if (!isatty(fd))
        return 0;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : USUAL_COLUMNS;
}

guint
terminal_columns(void)
{
    return columns_of(STDOUT_FILENO);
}

/* To the line's beginning, and the rest of it cleared (ECMA-48: CR, EL). */
#define REWRITE "\r\033[K"

void
terminal_progress(const char *text)
{
    guint columns = columns_of(STDERR_FILENO);
    g_autofree char *clean = NULL, *fitting = NULL;

    if (columns == 0)
        return;
    clean = terminal_clean(text);
    /* One column stays free, lest the cursor goes to the next line. */
    fitting = terminal_shorten(clean, columns - 1);
    fprintf(stderr, REWRITE "%s", fitting);
    fflush(stderr);
}

void
terminal_progress_end(void)
{
    if (isatty(STDERR_FILENO)) {
        fputs(REWRITE, stderr);
        fflush(stderr);
    }
}
