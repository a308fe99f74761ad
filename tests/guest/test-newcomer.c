/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Room for one more: a pool of 1 GiB is full of guests, and another is to come.
 *
 * A watcher looks all the while, in a thread of its own, at what each QEMU says by QMP and at
 * what it has of the host's memory: not at memplug. What the guests have together must never
 * be more than the pool.
 *
 * Usage: test-newcomer KERNEL-LINE
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/guest/harness/test-scene.h"

#define POOL (1024 * MIB)

/* Nobody demands all of it, and yet it is all lent: the guests' shares fill the pool. */
#define CONFIG "[host]\nbudget=1G\n[policy]\nsurplus=share\n[defaults]\nfloor=128M\n"

#define N_DONORS 3

/* More than it takes to make room on an idle machine. */
#define PATIENCE (60 * G_USEC_PER_SEC)

static const char *kernel;

/*
 * The watcher
 */

typedef struct {
    GMutex lock;
    GThread *thread;
    GPtrArray *guests; /* TestGuest */
    gboolean stop;
    guint looks;
    guint64 most;          /* that they had together */
    guint64 most_resident; /* that their QEMUs had of the host's memory */
    char *failure;
} Watch;

static guint64
resident(TestGuest *guest)
{
    const char *pid = g_subprocess_get_identifier(test_guest_process(guest));
    g_autofree char *path = g_strdup_printf("/proc/%s/statm", pid ? pid : "0");
    g_autofree char *text = NULL;
    unsigned long long pages = 0;

    if (g_file_get_contents(path, &text, NULL, NULL))
        sscanf(text, "%*s %llu", &pages);
    return pages * (guint64)sysconf(_SC_PAGESIZE);
}

static void
look(Watch *watch)
{
    guint64 sum = 0, host = 0;

    for (guint i = 0; i < watch->guests->len; i++) {
        g_autoptr(GError) error = NULL;
        guint64 actual, ballooned;

        if (witness_actual(test_guest_witness(watch->guests->pdata[i]), &actual, &ballooned,
                           &error))
            sum += actual;
        else if (!watch->failure)
            watch->failure = g_strdup(error->message);
        host += resident(watch->guests->pdata[i]);
    }
    watch->looks++;
    watch->most = MAX(watch->most, sum);
    watch->most_resident = MAX(watch->most_resident, host);
}

static gpointer
watch_run(gpointer data)
{
    Watch *watch = data;
    gboolean stop;

    do {
        g_mutex_lock(&watch->lock);
        look(watch);
        stop = watch->stop;
        g_mutex_unlock(&watch->lock);
        g_usleep(2000);
    } while (!stop);
    return NULL;
}

static void
watch_add(Watch *watch, TestGuest *guest)
{
    g_mutex_lock(&watch->lock);
    g_ptr_array_add(watch->guests, guest);
    g_mutex_unlock(&watch->lock);
}

static void
watch_remove(Watch *watch, TestGuest *guest)
{
    g_mutex_lock(&watch->lock);
    g_ptr_array_remove(watch->guests, guest);
    g_mutex_unlock(&watch->lock);
}

static void
watch_check(Watch *watch)
{
    g_mutex_lock(&watch->lock);
    print_message("  watched %u times: at most %.0f MiB of %.0f had, %.0f MiB resident\n",
                  watch->looks, (double)watch->most / (double)MIB, (double)POOL / (double)MIB,
                  (double)watch->most_resident / (double)MIB);
    if (watch->failure)
        fail_msg("the watcher: %s", watch->failure);
    assert_true(watch->looks > 10);
    assert_true(watch->most <= POOL);
    g_mutex_unlock(&watch->lock);
}

/*
 * The pool, for all cases
 */

static struct {
    TestScene *scene;
    Watch watch;
    guint loads[N_DONORS];
    TestGuest *newcomer;
} pool;

static const char *const names[N_DONORS] = { "a", "b", "c" };

