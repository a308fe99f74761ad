/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What "meson install" puts down, in a folder of the test's own: that each file is
 * where it belongs and no other is there, and that those who are going to read it
 * (systemd, the bus, polkit, man, bash) can.
 *
 * A reader that is not on this machine skips its case.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <gio/gio.h>
#include <glib/gstdio.h>

#include "build-config.h"
#include "tests/guest/harness/test-room.h"

#define TIMEOUT_S 120

/* The most that the unit's exposure may be, in tenths, as "systemd-analyze security"
 * rates it: 0 is none, 100 everything. */
#define EXPOSURE_MOST "25"

static TestRoom *room;
static char *root; /* what "/" is to what is installed */

/* What a program did. */
typedef struct {
    int status;
    char *output;
    char *messages;
} Ended;

static void
ended_clear(Ended *ended)
{
    g_free(ended->output);
    g_free(ended->messages);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Ended, ended_clear)

static Ended
run(const char *const *arguments)
{
    g_autoptr(GError) error = NULL;
    Ended ended = { 0 };

    if (!test_room_run(room, arguments, TIMEOUT_S, &ended.status, &ended.output, &ended.messages,
                       &error))
        fail_msg("%s: %s", arguments[0], error->message);
    return ended;
}

#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL })

/* What is wrong with a file is said on standard error, by some with status 0. */
static void
assert_silent(const Ended *ended)
{
    if (ended->status != 0 || *ended->messages)
        fail_msg("status %d:\n%s%s", ended->status, ended->output, ended->messages);
}

static void
need(const char *program)
{
    g_autofree char *path = g_find_program_in_path(program);

    if (!path) {
        print_message("no %s on this machine\n", program);
        skip();
    }
}

/* Returns: (transfer full): where a file of the folder that the build calls so is now. */
static char *
installed(const char *folder, const char *name)
{
    return g_build_filename(root, g_getenv(folder), name, NULL);
}

static char *
read_file(const char *path)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, &error))
        fail_msg("%s", error->message);
    return text;
}

static gboolean
is_built(const char *feature)
{
    return g_str_equal(feature, "") || g_str_equal(g_getenv(feature), "true");
}

/*
 * The files
 */

static const struct {
    const char *folder;
    const char *name;
    mode_t mode;
    const char *feature; /* that it needs; "" for none */
} files[] = {
    { "MEMPLUG_BINDIR", "memplug", 0755, "" },
    { "MEMPLUG_SBINDIR", "memplugd", 0755, "" },
    { "MEMPLUG_PREFIX", "lib/systemd/system/memplugd.service", 0644, "MEMPLUG_SYSTEMD" },
    { "MEMPLUG_PREFIX", "lib/systemd/user/memplugd.service", 0644, "MEMPLUG_SYSTEMD" },
    { "MEMPLUG_PREFIX", "lib/sysusers.d/memplug.conf", 0644, "MEMPLUG_SYSTEMD" },
    { "MEMPLUG_PREFIX", "lib/tmpfiles.d/memplug.conf", 0644, "MEMPLUG_SYSTEMD" },
    { "MEMPLUG_DATADIR", "dbus-1/system-services/org.memplug1.service", 0644, "MEMPLUG_SYSTEMD" },
    { "MEMPLUG_DATADIR", "dbus-1/services/org.memplug1.service", 0644, "" },
    { "MEMPLUG_DATADIR", "dbus-1/system.d/org.memplug1.conf", 0644, "" },
    { "MEMPLUG_DATADIR", "polkit-1/actions/org.memplug1.policy", 0644, "" },
    { "MEMPLUG_DATADIR", "polkit-1/rules.d/60-memplug.rules", 0644, "" },
    { "MEMPLUG_DATADIR", "bash-completion/completions/memplug", 0644, "" },
    { "MEMPLUG_DATADIR", "bash-completion/completions/memplugd", 0644, "" },
    { "MEMPLUG_MANDIR", "man1/memplug.1", 0644, "MEMPLUG_MAN" },
    { "MEMPLUG_MANDIR", "man5/memplug.conf.5", 0644, "MEMPLUG_MAN" },
    { "MEMPLUG_MANDIR", "man8/memplugd.8", 0644, "MEMPLUG_MAN" },
    { "MEMPLUG_MANDIR", "man8/memplug-guest.8", 0644, "MEMPLUG_MAN" },
    { "MEMPLUG_UDEVDIR", "rules.d/80-memplug-online.rules", 0644, "" },
};

