/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * readline's callback interface is run from the main context, so that Ctrl-C is a
 * signal source like everywhere else in the program: it drops the line that is
 * being written and shows a new prompt, instead of ending the program.
 *
 * readline has one state for the whole process, and so has what serves it here.
 * The history is kept in $XDG_STATE_HOME/memplug/history.
 */
#include "cli/line-reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "build-config.h"

#if HAVE_READLINE
#include <glib-unix.h>
#include <readline/history.h>
#include <readline/readline.h>
#include <signal.h>
#include <string.h>
#endif

struct _LineReader {
    const char *prompt;
    char **(*complete)(const char *text, gpointer data);
    gpointer data;
    gboolean interactive;
};

static char *
read_plain(void)
{
    char *line = NULL, *copy;
    size_t size = 0;
    ssize_t length = getline(&line, &size, stdin);

    if (length < 0) {
        free(line);
        return NULL;
    }
    copy = g_strndup(line, (gsize)(length > 0 && line[length - 1] == '\n' ? length - 1 : length));
    free(line);
    return copy;
}

#if HAVE_READLINE

#define HISTORY_LINES 500

/* What the callbacks of readline work on: they are given nothing of ours. */
static struct {
    LineReader *reader;
    char *line;
    gboolean done;
    char **candidates;
    gsize next_candidate;
} state;

static char *
history_file(void)
{
    return g_build_filename(g_get_user_state_dir(), "memplug", "history", NULL);
}

static void
load_history(void)
{
    g_autofree char *file = history_file();

    using_history();
    stifle_history(HISTORY_LINES);
    /* There is none the first time. */
    read_history(file);
}

static void
save_history(void)
{
    g_autofree char *file = history_file();
    g_autofree char *folder = g_path_get_dirname(file);

    if (g_mkdir_with_parents(folder, 0700) < 0 || (errno = write_history(file)) != 0)
        fprintf(stderr, "cannot save the history to %s: %s\n", file, g_strerror(errno));
}

static void
remember(const char *line)
{
    HIST_ENTRY *latest = history_get(history_base + history_length - 1);

    if (*line != '\0' && *line != ' ' && (!latest || strcmp(latest->line, line) != 0))
        add_history(line);
}

/* The type that readline's matches have: to be freed with free(). */
static char *
next_candidate(const char *text, int first)
{
    const char *candidate;

    if (first == 0)
        state.next_candidate = 0;
    candidate = state.candidates[state.next_candidate];
    if (!candidate)
        return NULL;
    state.next_candidate++;
    return strdup(candidate);
}

static char **
complete(const char *text, int start, int end)
{
    g_autofree char *written = g_strndup(rl_line_buffer, (gsize)end);
    char **matches;

    /* Never file names, even if nothing matches. */
    rl_attempted_completion_over = 1;
    state.candidates = state.reader->complete(written, state.reader->data);
    matches = rl_completion_matches(text, next_candidate);
    g_clear_pointer(&state.candidates, g_strfreev);
    /* "--floor=" waits for its value. */
    if (matches && g_str_has_suffix(matches[0], "="))
        rl_completion_suppress_append = 1;
    return matches;
}

static void
set_up_readline(void)
{
    rl_readline_name = "memplug";
    rl_attempted_completion_function = complete;
    rl_completer_word_break_characters = " \t\n";
    rl_completer_quote_characters = "\"'";
    /* The main context handles signals. */
    rl_catch_signals = 0;
}

static void
on_line(char *line)
{
    rl_callback_handler_remove();
    state.line = line;
    state.done = TRUE;
}

static gboolean
on_input(int fd, GIOCondition condition, gpointer data)
{
    rl_callback_read_char();
    return G_SOURCE_CONTINUE;
}

static gboolean
on_interrupt(gpointer data)
{
    rl_callback_sigcleanup();
    rl_free_line_state();
    rl_replace_line("", 0);
    fputs("^C\n", rl_outstream);
    rl_on_new_line();
    rl_redisplay();
    return G_SOURCE_CONTINUE;
}

static char *
read_edited(LineReader *reader)
{
    guint input = g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_input, NULL);
    guint interrupt = g_unix_signal_add(SIGINT, on_interrupt, NULL);
    char *line;

    state.reader = reader;
    state.done = FALSE;
    rl_callback_handler_install(reader->prompt, on_line);
    while (!state.done)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(interrupt);
    g_source_remove(input);

    line = g_strdup(state.line);
    free(state.line);
    if (line)
        remember(line);
    else
        /* The end was typed at the prompt. */
        fputc('\n', stdout);
    return line;
}

#else

static void
load_history(void)
{
}

static void
save_history(void)
{
}

static void
set_up_readline(void)
{
}

static char *
read_edited(LineReader *reader)
{
    char *line;

    fputs(reader->prompt, stdout);
    fflush(stdout);
    line = read_plain();
    if (!line)
        fputc('\n', stdout);
    return line;
}

#endif

LineReader *
line_reader_new(const char *prompt, char **(*complete_line)(const char *text, gpointer data),
                gpointer data)
{
    LineReader *reader = g_new0(LineReader, 1);

    reader->prompt = prompt;
    reader->complete = complete_line;
    reader->data = data;
    reader->interactive = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (reader->interactive) {
        set_up_readline();
        load_history();
    }
    return reader;
}

void
line_reader_free(LineReader *reader)
{
    if (!reader)
        return;
    if (reader->interactive)
        save_history();
    g_free(reader);
}

char *
line_reader_next(LineReader *reader)
{
    return reader->interactive ? read_edited(reader) : read_plain();
}

gboolean
line_reader_is_interactive(const LineReader *reader)
{
    return reader->interactive;
}
