/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs the real memplug as a process while the test's main context goes on, so
 * that a fake daemon in the test can answer it.
 */
#pragma once

#include <json-glib/json-glib.h>

typedef struct {
    int status; /* exit status; -1 if a signal ended it */
    char *out, *err;
} Run;

void run_clear(Run *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

/* A process under way. */
typedef struct _RunPending RunPending;

/*
 * run_begin:
 * @bus: value of MEMPLUG_BUS
 * @input: (nullable): all that it reads
 * @words: (array zero-terminated=1): behind the program's name
 */
RunPending *run_begin(const char *bus, const char *input, const char *const *words);

/* As run_begin(), without words, at a terminal of its own for standard input and output. */
RunPending *run_begin_at_terminal(const char *bus);
void run_type(RunPending *pending, const char *text);

void run_signal(RunPending *pending, int signal);

/* Waits until @part stands in its standard output (standard error), behind what
 * was waited for before. */
void run_await_output(RunPending *pending, const char *part);
void run_await_error(RunPending *pending, const char *part);

/* Waits for its end; ends @pending. */
Run run_end(RunPending *pending);

/* Runs it to its end with the words of @line, parted at blanks. */
Run run_line(const char *bus, const char *line);

/* Fails unless it ended with @status; shows what it printed. */
void run_assert_status(const Run *run, int status);
/* Fails unless @text (what it printed) contains @part. */
void run_assert_contains(const char *text, const char *part);

/* Returns: (transfer full): @text as JSON; fails if it is none. */
JsonNode *run_parse_json(const char *text);