static void
test_files_are_where_they_belong(void **state)
{
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = installed(files[i].folder, files[i].name);
        GStatBuf status;

        if (!is_built(files[i].feature)) {
            assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
            continue;
        }
        if (g_stat(path, &status) != 0)
            fail_msg("%s is missing", path);
        if ((status.st_mode & 07777) != files[i].mode)
            fail_msg("%s has mode %o", path, status.st_mode & 07777);
    }
}

static gboolean
is_listed(const char *path)
{
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *known = installed(files[i].folder, files[i].name);

        if (g_str_equal(path, known))
            return TRUE;
    }
    return FALSE;
}

static void
assert_all_listed(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        if (g_file_test(path, G_FILE_TEST_IS_DIR))
            assert_all_listed(path);
        else if (!is_listed(path))
            fail_msg("%s is not in this test's table", path);
    }
}

static void
test_nothing_else_is_installed(void **state)
{
    assert_all_listed(root);
}

static void
test_no_placeholder_is_left(void **state)
{
    g_autoptr(GRegex) placeholder = g_regex_new("@[a-z]+@", 0, 0, NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = installed(files[i].folder, files[i].name);
        g_autofree char *text = NULL;

        if (!is_built(files[i].feature) || files[i].mode == 0755)
            continue;
        text = read_file(path);
        if (g_regex_match(placeholder, text, 0, NULL))
            fail_msg("%s has one", path);
    }
}

/*
 * systemd
 */

/* Returns: (transfer full): a copy of the unit whose programs are those of @root, in
 *   @folder of the room. */
static char *
copy_unit(const char *name, const char *folder)
{
    g_autofree char *path = installed("MEMPLUG_PREFIX", name);
    g_autofree char *text = read_file(path);
    g_autofree char *start = g_strconcat("ExecStart=", g_getenv("MEMPLUG_SBINDIR"), NULL);
    g_autofree char *moved = g_strconcat("ExecStart=", root, g_getenv("MEMPLUG_SBINDIR"), NULL);
    g_autofree char *copies = test_room_path(room, folder);
    g_autofree char *copy = g_build_filename(copies, "memplugd.service", NULL);
    g_autoptr(GString) unit = g_string_new(text);

    assert_non_null(strstr(text, start));
    g_string_replace(unit, start, moved, 0);
    g_mkdir_with_parents(copies, 0700);
    assert_true(g_file_set_contents(copy, unit->str, -1, NULL));
    return g_steal_pointer(&copy);
}

static void
need_systemd(const char *program)
{
    if (!HAVE_SYSTEMD) {
        print_message("built without libsystemd: no unit is installed\n");
        skip();
    }
    need(program);
}

static void
test_units_are_understood(void **state)
{
    g_autofree char *runtime = test_room_path(room, "runtime");
    g_autofree char *setting = g_strconcat("XDG_RUNTIME_DIR=", runtime, NULL);
    g_autofree char *system = NULL;
    g_autofree char *user = NULL;
    g_auto(Ended) for_system = { 0 };
    g_auto(Ended) for_user = { 0 };

    need_systemd("systemd-analyze");
    g_mkdir(runtime, 0700);
    system = copy_unit("lib/systemd/system/memplugd.service", "system-unit");
    for_system = RUN("systemd-analyze", "verify", "--man=no", system);
    assert_silent(&for_system);

    user = copy_unit("lib/systemd/user/memplugd.service", "user-unit");
    for_user = RUN("env", setting, "systemd-analyze", "--user", "verify", "--man=no", user);
    assert_silent(&for_user);
}

