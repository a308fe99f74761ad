/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shrinking that does no harm. In one guest, a program works on a small part of its memory
 * and leaves much of it cold; memplugd takes what can go, and the program goes on at its pace.
 * And a guest that brings nothing online is named.
 *
 * With "hot-file", in the same guest then, another works on a file that only the page cache holds,
 * which counts as available: what is taken of that hurts, and is given back whole. Not always:
 * a guest that reads the file back from the first is not told from one that was hurt, so this
 * part is run by hand.
 *
 * Usage: test-shrink KERNEL-LINE [hot-file]
 */
#include <stdlib.h>
#include <string.h>

#include "tests/guest/harness/test-scene.h"

#define BOOT    (256 * MIB)
#define AT_BOOT (512 * MIB) /* of virtio-mem */
#define WHOLE   (BOOT + AT_BOOT)

/* 240 MiB, of which 48 are worked on; the pace is measured before memplugd comes, and after. */
#define COLD      "grow=240M work=48M loop=5 loop=15 "
#define COLD_LOOP "loop=10 "
#define FILE_SIZE "200M"
#define HOT_FILE  "map=" FILE_SIZE "@/dev/zram1 loop=300"

/* Everything is to be shown in one go; a step takes at most 10 s, at 64 MiB and more. */
#define SHRINK_PATIENCE (100 * G_USEC_PER_SEC)
#define HURT_PATIENCE   (120 * G_USEC_PER_SEC)

#define CONFIG "[policy]\nprobe=always\n"

#define PACE "pace_ppm="

static const char *kernel;
static gboolean with_hot_file;

/* Returns: (transfer full): the paces of all loops so far, in millionths. */
static GArray *
read_paces(TestSceneGuest *guest, guint load)
{
    GArray *paces = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_autofree char *output = NULL;
    g_auto(GStrv) lines = NULL;

    test_check((output = test_guest_load_output(guest->guest, load, &error)) != NULL);
    lines = g_strsplit(output, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        const char *told = strstr(lines[i], PACE);
        gint64 pace;

        if (!g_str_has_prefix(lines[i], "step=loop=") || !told)
            continue;
        pace = g_ascii_strtoll(told + strlen(PACE), NULL, 10);
        g_array_append_val(paces, pace);
    }
    return paces;
}

static guint
count_paces(TestSceneGuest *guest, guint load)
{
    g_autoptr(GArray) paces = read_paces(guest, load);

    return paces->len;
}

static guint64
size_now(TestScene *scene, const char *member)
{
    g_autoptr(JsonObject) info = test_scene_info(scene, "guest");

    return test_scene_size(info, member);
}

static void
print_row(TestScene *scene, const char *what)
{
    g_autoptr(JsonObject) info = test_scene_info(scene, "guest");
    const double mib = (double)MIB;

    print_message("  %-28s demand %4.0f requested %4.0f actual %4.0f found %3.0f  %s\n", what,
                  (double)test_scene_size(info, "demand") / mib,
                  (double)test_scene_size(info, "requested") / mib,
                  (double)test_scene_size(info, "actual") / mib,
                  (double)test_scene_size(info, "found") / mib, test_scene_text(info, "held_back"));
}

/* Two windows before memplugd, the first of which warms up, and those after. The figure is for
 * people: a machine that is busy with something else moves it, too. */
static void
print_paces(TestSceneGuest *guest, guint load)
{
    g_autoptr(GArray) paces = read_paces(guest, load);
    const gint64 *pace = (const gint64 *)paces->data;
    double sum = 0;

    assert_true(paces->len > 3);
    for (guint i = 2; i < paces->len; i++) {
        print_message("  pace %6.1f %%\n", 100 * (double)pace[i] / (double)pace[1]);
        sum += (double)pace[i] / (double)pace[1];
    }
    print_message("  pace of the program while it was shrunk: %.1f %% of that before\n",
                  100 * sum / (paces->len - 2));
}

static TestSceneGuest *
boot(TestScene *scene)
{
    TestSceneGuest *guest =
        test_scene_boot(scene, &(TestGuestOptions){
                                   .kernel = kernel,
                                   .stats_port = TRUE,
                                   .virtio_mem = 1024 * MIB,
                                   .virtio_mem_at_boot = AT_BOOT,
                                   .append = "memory_hotplug.online_policy=auto-movable",
                               });

    test_check(test_guest_wait_total(guest->guest, guest->total, MIB, TEST_SCENE_PATIENCE, &error));
    test_check(test_guest_swap_on(guest->guest, 512 * MIB, &error));
    test_check(test_guest_agent_start(guest->guest, "", &error));
    test_check(test_guest_run(guest->guest,
                              "cat /sys/class/zram-control/hot_add && "
                              "echo 256M >/sys/block/zram1/disksize",
                              NULL, &error));
    return guest;
}

