/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The room a test works in: a temporary folder, and the processes started in it.
 *
 * Nothing outlives the test, however it ends. test_room_free() removes the folder.
 * If the test process is killed instead, a guard process (a session of its own,
 * so that no signal to the test's group reaches it) sees its standard input end
 * and removes the folder, and every process started with test_room_spawn() is
 * sent SIGKILL by the kernel. Processes that leave their parents, as libvirt's QEMUs
 * do, are the guard's too, whichever way the test ends: see test_room_end_named().
 */
#pragma once

#include <gio/gio.h>

typedef struct TestRoom TestRoom;

/*
 * test_room_new:
 *
 * Returns: (transfer full): an empty room; free with test_room_free().
 */
TestRoom *test_room_new(GError **error);

/* Ends the guard and removes the folder. The processes are their owners' to end first. */
void test_room_free(TestRoom *room);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestRoom, test_room_free)

/*
 * test_room_path:
 * @name: a name below the room's folder
 *
 * Returns: (transfer full): its path, short enough for a UNIX socket address.
 */
char *test_room_path(TestRoom *room, const char *name);

/*
 * test_room_spawn:
 * @arguments: the program, searched in PATH, and its arguments
 * @log: (nullable): a file for its standard error, and for its output unless @flags
 *   say otherwise; appended to
 * @flags: for standard input and output
 *
 * Call it on the thread that lives longest: the kernel kills the process when the
 * thread that started it ends.
 *
 * Returns: (transfer full): the process.
 */
GSubprocess *test_room_spawn(TestRoom *room, const char *const *arguments, const char *log,
                             GSubprocessFlags flags, GError **error);

/*
 * test_room_run:
 * @timeout_s: for its end; it is killed then
 * @status: (out): its exit status; 128 + signal
 * @output: (out) (transfer full): what it wrote to its standard output
 * @messages: (out) (transfer full): and to its standard error
 *
 * Runs a program and waits for its end. Any exit status is a success of this function.
 *
 * Returns: FALSE with @error set if it could not be run or did not end in time.
 */
gboolean test_room_run(TestRoom *room, const char *const *arguments, guint timeout_s, int *status,
                       char **output, char **messages, GError **error);

/*
 * test_room_end_named:
 * @folder: without white space; need not exist yet
 * @program: how the programs' names begin
 *
 * Tells the guard to kill, before it removes the room's folder, the processes that the
 * files *.pid of @folder then name, if they run @program: a pid may have been given to
 * another process since.
 */
gboolean test_room_end_named(TestRoom *room, const char *folder, const char *program,
                             GError **error);

/* Returns: the exit status of a process that has ended; 128 + signal. */
int test_room_exit_status(GSubprocess *process);

/* Sends SIGKILL and waits for the end. @process may be NULL or have ended. */
void test_room_kill(GSubprocess *process);

/*
 * test_room_listen:
 * @path: of a UNIX socket to be; takes the place of one of an earlier guest
 *
 * Returns: (transfer full): a listening socket.
 */
GSocket *test_room_listen(const char *path, GError **error);

/*
 * test_room_accept:
 * @timeout_us: for the connection to come; also for each later read and write
 *
 * Returns: (transfer full): the first connection to @listener.
 */
GSocketConnection *test_room_accept(GSocket *listener, gint64 timeout_us, GError **error);
