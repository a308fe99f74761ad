/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memplugd as an administrator would run it, on a message bus of its own and with a
 * state folder of its own, and memplug to talk to it.
 *
 * The programs are named by the environment, MEMPLUGD and MEMPLUG (meson sets
 * them), else searched in PATH. Free the daemon before its room.
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#include "tests/guest/harness/test-room.h"

typedef struct TestDaemon TestDaemon;

/* What a run of memplug gave. */
typedef struct {
    int status; /* exit status; 128 + signal */
    char *output;
    char *messages; /* standard error */
    JsonNode *json; /* of the output; NULL unless it was asked for with --json */
} TestCommand;

void test_command_clear(TestCommand *command);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TestCommand, test_command_clear)

/*
 * test_daemon_start:
 * @uri: for --connect: "qmp:FOLDER" of QEMU sockets, "qemu:///system"
 * @config: the configuration file's text
 * @arguments: (nullable): more arguments for memplugd, NULL-terminated
 *
 * Starts a bus, then memplugd, and waits until memplugd owns its name on the bus.
 */
TestDaemon *test_daemon_start(TestRoom *room, const char *uri, const char *config,
                              const char *const *arguments, GError **error);

/* Kills what runs still, and frees. */
void test_daemon_free(TestDaemon *daemon);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestDaemon, test_daemon_free)

/* SIGKILL to memplugd; returns after its end. */
void test_daemon_kill(TestDaemon *daemon);

/* Starts memplugd again with the arguments and the state it had, and waits for its name. */
gboolean test_daemon_restart(TestDaemon *daemon, GError **error);

/*
 * test_daemon_stop:
 * @status: (out): memplugd's exit status; 128 + signal
 *
 * SIGTERM; FALSE with @error set if it does not end within ten seconds.
 */
gboolean test_daemon_stop(TestDaemon *daemon, int *status, GError **error);

/* Writes another configuration file; memplugd reads it when it is sent SIGHUP, or starts. */
gboolean test_daemon_configure(TestDaemon *daemon, const char *config, GError **error);

const char *test_daemon_address(TestDaemon *daemon); /* of the bus */
GSubprocess *test_daemon_process(TestDaemon *daemon);
char *test_daemon_log(TestDaemon *daemon); /* (transfer full): all it said so far */

/* Writes the log to standard error, for a test that failed. */
void test_daemon_print_log(TestDaemon *daemon);

/*
 * test_daemon_run:
 * @command: (out caller-allocates): clear with test_command_clear()
 * @...: memplug's arguments, without --bus; ends with NULL
 *
 * Runs memplug and waits for its end, two minutes at most. Any exit status is a
 * success of this function.
 *
 * Returns: FALSE with @error set if it could not be run, did not end, or printed
 *   invalid JSON where --json was given and the status is 0.
 */
gboolean test_daemon_run(TestDaemon *daemon, TestCommand *command, GError **error,
                         ...) G_GNUC_NULL_TERMINATED;
gboolean test_daemon_run_va(TestDaemon *daemon, TestCommand *command, va_list arguments,
                            GError **error);
