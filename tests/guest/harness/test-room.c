/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/guest/harness/test-room.h"

#include <errno.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

struct TestRoom {
    char *folder;
    GSubprocess *guard;
    pid_t owner;
};

/*
 * The guard's whole program; $1 is the folder. Each line that it reads is a folder of
 * pid files, and how the programs are called that they may name.
 */
static const char guard_script[] =
    "trap '' HUP INT TERM\n"
    "room=$1 named=\n"
    "while read -r folder program; do named=\"$named $folder $program\"; done\n"
    "set -- $named\n"
    "while [ $# -gt 0 ]; do\n"
    "    for file in \"$1\"/*.pid; do\n"
    "        pid=$(cat \"$file\") && name=$(cat \"/proc/$pid/comm\") || continue\n"
    "        case $name in \"$2\"*) kill -9 \"$pid\" ;; esac\n"
    "    done 2>/dev/null\n"
    "    shift 2\n"
    "done\n"
    "rm -rf \"$room\"\n";

static void
start_session(gpointer unused)
{
    setsid();
}

/* Between fork and exec: async-signal-safe calls only. */
static void
die_with_owner(gpointer data)
{
    const TestRoom *room = data;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != room->owner)
        _exit(127);
}

static GSubprocess *
start_guard(const char *folder, GError **error)
{
    const char *const arguments[] = { "/bin/sh", "-c", guard_script, "guard", folder, NULL };
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_PIPE);
    g_subprocess_launcher_set_child_setup(launcher, start_session, NULL, NULL);
    g_subprocess_launcher_set_cwd(launcher, "/");
    return g_subprocess_launcher_spawnv(launcher, arguments, error);
}

TestRoom *
test_room_new(GError **error)
{
    g_autoptr(TestRoom) room = g_new0(TestRoom, 1);
    room->owner = getpid();
    room->folder = g_dir_make_tmp("memplug-XXXXXX", error);
    if (room->folder == NULL)
        return NULL;
    room->guard = start_guard(room->folder, error);
    if (room->guard == NULL) {
        g_rmdir(room->folder);
        return NULL;
    }
    return g_steal_pointer(&room);
}

void
test_room_free(TestRoom *room)
{
    if (room == NULL)
        return;
    if (room->guard != NULL) {
        g_output_stream_close(g_subprocess_get_stdin_pipe(room->guard), NULL, NULL);
        g_subprocess_wait(room->guard, NULL, NULL);
        g_object_unref(room->guard);
    }
    g_free(room->folder);
    g_free(room);
}

char *
test_room_path(TestRoom *room, const char *name)
{
    return g_build_filename(room->folder, name, NULL);
}

GSubprocess *
test_room_spawn(TestRoom *room, const char *const *arguments, const char *log,
                GSubprocessFlags flags, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(flags);
    g_subprocess_launcher_set_child_setup(launcher, die_with_owner, room, NULL);
    if (log != NULL) {
        /* Not set_stderr_file_path(): that would empty the log at each start. */
        FILE *file = g_fopen(log, "ae");
        if (file == NULL) {
            g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s: %s", log,
                        g_strerror(errno));
            return NULL;
        }
        g_subprocess_launcher_take_stderr_fd(launcher, dup(fileno(file)));
        if ((flags & (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE)) == 0)
            g_subprocess_launcher_take_stdout_fd(launcher, dup(fileno(file)));
        fclose(file);
    }
    return g_subprocess_launcher_spawnv(launcher, arguments, error);
}

/* A program while we wait for its end. */
typedef struct {
    GSubprocess *process;
    char **output;
    char **messages;
    GError **error;
    gboolean finished;
    gboolean succeeded;
    gboolean timed_out;
} Run;

static void
on_finished(GObject *source, GAsyncResult *result, gpointer data)
{
    Run *run = data;
    run->succeeded = g_subprocess_communicate_utf8_finish(run->process, result, run->output,
                                                          run->messages, run->error);
    run->finished = TRUE;
}

static gboolean
on_timeout(gpointer data)
{
    Run *run = data;
    run->timed_out = TRUE;
    g_subprocess_force_exit(run->process);
    return G_SOURCE_REMOVE;
}

/* In a main context of its own, so that nothing else of the test runs meanwhile. */
static void
wait_for_end(Run *run, guint timeout_s)
{
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(GSource) timeout = g_timeout_source_new_seconds(timeout_s);
    g_source_set_callback(timeout, on_timeout, run, NULL);
    g_source_attach(timeout, context);
    g_main_context_push_thread_default(context);
    g_subprocess_communicate_utf8_async(run->process, NULL, NULL, on_finished, run);
    while (!run->finished)
        g_main_context_iteration(context, TRUE);
    g_main_context_pop_thread_default(context);
    g_source_destroy(timeout);
}

gboolean
test_room_run(TestRoom *room, const char *const *arguments, guint timeout_s, int *status,
              char **output, char **messages, GError **error)
{
    g_autofree char *out = NULL, *err = NULL;
    g_autoptr(GSubprocess) process =
        test_room_spawn(room, arguments, NULL,
                        G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, error);
    if (process == NULL)
        return FALSE;
    Run run = { .process = process, .output = &out, .messages = &err, .error = error };
    wait_for_end(&run, timeout_s);
    if (!run.succeeded)
        return FALSE;
    if (run.timed_out) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "%s did not end: %s", arguments[0],
                    err);
        return FALSE;
    }
    *status = test_room_exit_status(process);
    *output = g_steal_pointer(&out);
    *messages = g_steal_pointer(&err);
    return TRUE;
}

gboolean
test_room_end_named(TestRoom *room, const char *folder, const char *program, GError **error)
{
    g_autofree char *line = g_strdup_printf("%s %s\n", folder, program);
    return g_output_stream_write_all(g_subprocess_get_stdin_pipe(room->guard), line, strlen(line),
                                     NULL, NULL, error);
}

int
test_room_exit_status(GSubprocess *process)
{
    return g_subprocess_get_if_exited(process) ? g_subprocess_get_exit_status(process)
                                               : 128 + g_subprocess_get_term_sig(process);
}

void
test_room_kill(GSubprocess *process)
{
    if (process != NULL) {
        g_subprocess_force_exit(process);
        g_subprocess_wait(process, NULL, NULL);
    }
}

GSocket *
test_room_listen(const char *path, GError **error)
{
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_unlink(path);
    g_autoptr(GSocket) listener =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, error);
    if (listener == NULL || !g_socket_bind(listener, address, FALSE, error) ||
        !g_socket_listen(listener, error))
        return NULL;
    return g_steal_pointer(&listener);
}

GSocketConnection *
test_room_accept(GSocket *listener, gint64 timeout_us, GError **error)
{
    if (!g_socket_condition_timed_wait(listener, G_IO_IN, timeout_us, NULL, error))
        return NULL;
    g_autoptr(GSocket) socket = g_socket_accept(listener, NULL, error);
    if (socket == NULL)
        return NULL;
    g_socket_set_timeout(socket, (guint)(timeout_us / G_USEC_PER_SEC));
    return g_socket_connection_factory_create_connection(socket);
}
