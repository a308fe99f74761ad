/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What most cases that test memplugd are made of: a room with guests and one
 * memplugd, and the question whether memplug, QEMU and the guest agree on what the
 * guest has.
 *
 * Every function ends the running cmocka case if it cannot do its work. A case says
 * test_scene_passed() at its end; if it did not get there, memplugd's log is printed
 * when the scene is taken down.
 *
 * For a person at work on it: TEST_CASES='test_d*' in the environment runs some cases
 * only, TEST_LOG=1 prints memplugd's log of all.
 */
#pragma once

#include "tests/guest/harness/test-check.h"
#include "tests/guest/harness/test-daemon.h"
#include "tests/guest/harness/test-guest.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

/* For what comes in well under a second when the machine is idle. */
#define TEST_SCENE_PATIENCE (30 * G_USEC_PER_SEC)

/* MemTotal of what is plugged is exact (its page array is allocated like any memory
 * and counts as total); this is for what the kernel frees late in its boot. */
#define TEST_SCENE_TOLERANCE MIB

#define TEST_SCENE_GUESTS 3

/* A guest of the scene. */
typedef struct {
    TestGuest *guest;
    guint64 actual; /* when it had booted, by the witness */
    guint64 total;  /* its MemTotal then */
} TestSceneGuest;

typedef struct {
    TestRoom *room;
    char *folder; /* of the monitors' sockets */
    char *uri;    /* that memplugd connects to: of the folder, unless a case changes it */
    TestDaemon *daemon;
    TestSceneGuest guests[TEST_SCENE_GUESTS];
    gboolean passed;
} TestScene;

/* cmocka's setup and teardown. */
int test_scene_setup(void **state);
int test_scene_teardown(void **state);

#define TEST_SCENE_CASE(function) \
    cmocka_unit_test_setup_teardown(function, test_scene_setup, test_scene_teardown)

/* The last line of a case. */
void test_scene_passed(TestScene *scene);

/*
 * test_scene_main:
 * @kernel: the line that the cases need
 *
 * Returns: the exit status of a program that has run @tests: 77 if no guest can be
 *   run here.
 */
#define test_scene_main(name, kernel, tests) \
    (test_scene_can_run(kernel) ? cmocka_run_group_tests_name(name, tests, NULL, NULL) : 77)
gboolean test_scene_can_run(const char *kernel);

/* Boots a guest and notes what it has. Returns: (transfer none). */
TestSceneGuest *test_scene_boot(TestScene *scene, const TestGuestOptions *options);

/* Starts memplugd and waits until it knows every guest of the scene. */
void test_scene_start_daemon(TestScene *scene, const char *config, const char *const *arguments);

/* Kills memplugd, starts it again and waits until it knows every guest. */
void test_scene_restart_daemon(TestScene *scene);

/*
 * test_scene_memplug:
 * @status: that memplug must end with
 * @...: its arguments, NULL-terminated
 *
 * Returns: (transfer full): what it wrote, standard output first.
 */
char *test_scene_memplug(TestScene *scene, int status, ...) G_GNUC_NULL_TERMINATED;

/* Returns: (transfer full): what a "memplug ... --json" printed; its status is 0. */
JsonNode *test_scene_json(TestScene *scene, ...) G_GNUC_NULL_TERMINATED;

/* Returns: (transfer full): "memplug info NAME --json". */
JsonObject *test_scene_info(TestScene *scene, const char *name);

/* Returns: (transfer full) (nullable): the entry of @name in "memplug list --json". */
JsonObject *test_scene_listed(TestScene *scene, const char *name);

/* Members of info and list, which must be there. */
guint64 test_scene_size(JsonObject *object, const char *member);
const char *test_scene_text(JsonObject *object, const char *member);

/* Whether memplug's info says that @name is in this phase with this requested size. */
gboolean test_scene_is(TestScene *scene, const char *name, const char *phase, guint64 requested);

/* Whether memplugd's log holds @text. */
gboolean test_scene_log_has(TestScene *scene, const char *text);

/*
 * test_scene_await:
 *
 * Waits until @condition is true; the case fails after @timeout_us.
 */
#define test_scene_await(condition, timeout_us)                                            \
    do {                                                                                   \
        gint64 await_deadline = g_get_monotonic_time() + (timeout_us);                     \
        while (!(condition)) {                                                             \
            if (g_get_monotonic_time() > await_deadline)                                   \
                fail_msg("not so after %.0f s: %s", (double)(timeout_us) / G_USEC_PER_SEC, \
                         #condition);                                                      \
            g_usleep(20 * 1000);                                                           \
        }                                                                                  \
    } while (0)

/*
 * test_scene_agree:
 * @actual: what the guest must have
 * @requested: what memplug must ask of it
 * @phase: that it must be in
 *
 * Fails the case unless memplug's info, QEMU by the witness, and the guest's
 * MemTotal (relative to its boot) all say so. Prints a row.
 */
void test_scene_agree(TestScene *scene, TestSceneGuest *guest, guint64 requested, guint64 actual,
                      const char *phase);

/* Where QEMU keeps memory backends, and devices. */
#define TEST_SCENE_OBJECTS "/objects"
#define TEST_SCENE_DEVICES "/machine/peripheral"

/* Returns: how many children of @path bear an id of memplug's. */
guint test_scene_count_ours(TestSceneGuest *guest, const char *path);

/*
 * Fails the case if a device of memplug's, or a balloon, is left in the guest, or if a
 * backend is that does not go: they are removed a moment after their devices.
 */
void test_scene_nothing_left(TestSceneGuest *guest);
