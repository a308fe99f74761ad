/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shrinking that does no harm, in one guest with an agent. A program works on a small part of its
 * memory, some of it a file's page cache, and leaves much of it cold: memplugd takes what can go,
 * and the program goes on at its pace; what was taken of the file is given back, if that was
 * tried. Another reads back from swap a moment before something is to be taken: its agent refuses.
 *
 * A third works on a file of 200 MiB, all of which counts as available: what is taken of that
 * hurts, as the agent's samples tell, and is given back whole.
 *
 * Usage: test-shrink KERNEL-LINE
 */
#include <stdlib.h>
#include <string.h>

#include "tests/guest/harness/test-scene.h"

#define BOOT    (256 * MIB)
#define AT_BOOT (512 * MIB) /* of virtio-mem */
#define WHOLE   (BOOT + AT_BOOT)

/* A file of 48 MiB and 208 MiB, of which 48 are worked on as well; the pace is measured before
 * memplugd comes, and after. */
#define COLD      "map=48M@" TEST_GUEST_FILE " grow=208M work=96M loop=5 loop=15 "
#define COLD_LOOP "loop=10 "

/* Reads 3 MiB back from swap: more than an agent bears in a second, less than what makes
 * memplugd itself take the guest for pressed. */
#define READ_BACK "grow=64M work=8M out=32M hold=2 work=35M loop=0.5 work=8M hold"

/* The pages of 200 MiB, again and again: enough for it is available in a guest of 512 MiB, but
 * not in one of 320. */
#define HOT_FILE "map=200M@" TEST_GUEST_FILE " loop=8 loop=8 loop=300"

#define FILE_SIZE (200 * MIB)

/* Everything is to be shown in one go; a step takes at most 10 s, at 64 MiB and more. */
#define SHRINK_PATIENCE (80 * G_USEC_PER_SEC)
#define HURT_PATIENCE   (120 * G_USEC_PER_SEC)

#define HURT "hurt, and is taken back: "

#define CONFIG "[policy]\nprobe=always\n"

#define PACE "pace_ppm="

static const char *kernel;

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
count_steps(TestSceneGuest *guest, guint load, const char *step)
{
    g_autofree char *output = NULL;
    guint count = 0;

    test_check((output = test_guest_load_output(guest->guest, load, &error)) != NULL);
    for (const char *at = output; (at = strstr(at, step)); at++)
        count++;
    return count;
}

static guint
count_paces(TestSceneGuest *guest, guint load)
{
    return count_steps(guest, load, "step=loop=");
}

static guint64
size_now(TestScene *scene, const char *member)
{
    g_autoptr(JsonObject) info = test_scene_info(scene, "guest");

    return test_scene_size(info, member);
}

static gboolean
has_agent(TestScene *scene)
{
    g_autoptr(JsonNode) stats = test_scene_json(scene, "stats", "guest", "--json", NULL);

    return g_str_equal(test_scene_text(json_node_get_object(stats), "source"), "agent");
}

static void
print_row(TestScene *scene, const char *what)
{
    g_autoptr(JsonObject) info = test_scene_info(scene, "guest");
    const double mib = (double)MIB;

    print_message("  %-28s demand %4.0f requested %4.0f actual %4.0f found %3.0f  %s; %s\n", what,
                  (double)test_scene_size(info, "demand") / mib,
                  (double)test_scene_size(info, "requested") / mib,
                  (double)test_scene_size(info, "actual") / mib,
                  (double)test_scene_size(info, "found") / mib, test_scene_text(info, "forecast"),
                  test_scene_text(info, "held_back"));
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
                                   /* Huge pages come when the kernel pleases, and move the
                                    * pace. */
                                   .append = "memory_hotplug.online_policy=auto-movable "
                                             "transparent_hugepage=never",
                               });

    test_check(test_guest_wait_total(guest->guest, guest->total, MIB, TEST_SCENE_PATIENCE, &error));
    test_check(test_guest_swap_on(guest->guest, 512 * MIB, &error));
    test_check(test_guest_agent_start(guest->guest, "", &error));
    test_check(test_guest_make_file(guest->guest, FILE_SIZE, &error));
    return guest;
}

/* Prints the first line like @pattern of those told after the first @known bytes of the log.
 * Returns: (transfer full) (nullable): its first group. */
static char *
print_line(TestScene *scene, gsize known, const char *pattern)
{
    g_autofree char *log = test_daemon_log(scene->daemon), *line = NULL;
    g_autoptr(GMatchInfo) match = NULL;
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);

    if (strlen(log) <= known || !g_regex_match(regex, log + known, 0, &match))
        return NULL;
    line = g_match_info_fetch(match, 0);
    print_message("  %s\n", line);
    return g_match_info_fetch(match, 1);
}

/* Returns: (transfer full) (nullable): what the guest had before the first shrink that hurt
 *   since: "426 MiB" */
static char *
find_hurt(TestScene *scene, gsize known)
{
    return print_line(scene, known, "(?:shrink|probe) ([^→]*) → ([^→]*) " HURT "[^\n]*");
}

