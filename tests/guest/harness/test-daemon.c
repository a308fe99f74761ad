/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/guest/harness/test-daemon.h"

#include <signal.h>
#include <stdio.h>

#define BUS_NAME        "org.memplug1"
#define NAME_TIMEOUT    (20 * G_USEC_PER_SEC)
#define STOP_TIMEOUT    (10 * G_USEC_PER_SEC)
#define COMMAND_TIMEOUT 120 /* s */
#define POLL_INTERVAL   (20 * 1000)

struct TestDaemon {
    TestRoom *room;
    char *address;
    char *config_path;
    char *log_path;
    GStrv arguments; /* of memplugd, with itself */
    GSubprocess *bus;
    GSubprocess *memplugd;
    GDBusConnection *connection; /* a client of the bus, to see names */
};

/* Anyone may own and call anything; the socket is in a folder that only we can enter. */
static const char bus_config[] =
    "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\""
    " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">"
    "<busconfig>"
    "  <listen>unix:path=%s</listen>"
    "  <auth>EXTERNAL</auth>"
    "  <policy context=\"default\">"
    "    <allow send_destination=\"*\" eavesdrop=\"true\"/>"
    "    <allow eavesdrop=\"true\"/>"
    "    <allow own=\"*\"/>"
    "    <allow user=\"*\"/>"
    "  </policy>"
    "</busconfig>";

static char *
program(const char *variable, const char *name)
{
    const char *path = g_getenv(variable);
    return g_strdup(path != NULL ? path : name);
}

/* The bus prints its address once it listens. */
static gboolean
start_bus(TestDaemon *daemon, GError **error)
{
    g_autofree char *socket = test_room_path(daemon->room, "bus");
    g_autofree char *config_path = test_room_path(daemon->room, "bus.conf");
    g_autofree char *config = g_strdup_printf(bus_config, socket);
    g_autofree char *log = test_room_path(daemon->room, "bus.log");
    g_autofree char *option = g_strconcat("--config-file=", config_path, NULL);
    const char *const arguments[] = { "dbus-daemon",     option, "--nofork", "--nopidfile",
                                      "--print-address", NULL };
    if (!g_file_set_contents(config_path, config, -1, error))
        return FALSE;
    daemon->bus =
        test_room_spawn(daemon->room, arguments, log, G_SUBPROCESS_FLAGS_STDOUT_PIPE, error);
    if (daemon->bus == NULL)
        return FALSE;
    g_autoptr(GDataInputStream) output =
        g_data_input_stream_new(g_subprocess_get_stdout_pipe(daemon->bus));
    daemon->address = g_data_input_stream_read_line(output, NULL, NULL, error);
    if (daemon->address == NULL) {
        if (error != NULL && *error == NULL)
            g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, "dbus-daemon did not start");
        return FALSE;
    }
    daemon->connection =
        g_dbus_connection_new_for_address_sync(daemon->address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, error);
    return daemon->connection != NULL;
}

static gboolean
name_has_owner(TestDaemon *daemon, gboolean *owned, GError **error)
{
    g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
        daemon->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "NameHasOwner", g_variant_new("(s)", BUS_NAME), G_VARIANT_TYPE("(b)"),
        G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);
    if (reply == NULL)
        return FALSE;
    g_variant_get(reply, "(b)", owned);
    return TRUE;
}

/* An ended process has no identifier; GSubprocess notices in its own thread. */
static gboolean
has_ended(GSubprocess *process)
{
    return g_subprocess_get_identifier(process) == NULL;
}

static gboolean
wait_for_name(TestDaemon *daemon, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + NAME_TIMEOUT;
    gboolean owned = FALSE;
    while (name_has_owner(daemon, &owned, error)) {
        if (owned)
            return TRUE;
        if (has_ended(daemon->memplugd) || g_get_monotonic_time() > deadline) {
            g_autofree char *log = test_daemon_log(daemon);
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "memplugd %s without its name: %s",
                        has_ended(daemon->memplugd) ? "ended" : "still runs", log);
            return FALSE;
        }
        g_usleep(POLL_INTERVAL);
    }
    return FALSE;
}

gboolean
test_daemon_restart(TestDaemon *daemon, GError **error)
{
    test_daemon_kill(daemon);
    daemon->memplugd = test_room_spawn(daemon->room, (const char *const *)daemon->arguments,
                                       daemon->log_path, G_SUBPROCESS_FLAGS_NONE, error);
    return daemon->memplugd != NULL && wait_for_name(daemon, error);
}

