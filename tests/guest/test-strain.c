/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What must hold for a full pool when things go wrong around it: memplugd is killed at every stage
 * of a reservation, and something outside of all guests takes the host's memory.
 *
 * The second is seen on a small host: memplugd is shown, in a mount namespace of its own, a
 * /proc/meminfo that the test writes, of a host that has nothing but these QEMUs and the hog. What
 * they have of it is real; what the machine's other users do meanwhile stays out of it.
 *
 * Usage: test-strain KERNEL-LINE
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/guest/harness/test-pool.h"

/* What the small host has available, besides what guests have: half of it is its soft mark. */
#define AVAILABLE (400 * MIB)
#define CONFIG    "[host]\nsoft=200M\nhard=60M\nemergency=30M\n" TEST_POOL_CONFIG

/* Nobody's load may stand still for longer while guests give way. */
#define STALL_BUDGET_US (50 * 1000)

/* Of the budget, 30 %. */
#define HOG (307 * MIB)

static const char *kernel;
static TestPool pool;

/*
 * The small host
 */

static struct {
    char *path; /* what memplugd reads as /proc/meminfo */
    GThread *thread;
    GMutex lock;
    gboolean stop;
    guint64 total;     /* 0: to be worked out, ... */
    guint64 at_first;  /* ... so that this is available at first */
    guint64 available; /* as last written */
    GSubprocess *hog;  /* nullable */
} host;

static guint64
resident(GSubprocess *process)
{
    const char *pid = process ? g_subprocess_get_identifier(process) : NULL;
    g_autofree char *path = g_strdup_printf("/proc/%s/statm", pid ? pid : "0");
    g_autofree char *text = NULL;
    unsigned long long pages = 0;

    if (g_file_get_contents(path, &text, NULL, NULL))
        sscanf(text, "%*s %llu", &pages);
    return pages * (guint64)sysconf(_SC_PAGESIZE);
}

/* Always as long, and written at one go, so that nobody reads half of it. */
static void
write_meminfo(void)
{
    guint64 taken = test_watch_resident(pool.watch) + resident(host.hog);
    char text[256];
    FILE *file = fopen(host.path, "r+");

    if (host.total == 0)
        host.total = taken + host.at_first;
    host.available = host.total - MIN(taken, host.total - MIB);
    g_snprintf(text, sizeof text,
               "MemTotal: %12" G_GUINT64_FORMAT " kB\nMemFree: %12" G_GUINT64_FORMAT
               " kB\nMemAvailable: %12" G_GUINT64_FORMAT " kB\n",
               host.total / 1024, host.available / 1024, host.available / 1024);
    if (!file)
        return;
    fputs(text, file);
    fclose(file);
}

static gpointer
be_host(gpointer data)
{
    gboolean stop;

    do {
        g_mutex_lock(&host.lock);
        write_meminfo();
        stop = host.stop;
        g_mutex_unlock(&host.lock);
        g_usleep(20 * 1000);
    } while (!stop);
    return NULL;
}

/* From now on the host has so much available besides what is taken at this moment. */
static void
set_host(guint64 at_first)
{
    g_mutex_lock(&host.lock);
    host.at_first = at_first;
    host.total = 0;
    write_meminfo();
    g_mutex_unlock(&host.lock);
}

static void
set_hog(GSubprocess *hog)
{
    g_mutex_lock(&host.lock);
    host.hog = hog;
    g_mutex_unlock(&host.lock);
}

static guint64
available(void)
{
    guint64 bytes;

    g_mutex_lock(&host.lock);
    bytes = host.available;
    g_mutex_unlock(&host.lock);
    return bytes;
}

/* All that this process starts sees it; the namespace ends with them. */
static gboolean
show_small_host(void)
{
    host.path = test_room_path(pool.scene->room, "meminfo");
    g_mutex_init(&host.lock);
    if (!g_file_set_contents(host.path, "", 0, NULL) ||
        mount(host.path, "/proc/meminfo", NULL, MS_BIND, NULL) < 0)
        return FALSE;
    set_host(4096 * MIB);
    host.thread = g_thread_new("host", be_host, NULL);
    return TRUE;
}

static void
end_small_host(void)
{
    if (host.thread) {
        g_mutex_lock(&host.lock);
        host.stop = TRUE;
        g_mutex_unlock(&host.lock);
        g_thread_join(host.thread);
    }
    umount2("/proc/meminfo", MNT_DETACH);
    g_free(host.path);
}

/* What the program is when it is started as "test-strain --hog BYTES". */
static int
be_hog(const char *bytes)
{
    gsize size = (gsize)g_ascii_strtoull(bytes, NULL, 10);
    char *memory = g_malloc(size);

    memset(memory, 1, size);
    pause();
    g_free(memory);
    return 0;
}