static void
test_the_sandbox_is_tight(void **state)
{
    g_autofree char *unit = NULL;
    g_auto(Ended) ended = { 0 };

    need_systemd("systemd-analyze");
    unit = installed("MEMPLUG_PREFIX", "lib/systemd/system/memplugd.service");
    ended = RUN("systemd-analyze", "security", "--offline=true", "--threshold=" EXPOSURE_MOST,
                "--no-pager", unit);
    if (ended.status != 0)
        fail_msg("status %d:\n%s%s", ended.status, ended.output, ended.messages);
}

/* The service user is made, and owns the folders that it needs. */
static void
test_users_and_folders_are_made(void **state)
{
    g_autofree char *users = NULL;
    g_autofree char *folders = NULL;
    g_autofree char *base = test_room_path(room, "made");
    g_autofree char *etc = g_build_filename(base, "etc", NULL);
    g_autofree char *group_file = g_build_filename(etc, "group", NULL);
    g_autofree char *guests = g_build_filename(base, "run/memplug/guests", NULL);
    g_autofree char *option = g_strconcat("--root=", base, NULL);
    g_autofree char *groups = NULL;
    g_auto(Ended) making_users = { 0 };
    g_auto(Ended) making_folders = { 0 };
    GStatBuf status;

    need_systemd("systemd-sysusers");
    need_systemd("systemd-tmpfiles");
    users = installed("MEMPLUG_PREFIX", "lib/sysusers.d/memplug.conf");
    folders = installed("MEMPLUG_PREFIX", "lib/tmpfiles.d/memplug.conf");
    g_mkdir_with_parents(etc, 0755);
    if (geteuid() != 0) {
        making_users = RUN("systemd-sysusers", "--dry-run", option, users);
        assert_int_equal(making_users.status, 0);
        print_message("folders of another user are root's to make\n");
        skip();
    }
    making_users = RUN("systemd-sysusers", option, users);
    assert_int_equal(making_users.status, 0);
    groups = read_file(group_file);
    assert_true(g_regex_match_simple("^libvirt:.*:memplug$", groups, G_REGEX_MULTILINE, 0));
    assert_true(g_regex_match_simple("^memplug:", groups, G_REGEX_MULTILINE, 0));

    making_folders = RUN("systemd-tmpfiles", "--create", option, folders);
    assert_silent(&making_folders);
    assert_int_equal(g_stat(guests, &status), 0);
    assert_int_equal(status.st_mode & 07777, 02770);
    assert_int_not_equal(status.st_uid, 0);
    assert_int_not_equal(status.st_gid, 0);
}

/*
 * The bus
 */

static GKeyFile *
load_activation(const char *name)
{
    g_autofree char *path = installed("MEMPLUG_DATADIR", name);
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
    g_autofree char *path = installed("MEMPLUG_PREFIX", unit);
    g_autofree char *text = read_file(path);

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
    program = g_build_filename(root, words[0], NULL);
    assert_true(g_file_test(program, G_FILE_TEST_IS_EXECUTABLE));
    if (HAVE_SYSTEMD) {
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
    g_autofree char *socket = test_room_path(room, "bus");
    g_autofree char *file = test_room_path(room, "bus.conf");
    g_autofree char *log = test_room_path(room, "bus.log");
    g_autofree char *policies = installed("MEMPLUG_DATADIR", "dbus-1/system.d");
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
        room, (const char *const[]){ "dbus-daemon", "--nofork", "--print-address", option, NULL },
        log, G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL);
    assert_non_null(bus);
    lines = g_data_input_stream_new(g_subprocess_get_stdout_pipe(bus));
    *address = g_data_input_stream_read_line(lines, NULL, NULL, NULL);
    if (!*address) {
        g_autofree char *messages = read_file(log);

        fail_msg("the bus did not start:\n%s", messages);
    }
    return bus;
}

