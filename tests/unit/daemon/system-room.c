/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * polkitd reads /usr/share/polkit-1 and /etc/polkit-1 and takes no other folders, so
 * folders of ours are mounted there; so is a passwd that has the user memplug, whom
 * the actions name as one who may ask. The bus ends with the test (PR_SET_PDEATHSIG),
 * and polkitd with the bus, so nothing is left behind should the test crash.
 *
 * Who a caller is, the bus takes from the socket when somebody connects: so this
 * process is another user only for as long as that takes.
 */
#include "tests/unit/daemon/system-room.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/fake/await.h"
#include "tests/fake/test-folder.h"

#define POLKITD       "/usr/lib/polkit-1/polkitd"
#define POLKIT_NAME   "org.freedesktop.PolicyKit1"
#define SERVICE_USER  "memplug"
#define SERVICE_UID   64990
#define RULES_FILE    "share/rules.d/60-test.rules"
#define SHARE         "/usr/share/polkit-1"
#define CONFIGURATION "/etc/polkit-1"
#define FOLDER_MODE   0755
#define BUS_CONFIG                                                                              \
    "<busconfig><type>system</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>"      \
    "<policy context='default'><allow user='*'/><deny own='*'/><deny send_type='method_call'/>" \
    "<allow send_type='signal'/><allow send_type='method_return'/><allow send_type='error'/>"   \
    "<allow receive_type='method_call'/><allow receive_type='method_return'/>"                  \
    "<allow receive_type='error'/><allow receive_type='signal'/>"                               \
    "<allow send_destination='org.freedesktop.DBus'/>"                                          \
    "<allow send_destination='" POLKIT_NAME "'/></policy>"                                      \
    "<policy user='root'><allow own='" POLKIT_NAME "'/></policy>"                               \
    "<policy user='polkitd'><allow own='" POLKIT_NAME "'/>"                                     \
    "<allow send_type='method_call'/></policy>"                                                 \
    "<include>%s</include></busconfig>"

const char *
system_room_obstacle(void)
{
    g_autofree char *bus = g_find_program_in_path("dbus-daemon");

    if (geteuid() != 0)
        return "callers of several users take root";
    if (!bus)
        return "there is no dbus-daemon";
    if (!g_file_test(POLKITD, G_FILE_TEST_IS_EXECUTABLE) || !getpwnam("polkitd"))
        return "there is no polkitd";
    if (!g_file_test(SHARE, G_FILE_TEST_IS_DIR) || !g_file_test(CONFIGURATION, G_FILE_TEST_IS_DIR))
        return "polkitd has no folders here";
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
        return "a mount namespace is not allowed here";
    return NULL;
}

static char *
path_in(const SystemRoom *room, const char *name)
{
    return g_build_filename(room->folder, name, NULL);
}

static void
put(const SystemRoom *room, const char *name, const char *text)
{
    g_autofree char *path = path_in(room, name);

    assert_true(g_file_set_contents(path, text, -1, NULL));
    assert_int_equal(g_chmod(path, 0644), 0);
}

static void
copy(const SystemRoom *room, const char *from, const char *name)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents(from, &text, NULL, NULL))
        fail_msg("cannot read %s", from);
    put(room, name, text);
}

static void
hide(const SystemRoom *room, const char *name, const char *below)
{
    g_autofree char *path = path_in(room, name);

    if (mount(path, below, "none", MS_BIND, NULL) < 0)
        fail_msg("mount %s on %s: %s", path, below, g_strerror(errno));
}

/* A passwd in which there is the user memplug, be he on this machine or not. */
static void
put_service_user(SystemRoom *room)
{
    const struct passwd *user = getpwnam(SERVICE_USER);
    g_autofree char *known = NULL;
    g_autofree char *all = NULL;

    room->service = user ? user->pw_uid : SERVICE_UID;
    if (user)
        return;
    assert_true(g_file_get_contents("/etc/passwd", &known, NULL, NULL));
    all = g_strdup_printf("%s" SERVICE_USER ":x:%d:%d::/nonexistent:/usr/sbin/nologin\n", known,
                          SERVICE_UID, SERVICE_UID);
    put(room, "passwd", all);
    hide(room, "passwd", "/etc/passwd");
}

