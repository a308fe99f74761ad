/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * What is still there when the program exits is removed by an atexit() function. A signal that
 * would end the program is caught once, and raised again after rm(1) has been run: of what a
 * handler may do (signal-safety(7)), fork() and execv() are enough. A child of the test's, forked
 * and not executed, leaves its parent's folders alone.
 */
#include "tests/fake/test-folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDERS 32

/* Not owned by who uses them, and never moved: a signal may come at any time. */
static char *folders[FOLDERS];
static pid_t owner;

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) dir =
        g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        remove_tree(child);
    }
    g_remove(path);
}

static void
remove_all(void)
{
    for (guint i = 0; i < FOLDERS && getpid() == owner; i++) {
        if (folders[i])
            remove_tree(folders[i]);
    }
}

static void
on_signal(int number)
{
    for (guint i = 0; i < FOLDERS && getpid() == owner; i++) {
        char *const words[] = { (char *)"rm", (char *)"-rf", (char *)"--", folders[i], NULL };
        pid_t child = folders[i] ? fork() : -1;

        if (child == 0) {
            execv("/bin/rm", words);
            _exit(1);
        }
        if (child > 0)
            waitpid(child, NULL, 0);
    }
    /* Its own action is in force again (SA_RESETHAND). */
    raise(number);
}

static void
begin(void)
{
    static const int numbers[] = { SIGHUP, SIGINT, SIGTERM, SIGABRT, SIGTRAP };
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

    if (owner != 0)
        return;
    owner = getpid();
    atexit(remove_all);
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
        sigaction(numbers[i], &action, NULL);
}

char *
test_folder_new(const char *name)
{
    g_autofree char *pattern = g_strdup_printf("memplug-%s-XXXXXX", name);
    char *path = g_dir_make_tmp(pattern, NULL);
    guint i = 0;

    assert_non_null(path);
    begin();
    while (i < FOLDERS && folders[i])
        i++;
    assert_true(i < FOLDERS);
    folders[i] = g_strdup(path);
    return path;
}

void
test_folder_free(char *path)
{
    for (guint i = 0; path && i < FOLDERS; i++) {
        if (g_strcmp0(folders[i], path) != 0)
            continue;
        remove_tree(path);
        g_clear_pointer(&folders[i], g_free);
    }
    g_free(path);
}