/* Calls @method (and more words) of @name as user and group 65534, "nobody". */
#define CALL_AS_NOBODY(address, name, method, ...)                                          \
    RUN("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "gdbus", "call",     \
        "--address", address, "--dest", name, "--object-path", "/org/memplug1", "--method", \
        method, ##__VA_ARGS__)

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

    need("dbus-daemon");
    bus = start_bus(&address);
    connection = ask_for_name(address, &owns);
    assert_int_equal(owns, geteuid() == 0);
    if (geteuid() == 0) {
        g_auto(Ended) taking = { 0 };
        g_auto(Ended) talking = { 0 };

        need("gdbus");
        need("setpriv");
        taking = CALL_AS_NOBODY(address, "org.freedesktop.DBus", "org.freedesktop.DBus.RequestName",
                                "org.memplug1", "uint32 4");
        assert_int_not_equal(taking.status, 0);
        assert_non_null(strstr(taking.messages, "AccessDenied"));
        talking = CALL_AS_NOBODY(address, "org.memplug1", "org.freedesktop.DBus.Peer.Ping");
        assert_silent(&talking);
    }
    test_room_kill(bus);
}

/*
 * polkit, man, bash
 */

static void
test_polkit_actions_are_valid(void **state)
{
    static const char dtd[] = "/usr/share/polkit-1/policyconfig-1.dtd";
    g_autofree char *policy = installed("MEMPLUG_DATADIR", "polkit-1/actions/org.memplug1.policy");
    g_auto(Ended) ended = { 0 };

    need("xmllint");
    if (g_file_test(dtd, G_FILE_TEST_EXISTS))
        ended = RUN("xmllint", "--nonet", "--noout", "--dtdvalid", dtd, policy);
    else
        ended = RUN("xmllint", "--nonet", "--noout", policy);
    assert_silent(&ended);
}

static void
test_manual_pages_are_formatted(void **state)
{
    guint n_pages = 0;

    need("groff");
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *page = installed(files[i].folder, files[i].name);
        g_auto(Ended) ended = { 0 };

        if (!g_str_equal(files[i].folder, "MEMPLUG_MANDIR") || !is_built(files[i].feature))
            continue;
        ended = RUN("groff", "-man", "-ww", "-z", "-Tutf8", page);
        assert_silent(&ended);
        n_pages++;
    }
    if (n_pages == 0) {
        print_message("built without manual pages\n");
        skip();
    }
}

static void
test_completion_is_taken(void **state)
{
    static const char *const programs[] = { "memplug", "memplugd" };

    need("bash");
    for (gsize i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *name = g_build_filename("bash-completion/completions", programs[i], NULL);
        g_autofree char *path = installed("MEMPLUG_DATADIR", name);
        g_auto(Ended) ended = RUN("bash", "--norc", "-uec", "source \"$1\" && complete -p \"$2\"",
                                  "bash", path, programs[i]);

        assert_silent(&ended);
        assert_non_null(strstr(ended.output, programs[i]));
    }
}

static int
install_all(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = NULL;
    g_auto(Ended) ended = { 0 };

    room = test_room_new(&error);
    if (!room) {
        print_error("%s\n", error->message);
        return -1;
    }
    root = test_room_path(room, "root");
    /* Another user is to reach the bus in it. */
    folder = g_path_get_dirname(root);
    g_chmod(folder, 0711);
    ended = RUN("meson", "install", "--no-rebuild", "--quiet", "-C", g_getenv("MEMPLUG_BUILD_ROOT"),
                "--destdir", root);
    if (ended.status != 0)
        print_error("%s%s", ended.output, ended.messages);
    return ended.status == 0 ? 0 : -1;
}

static int
remove_all(void **state)
{
    g_clear_pointer(&root, g_free);
    g_clear_pointer(&room, test_room_free);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_where_they_belong),
        cmocka_unit_test(test_nothing_else_is_installed),
        cmocka_unit_test(test_no_placeholder_is_left),
        cmocka_unit_test(test_units_are_understood),
        cmocka_unit_test(test_the_sandbox_is_tight),
        cmocka_unit_test(test_users_and_folders_are_made),
        cmocka_unit_test(test_the_bus_can_start_it),
        cmocka_unit_test(test_the_bus_takes_the_policy),
        cmocka_unit_test(test_polkit_actions_are_valid),
        cmocka_unit_test(test_manual_pages_are_formatted),
        cmocka_unit_test(test_completion_is_taken),
    };
    g_autofree char *meson = g_find_program_in_path("meson");

    if (!meson) {
        print_message("no meson in PATH to install with\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, install_all, remove_all);
}