static void
die_with_parent(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static GSubprocess *
start(GSubprocessFlags flags, const char *const *words)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(flags);
    g_autoptr(GError) error = NULL;
    GSubprocess *process;

    g_subprocess_launcher_set_child_setup(launcher, die_with_parent, NULL, NULL);
    process = g_subprocess_launcher_spawnv(launcher, words, &error);
    if (!process)
        fail_msg("%s", error->message);
    return process;
}

static void
stop(GSubprocess **process)
{
    if (!*process)
        return;
    g_subprocess_force_exit(*process);
    g_subprocess_wait(*process, NULL, NULL);
    g_clear_object(process);
}

static void
start_bus(SystemRoom *room)
{
    g_autofree char *config =
        g_strdup_printf(BUS_CONFIG, room->folder, g_getenv("MEMPLUG_BUS_POLICY"));
    g_autofree char *file = path_in(room, "bus.conf");
    g_autofree char *option = g_strconcat("--config-file=", file, NULL);
    const char *const words[] = { "dbus-daemon", option, "--nofork", "--print-address=1", NULL };
    g_autoptr(GDataInputStream) lines = NULL;

    put(room, "bus.conf", config);
    room->bus = start(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, words);
    lines = g_data_input_stream_new(g_subprocess_get_stdout_pipe(room->bus));
    room->address = g_data_input_stream_read_line(lines, NULL, NULL, NULL);
    assert_non_null(room->address);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", room->address, TRUE);
}

SystemRoom *
system_room_new(void)
{
    static const char *const folders[] = { "share/actions", "share/rules.d", "etc/rules.d" };
    SystemRoom *room = g_new0(SystemRoom, 1);

    room->folder = test_folder_new("system");
    assert_int_equal(g_chmod(room->folder, FOLDER_MODE), 0);
    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = path_in(room, folders[i]);

        assert_int_equal(g_mkdir_with_parents(path, FOLDER_MODE), 0);
    }
    copy(room, g_getenv("MEMPLUG_POLKIT_POLICY"), "share/actions/org.memplug1.policy");
    hide(room, "share", SHARE);
    hide(room, "etc", CONFIGURATION);
    put_service_user(room);
    start_bus(room);
    return room;
}

void
system_room_free(SystemRoom *room)
{
    stop(&room->polkitd);
    stop(&room->bus);
    umount2(SHARE, MNT_DETACH);
    umount2(CONFIGURATION, MNT_DETACH);
    umount2("/etc/passwd", MNT_DETACH);
    test_folder_free(room->folder);
    g_free(room->address);
    g_free(room);
}

GDBusConnection *
system_room_connect(SystemRoom *room, uid_t uid)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection;

    assert_int_equal(seteuid(uid), 0);
    connection =
        g_dbus_connection_new_for_address_sync(room->address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);
    assert_int_equal(seteuid(0), 0);
    if (!connection)
        fail_msg("user %u: %s", (guint)uid, error->message);
    return connection;
}

static void
on_owner(GDBusConnection *connection, const char *name, const char *owner, gpointer there)
{
    *(gboolean *)there = TRUE;
}

static void
on_no_owner(GDBusConnection *connection, const char *name, gpointer gone)
{
    *(gboolean *)gone = TRUE;
}

/* Waits until polkitd has its name, or has it no more. */
static void
await_polkitd(SystemRoom *room, gboolean present)
{
    g_autoptr(GDBusConnection) connection = system_room_connect(room, 0);
    gboolean seen = FALSE;
    guint watch = g_bus_watch_name_on_connection(
        connection, POLKIT_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, present ? on_owner : NULL,
        present ? NULL : on_no_owner, &seen, NULL);

    await_flag(&seen, present ? "polkitd" : "its end");
    g_bus_unwatch_name(watch);
    g_dbus_connection_close_sync(connection, NULL, NULL);
}

void
system_room_start_polkitd(SystemRoom *room, const char *rules)
{
    const char *const words[] = { POLKITD, "--no-debug", NULL };

    put(room, RULES_FILE, rules ? rules : "");
    room->polkitd =
        start(G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, words);
    await_polkitd(room, TRUE);
}

void
system_room_stop_polkitd(SystemRoom *room)
{
    if (!room->polkitd)
        return;
    stop(&room->polkitd);
    await_polkitd(room, FALSE);
}