static void
shrink_to_working_set(TestScene *scene, TestSceneGuest *guest)
{
    GString *steps = g_string_new(COLD);
    gint64 end, next = 0;
    guint load;

    for (guint i = 0; i < 12; i++)
        g_string_append(steps, COLD_LOOP);
    test_check(test_guest_load_start(guest->guest, steps->str, &load, &error));
    g_string_free(steps, TRUE);
    test_scene_await(count_paces(guest, load) >= 2, 60 * G_USEC_PER_SEC);

    test_scene_start_daemon(scene, CONFIG, NULL);
    end = g_get_monotonic_time() + SHRINK_PATIENCE;
    while (g_get_monotonic_time() < end && (size_now(scene, "found") < 24 * MIB)) {
        if (g_get_monotonic_time() >= next) {
            print_row(scene, "cold memory");
            next = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
        }
        g_usleep(500 * 1000);
    }
    print_row(scene, "cold memory, in the end");
    /* It had three times what it works on; of that, most of what it does not need is gone, and
     * probing found more than the predictor knew. */
    assert_true(size_now(scene, "actual") < WHOLE - 128 * MIB);
    assert_true(size_now(scene, "found") > 0);
    assert_true(test_scene_log_has(scene, "did no harm"));
    print_message("  judged by %s\n", test_scene_log_has(scene, "its agent is there")
                                          ? "its agent"
                                          : "the balloon's statistics");
    print_paces(guest, load);
    test_check(test_guest_load_stop(guest->guest, load, &error));
}

/* Returns: (transfer full) (nullable): what the guest had before the first shrink that hurt of
 * those told after the first @known bytes of the log: "426 MiB" */
static char *
find_hurt(TestScene *scene, gsize known)
{
    g_autofree char *log = test_daemon_log(scene->daemon);
    g_autoptr(GMatchInfo) match = NULL;
    g_autoptr(GRegex) regex = g_regex_new(
        "(?:shrink|probe) ([^→]*) → ([^→]*) hurt, and is taken back: [^\n]*", 0, 0, NULL);

    if (strlen(log) <= known || !g_regex_match(regex, log + known, 0, &match))
        return NULL;
    {
        g_autofree char *line = g_match_info_fetch(match, 0);

        print_message("  %s\n", line);
    }
    return g_match_info_fetch(match, 1);
}

/* The page cache counts as available, so the predictor takes it for idle; the trial finds that it
 * is not. */
static void
take_hot_file(TestScene *scene, TestSceneGuest *guest)
{
    gint64 end = g_get_monotonic_time() + HURT_PATIENCE, next = 0;
    g_autofree char *log = test_daemon_log(scene->daemon);
    g_autofree char *before = NULL;
    gsize known = strlen(log);
    guint64 size;
    guint load;

    /* By the balloon's statistics alone: by its agent's, this guest counts as pressed for as long
     * as it reads the file back, and nothing is tried at all. */
    test_check(test_guest_agent_stop(guest->guest, &error));
    /* Anew, so that it does not remember what the guest needed a while ago. */
    test_check(test_guest_load_start(guest->guest, HOT_FILE, &load, &error));
    test_scene_restart_daemon(scene);
    while (!(before = find_hurt(scene, known))) {
        assert_true(g_get_monotonic_time() < end);
        if (g_get_monotonic_time() >= next) {
            print_row(scene, "hot file");
            next = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
        }
        g_usleep(200 * 1000);
    }
    size = (guint64)(g_ascii_strtod(before, NULL) * (double)MIB);
    test_scene_await(size_now(scene, "requested") + MIB / 10 >= size, TEST_SCENE_PATIENCE);
    test_scene_await(size_now(scene, "actual") + MIB / 10 >= size, TEST_SCENE_PATIENCE);
    print_row(scene, "hot file, hurt");
    test_check(test_guest_load_stop(guest->guest, load, &error));
}

static void
test_shrink(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene);

    shrink_to_working_set(scene, guest);
    if (with_hot_file)
        take_hot_file(scene, guest);
    test_scene_passed(scene);
}

/* Nothing in the guest brings memory online: it is named, with what to do. */
static void
test_nothing_online(void **state)
{
    TestScene *scene = *state;
    const TestGuestOptions options = {
        .kernel = kernel,
        .no_udev_rule = TRUE,
        .append = "memhp_default_state=offline",
    };
    g_autofree char *doctor = NULL, *info = NULL;
    TestSceneGuest *guest = test_scene_boot(scene, &options);

    test_scene_start_daemon(scene, "", NULL);
    g_free(test_scene_memplug(scene, 0, "setmem", "guest", "768M", NULL));
    test_scene_await(test_scene_log_has(scene, "of the 512 MiB plugged are not in use"),
                     TEST_SCENE_PATIENCE);
    doctor = test_scene_memplug(scene, 0, "doctor", "guest", NULL);
    assert_non_null(strstr(doctor, "80-memplug-online.rules"));
    info = test_scene_memplug(scene, 0, "info", "guest", NULL);
    print_message("%s", strstr(info, "Plugged"));
    assert_non_null(strstr(info, "not in use: see memplug doctor"));

    /* And no longer, when it has been brought online. */
    test_check(test_guest_run(guest->guest,
                              "for block in /sys/devices/system/memory/memory*; do "
                              "grep -q offline $block/state && echo online_movable "
                              ">$block/state; done; true",
                              NULL, &error));
    test_scene_await(test_scene_log_has(scene, "uses what it was plugged"), TEST_SCENE_PATIENCE);
    test_scene_passed(scene);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST_SCENE_CASE(test_shrink),
        TEST_SCENE_CASE(test_nothing_online),
    };

    with_hot_file = argc == 3 && g_str_equal(argv[2], "hot-file");
    if (argc != 2 && !with_hot_file) {
        g_printerr("usage: test-shrink KERNEL-LINE [hot-file]\n");
        return 2;
    }
    kernel = argv[1];
    return test_scene_main("shrink", kernel, tests);
}