static gboolean
is_full(void)
{
    guint64 sum = 0;

    for (guint i = 0; i < N_DONORS; i++) {
        g_autoptr(JsonObject) listed = test_scene_listed(pool.scene, names[i]);

        sum += listed ? test_scene_size(listed, "requested") : 0;
    }
    return sum >= POOL - 2 * MIB;
}

static guint64
actual_of(guint donor)
{
    g_autoptr(JsonObject) listed = test_scene_listed(pool.scene, names[donor]);

    return test_scene_size(listed, "actual");
}

/* Of nothing but the memory of a guest that says it has stalled. */
static gint64
stalled_us(TestGuest *guest)
{
    g_autoptr(JsonObject) report = NULL;

    test_check((report = test_guest_report(guest, &error)) != NULL);
    assert_int_equal(json_object_get_int_member(report, "oom_kills"), 0);
    return json_object_get_int_member(report, "psi_full_us");
}

static guint
count_open(guint64 *claimed)
{
    g_autoptr(JsonNode) leases = test_scene_json(pool.scene, "leases", "--json", NULL);
    g_autoptr(JsonNode) host = test_scene_json(pool.scene, "host", "--json", NULL);
    JsonArray *array = json_node_get_array(leases);
    guint open = 0;

    for (guint i = 0; i < json_array_get_length(array); i++) {
        const char *state = test_scene_text(json_array_get_object_element(array, i), "state");

        open += g_str_equal(state, "asked") || g_str_equal(state, "gathering") ||
                g_str_equal(state, "granted");
    }
    *claimed = test_scene_size(json_node_get_object(host), "claimed");
    return open;
}

static gboolean
nothing_is_held(void)
{
    guint64 claimed;

    return count_open(&claimed) == 0 && claimed == 0;
}

static int
set_up(void **state)
{
    const TestGuestOptions options[N_DONORS] = {
        { .name = "a", .kernel = kernel, .memory = 384 * MIB, .virtio_mem = 1024 * MIB },
        { .name = "b", .kernel = kernel, .memory = 384 * MIB, .virtio_mem = 1024 * MIB },
        { .name = "c", .kernel = kernel, .virtio_mem = 1024 * MIB },
    };

    if (test_scene_setup((void **)&pool.scene) != 0)
        return -1;
    pool.watch.guests = g_ptr_array_new();
    g_mutex_init(&pool.watch.lock);
    for (guint i = 0; i < N_DONORS; i++) {
        TestSceneGuest *guest = test_scene_boot(pool.scene, &options[i]);

        watch_add(&pool.watch, guest->guest);
    }
    test_scene_start_daemon(pool.scene, CONFIG, NULL);
    pool.watch.thread = g_thread_new("watch", watch_run, &pool.watch);
    test_scene_await(is_full(), PATIENCE);
    return 0;
}

static int
tear_down(void **state)
{
    g_mutex_lock(&pool.watch.lock);
    pool.watch.stop = TRUE;
    g_mutex_unlock(&pool.watch.lock);
    if (pool.watch.thread)
        g_thread_join(pool.watch.thread);
    test_guest_free(pool.newcomer);
    g_ptr_array_unref(pool.watch.guests);
    return test_scene_teardown((void **)&pool.scene);
}

/* The last line of set-up counts as the first of the case: a failure shows memplugd's log. */
static void
passed(void)
{
    watch_check(&pool.watch);
    test_scene_passed(pool.scene);
}

/*
 * Cases
 */

static void
run_load(guint donor, const char *steps)
{
    test_check(
        test_guest_load_start(pool.scene->guests[donor].guest, steps, &pool.loads[donor], &error));
}

static gboolean
load_is_there(guint donor)
{
    g_autofree char *output = NULL;

    test_check((output = test_guest_load_output(pool.scene->guests[donor].guest, pool.loads[donor],
                                                &error)) != NULL);
    return strstr(output, "step=grow=") != NULL;
}