TestDaemon *
test_daemon_start(TestRoom *room, const char *uri, const char *config, const char *const *arguments,
                  GError **error)
{
    g_autoptr(TestDaemon) daemon = g_new0(TestDaemon, 1);
    daemon->room = room;
    daemon->log_path = test_room_path(room, "memplugd.log");
    daemon->config_path = test_room_path(room, "memplug.conf");
    if (!test_daemon_configure(daemon, config, error) || !start_bus(daemon, error))
        return NULL;

    g_autofree char *memplugd = program("MEMPLUGD", "memplugd");
    g_autofree char *state_folder = test_room_path(room, "state");
    g_autofree char *state = g_strconcat("STATE_DIRECTORY=", state_folder, NULL);
    g_autoptr(GStrvBuilder) line = g_strv_builder_new();
    g_strv_builder_add_many(line, "env", state, "G_MESSAGES_DEBUG=memplugd", memplugd, "--connect",
                            uri, "--config", daemon->config_path, "--bus", daemon->address, NULL);
    if (arguments != NULL)
        g_strv_builder_addv(line, (const char **)arguments);
    daemon->arguments = g_strv_builder_end(line);
    if (!test_daemon_restart(daemon, error))
        return NULL;
    return g_steal_pointer(&daemon);
}

void
test_daemon_free(TestDaemon *daemon)
{
    if (daemon == NULL)
        return;
    test_daemon_kill(daemon);
    g_clear_object(&daemon->connection);
    test_room_kill(daemon->bus);
    g_clear_object(&daemon->bus);
    g_strfreev(daemon->arguments);
    g_free(daemon->log_path);
    g_free(daemon->config_path);
    g_free(daemon->address);
    g_free(daemon);
}

void
test_daemon_kill(TestDaemon *daemon)
{
    test_room_kill(daemon->memplugd);
    g_clear_object(&daemon->memplugd);
}

gboolean
test_daemon_stop(TestDaemon *daemon, int *status, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + STOP_TIMEOUT;
    g_subprocess_send_signal(daemon->memplugd, SIGTERM);
    while (!has_ended(daemon->memplugd)) {
        if (g_get_monotonic_time() > deadline) {
            g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                                "memplugd does not end on SIGTERM");
            return FALSE;
        }
        g_usleep(POLL_INTERVAL);
    }
    g_subprocess_wait(daemon->memplugd, NULL, NULL);
    *status = test_room_exit_status(daemon->memplugd);
    g_clear_object(&daemon->memplugd);
    return TRUE;
}

gboolean
test_daemon_configure(TestDaemon *daemon, const char *config, GError **error)
{
    return g_file_set_contents(daemon->config_path, config, -1, error);
}

const char *
test_daemon_address(TestDaemon *daemon)
{
    return daemon->address;
}

GSubprocess *
test_daemon_process(TestDaemon *daemon)
{
    return daemon->memplugd;
}

char *
test_daemon_log(TestDaemon *daemon)
{
    char *text = NULL;
    if (!g_file_get_contents(daemon->log_path, &text, NULL, NULL))
        return g_strdup("");
    return text;
}

void
test_daemon_print_log(TestDaemon *daemon)
{
    if (daemon == NULL)
        return;
    g_autofree char *log = test_daemon_log(daemon);
    /* g_printerr() would spell it in the locale's charset. */
    fprintf(stderr, "--- memplugd's log:\n%s--- end of memplugd's log\n", log);
}

void
test_command_clear(TestCommand *command)
{
    g_clear_pointer(&command->output, g_free);
    g_clear_pointer(&command->messages, g_free);
    g_clear_pointer(&command->json, json_node_unref);
}

static gboolean
parse_output(TestCommand *command, const char *const *arguments, GError **error)
{
    if (command->status != 0 || !g_strv_contains(arguments, "--json"))
        return TRUE;
    command->json = json_from_string(command->output, error);
    if (command->json == NULL)
        g_prefix_error(error, "memplug's output is no JSON: %s: ", command->output);
    return command->json != NULL;
}

gboolean
test_daemon_run(TestDaemon *daemon, TestCommand *command, GError **error, ...)
{
    va_list values;
    va_start(values, error);
    gboolean ok = test_daemon_run_va(daemon, command, values, error);
    va_end(values);
    return ok;
}

gboolean
test_daemon_run_va(TestDaemon *daemon, TestCommand *command, va_list values, GError **error)
{
    g_autoptr(GStrvBuilder) line = g_strv_builder_new();
    g_autofree char *memplug = program("MEMPLUG", "memplug");
    g_strv_builder_add_many(line, memplug, "--bus", daemon->address, NULL);
    for (const char *value; (value = va_arg(values, const char *)) != NULL;)
        g_strv_builder_add(line, value);
    g_auto(GStrv) arguments = g_strv_builder_end(line);

    *command = (TestCommand){ 0 };
    return test_room_run(daemon->room, (const char *const *)arguments, COMMAND_TIMEOUT,
                         &command->status, &command->output, &command->messages, error) &&
           parse_output(command, (const char *const *)arguments, error);
}
