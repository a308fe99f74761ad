/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may befall a guest with an agent, one after the other and in one guest: its agent is
 * killed, memplugd is killed, the channel's socket goes and comes back, a second memplugd comes
 * to the same folder, the guest is reset, and it is saved to a file and restored. After each of
 * them its agent is heard again, nobody has asked for memory that was not needed, and the guest
 * has what it had.
 *
 * Usage: test-corners KERNEL-LINE
 */
#include <string.h>

#include "tests/guest/harness/test-scene.h"

#define SIZE      (562 * MIB)
#define SIZE_TEXT "562M"
#define CONFIG    "[policy]\nname=static\n"

/* Silence of three periods, and a channel that is tried again after five seconds at most. */
#define PATIENCE (45 * G_USEC_PER_SEC)

static const char *kernel;

static char *
path_in(TestScene *scene, const char *name)
{
    return test_room_path(scene->room, name);
}

static gboolean
has_source(TestScene *scene, const char *source)
{
    g_autoptr(JsonNode) stats = test_scene_json(scene, "stats", "guest", "--json", NULL);
    JsonObject *object = json_node_get_object(stats);

    return g_strcmp0(json_object_get_string_member_with_default(object, "source", NULL), source) ==
           0;
}

static guint64
count_requests(TestScene *scene)
{
    g_autoptr(JsonNode) stats = test_scene_json(scene, "stats", "guest", "--json", NULL);

    return (guint64)json_object_get_int_member_with_default(json_node_get_object(stats),
                                                            "urgent_requests", 0);
}

static gboolean
is_listed(TestScene *scene)
{
    g_autoptr(JsonObject) listed = test_scene_listed(scene, "guest");

    return listed != NULL;
}

/* What the agent asked for while the guest was grown at first: plugging takes the page descriptors
 * of what is plugged from what there is, which can look like a load. */
static guint64 asked_at_first;

