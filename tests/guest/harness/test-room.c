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

/* The guard's whole program; $1 is the folder. */
static const char guard_script[] = "trap '' HUP INT TERM; read -r end; rm -rf \"$1\"";

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
