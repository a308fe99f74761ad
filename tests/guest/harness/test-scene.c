/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/guest/harness/test-scene.h"

#include <string.h>

#define OURS "memplug-"

int
test_scene_setup(void **state)
{
    TestScene *scene = g_new0(TestScene, 1);

    *state = scene;
    test_check((scene->room = test_room_new(&error)) != NULL);
    scene->folder = test_room_path(scene->room, "guests");
    scene->uri = g_strconcat("qmp:", scene->folder, NULL);
    g_mkdir_with_parents(scene->folder, 0700);
    return 0;
}

int
test_scene_teardown(void **state)
{
    TestScene *scene = *state;

    if (!scene->passed || g_getenv("TEST_LOG"))
        test_daemon_print_log(scene->daemon);
    test_daemon_free(scene->daemon);
    for (guint i = 0; i < TEST_SCENE_GUESTS; i++)
        test_guest_free(scene->guests[i].guest);
    test_room_free(scene->room);
    g_free(scene->uri);
    g_free(scene->folder);
    g_free(scene);
    return 0;
}

void
test_scene_passed(TestScene *scene)
{
    scene->passed = TRUE;
}

gboolean
test_scene_can_run(const char *kernel)
{
    g_autofree char *reason = test_guest_unavailable(kernel);

    if (g_getenv("TEST_CASES"))
        cmocka_set_test_filter(g_getenv("TEST_CASES"));
    if (reason)
        g_printerr("skipped: %s\n", reason);
    return reason == NULL;
}

TestSceneGuest *
test_scene_boot(TestScene *scene, const TestGuestOptions *options)
{
    TestSceneGuest *guest = scene->guests;
    guint64 ballooned;

    while (guest->guest)
        guest++;
    g_assert(guest < scene->guests + TEST_SCENE_GUESTS);
    test_check((guest->guest = test_guest_boot(scene->room, scene->folder, options, &error)) !=
               NULL);
    test_check(
        witness_actual(test_guest_witness(guest->guest), &guest->actual, &ballooned, &error));
    test_check(test_guest_meminfo(guest->guest, "MemTotal", &guest->total, &error));
    return guest;
}

static gboolean
is_known(TestScene *scene, const char *name)
{
    g_autoptr(JsonObject) listed = test_scene_listed(scene, name);

    return listed && test_scene_size(listed, "actual") > 0;
}

static void
await_guests(TestScene *scene)
{
    for (guint i = 0; i < TEST_SCENE_GUESTS && scene->guests[i].guest; i++)
        test_scene_await(is_known(scene, test_guest_name(scene->guests[i].guest)),
                         TEST_SCENE_PATIENCE);
}

void
test_scene_start_daemon(TestScene *scene, const char *config, const char *const *arguments)
{
    test_check((scene->daemon =
                    test_daemon_start(scene->room, scene->uri, config, arguments, &error)) != NULL);
    await_guests(scene);
}

void
test_scene_restart_daemon(TestScene *scene)
{
    test_check(test_daemon_restart(scene->daemon, &error));
    await_guests(scene);
}

char *
test_scene_memplug(TestScene *scene, int status, ...)
{
    g_auto(TestCommand) command = { 0 };
    g_autoptr(GError) error = NULL;
    va_list arguments;
    gboolean ran;

    va_start(arguments, status);
    ran = test_daemon_run_va(scene->daemon, &command, arguments, &error);
    va_end(arguments);
    if (!ran)
        fail_msg("memplug: %s", error->message);
    if (command.status != status)
        fail_msg("memplug ended with %d, not %d: %s%s", command.status, status, command.output,
                 command.messages);
    return g_strconcat(command.output, command.messages, NULL);
}

JsonNode *
test_scene_json(TestScene *scene, ...)
{
    g_auto(TestCommand) command = { 0 };
    g_autoptr(GError) error = NULL;
    va_list arguments;
    gboolean ran;

    va_start(arguments, scene);
    ran = test_daemon_run_va(scene->daemon, &command, arguments, &error);
    va_end(arguments);
    if (!ran)
        fail_msg("memplug: %s", error->message);
    if (!command.json)
        fail_msg("memplug ended with %d and without JSON: %s", command.status, command.messages);
    return g_steal_pointer(&command.json);
}

