/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bus can start memplugd, lets only memplugd's users be it, and everybody talk
 * to it.
 */
#include "tests/install/install-room.h"

#include <string.h>
#include <unistd.h>

static GKeyFile *
load_activation(const char *name)
{
    g_autofree char *path = install_room_file("MEMPLUG_DATADIR", name);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *owned = NULL;

    assert_true(g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL));
    owned = g_key_file_get_string(file, "D-BUS Service", "Name", NULL);
    assert_string_equal(owned, "org.memplug1");
    return g_steal_pointer(&file);
}

/* What the bus asks systemd for is what the unit is called once it is enabled. */
static void
assert_alias(GKeyFile *activation, const char *unit)
{
    g_autofree char *alias =
        g_key_file_get_string(activation, "D-BUS Service", "SystemdService", NULL);
    g_autofree char *line = g_strdup_printf("\nAlias=%s\n", alias);
    g_autofree char *path = install_room_file("MEMPLUG_PREFIX", unit);
    g_autofree char *text = install_room_read(path);

    assert_non_null(alias);
    assert_non_null(strstr(text, line));
}

static void
test_the_bus_can_start_it(void **state)
{
    g_autoptr(GKeyFile) session = load_activation("dbus-1/services/org.memplug1.service");
    g_autofree char *command = g_key_file_get_string(session, "D-BUS Service", "Exec", NULL);
    g_auto(GStrv) words = NULL;
    g_autofree char *program = NULL;

    assert_true(g_shell_parse_argv(command, NULL, &words, NULL));
    program = g_build_filename(install_room.root, words[0], NULL);
    assert_true(g_file_test(program, G_FILE_TEST_IS_EXECUTABLE));
    if (install_room_has("MEMPLUG_SYSTEMD")) {
        g_autoptr(GKeyFile) system = load_activation("dbus-1/system-services/org.memplug1.service");

        assert_alias(session, "lib/systemd/user/memplugd.service");
        assert_alias(system, "lib/systemd/system/memplugd.service");
    }
}

/* A system bus that lets everybody in and forbids what the system's forbids, with no
 * other policy than ours. Returns: (transfer full): its process; @address is (out)
 * (transfer full). */
static GSubprocess *
start_bus(char **address)
{
    g_autofree char *socket = install_room_path("bus");
    g_autofree char *file = install_room_path("bus.conf");
    g_autofree char *log = install_room_path("bus.log");
    g_autofree char *policies = install_room_file("MEMPLUG_DATADIR", "dbus-1/system.d");
    g_autofree char *config = g_strdup_printf(
        "<busconfig><type>system</type><listen>unix:path=%s</listen><policy context='default'>"
        "<allow user='*'/><deny own='*'/><deny send_type='method_call'/>"
        "<allow send_type='method_return'/><allow send_type='error'/>"
        "<allow send_type='signal'/><allow receive_type='method_call'/>"
        "<allow receive_type='method_return'/><allow receive_type='error'/>"
        "<allow receive_type='signal'/><allow send_destination='org.freedesktop.DBus'/></policy>"
        "<includedir>%s</includedir></busconfig>",
        socket, policies);
    g_autofree char *option = g_strconcat("--config-file=", file, NULL);
    g_autoptr(GDataInputStream) lines = NULL;
    GSubprocess *bus;

    assert_true(g_file_set_contents(file, config, -1, NULL));
    bus = test_room_spawn(
        install_room.room,
        (const char *const[]){ "dbus-daemon", "--nofork", "--print-address", option, NULL }, log,
        G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL);
    assert_non_null(bus);
    lines = g_data_input_stream_new(g_subprocess_get_stdout_pipe(bus));
    *address = g_data_input_stream_read_line(lines, NULL, NULL, NULL);
    if (!*address) {
        g_autofree char *messages = install_room_read(log);

        fail_msg("the bus did not start:\n%s", messages);
    }
    return bus;
}

/* Calls @method (and more words) of @name as user and group 65534, "nobody". */
#define CALL_AS_NOBODY(address, name, method, ...)                                           \
    INSTALL_ROOM_RUN("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "gdbus", \
                     "call", "--address", address, "--dest", name, "--object-path",          \
                     "/org/memplug1", "--method", method, ##__VA_ARGS__)

/* Returns: (transfer full): a connection of this process that asked for the name;
 *   @owns is (out). */
static GDBusConnection *
ask_for_name(const char *address, gboolean *owns)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) connection =
        g_dbus_connection_new_for_address_sync(address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);
    g_autoptr(GVariant) reply = NULL;

    if (!connection)
        fail_msg("%s", error->message);
    reply = g_dbus_connection_call_sync(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "RequestName",
                                        g_variant_new("(su)", "org.memplug1", 4), NULL,
                                        G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
    *owns = reply != NULL;
    if (!reply)
        assert_true(g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED));
    return g_steal_pointer(&connection);
}

/* Root may be memplugd, and others may talk to it, but not be it. */
static void
test_the_bus_takes_the_policy(void **state)
{
    g_autoptr(GSubprocess) bus = NULL;
    g_autofree char *address = NULL;
    g_autoptr(GDBusConnection) connection = NULL;
    gboolean owns;

    install_room_need("dbus-daemon");
    bus = start_bus(&address);
    connection = ask_for_name(address, &owns);
    assert_int_equal(owns, geteuid() == 0);
    if (geteuid() == 0) {
        g_auto(InstallRun) taking = { 0 };
        g_auto(InstallRun) talking = { 0 };

        install_room_need("gdbus");
        install_room_need("setpriv");
        taking = CALL_AS_NOBODY(address, "org.freedesktop.DBus", "org.freedesktop.DBus.RequestName",
                                "org.memplug1", "uint32 4");
        assert_int_not_equal(taking.status, 0);
        assert_non_null(strstr(taking.messages, "AccessDenied"));
        talking = CALL_AS_NOBODY(address, "org.memplug1", "org.freedesktop.DBus.Peer.Ping");
        install_room_assert_silent(&talking);
    }
    test_room_kill(bus);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_bus_can_start_it),
        cmocka_unit_test(test_the_bus_takes_the_policy),
    };

    return INSTALL_ROOM_GROUP(tests);
}
