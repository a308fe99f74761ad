/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/cli/memplug-run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixinputstream.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/fake/await.h"

/* One of its outputs, as far as it was read. */
typedef struct {
    GInputStream *stream;
    GString *text;
    gsize seen; /* up to what was waited for */
    const char *awaiting;
    gboolean ended;
    char chunk[4096];
} Output;

struct _RunPending {
    GSubprocess *process;
    Output out, err;
    int terminal; /* our end; -1: none */
};

void
run_clear(Run *run)
{
    g_clear_pointer(&run->out, g_free);
    g_clear_pointer(&run->err, g_free);
}

static void read_more(Output *output);

static void
on_read(GObject *stream, GAsyncResult *result, gpointer data)
{
    Output *output = data;
    /* The end of a terminal is an error (EIO); nobody else makes any. */
    gssize length = g_input_stream_read_finish(G_INPUT_STREAM(stream), result, NULL);

    if (length <= 0) {
        output->ended = TRUE;
        return;
    }
    g_string_append_len(output->text, output->chunk, length);
    read_more(output);
}

static void
read_more(Output *output)
{
    g_input_stream_read_async(output->stream, output->chunk, sizeof(output->chunk),
                              G_PRIORITY_DEFAULT, NULL, on_read, output);
}

static void
output_begin(Output *output, GInputStream *stream)
{
    output->stream = g_object_ref(stream);
    output->text = g_string_new(NULL);
    read_more(output);
}

static char *
output_end(Output *output)
{
    await_flag(&output->ended, "the end of what memplug prints");
    g_object_unref(output->stream);
    return g_string_free(output->text, FALSE);
}

static RunPending *
spawn(GSubprocessLauncher *launcher, const char *bus, const char *const *words)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autoptr(GError) error = NULL;
    RunPending *pending = g_new0(RunPending, 1);

    g_ptr_array_add(argv, (gpointer)g_getenv("MEMPLUG_PROGRAM"));
    assert_non_null(argv->pdata[0]);
    for (; *words; words++)
        g_ptr_array_add(argv, (gpointer)*words);
    g_ptr_array_add(argv, NULL);

    g_subprocess_launcher_setenv(launcher, "MEMPLUG_BUS", bus, TRUE);
    pending->terminal = -1;
    pending->process =
        g_subprocess_launcher_spawnv(launcher, (const char *const *)argv->pdata, &error);
    if (!pending->process)
        fail_msg("%s", error->message);
    output_begin(&pending->err, g_subprocess_get_stderr_pipe(pending->process));
    return pending;
}

RunPending *
run_begin(const char *bus, const char *input, const char *const *words)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                  G_SUBPROCESS_FLAGS_STDERR_PIPE);
    RunPending *pending = spawn(launcher, bus, words);
    GOutputStream *pipe = g_subprocess_get_stdin_pipe(pending->process);

    /* Less than a pipe takes at once. */
    if (input)
        assert_true(g_output_stream_write_all(pipe, input, strlen(input), NULL, NULL, NULL));
    g_output_stream_close(pipe, NULL, NULL);
    output_begin(&pending->out, g_subprocess_get_stdout_pipe(pending->process));
    return pending;
}

RunPending *
run_begin_at_terminal(const char *bus)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDERR_PIPE);
    const char *const words[] = { NULL };
    int ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), theirs;
    g_autoptr(GInputStream) stream = NULL;
    RunPending *pending;

    assert_true(ours >= 0 && grantpt(ours) == 0 && unlockpt(ours) == 0);
    theirs = open(ptsname(ours), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(theirs >= 0);
    g_subprocess_launcher_take_stdin_fd(launcher, dup(theirs));
    g_subprocess_launcher_take_stdout_fd(launcher, theirs);

    pending = spawn(launcher, bus, words);
    /* Closes its end of the terminal here, too: else that never ends. */
    g_subprocess_launcher_close(launcher);
    pending->terminal = ours;
    stream = g_unix_input_stream_new(ours, TRUE);
    output_begin(&pending->out, stream);
    return pending;
}

void
run_type(RunPending *pending, const char *text)
{
    assert_int_equal(write(pending->terminal, text, strlen(text)), strlen(text));
}

void
run_signal(RunPending *pending, int signal)
{
    g_subprocess_send_signal(pending->process, signal);
}

static gboolean
has_printed(gpointer data)
{
    Output *output = data;

    return output->ended || strstr(output->text->str + output->seen, output->awaiting);
}

static void
output_await(Output *output, const char *part)
{
    const char *found;

    output->awaiting = part;
    await_condition(has_printed, output, part);
    found = strstr(output->text->str + output->seen, part);
    if (!found)
        fail_msg("'%s' never came, but: %s", part, output->text->str);
    output->seen = (gsize)(found - output->text->str) + strlen(part);
}

void
run_await_output(RunPending *pending, const char *part)
{
    output_await(&pending->out, part);
}

void
run_await_error(RunPending *pending, const char *part)
{
    output_await(&pending->err, part);
}

Run
run_end(RunPending *pending)
{
    Run run = { 0 };
    g_auto(Await) await = { NULL };

    run.out = output_end(&pending->out);
    run.err = output_end(&pending->err);
    g_subprocess_wait_async(pending->process, NULL, await_callback, &await);
    g_subprocess_wait_finish(pending->process, await_result(&await), NULL);
    run.status = g_subprocess_get_if_exited(pending->process)
                     ? g_subprocess_get_exit_status(pending->process)
                     : -1;
    g_object_unref(pending->process);
    g_free(pending);
    return run;
}

Run
run_line(const char *bus, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);

    return run_end(run_begin(bus, NULL, (const char *const *)words));
}

void
run_assert_status(const Run *run, int status)
{
    if (run->status != status)
        fail_msg("status %d, not %d\nout: %s\nerr: %s", run->status, status, run->out, run->err);
}

void
run_assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in: %s", part, text);
}

JsonNode *
run_parse_json(const char *text)
{
    g_autoptr(GError) error = NULL;
    JsonNode *node = json_from_string(text, &error);

    if (!node)
        fail_msg("no JSON (%s): %s", error ? error->message : "empty", text);
    return node;
}
