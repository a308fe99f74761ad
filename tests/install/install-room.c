/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/install/install-room.h"

#include <glib/gstdio.h>

#define TIMEOUT_S 120

InstallRoom install_room;

void
install_run_clear(InstallRun *run)
{
    g_free(run->output);
    g_free(run->messages);
}

InstallRun
install_room_run(const char *const *arguments)
{
    g_autoptr(GError) error = NULL;
    InstallRun run = { 0 };

    if (!test_room_run(install_room.room, arguments, TIMEOUT_S, &run.status, &run.output,
                       &run.messages, &error))
        fail_msg("%s: %s", arguments[0], error->message);
    return run;
}

void
install_room_assert_silent(const InstallRun *run)
{
    if (run->status != 0 || *run->messages)
        fail_msg("status %d:\n%s%s", run->status, run->output, run->messages);
}

void
install_room_need(const char *program)
{
    g_autofree char *path = g_find_program_in_path(program);

    if (!path) {
        print_message("no %s on this machine\n", program);
        skip();
    }
}

char *
install_room_file(const char *folder, const char *name)
{
    return g_build_filename(install_room.root, g_getenv(folder), name, NULL);
}

char *
install_room_path(const char *name)
{
    return test_room_path(install_room.room, name);
}

char *
install_room_read(const char *path)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, &error))
        fail_msg("%s", error->message);
    return text;
}

gboolean
install_room_has(const char *feature)
{
    return g_str_equal(feature, "") || g_str_equal(g_getenv(feature), "true");
}

gboolean
install_room_can_install(void)
{
    g_autofree char *meson = g_find_program_in_path("meson");

    if (!meson)
        print_message("no meson in PATH to install with\n");
    return meson != NULL;
}

int
install_room_begin(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = NULL;
    g_auto(InstallRun) run = { 0 };

    install_room.room = test_room_new(&error);
    if (!install_room.room) {
        print_error("%s\n", error->message);
        return -1;
    }
    install_room.root = install_room_path("root");
    /* Other users are to reach the bus in it. */
    folder = g_path_get_dirname(install_room.root);
    g_chmod(folder, 0711);
    run = INSTALL_ROOM_RUN("meson", "install", "--no-rebuild", "--quiet", "-C",
                           g_getenv("MEMPLUG_BUILD_ROOT"), "--destdir", install_room.root);
    if (run.status != 0)
        print_error("%s%s", run.output, run.messages);
    return run.status == 0 ? 0 : -1;
}

int
install_room_end(void **state)
{
    g_clear_pointer(&install_room.root, g_free);
    g_clear_pointer(&install_room.room, test_room_free);
    return 0;
}
