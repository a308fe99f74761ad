/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pressure moves from one guest to another, and memory after it, within a budget that holds
 * either's peak but not both. memplug records it all; what was decided is then planned once more
 * from the recording, by the same code, and must come out the same.
 *
 * One guest has an agent, the other is known by its balloon's statistics only.
 *
 * Usage: test-balance KERNEL-LINE
 */
#include <signal.h>
#include <string.h>

#include "tests/guest/harness/test-scene.h"

#define BUDGET (928 * MIB)
#define CONFIG "[host]\nbudget=928M\n[defaults]\nfloor=256M\n"

/* More than either has at its start, and less than the budget leaves of the other's floor. */
#define LOAD       "grow=280M@40M hold"
#define LOAD_GROWN "step=grow="
#define LOAD_SIZE  (280 * MIB)

/* A guest that needs what another has waits for it to give: the cool-down is 30 s. */
#define PATIENCE (90 * G_USEC_PER_SEC)

#define PAUSE_US (G_USEC_PER_SEC / 4)

static const char *kernel;

static const char *const names[] = { "left", "right" };

#define N_GUESTS G_N_ELEMENTS(names)

typedef struct {
    TestScene *scene;
    guint loads[N_GUESTS];
    guint64 actual[N_GUESTS]; /* as of the latest look */
    guint64 highest[N_GUESTS];
    guint64 most; /* that was asked for together */
    gint64 start_us;
} Balance;

static void
look(Balance *balance)
{
    guint64 sum = 0;

    for (guint i = 0; i < N_GUESTS; i++) {
        g_autoptr(JsonObject) guest = test_scene_listed(balance->scene, names[i]);

        assert_non_null(guest);
        balance->actual[i] = test_scene_size(guest, "actual");
        balance->highest[i] = MAX(balance->highest[i], balance->actual[i]);
        sum += test_scene_size(guest, "requested");
    }
    balance->most = MAX(balance->most, sum);
    assert_true(sum <= BUDGET);
}

static gboolean
has_grown(Balance *balance, guint which)
{
    g_autofree char *output = NULL;

    test_check((output = test_guest_load_output(balance->scene->guests[which].guest,
                                                balance->loads[which], &error)) != NULL);
    return strstr(output, LOAD_GROWN) != NULL;
}

/* The load runs on @which until it uses all that it wants. */
static void
press(Balance *balance, guint which)
{
    gint64 begun_us = g_get_monotonic_time();

    test_check(test_guest_load_start(balance->scene->guests[which].guest, LOAD,
                                     &balance->loads[which], &error));
    do {
        look(balance);
        assert_true(g_get_monotonic_time() - begun_us < PATIENCE);
        g_usleep(PAUSE_US);
    } while (!has_grown(balance, which));
    look(balance);
    print_message("  %5.1f s  the load on %s has grown, in %.1f s: left has %.0f MiB, right %.0f\n",
                  (double)(g_get_monotonic_time() - balance->start_us) / G_USEC_PER_SEC,
                  names[which], (double)(g_get_monotonic_time() - begun_us) / G_USEC_PER_SEC,
                  (double)balance->actual[0] / (double)MIB,
                  (double)balance->actual[1] / (double)MIB);
}

static void
relieve(Balance *balance, guint which)
{
    TestGuest *guest = balance->scene->guests[which].guest;
    g_autoptr(JsonObject) report = NULL;

    test_check(test_guest_load_stop(guest, balance->loads[which], &error));
    test_check((report = test_guest_report(guest, &error)) != NULL);
    assert_int_equal(json_object_get_int_member(report, "oom_kills"), 0);
    print_message("  %s swapped out %" G_GINT64_FORMAT " pages\n", names[which],
                  json_object_get_int_member(report, "swap_out_pages"));
}

static void
boot(TestScene *scene, guint which, gboolean agent)
{
    const TestGuestOptions options = {
        .name = names[which], .kernel = kernel, .virtio_mem = 1024 * MIB, .stats_port = agent
    };
    TestSceneGuest *guest = test_scene_boot(scene, &options);

    test_check(test_guest_swap_on(guest->guest, 512 * MIB, &error));
    if (agent)
        test_check(test_guest_agent_start(guest->guest, "", &error));
}

