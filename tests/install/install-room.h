/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What "meson install" puts down, in a folder of the test's own, and the programs that
 * are going to read it. One that is not on this machine skips its case.
 *
 * The folders of the build have the names of the environment's variables that
 * meson.build sets: "MEMPLUG_PREFIX", "MEMPLUG_DATADIR", ...
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/guest/harness/test-room.h"

typedef struct {
    TestRoom *room;
    char *root; /* what "/" will be to what is installed */
} InstallRoom;

extern InstallRoom install_room;

/* Runs a group of tests with all installed. Returns: the program's exit status. */
#define INSTALL_ROOM_GROUP(tests)                                              \
    (install_room_can_install()                                                \
         ? cmocka_run_group_tests(tests, install_room_begin, install_room_end) \
         : 77)

gboolean install_room_can_install(void);
int install_room_begin(void **state);
int install_room_end(void **state);

/* Returns: (transfer full): where a file of the folder that the build calls @folder is. */
char *install_room_file(const char *folder, const char *name);

/* Returns: (transfer full): a path of the test's own, outside of what is installed. */
char *install_room_path(const char *name);

/* Returns: (transfer full): the text of a file, which must be there. */
char *install_room_read(const char *path);

/* Returns: whether the build has @feature, a variable of the environment; "" is always there. */
gboolean install_room_has(const char *feature);

/* Skips the case if there is no such program. */
void install_room_need(const char *program);

/* What a program did. */
typedef struct {
    int status;
    char *output;
    char *messages;
} InstallRun;

void install_run_clear(InstallRun *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(InstallRun, install_run_clear)

/* Runs a program to its end, whatever its status. */
InstallRun install_room_run(const char *const *arguments);
#define INSTALL_ROOM_RUN(...) install_room_run((const char *const[]){ __VA_ARGS__, NULL })

/* Some say what is wrong with a file and end with status 0. */
void install_room_assert_silent(const InstallRun *run);
