/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each file is where it belongs, no other is there, and polkit, man and bash can read
 * theirs.
 */
#include "tests/install/install-room.h"

#include <string.h>
#include <sys/stat.h>

#include <glib/gstdio.h>

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
    { "MEMPLUG_MANDIR", "man5/memplug-journal.5", 0644, "MEMPLUG_MAN" },
    { "MEMPLUG_MANDIR", "man8/memplugd.8", 0644, "MEMPLUG_MAN" },
    { "MEMPLUG_MANDIR", "man8/memplug-guest.8", 0644, "MEMPLUG_MAN" },
    { "MEMPLUG_UDEVDIR", "rules.d/80-memplug-online.rules", 0644, "" },
    { "MEMPLUG_UDEVDIR", "rules.d/80-memplug-guest.rules", 0644, "MEMPLUG_AGENT" },
    { "MEMPLUG_SBINDIR", "memplug-guest", 0755, "MEMPLUG_AGENT" },
    { "MEMPLUG_SYSCONFDIR", "libvirt/hooks/qemu.d/memplug", 0755, "MEMPLUG_LIBVIRT" },
    { "MEMPLUG_PREFIX", "lib/systemd/system/memplug-guest.service", 0644, "MEMPLUG_AGENT" },
    { "MEMPLUG_PREFIX", "lib/sysusers.d/memplug-guest.conf", 0644, "MEMPLUG_AGENT" },
};

static void
test_files_are_where_they_belong(void **state)
{
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = install_room_file(files[i].folder, files[i].name);
        GStatBuf status;

        if (!install_room_has(files[i].feature)) {
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
        g_autofree char *known = install_room_file(files[i].folder, files[i].name);

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
    assert_all_listed(install_room.root);
}

static void
test_no_placeholder_is_left(void **state)
{
    g_autoptr(GRegex) placeholder = g_regex_new("@[a-z]+@", 0, 0, NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = install_room_file(files[i].folder, files[i].name);
        g_autofree char *text = NULL;

        if (!install_room_has(files[i].feature) || files[i].mode == 0755)
            continue;
        text = install_room_read(path);
        if (g_regex_match(placeholder, text, 0, NULL))
            fail_msg("%s has one", path);
    }
}

static void
test_polkit_actions_are_valid(void **state)
{
    static const char dtd[] = "/usr/share/polkit-1/policyconfig-1.dtd";
    g_autofree char *policy =
        install_room_file("MEMPLUG_DATADIR", "polkit-1/actions/org.memplug1.policy");
    g_auto(InstallRun) ended = { 0 };

    install_room_need("xmllint");
    if (g_file_test(dtd, G_FILE_TEST_EXISTS))
        ended = INSTALL_ROOM_RUN("xmllint", "--nonet", "--noout", "--dtdvalid", dtd, policy);
    else
        ended = INSTALL_ROOM_RUN("xmllint", "--nonet", "--noout", policy);
    install_room_assert_silent(&ended);
}

static void
test_manual_pages_are_formatted(void **state)
{
    guint n_pages = 0;

    install_room_need("groff");
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *page = install_room_file(files[i].folder, files[i].name);
        g_auto(InstallRun) ended = { 0 };

        if (!g_str_equal(files[i].folder, "MEMPLUG_MANDIR") || !install_room_has(files[i].feature))
            continue;
        ended = INSTALL_ROOM_RUN("groff", "-man", "-ww", "-z", "-Tutf8", page);
        install_room_assert_silent(&ended);
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

    install_room_need("bash");
    for (gsize i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *name = g_build_filename("bash-completion/completions", programs[i], NULL);
        g_autofree char *path = install_room_file("MEMPLUG_DATADIR", name);
        g_auto(InstallRun) ended =
            INSTALL_ROOM_RUN("bash", "--norc", "-uec", "source \"$1\" && complete -p \"$2\"",
                             "bash", path, programs[i]);

        install_room_assert_silent(&ended);
        assert_non_null(strstr(ended.output, programs[i]));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_where_they_belong),
        cmocka_unit_test(test_nothing_else_is_installed),
        cmocka_unit_test(test_no_placeholder_is_left),
        cmocka_unit_test(test_polkit_actions_are_valid),
        cmocka_unit_test(test_manual_pages_are_formatted),
        cmocka_unit_test(test_completion_is_taken),
    };

    return INSTALL_ROOM_GROUP(tests);
}