/* Returns: (transfer full): memplug, which records to @path until it is told to end. */
static GSubprocess *
start_recording(TestScene *scene, const char *path)
{
    const char *memplug = g_getenv("MEMPLUG");
    const char *const words[] = { memplug ? memplug : "memplug",
                                  "--bus",
                                  test_daemon_address(scene->daemon),
                                  "record",
                                  path,
                                  NULL };
    g_autofree char *log = test_room_path(scene->room, "record.log");
    GSubprocess *recorder;

    test_check((recorder = test_room_spawn(scene->room, words, log, G_SUBPROCESS_FLAGS_NONE,
                                           &error)) != NULL);
    test_scene_await(g_file_test(path, G_FILE_TEST_EXISTS), TEST_SCENE_PATIENCE);
    return recorder;
}

static void
end_recording(GSubprocess *recorder)
{
    g_subprocess_send_signal(recorder, SIGINT);
    test_check(g_subprocess_wait(recorder, NULL, &error));
    assert_int_equal(test_room_exit_status(recorder), 0);
}

/* What was decided comes out the same from what was known. */
static void
plan_again(TestScene *scene, const char *path)
{
    g_autoptr(JsonNode) outcome =
        test_scene_json(scene, "simulate", path, "--policy", "balance", "--json", NULL);
    JsonObject *recorded = json_object_get_object_member(json_node_get_object(outcome), "recorded");
    JsonArray *differences = json_object_get_array_member(recorded, "differences");
    guint64 decisions = test_scene_size(recorded, "decisions");

    print_message("  %" G_GUINT64_FORMAT " cycles, %" G_GUINT64_FORMAT
                  " decisions; planned again %" G_GUINT64_FORMAT " are alike\n",
                  test_scene_size(recorded, "cycles"), decisions,
                  test_scene_size(recorded, "alike"));
    for (guint i = 0; i < json_array_get_length(differences); i++) {
        g_autofree char *difference = json_to_string(json_array_get_element(differences, i), FALSE);

        print_message("  %s\n", difference);
    }
    assert_true(decisions >= 4);
    assert_int_equal(test_scene_size(recorded, "alike"), decisions);
    assert_int_equal(test_scene_size(recorded, "different"), 0);
}

static void
test_memory_follows_pressure(void **state)
{
    Balance balance = { .scene = *state };
    g_autofree char *path = test_room_path(balance.scene->room, "balance.jsonl");
    g_autoptr(GSubprocess) recorder = NULL;
    guint64 peak;

    boot(balance.scene, 0, TRUE);
    boot(balance.scene, 1, FALSE);
    test_scene_start_daemon(balance.scene, CONFIG, NULL);
    recorder = start_recording(balance.scene, path);
    balance.start_us = g_get_monotonic_time();

    press(&balance, 0);
    peak = balance.highest[0];
    assert_true(peak >= LOAD_SIZE + LOAD_SIZE / 2);
    relieve(&balance, 0);
    press(&balance, 1);
    assert_true(balance.highest[1] >= LOAD_SIZE + LOAD_SIZE / 2);
    assert_true(balance.highest[0] + balance.highest[1] > BUDGET); /* not both fit */
    relieve(&balance, 1);
    print_message("  at most %.0f of %.0f MiB were asked for; the peaks are %.0f and %.0f\n",
                  (double)balance.most / (double)MIB, (double)BUDGET / (double)MIB,
                  (double)balance.highest[0] / (double)MIB,
                  (double)balance.highest[1] / (double)MIB);
    end_recording(recorder);
    plan_again(balance.scene, path);
    test_scene_passed(balance.scene);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { TEST_SCENE_CASE(test_memory_follows_pressure) };

    if (argc != 2) {
        g_printerr("usage: test-balance KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_scene_main("balance", kernel, tests);
}