static GSubprocess *
start_hog(void)
{
    g_autofree char *bytes = g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)HOG);
    const char *const words[] = { "/proc/self/exe", "--hog", bytes, NULL };
    GSubprocess *hog = NULL;

    test_check((hog = test_room_spawn(pool.scene->room, words, NULL, G_SUBPROCESS_FLAGS_NONE,
                                      &error)) != NULL);
    set_hog(hog);
    test_scene_await(resident(hog) >= HOG, TEST_POOL_PATIENCE);
    return hog;
}

static int
set_up(void **state)
{
    test_pool_boot(&pool, kernel);
    assert_true(show_small_host());
    test_scene_start_daemon(pool.scene, CONFIG, NULL);
    return 0;
}

static int
tear_down(void **state)
{
    end_small_host();
    test_pool_teardown(&pool);
    return 0;
}

/*
 * Cases
 */

static GSubprocess *
start_memplug(const char *const *arguments)
{
    g_autofree char *log = test_room_path(pool.scene->room, "memplug.log");
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();
    g_auto(GStrv) line = NULL;
    GSubprocess *process = NULL;

    g_strv_builder_add_many(words, g_getenv("MEMPLUG"), "--bus",
                            test_daemon_address(pool.scene->daemon), NULL);
    g_strv_builder_addv(words, (const char **)arguments);
    line = g_strv_builder_end(words);
    test_check((process = test_room_spawn(pool.scene->room, (const char *const *)line, log,
                                          G_SUBPROCESS_FLAGS_NONE, &error)) != NULL);
    return process;
}

static gboolean
last_lease_is(const char *state)
{
    g_autofree char *is = test_pool_last_lease(&pool);

    return g_strcmp0(is, state) == 0;
}

/*
 * memplugd is killed once the lease that @arguments ask for is in @state; whoever asked is told. He
 * can be stopped as soon as he has asked: what he is granted then nobody takes.
 */
static void
kill_at(const char *state, gboolean stopped, const char *const *arguments)
{
    g_autoptr(GSubprocess) asker = NULL;

    test_scene_await(test_pool_is_full(&pool), TEST_POOL_PATIENCE);
    asker = start_memplug(arguments);
    if (stopped) {
        test_scene_await(!test_pool_nothing_is_held(&pool), TEST_POOL_PATIENCE);
        g_subprocess_send_signal(asker, SIGSTOP);
    }
    test_scene_await(last_lease_is(state), TEST_POOL_PATIENCE);
    test_daemon_kill(pool.scene->daemon);
    if (stopped)
        g_subprocess_send_signal(asker, SIGCONT);
    test_check(g_subprocess_wait(asker, NULL, &error));
    assert_int_not_equal(test_room_exit_status(asker), 0);
    test_scene_restart_daemon(pool.scene);
    test_scene_await(test_pool_nothing_is_held(&pool), TEST_POOL_PATIENCE);
    print_message("  killed while %s%s: nothing is held\n", state,
                  stopped ? ", and nobody had taken it" : "");
}

/* A process that holds a lease, and memplugd is killed: it is held on, and once; until it ends. */
static void
kill_while_held(void)
{
    static const char *const words[] = { "run", "--reserve", "150M", "--", "sleep", "600", NULL };
    g_autoptr(GSubprocess) holder = NULL;
    guint64 claimed;

    test_scene_await(test_pool_is_full(&pool), TEST_POOL_PATIENCE);
    holder = start_memplug(words);
    test_scene_await(test_scene_log_has(pool.scene, "150 MiB: taken"), TEST_POOL_PATIENCE);
    test_scene_restart_daemon(pool.scene);
    test_scene_await(test_pool_leases(&pool, &claimed) == 1 && claimed == 150 * MIB,
                     TEST_POOL_PATIENCE);
    /* What others could be promised is without it. */
    g_free(test_scene_memplug(pool.scene, 1, "reserve", "800M", NULL));
    assert_int_equal(test_pool_leases(&pool, &claimed), 1);
    test_room_kill(holder);
    test_scene_await(test_pool_nothing_is_held(&pool), TEST_POOL_PATIENCE);
    print_message("  killed while it was held: held until its process had ended\n");
}

/* The guest is there, and memplugd is killed: its memory is its own, and nothing is held besides.
 */
static void
kill_when_handed_over(void)
{
    g_autofree char *monitor =
        g_strdup_printf("unix:%s/late.qmp,server=on,wait=off", pool.scene->folder);
    const char *const words[] = {
        "run",  "--reserve", "128M",  "--",          "qemu-system-x86_64",
        "-m",   "128",       "-S",    "-nodefaults", "-display",
        "none", "-qmp",      monitor, NULL,
    };
    g_autoptr(GSubprocess) guest = NULL;
    g_autoptr(JsonObject) listed = NULL;

    test_scene_await(test_pool_is_full(&pool), TEST_POOL_PATIENCE);
    guest = start_memplug(words);
    test_scene_await(test_scene_log_has(pool.scene, "for late: transferred"), TEST_POOL_PATIENCE);
    test_scene_restart_daemon(pool.scene);
    test_scene_await(test_pool_nothing_is_held(&pool), TEST_POOL_PATIENCE);
    test_scene_await((listed = test_scene_listed(pool.scene, "late")) != NULL, TEST_POOL_PATIENCE);
    assert_int_equal(test_scene_size(listed, "actual"), 128 * MIB);
    test_room_kill(guest);
    print_message("  killed when it was handed over: the guest has it, nothing is held\n");
}

