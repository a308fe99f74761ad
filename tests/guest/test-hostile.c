/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest whose agent is hostile, beside one that is not: whatever the agent sends, memplugd's
 * memory stays bounded, the neighbour keeps what it has, and the log says what happened once.
 * What it costs is printed.
 *
 * Usage: test-hostile KERNEL-LINE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guest/harness/test-scene.h"

#define SECONDS 4

/* What memplugd may grow by in the whole test; it is at some 12 MiB. */
#define GROWTH_MOST (8 * MIB)

/* Both have 256 MiB and want little; 320 MiB are left to be had. */
#define CONFIG "[host]\nbudget=832M\n[defaults]\nceiling=1G\nfloor=256M\n"

static const char *kernel;

/* What it does, and whether memplugd must stop listening to it. */
static const struct {
    const char *name;
    gboolean dropped;
} manners[] = {
    { "random", TRUE }, { "flood", TRUE }, { "lie", TRUE },     { "half", TRUE },
    { "zero", FALSE },  { "full", FALSE }, { "urgent", FALSE }, { "deaf", FALSE },
};

typedef struct {
    guint64 resident; /* bytes */
    double cpu_s;
} Cost;

static Cost
cost_of(GSubprocess *process)
{
    const char *pid = g_subprocess_get_identifier(process);
    g_autofree char *statm_path = g_strdup_printf("/proc/%s/statm", pid);
    g_autofree char *stat_path = g_strdup_printf("/proc/%s/stat", pid);
    g_autofree char *statm = NULL, *stat = NULL;
    guint64 pages = 0, user = 0, system = 0;

    assert_true(g_file_get_contents(statm_path, &statm, NULL, NULL));
    assert_true(g_file_get_contents(stat_path, &stat, NULL, NULL));
    assert_int_equal(sscanf(statm, "%*u %" G_GUINT64_FORMAT, &pages), 1);
    assert_int_equal(sscanf(strrchr(stat, ')'),
                            ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" G_GUINT64_FORMAT
                            " %" G_GUINT64_FORMAT,
                            &user, &system),
                     2);
    return (Cost){ pages * 4096, (double)(user + system) / 100 };
}

static guint
count(const char *text, const char *part)
{
    guint n = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        n++;
    return n;
}

static guint64
actual_of(TestScene *scene, const char *name)
{
    g_autoptr(JsonObject) info = test_scene_info(scene, name);

    return test_scene_size(info, "actual");
}

static void
misbehave(TestScene *scene, TestGuest *guest, guint which)
{
    g_autofree char *before = test_daemon_log(scene->daemon);
    g_autofree char *script = g_strdup_printf("hostile-agent %s %d", manners[which].name, SECONDS);
    g_autofree char *log = NULL;
    Cost began = cost_of(test_daemon_process(scene->daemon)), ended;
    guint drops, warnings;

    test_check(test_guest_run(guest, script, NULL, &error));
    ended = cost_of(test_daemon_process(scene->daemon));
    log = test_daemon_log(scene->daemon);
    drops = count(log + strlen(before), "is not listened to");
    warnings = count(log + strlen(before), "\n");
    print_message(
        "  %-7s %4.1f %% of a CPU, resident %5.1f MiB, dropped %u times, %u lines of log; "
        "hostile %4.0f MiB, neighbour %4.0f MiB\n",
        manners[which].name, (ended.cpu_s - began.cpu_s) / SECONDS * 100,
        (double)ended.resident / (double)MIB, drops, warnings,
        (double)actual_of(scene, "hostile") / (double)MIB,
        (double)actual_of(scene, "neighbour") / (double)MIB);
    assert_int_equal(drops, manners[which].dropped);
    assert_true(warnings < 200);
    assert_true(actual_of(scene, "neighbour") >= 256 * MIB);
    assert_true(actual_of(scene, "hostile") + actual_of(scene, "neighbour") <= 832 * MIB);
}

static void
test_hostile_agent(void **state)
{
    TestScene *scene = *state;
    const TestGuestOptions hostile = {
        .name = "hostile", .kernel = kernel, .virtio_mem = 1024 * MIB, .stats_port = TRUE
    };
    const TestGuestOptions neighbour = {
        .name = "neighbour", .kernel = kernel, .virtio_mem = 1024 * MIB, .stats_port = TRUE
    };
    TestSceneGuest *a = test_scene_boot(scene, &hostile);
    TestSceneGuest *b = test_scene_boot(scene, &neighbour);
    Cost began;

    test_check(test_guest_agent_start(b->guest, "", &error));
    test_scene_start_daemon(scene, CONFIG, NULL);
    test_scene_await(test_scene_log_has(scene, "its agent is there: memplug-guest"),
                     TEST_SCENE_PATIENCE);
    began = cost_of(test_daemon_process(scene->daemon));
    for (guint i = 0; i < G_N_ELEMENTS(manners); i++) {
        misbehave(scene, a->guest, i);
        /* A drop outlasts the next manner otherwise. */
        if (manners[i].dropped)
            test_scene_restart_daemon(scene);
    }
    assert_true(cost_of(test_daemon_process(scene->daemon)).resident <
                began.resident + GROWTH_MOST);

    /* The neighbour is served as if nothing had been. */
    test_check(test_guest_run(b->guest, "burst 300M", NULL, &error));
    test_scene_await(test_scene_log_has(scene, "neighbour urgent: got first memory"),
                     TEST_SCENE_PATIENCE);
    test_scene_passed(scene);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST_SCENE_CASE(test_hostile_agent),
    };

    if (argc != 2) {
        g_printerr("usage: test-hostile KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_scene_main("hostile", kernel, tests);
}
