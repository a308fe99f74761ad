/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record: memplugd's journal to a file, as it is written.
 *
 * memplugd gives the end of a socket; what comes from it is whole lines, and goes into the file
 * as it is. The file is complete at any moment, but for its last line.
 */
#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command-line.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "cli/wait.h"

typedef struct {
    Wait *wait;
    const char *path;
    int from, to;
    guint64 bytes;
    gint64 begun_us;
    GError *error;
} Recording;

static void
show_progress(const Recording *recording)
{
    g_autofree char *bytes = g_format_size_full(recording->bytes, G_FORMAT_SIZE_IEC_UNITS);
    g_autofree char *text = g_strdup_printf(
        "%.0f s, %s; Ctrl-C ends it",
        (double)(g_get_monotonic_time() - recording->begun_us) / G_USEC_PER_SEC, bytes);

    terminal_progress(text);
}

static gboolean
write_all(Recording *recording, const char *bytes, gsize length)
{
    while (length > 0) {
        gssize n = write(recording->to, bytes, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            g_set_error(&recording->error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s",
                        recording->path, g_strerror(errno));
            return FALSE;
        }
        bytes += n;
        length -= (gsize)n;
    }
    return TRUE;
}

static gboolean
on_lines(int fd, GIOCondition condition, gpointer data)
{
    Recording *recording = data;
    char buffer[65536];
    gssize n = read(fd, buffer, sizeof buffer);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (n <= 0) {
        g_set_error_literal(&recording->error, G_IO_ERROR, G_IO_ERROR_CLOSED,
                            "memplugd ended the recording: it stopped, or this file was written "
                            "too slowly");
        wait_end(recording->wait);
        return G_SOURCE_REMOVE;
    }
    if (!write_all(recording, buffer, (gsize)n)) {
        wait_end(recording->wait);
        return G_SOURCE_REMOVE;
    }
    recording->bytes += (guint64)n;
    show_progress(recording);
    return G_SOURCE_CONTINUE;
}

/* Returns: the end of the socket, or -1 with @error set. */
static int
ask(BusManager *manager, const char *guest, GError **error)
{
    const char *const guests[] = { guest, NULL };
    g_autoptr(GUnixFDList) list = NULL;
    g_autoptr(GVariant) handle = NULL;

    if (!bus_manager_call_record_sync(manager, guest ? guests : guests + 1, NULL, &handle, &list,
                                      NULL, error))
        return -1;
    return g_unix_fd_list_get(list, g_variant_get_handle(handle), error);
}

static void
print_result(const CommandLine *line, const Recording *recording)
{
    double seconds = (double)(g_get_monotonic_time() - recording->begun_us) / G_USEC_PER_SEC;
    g_autofree char *bytes = g_format_size_full(recording->bytes, G_FORMAT_SIZE_IEC_UNITS);

    if (command_line_has(line, "json")) {
        g_autoptr(JsonBuilder) json = json_builder_new();

        json_builder_begin_object(json);
        output_add_text(json, "file", recording->path);
        output_add_size(json, "bytes", recording->bytes);
        output_add_real(json, "seconds", seconds);
        json_builder_end_object(json);
        output_print_json(json);
    } else {
        printf("%s: %s in %.0f s\n", recording->path, bytes, seconds);
    }
}

static gboolean
record(Recording *recording, double duration_s)
{
    guint watch =
        g_unix_fd_add(recording->from, G_IO_IN | G_IO_HUP | G_IO_ERR, on_lines, recording);

    recording->begun_us = g_get_monotonic_time();
    /* By the clock and by Ctrl-C it ends well; what has come by then is in the file. */
    if (wait_run(recording->wait, duration_s) != WAIT_DONE)
        g_source_remove(watch);
    terminal_progress_end();
    return recording->error == NULL;
}

static gboolean
run(const CommandLine *line, Connection *connection, GError **error)
{
    const Value *guest = command_line_option(line, "guest");
    g_autoptr(BusManager) manager = connection_get_manager(connection, error);
    g_autoptr(Wait) wait = wait_new();
    Recording recording = { .wait = wait, .path = command_line_text(line, 0), .from = -1 };
    gboolean done = FALSE;

    if (!manager)
        return FALSE;
    recording.to = g_open(recording.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (recording.to < 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s%s", recording.path,
                    g_strerror(errno),
                    errno == EEXIST ? "; a recording begins a file of its own" : "");
        return FALSE;
    }
    recording.from = ask(manager, guest ? guest->text : NULL, error);
    if (recording.from >= 0) {
        done = record(&recording, command_line_seconds(line, "duration", 0.0));
        close(recording.from);
        if (done)
            print_result(line, &recording);
        else
            g_propagate_error(error, recording.error);
    } else {
        g_unlink(recording.path);
    }
    close(recording.to);
    return done;
}

static const CommandOption options[] = {
    { "guest", "GUEST", VALUE_GUEST, "only this one" },
    { "duration", "SECONDS", VALUE_SECONDS, "end after so long" },
    { NULL },
};

const Command command_record = {
    .name = "record",
    .summary = "record what memplugd knows and decides",
    .description =
        "Writes what memplugd is told, decides and does from now on to FILE, which must\n"
        "not exist yet, until Ctrl-C or the end of --duration. 'memplug simulate' plays\n"
        "it back; memplug-journal(5) tells what is in it. memplugd keeps the same\n"
        "in its own journal, unless memplug.conf says otherwise.",
    .examples = "memplug record monday.jsonl --duration 3600\n"
                "memplug record web.jsonl --guest web",
    .arguments = { { "FILE", VALUE_FILE } },
    .options = options,
    .run = run,
};