/* It has again what it had: @before, as find_hurt() tells. */
static void
await_given_back(TestScene *scene, const char *before)
{
    guint64 size = (guint64)(g_ascii_strtod(before, NULL) * (double)MIB);

    test_scene_await(size_now(scene, "requested") + MIB / 10 >= size, TEST_SCENE_PATIENCE);
    test_scene_await(size_now(scene, "actual") + MIB / 10 >= size, TEST_SCENE_PATIENCE);
}

static void
shrink_to_working_set(TestScene *scene, TestSceneGuest *guest)
{
    GString *steps = g_string_new(COLD);
    g_autofree char *before = NULL;
    gint64 end, next = 0;
    guint load;

    for (guint i = 0; i < 12; i++)
        g_string_append(steps, COLD_LOOP);
    test_check(test_guest_load_start(guest->guest, steps->str, &load, &error));
    g_string_free(steps, TRUE);
    test_scene_await(count_paces(guest, load) >= 2, 60 * G_USEC_PER_SEC);

    test_scene_start_daemon(scene, CONFIG, NULL);
    end = g_get_monotonic_time() + SHRINK_PATIENCE;
    while (g_get_monotonic_time() < end && size_now(scene, "found") < 24 * MIB &&
           !test_scene_log_has(scene, HURT)) {
        if (g_get_monotonic_time() >= next) {
            print_row(scene, "cold memory");
            next = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
        }
        g_usleep(500 * 1000);
    }
    print_row(scene, "cold memory, in the end");
    /* Much of what it does not need is gone: until probing had found more than the predictor
     * knew, or what it works on was touched. */
    assert_true(size_now(scene, "actual") <= WHOLE - 64 * MIB);
    assert_true(test_scene_log_has(scene, "did no harm"));
    assert_true(has_agent(scene));
    if ((before = find_hurt(scene, 0)))
        await_given_back(scene, before);
    test_scene_await(count_paces(guest, load) >= 4, 60 * G_USEC_PER_SEC);
    print_paces(guest, load);
    test_check(test_guest_load_stop(guest->guest, load, &error));
}

/* Between two loads the guest has @size, and the policy no word about it. */
static void
hold_at(TestScene *scene, const char *size)
{
    g_free(test_scene_memplug(scene, 0, "setmem", "guest", size, NULL));
}

static void
let_go(TestScene *scene)
{
    g_free(test_scene_memplug(scene, 0, "manage", "guest", "on", NULL));
}

/* The announced shrink is refused by the guest itself: it read back from swap a moment ago. */
static void
refuse_by_agent(TestScene *scene, TestSceneGuest *guest)
{
    guint load;

    hold_at(scene, "768M");
    /* Anew, so that it does not remember that the guest just grew. */
    test_scene_restart_daemon(scene);
    test_check(test_guest_load_start(guest->guest, READ_BACK, &load, &error));
    test_scene_await(count_steps(guest, load, "step=loop=") == 1, TEST_SCENE_PATIENCE);
    /* By then the sample in which it did is past. */
    g_usleep(2 * G_USEC_PER_SEC);
    let_go(scene);
    test_scene_await(test_scene_log_has(scene, "refused by its agent: "), TEST_SCENE_PATIENCE);
    g_free(print_line(scene, 0, "[^\n]*refused by its agent[^\n]*"));
    print_row(scene, "refused");
    assert_int_equal(size_now(scene, "requested"), WHOLE);
    test_check(test_guest_load_stop(guest->guest, load, &error));
}

/* The page cache counts as available, so the predictor takes it for idle; the trial finds that it
 * is not. */
static void
take_hot_file(TestScene *scene, TestSceneGuest *guest)
{
    gint64 end, next = 0;
    g_autofree char *log = NULL, *before = NULL;
    gsize known;
    guint load;

    hold_at(scene, "512M");
    test_scene_restart_daemon(scene);
    test_check(test_guest_load_start(guest->guest, HOT_FILE, &load, &error));
    /* The first reading is over, and ten seconds that are held against what comes. */
    test_scene_await(count_paces(guest, load) >= 2, 60 * G_USEC_PER_SEC);
    log = test_daemon_log(scene->daemon);
    known = strlen(log);
    end = g_get_monotonic_time() + HURT_PATIENCE;
    let_go(scene);
    while (!(before = find_hurt(scene, known))) {
        assert_true(g_get_monotonic_time() < end);
        if (g_get_monotonic_time() >= next) {
            print_row(scene, "hot file");
            next = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
        }
        g_usleep(200 * 1000);
    }
    assert_true(has_agent(scene));
    await_given_back(scene, before);
    print_row(scene, "hot file, hurt");
    test_check(test_guest_load_stop(guest->guest, load, &error));
}

static void
test_shrink(void **state)
{
    TestScene *scene = *state;
    TestSceneGuest *guest = boot(scene);

    shrink_to_working_set(scene, guest);
    refuse_by_agent(scene, guest);
    take_hot_file(scene, guest);
    test_scene_passed(scene);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST_SCENE_CASE(test_shrink),
    };

    if (argc != 2) {
        g_printerr("usage: test-shrink KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_scene_main("shrink", kernel, tests);
}