JsonObject *
test_scene_info(TestScene *scene, const char *name)
{
    g_autoptr(JsonNode) info = test_scene_json(scene, "info", name, "--json", NULL);

    return json_node_dup_object(info);
}

JsonObject *
test_scene_listed(TestScene *scene, const char *name)
{
    g_autoptr(JsonNode) list = test_scene_json(scene, "list", "--json", NULL);
    JsonArray *guests = json_node_get_array(list);

    for (guint i = 0; i < json_array_get_length(guests); i++) {
        JsonObject *guest = json_array_get_object_element(guests, i);

        if (g_str_equal(test_scene_text(guest, "name"), name))
            return json_object_ref(guest);
    }
    return NULL;
}

guint64
test_scene_size(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);

    if (!node || json_node_get_value_type(node) != G_TYPE_INT64)
        fail_msg("memplug tells no number '%s'", member);
    return (guint64)json_node_get_int(node);
}

const char *
test_scene_text(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);

    if (!node || json_node_get_value_type(node) != G_TYPE_STRING)
        fail_msg("memplug tells no text '%s'", member);
    return json_node_get_string(node);
}

gboolean
test_scene_is(TestScene *scene, const char *name, const char *phase, guint64 requested)
{
    g_autoptr(JsonObject) info = test_scene_info(scene, name);

    return g_str_equal(test_scene_text(info, "phase"), phase) &&
           test_scene_size(info, "requested") == requested;
}

gboolean
test_scene_log_has(TestScene *scene, const char *text)
{
    g_autofree char *log = test_daemon_log(scene->daemon);

    return strstr(log, text) != NULL;
}

void
test_scene_agree(TestScene *scene, TestSceneGuest *guest, guint64 requested, guint64 actual,
                 const char *phase)
{
    g_autoptr(JsonObject) info = test_scene_info(scene, test_guest_name(guest->guest));
    guint64 qemu, ballooned, total;

    test_check(witness_actual(test_guest_witness(guest->guest), &qemu, &ballooned, &error));
    test_check(test_guest_wait_total(guest->guest, guest->total + actual - guest->actual,
                                     TEST_SCENE_TOLERANCE, TEST_SCENE_PATIENCE, &error));
    test_check(test_guest_meminfo(guest->guest, "MemTotal", &total, &error));
    print_message("    requested %4.0f  actual %4.0f  by QEMU %4.0f (balloon %3.0f)  MemTotal "
                  "%+7.1f MiB  %s %s\n",
                  (double)test_scene_size(info, "requested") / (double)MIB,
                  (double)test_scene_size(info, "actual") / (double)MIB, (double)qemu / (double)MIB,
                  (double)ballooned / (double)MIB,
                  ((double)total - (double)guest->total) / (double)MIB,
                  test_scene_text(info, "phase"), test_scene_text(info, "reason"));
    assert_int_equal(test_scene_size(info, "requested"), requested);
    assert_int_equal(test_scene_size(info, "actual"), actual);
    assert_int_equal(qemu, actual);
    assert_string_equal(test_scene_text(info, "phase"), phase);
}

guint
test_scene_count_ours(TestSceneGuest *guest, const char *path)
{
    guint count;

    test_check(witness_count_prefix(test_guest_witness(guest->guest), path, OURS, &count, &error));
    return count;
}

void
test_scene_nothing_left(TestSceneGuest *guest)
{
    guint64 actual, ballooned;

    test_check(witness_actual(test_guest_witness(guest->guest), &actual, &ballooned, &error));
    assert_int_equal(actual, guest->actual);
    assert_int_equal(ballooned, 0);
    assert_int_equal(test_scene_count_ours(guest, TEST_SCENE_DEVICES), 0);
    test_scene_await(test_scene_count_ours(guest, TEST_SCENE_OBJECTS) == 0, TEST_SCENE_PATIENCE);
}
