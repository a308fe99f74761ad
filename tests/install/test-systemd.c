/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * systemd understands its files, and what it makes of them is what memplugd needs.
 */
#include "tests/install/install-room.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

/* The most that the unit's exposure may be, in tenths, as "systemd-analyze security"
 * rates it: 0 is none, 100 everything. */
#define EXPOSURE_MOST "25"

static const struct {
    const char *name;
    const char *manager; /* whose unit it is */
    const char *feature;
} units[] = {
    { "system/memplugd.service", "--system", "MEMPLUG_SYSTEMD" },
    { "system/memplug-guest.service", "--system", "MEMPLUG_AGENT" },
    { "user/memplugd.service", "--user", "MEMPLUG_SYSTEMD" },
};

static char *
unit_file(const char *name)
{
    g_autofree char *below = g_build_filename("lib/systemd", name, NULL);

    return install_room_file("MEMPLUG_PREFIX", below);
}

/* Returns: (transfer full): a copy of the unit that starts a program which is there. */
static char *
copy_unit(const char *name)
{
    g_autofree char *path = unit_file(name);
    g_autofree char *text = install_room_read(path);
    g_autofree char *start = g_strconcat("ExecStart=", g_getenv("MEMPLUG_SBINDIR"), NULL);
    g_autofree char *moved =
        g_strconcat("ExecStart=", install_room.root, g_getenv("MEMPLUG_SBINDIR"), NULL);
    g_autofree char *copy = install_room_path(name);
    g_autofree char *folder = g_path_get_dirname(copy);
    g_autoptr(GString) unit = g_string_new(text);

    assert_non_null(strstr(text, start));
    g_string_replace(unit, start, moved, 0);
    g_mkdir_with_parents(folder, 0700);
    assert_true(g_file_set_contents(copy, unit->str, -1, NULL));
    return g_steal_pointer(&copy);
}

static void
test_units_are_understood(void **state)
{
    g_autofree char *runtime = install_room_path("runtime");
    g_autofree char *setting = g_strconcat("XDG_RUNTIME_DIR=", runtime, NULL);

    install_room_need("systemd-analyze");
    g_mkdir(runtime, 0700);
    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        g_autofree char *unit = NULL;
        g_auto(InstallRun) run = { 0 };

        if (!install_room_has(units[i].feature))
            continue;
        unit = copy_unit(units[i].name);
        run = INSTALL_ROOM_RUN("env", setting, "systemd-analyze", units[i].manager, "verify",
                               "--man=no", unit);
        install_room_assert_silent(&run);
    }
}

/* A user's manager can take away less; that unit is not rated. */
static void
test_the_sandbox_is_tight(void **state)
{
    install_room_need("systemd-analyze");
    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        g_autofree char *unit = unit_file(units[i].name);
        g_auto(InstallRun) run = { 0 };

        if (!install_room_has(units[i].feature) || !g_str_equal(units[i].manager, "--system"))
            continue;
        run = INSTALL_ROOM_RUN("systemd-analyze", "security", "--offline=true",
                               "--threshold=" EXPOSURE_MOST, "--no-pager", unit);
        if (run.status != 0)
            fail_msg("status %d:\n%s%s", run.status, run.output, run.messages);
    }
}

/* The service user is made, and owns the folders that it needs. */
static void
test_users_and_folders_are_made(void **state)
{
    g_autofree char *users = NULL;
    g_autofree char *folders = NULL;
    g_autofree char *base = install_room_path("made");
    g_autofree char *etc = g_build_filename(base, "etc", NULL);
    g_autofree char *group_file = g_build_filename(etc, "group", NULL);
    g_autofree char *guests = g_build_filename(base, "run/memplug/guests", NULL);
    g_autofree char *option = g_strconcat("--root=", base, NULL);
    g_autofree char *groups = NULL;
    g_auto(InstallRun) making_users = { 0 };
    g_auto(InstallRun) making_folders = { 0 };
    GStatBuf status;

    if (!install_room_has("MEMPLUG_SYSTEMD")) {
        print_message("built without libsystemd: there is no service\n");
        skip();
    }
    install_room_need("systemd-sysusers");
    install_room_need("systemd-tmpfiles");
    users = install_room_file("MEMPLUG_PREFIX", "lib/sysusers.d/memplug.conf");
    folders = install_room_file("MEMPLUG_PREFIX", "lib/tmpfiles.d/memplug.conf");
    g_mkdir_with_parents(etc, 0755);
    if (geteuid() != 0) {
        making_users = INSTALL_ROOM_RUN("systemd-sysusers", "--dry-run", option, users);
        assert_int_equal(making_users.status, 0);
        print_message("folders of another user are root's to make\n");
        skip();
    }
    making_users = INSTALL_ROOM_RUN("systemd-sysusers", option, users);
    assert_int_equal(making_users.status, 0);
    groups = install_room_read(group_file);
    assert_true(g_regex_match_simple("^libvirt:.*:memplug$", groups, G_REGEX_MULTILINE, 0));
    assert_true(g_regex_match_simple("^memplug:", groups, G_REGEX_MULTILINE, 0));

    making_folders = INSTALL_ROOM_RUN("systemd-tmpfiles", "--create", option, folders);
    install_room_assert_silent(&making_folders);
    assert_int_equal(g_stat(guests, &status), 0);
    assert_int_equal(status.st_mode & 07777, 02770);
    assert_int_not_equal(status.st_uid, 0);
    assert_int_not_equal(status.st_gid, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units_are_understood),
        cmocka_unit_test(test_the_sandbox_is_tight),
        cmocka_unit_test(test_users_and_folders_are_made),
    };

    return INSTALL_ROOM_GROUP(tests);
}