static void
test_memplugd_is_killed_at_each_stage(void **state)
{
    static const char *const in_vain[] = { "reserve", "700M", "--wait", "60", NULL };
    static const char *const well[] = { "reserve", "200M", NULL };

    test_pool_enter(&pool);
    kill_at("asked", FALSE, in_vain);
    kill_at("gathering", FALSE, well);
    kill_at("granted", TRUE, well);
    kill_while_held();
    kill_when_handed_over();
    test_scene_await(test_pool_is_full(&pool), TEST_POOL_PATIENCE);
    test_pool_leave(&pool);
}

static gboolean
level_is(const char *level)
{
    g_autoptr(JsonNode) json = test_scene_json(pool.scene, "host", "--json", NULL);

    return g_str_equal(test_scene_text(json_node_get_object(json), "level"), level);
}

/* A guest's memory is resident only once it has been used. */
static void
use_all(guint i, const char *steps)
{
    test_pool_load(&pool, i, steps);
    test_pool_unload(&pool, i);
}

static void
print_pool(const char *when)
{
    print_message("  %-22s a %3.0f, b %3.0f, c %3.0f MiB; the host has %3.0f available\n", when,
                  (double)test_pool_actual(&pool, 0) / (double)MIB,
                  (double)test_pool_actual(&pool, 1) / (double)MIB,
                  (double)test_pool_actual(&pool, 2) / (double)MIB,
                  (double)available() / (double)MIB);
}

/* So much is available in a guest that has what it needs, and little more. */
#define LEFT (32 * MIB)

/* Of the 93 that the hog leaves available to this from what guests can spare, of which the host
 * gets what was ever touched. */
#define ANSWERED (120 * MIB)

typedef struct {
    guint64 had;
    gint64 stalled_us;
} Before;

/* Who has something idle gives of it, which a, being busy, need not: nobody is left with too
 * little, nor stalls. */
static void
check_gifts(const Before *before)
{
    for (guint i = 0; i < TEST_SCENE_GUESTS; i++) {
        TestPoolReport report = test_pool_report(&pool, i);
        guint64 has = test_pool_actual(&pool, i);
        gint64 stalled = report.stalled_us - before[i].stalled_us;

        print_message("  %s gave %.0f MiB, uses %.0f and has %.0f available; stalled for %.1f ms\n",
                      test_guest_name(test_pool_guest(&pool, i)),
                      (double)(before[i].had - MIN(before[i].had, has)) / (double)MIB,
                      (double)report.used / (double)MIB, (double)report.available / (double)MIB,
                      (double)stalled / 1000.0);
        assert_true(i == 0 || has < before[i].had);
        assert_true(has >= TEST_POOL_FLOOR);
        assert_true(report.available >= LEFT);
        assert_true(stalled <= STALL_BUDGET_US);
    }
}

/* Guest a is busy, b and c have idle what they once used. */
static void
test_a_hog_takes_a_third_of_the_host(void **state)
{
    Before before[TEST_SCENE_GUESTS];
    GSubprocess *hog;

    test_pool_enter(&pool);
    use_all(1, "grow=100M@40M");
    use_all(2, "grow=100M@40M");
    test_pool_load(&pool, 0, "grow=90M@30M hold");
    test_scene_await(test_pool_is_full(&pool), TEST_POOL_PATIENCE);
    set_host(AVAILABLE);
    print_pool("before");
    for (guint i = 0; i < TEST_SCENE_GUESTS; i++)
        before[i] = (Before){ test_pool_actual(&pool, i), test_pool_report(&pool, i).stalled_us };

    hog = start_hog();
    test_scene_await(level_is("soft"), TEST_POOL_PATIENCE);
    test_scene_await(available() >= ANSWERED, TEST_POOL_PATIENCE);
    print_pool("the hog has 307 MiB");
    check_gifts(before);

    test_room_kill(hog);
    set_hog(NULL);
    g_object_unref(hog);
    test_scene_await(level_is("well"), TEST_POOL_PATIENCE);
    test_scene_await(test_pool_is_full(&pool), TEST_POOL_PATIENCE);
    print_pool("the hog has gone");
    test_pool_leave(&pool);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memplugd_is_killed_at_each_stage),
        cmocka_unit_test(test_a_hog_takes_a_third_of_the_host),
    };

    if (argc == 3 && g_str_equal(argv[1], "--hog"))
        return be_hog(argv[2]);
    if (argc != 2) {
        g_printerr("usage: test-strain KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        g_printerr("skipped: no mount namespace of its own can be had (%s)\n", g_strerror(errno));
        return 77;
    }
    return test_scene_can_run(kernel)
               ? cmocka_run_group_tests_name("strain", tests, set_up, tear_down)
               : 77;
}
