/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests come and go at any moment, are killed, restarted; their limits and
 * the daemon's configuration change while both run; and a daemon that runs dry changes
 * nothing.
 *
 * Usage: test-appear KERNEL-LINE
 */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#include "tests/guest/harness/test-scene.h"

#define STATIC "[policy]\nname=static\n"

static const char *kernel;

static gboolean
is_listed(TestScene *scene, const char *name)
{
    g_autoptr(JsonObject) listed = test_scene_listed(scene, name);

    return listed != NULL;
}

/* Waits until @name is listed, or not, and tells how long that took. */
static void
await_listed(TestScene *scene, const char *name, gboolean listed, const char *what)
{
    gint64 start_us = g_get_monotonic_time();

    test_scene_await(is_listed(scene, name) == listed, TEST_SCENE_PATIENCE);
    print_message("  %s: %s after %.2f s\n", what, listed ? "listed" : "no longer listed",
                  (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC);
}

/* Starts QEMU; memplugd need not wait for the guest's boot. */
static void
start_guest(TestScene *scene, guint index, const char *name)
{
    const TestGuestOptions options = { .name = name, .kernel = kernel };

    test_guest_free(scene->guests[index].guest);
    test_check((scene->guests[index].guest =
                    test_guest_start(scene->room, scene->folder, &options, &error)) != NULL);
}

static char *
path_beside(TestScene *scene, const char *name)
{
    return g_build_filename(scene->folder, name, NULL);
}

static void
test_come_and_go(void **state)
{
    TestScene *scene = *state;
    g_autofree char *socket = path_beside(scene, "web.qmp");

    start_guest(scene, 0, "db");
    test_scene_start_daemon(scene, STATIC, NULL);
    await_listed(scene, "db", TRUE, "there before memplugd");
    assert_false(is_listed(scene, "web"));
    start_guest(scene, 1, "web");
    await_listed(scene, "web", TRUE, "started");
    assert_true(is_listed(scene, "db"));
    test_guest_quit(scene->guests[0].guest);
    await_listed(scene, "db", FALSE, "quit");
    assert_true(is_listed(scene, "web"));

    /* QEMU that is killed leaves its socket behind. */
    test_room_kill(test_guest_process(scene->guests[1].guest));
    assert_true(g_file_test(socket, G_FILE_TEST_EXISTS));
    await_listed(scene, "web", FALSE, "killed");
    start_guest(scene, 1, "web");
    await_listed(scene, "web", TRUE, "restarted on the same path");
    test_guest_quit(scene->guests[1].guest);
    await_listed(scene, "web", FALSE, "quit");
    start_guest(scene, 1, "web");
    await_listed(scene, "web", TRUE, "restarted once more");
    test_scene_passed(scene);
}

/* The folder may come after memplugd. */
static void
test_folder_comes_later(void **state)
{
    TestScene *scene = *state;

    assert_int_equal(g_rmdir(scene->folder), 0);
    test_scene_start_daemon(scene, STATIC, NULL);
    g_free(test_scene_memplug(scene, 0, "list", NULL));
    assert_int_equal(g_mkdir(scene->folder, 0700), 0);
    start_guest(scene, 0, "web");
    await_listed(scene, "web", TRUE, "started in a new folder");
    test_scene_passed(scene);
}

static gboolean
has_limits(TestScene *scene, const char *name, guint64 floor, guint64 ceiling, double weight)
{
    g_autoptr(JsonObject) listed = test_scene_listed(scene, name);

    return listed && test_scene_size(listed, "floor") == floor &&
           test_scene_size(listed, "ceiling") == ceiling &&
           json_object_get_double_member(listed, "weight") == weight;
}

static void
write_limits(TestScene *scene, const char *text)
{
    g_autofree char *path = path_beside(scene, "guest.conf");

    test_check(g_file_set_contents(path, text, -1, &error));
}

static void
test_limits_of_a_guest_change(void **state)
{
    TestScene *scene = *state;

    start_guest(scene, 0, "guest");
    test_scene_start_daemon(scene, STATIC, NULL);
    test_scene_await(has_limits(scene, "guest", 256 * MIB, 4096 * MIB, 1), TEST_SCENE_PATIENCE);
    write_limits(scene, "[limits]\nfloor=128M\nceiling=1G\nweight=3\n");
    test_scene_await(has_limits(scene, "guest", 128 * MIB, 1024 * MIB, 3), TEST_SCENE_PATIENCE);

    write_limits(scene, "[limits]\nfloor=much\n");
    test_scene_await(test_scene_log_has(scene, "guest.conf: [limits] floor"), TEST_SCENE_PATIENCE);
    assert_true(has_limits(scene, "guest", 128 * MIB, 1024 * MIB, 3));
    write_limits(scene, "[limits]\nfloor=2G\nceiling=1G\n");
    test_scene_await(test_scene_log_has(scene, "the floor of 2 GiB is above the ceiling of 1 GiB"),
                     TEST_SCENE_PATIENCE);
    assert_true(has_limits(scene, "guest", 128 * MIB, 1024 * MIB, 3));

    /* memplug writes to the same file, and only what it was told to. */
    write_limits(scene, "# mine\n[limits]\nfloor=128M\nceiling=1G\n");
    test_scene_await(has_limits(scene, "guest", 128 * MIB, 1024 * MIB, 1), TEST_SCENE_PATIENCE);
    g_free(test_scene_memplug(scene, 0, "limits", "guest", "--ceiling", "768M", NULL));
    test_scene_await(has_limits(scene, "guest", 128 * MIB, 768 * MIB, 1), TEST_SCENE_PATIENCE);
    test_scene_restart_daemon(scene);
    test_scene_await(has_limits(scene, "guest", 128 * MIB, 768 * MIB, 1), TEST_SCENE_PATIENCE);
    test_scene_passed(scene);
}

static void
reload(TestScene *scene, const char *config)
{
    test_check(test_daemon_configure(scene->daemon, config, &error));
    g_subprocess_send_signal(test_daemon_process(scene->daemon), SIGHUP);
}

static void
test_configuration_changes(void **state)
{
    TestScene *scene = *state;

    start_guest(scene, 0, "guest");
    test_scene_start_daemon(scene, STATIC "[defaults]\nceiling=1G\n", NULL);
    test_scene_await(has_limits(scene, "guest", 256 * MIB, 1024 * MIB, 1), TEST_SCENE_PATIENCE);
    reload(scene, STATIC "[defaults]\nceiling=2G\nweight=heavy\n");
    test_scene_await(test_scene_log_has(scene, "the old one stays in force"), TEST_SCENE_PATIENCE);
    assert_true(test_scene_log_has(scene, "memplug.conf: [defaults] weight: 'heavy'"));
    assert_true(has_limits(scene, "guest", 256 * MIB, 1024 * MIB, 1));

    reload(scene, STATIC "[defaults]\nceiling=2G\n[guest \"guest\"]\nweight=2\n");
    test_scene_await(has_limits(scene, "guest", 256 * MIB, 2048 * MIB, 2), TEST_SCENE_PATIENCE);
    test_scene_passed(scene);
}

/* The floor alone would have it grow. */
static void
test_dry_run(void **state)
{
    static const char *const dry_run[] = { "--dry-run", NULL };
    TestScene *scene = *state;
    TestSceneGuest *guest = test_scene_boot(scene, &(TestGuestOptions){ .kernel = kernel });
    g_autofree char *said = NULL;

    test_scene_start_daemon(scene, "[defaults]\nfloor=512M\n", dry_run);
    test_scene_await(test_scene_log_has(scene, "would ask: 256"), TEST_SCENE_PATIENCE);
    said = test_scene_memplug(scene, 1, "setmem", "guest", "512M", NULL);
    assert_non_null(strstr(said, "--dry-run"));
    test_scene_nothing_left(guest);
    test_scene_passed(scene);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST_SCENE_CASE(test_come_and_go),
        TEST_SCENE_CASE(test_folder_comes_later),
        TEST_SCENE_CASE(test_limits_of_a_guest_change),
        TEST_SCENE_CASE(test_configuration_changes),
        TEST_SCENE_CASE(test_dry_run),
    };

    if (argc != 2) {
        g_printerr("usage: test-appear KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_scene_main("appear", kernel, tests);
}