/* A guest of 256 MiB comes by memplug run. The guest with a load keeps what that needs. */
static void
test_a_guest_is_started_into_a_full_pool(void **state)
{
    const char *const before[] = {
        g_getenv("MEMPLUG"), "--bus", test_daemon_address(pool.scene->daemon), "run", "--", NULL
    };
    const TestGuestOptions options = { .name = "new", .kernel = kernel, .before = before };
    guint64 had[N_DONORS];
    gint64 stalled[N_DONORS], start;

    run_load(0, "grow=100M@50M hold");
    test_scene_await(load_is_there(0), PATIENCE);
    test_scene_await(is_full(), PATIENCE);
    for (guint i = 0; i < N_DONORS; i++) {
        had[i] = actual_of(i);
        stalled[i] = stalled_us(pool.scene->guests[i].guest);
    }
    start = g_get_monotonic_time();
    test_check((pool.newcomer = test_guest_start(pool.scene->room, pool.scene->folder, &options,
                                                 &error)) != NULL);
    print_message("  from start to room: %.2f s\n",
                  (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC);
    watch_add(&pool.watch, pool.newcomer);
    test_check(test_guest_wait_ready(pool.newcomer, &error));
    test_scene_await(nothing_is_held(), PATIENCE);
    for (guint i = 0; i < N_DONORS; i++) {
        gint64 stall = stalled_us(pool.scene->guests[i].guest) - stalled[i];

        print_message("  %s had %.0f MiB, has %.0f; stalled for %.1f ms\n", names[i],
                      (double)had[i] / (double)MIB, (double)actual_of(i) / (double)MIB,
                      (double)stall / 1000.0);
    }
    test_check(test_guest_load_stop(pool.scene->guests[0].guest, pool.loads[0], &error));
    watch_remove(&pool.watch, pool.newcomer);
    g_clear_pointer(&pool.newcomer, test_guest_free);
    passed();
}

/* memplugd is killed while guests give, and when a lease is granted: after it nothing is held
 * for nobody, and what somebody took is held still. */
static void
test_memplugd_is_killed(void **state)
{
    const char *const reserve[] = { g_getenv("MEMPLUG"),
                                    "--bus",
                                    test_daemon_address(pool.scene->daemon),
                                    "reserve",
                                    "200M",
                                    "--wait",
                                    "30",
                                    NULL };
    g_autofree char *log = test_room_path(pool.scene->room, "reserve.log");
    g_autofree char *taken = NULL;
    guint64 claimed;

    pool.scene->passed = FALSE;
    test_scene_await(is_full(), PATIENCE);
    for (guint delay_ms = 30; delay_ms <= 480; delay_ms *= 4) {
        g_autoptr(GSubprocess) asker = NULL;

        test_check((asker = test_room_spawn(pool.scene->room, reserve, log, G_SUBPROCESS_FLAGS_NONE,
                                            &error)) != NULL);
        g_usleep(delay_ms * 1000);
        test_daemon_kill(pool.scene->daemon);
        test_check(g_subprocess_wait(asker, NULL, &error));
        test_scene_restart_daemon(pool.scene);
        test_scene_await(nothing_is_held(), PATIENCE);
        print_message("  killed after %u ms: nothing is held\n", delay_ms);
        test_scene_await(is_full(), PATIENCE);
    }
    taken = test_scene_memplug(pool.scene, 0, "reserve", "100M", "--wait", "30", "--for", "later",
                               NULL);
    print_message("  %s", taken);
    test_scene_restart_daemon(pool.scene);
    assert_int_equal(count_open(&claimed), 1);
    test_scene_await((count_open(&claimed), claimed == 100 * MIB), PATIENCE);
    g_free(test_scene_memplug(pool.scene, 0, "release", "--for", "later", NULL));
    test_scene_await(nothing_is_held(), PATIENCE);
    passed();
}

/* Ten QEMUs at once, of which there is room for some. */
static void
test_ten_at_once(void **state)
{
    GSubprocess *askers[10];
    g_autofree char *log = test_room_path(pool.scene->room, "ten.log");
    guint running = 0;

    pool.scene->passed = FALSE;
    test_scene_await(is_full(), PATIENCE);
    for (guint i = 0; i < G_N_ELEMENTS(askers); i++) {
        g_autofree char *monitor =
            g_strdup_printf("unix:%s/ten%u.qmp,server=on,wait=off", pool.scene->folder, i);
        const char *const words[] = { g_getenv("MEMPLUG"),
                                      "--bus",
                                      test_daemon_address(pool.scene->daemon),
                                      "run",
                                      "--reserve",
                                      "64M",
                                      "--",
                                      "qemu-system-x86_64",
                                      "-m",
                                      "64",
                                      "-S",
                                      "-nodefaults",
                                      "-display",
                                      "none",
                                      "-qmp",
                                      monitor,
                                      NULL };

        test_check((askers[i] = test_room_spawn(pool.scene->room, words, log,
                                                G_SUBPROCESS_FLAGS_NONE, &error)) != NULL);
    }
    test_scene_await(nothing_is_held(), PATIENCE);
    for (guint i = 0; i < G_N_ELEMENTS(askers); i++)
        running += g_subprocess_get_identifier(askers[i]) != NULL;
    print_message("  %u of 10 run\n", running);
    assert_true(running >= 1);
    assert_true(running < G_N_ELEMENTS(askers));
    {
        g_autoptr(JsonNode) host = test_scene_json(pool.scene, "host", "--json", NULL);
        JsonObject *object = json_node_get_object(host);
        JsonArray *guests = json_object_get_array_member(object, "guests");
        guint64 sum = 0;

        assert_int_equal(json_array_get_length(guests), N_DONORS + running);
        for (guint i = 0; i < json_array_get_length(guests); i++)
            sum += test_scene_size(json_array_get_object_element(guests, i), "actual");
        print_message("  all have %.0f MiB\n", (double)sum / (double)MIB);
        assert_true(sum <= POOL);
    }
    for (guint i = 0; i < G_N_ELEMENTS(askers); i++) {
        test_room_kill(askers[i]);
        g_object_unref(askers[i]);
    }
    passed();
}

/* All are busy: it is refused, with what each keeps, and nobody has lost anything. */
static void
test_busy_guests_refuse(void **state)
{
    guint64 had[N_DONORS];
    g_autofree char *refusal = NULL;
    gint64 start;

    pool.scene->passed = FALSE;
    test_scene_await(is_full(), PATIENCE);
    for (guint i = 0; i < N_DONORS; i++)
        run_load(i, "grow=140M@50M hold");
    for (guint i = 0; i < N_DONORS; i++)
        test_scene_await(load_is_there(i), PATIENCE);
    g_usleep(3 * G_USEC_PER_SEC);
    for (guint i = 0; i < N_DONORS; i++)
        had[i] = actual_of(i);
    start = g_get_monotonic_time();
    refusal = test_scene_memplug(pool.scene, 1, "reserve", "256M", NULL);
    print_message("  refused after %.2f s: %s",
                  (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC, refusal);
    for (guint i = 0; i < N_DONORS; i++) {
        g_autofree char *part = g_strdup_printf("; %s keeps ", names[i]);

        assert_non_null(strstr(refusal, part));
        assert_true(actual_of(i) + 16 * MIB >= had[i]);
        test_check(test_guest_load_stop(pool.scene->guests[i].guest, pool.loads[i], &error));
    }
    passed();
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_guest_is_started_into_a_full_pool),
        cmocka_unit_test(test_memplugd_is_killed),
        cmocka_unit_test(test_ten_at_once),
        cmocka_unit_test(test_busy_guests_refuse),
    };

    if (argc != 2) {
        g_printerr("usage: test-newcomer KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_scene_can_run(kernel)
               ? cmocka_run_group_tests_name("newcomer", tests, set_up, tear_down)
               : 77;
}