/* All is as it was: told by the agent, unasked, and nothing is lost. */
static void
check(TestScene *scene, TestSceneGuest *guest, const char *what)
{
    gint64 start_us = g_get_monotonic_time();

    test_scene_await(has_source(scene, "agent"), PATIENCE);
    print_message("  %s: its agent is heard after %.1f s\n", what,
                  (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC);
    test_scene_await(test_scene_is(scene, "guest", "settled", SIZE), TEST_SCENE_PATIENCE);
    test_scene_agree(scene, guest, SIZE, SIZE, "settled");
    assert_true(count_requests(scene) <= asked_at_first);
    assert_false(test_scene_log_has(scene, "asks urgently"));
}

static void
start_agent(TestSceneGuest *guest)
{
    test_check(test_guest_agent_start(guest->guest, "", &error));
}

/* Its samples cease, the balloon's statistics serve, and another agent begins. */
static void
kill_agent(TestScene *scene, TestSceneGuest *guest)
{
    test_check(test_guest_run(guest->guest, "kill -9 $(cat /run/agent.pid)", NULL, &error));
    test_scene_await(has_source(scene, "balloon"), PATIENCE);
    start_agent(guest);
    check(scene, guest, "agent killed and started");
}

static void
kill_daemon(TestScene *scene, TestSceneGuest *guest)
{
    test_scene_restart_daemon(scene);
    check(scene, guest, "memplugd killed and started");
}

/* Has QEMU serve the channel at @path; the old socket goes. */
static void
serve_at(TestSceneGuest *guest, const char *path)
{
    g_autoptr(JsonNode) reply = NULL;

    test_check((reply = witness_execute(
                    test_guest_witness(guest->guest), &error, "chardev-change",
                    "{'id': <'stats'>, 'backend': <{'type': <'socket'>, 'data': <{'addr': "
                    "<{'type': <'unix'>, 'data': <{'path': <%s>}>}>, 'server': <true>, "
                    "'wait': <false>}>}>}",
                    path)) != NULL);
}

static void
take_socket_away(TestScene *scene, TestSceneGuest *guest)
{
    g_autofree char *elsewhere = path_in(scene, "elsewhere");
    g_autofree char *path = g_build_filename(scene->folder, "guest.stats", NULL);

    serve_at(guest, elsewhere);
    assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    test_scene_await(has_source(scene, "balloon"), PATIENCE);
    serve_at(guest, path);
    check(scene, guest, "the channel's socket gone and back");
}

/* Who comes second gets no monitor, and takes nothing from who has it; when that ends, it has the
 * guest. */
static void
come_twice(TestScene *scene, TestSceneGuest *guest)
{
    g_autoptr(GError) error = NULL;
    TestDaemon *first = scene->daemon, *second;
    g_autoptr(TestRoom) room = test_room_new(&error);

    assert_non_null(room);
    second = test_daemon_start(room, scene->uri, CONFIG, NULL, &error);
    if (!second)
        fail_msg("%s", error->message);
    g_usleep(3 * G_USEC_PER_SEC);
    check(scene, guest, "beside a second memplugd");

    test_daemon_kill(first);
    scene->daemon = second;
    test_scene_await(is_listed(scene), PATIENCE);
    test_scene_await(has_source(scene, "agent"), PATIENCE);
    check(scene, guest, "the second has the guest");
    test_daemon_free(second);
    scene->daemon = first;
    test_scene_restart_daemon(scene);
    check(scene, guest, "the first has it again");
}

static guint64
virtio_mem_number(TestSceneGuest *guest, const char *property)
{
    guint64 number;

    test_check(witness_get_number(test_guest_witness(guest->guest), TEST_GUEST_VIRTIO_MEM_PATH,
                                  property, &number, &error));
    return number;
}

/* A reset unplugs all of virtio-mem. What was asked for comes back with the guest. */
static void
reset(TestScene *scene, TestSceneGuest *guest)
{
    Witness *witness = test_guest_witness(guest->guest);
    g_autoptr(JsonObject) event = NULL;
    g_autoptr(JsonNode) reply = NULL;

    witness_drop_events(witness);
    test_check((reply = witness_execute(witness, &error, "system_reset", NULL)) != NULL);
    test_check((event = witness_wait_event(witness, "RESET", TEST_SCENE_PATIENCE, &error)) != NULL);
    assert_int_equal(virtio_mem_number(guest, "size"), 0);
    test_check(test_guest_wait_ready(guest->guest, &error));
    test_scene_await(virtio_mem_number(guest, "size") == SIZE - 256 * MIB, TEST_SCENE_PATIENCE);
    start_agent(guest);
    check(scene, guest, "reset");
}

static gboolean
has_migrated(TestSceneGuest *guest)
{
    g_autoptr(JsonNode) reply = NULL;
    const char *status;

    test_check((reply = witness_execute(test_guest_witness(guest->guest), &error, "query-migrate",
                                        NULL)) != NULL);
    status = json_object_get_string_member_with_default(json_node_get_object(reply), "status", "");
    assert_string_not_equal(status, "failed");
    return g_str_equal(status, "completed");
}

static void
migrate(TestSceneGuest *guest, const char *command, const char *uri)
{
    g_autoptr(JsonNode) reply = NULL;

    test_check((reply = witness_execute(test_guest_witness(guest->guest), &error, command,
                                        "{'uri': <%s>}", uri)) != NULL);
    test_scene_await(has_migrated(guest), 2 * TEST_SCENE_PATIENCE);
}

/* The guest sleeps in a file, and wakes in another QEMU with the same sockets. */
static void
save_and_restore(TestScene *scene, TestSceneGuest *guest, TestGuestOptions options)
{
    const char *const incoming[] = { "-incoming", "defer", NULL };
    g_autofree char *file = path_in(scene, "saved");
    g_autofree char *save = g_strdup_printf("exec:cat >%s", file);
    g_autofree char *restore = g_strdup_printf("exec:cat %s", file);
    g_autoptr(JsonNode) reply = NULL;

    migrate(guest, "migrate", save);
    test_guest_quit(guest->guest);
    test_guest_free(guest->guest);
    guest->guest = NULL;
    test_scene_await(!is_listed(scene), TEST_SCENE_PATIENCE);

    options.extra = incoming;
    test_check((guest->guest = test_guest_start(scene->room, scene->folder, &options, &error)) !=
               NULL);
    migrate(guest, "migrate-incoming", restore);
    test_check((reply = witness_execute(test_guest_witness(guest->guest), &error, "cont", NULL)) !=
               NULL);
    test_scene_await(test_scene_is(scene, "guest", "settled", SIZE), TEST_SCENE_PATIENCE);
    check(scene, guest, "saved and restored");
}

static void
test_corners(void **state)
{
    TestScene *scene = *state;
    const TestGuestOptions options = {
        .kernel = kernel,
        .stats_port = TRUE,
        .virtio_mem = 1024 * MIB,
        .reboots = TRUE,
        /* What is plugged while the guest boots anew is movable, too. */
        .append = "memory_hotplug.online_policy=auto-movable",
    };
    TestSceneGuest *guest = test_scene_boot(scene, &options);

    start_agent(guest);
    test_scene_start_daemon(scene, CONFIG, NULL);
    g_free(test_scene_memplug(scene, 0, "setmem", "guest", SIZE_TEXT, NULL));
    test_scene_await(test_scene_is(scene, "guest", "settled", SIZE), TEST_SCENE_PATIENCE);
    asked_at_first = count_requests(scene);
    check(scene, guest, "at first");
    kill_agent(scene, guest);
    kill_daemon(scene, guest);
    take_socket_away(scene, guest);
    come_twice(scene, guest);
    reset(scene, guest);
    save_and_restore(scene, guest, options);
    test_scene_passed(scene);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { TEST_SCENE_CASE(test_corners) };

    if (argc != 2) {
        g_printerr("usage: test-corners KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_scene_main("corners", kernel, tests);
}
