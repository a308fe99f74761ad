/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memplug-guest as it is installed, as a process: over a socket, on a /proc of the test's
 * own, which it changes under the agent's eyes.
 *
 * What the agent costs is printed. That it stays below 2 MiB is asserted, where it
 * is linked as for a guest (MEMPLUG_GUEST_STATIC).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/guest/host-end.h"

#define MIB ((guint64)1 << 20)
#define MS  1000

typedef struct {
    HostEnd host;
    char *root;
    GPid pid; /* 0: not running */
} Scene;

/* Written at once, at a length that never changes, into the file that the agent has open. */
static void put_file(Scene *scene, const char *path, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void
put_file(Scene *scene, const char *path, const char *format, ...)
{
    g_autofree char *full = g_build_filename(scene->root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(full);
    g_autofree char *text = NULL;
    va_list list;
    int fd;

    va_start(list, format);
    text = g_strdup_vprintf(format, list);
    va_end(list);
    assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
    fd = g_open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void
put_memory(Scene *scene, guint64 total, guint64 available)
{
    put_file(scene, "proc/meminfo",
             "MemTotal:       %10" G_GUINT64_FORMAT " kB\nMemFree:        %10" G_GUINT64_FORMAT
             " kB\nMemAvailable:   %10" G_GUINT64_FORMAT " kB\nCommitted_AS:          100 kB\n",
             total / 1024, available / 1024, available / 1024);
}

static void
put_stall(Scene *scene, guint64 total_us)
{
    put_file(scene, "proc/pressure/memory",
             "some avg10=0.00 avg60=0.00 avg300=0.00 total=%012" G_GUINT64_FORMAT
             "\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=000000000000\n",
             total_us);
}

static int
open_scene(void **state)
{
    Scene *scene = g_new0(Scene, 1);

    signal(SIGPIPE, SIG_IGN);
    host_end_start(&scene->host);
    scene->root = g_build_filename(scene->host.folder, "root", NULL);
    put_memory(scene, 1024 * MIB, 700 * MIB);
    put_stall(scene, 5);
    put_file(scene, "proc/sys/kernel/osrelease", "6.99-test\n");
    put_file(scene, "proc/vmstat", "pswpin 0\nallocstall_normal 12\n");
    *state = scene;
    return 0;
}

/* Returns: its exit status. */
static int
reap(Scene *scene)
{
    int status = -1;

    waitpid(scene->pid, &status, 0);
    scene->pid = 0;
    return status;
}

static int
close_scene(void **state)
{
    Scene *scene = *state;

    if (scene->pid) {
        kill(scene->pid, SIGKILL);
        reap(scene);
    }
    host_end_stop(&scene->host);
    g_free(scene->root);
    g_free(scene);
    return 0;
}

static void
start_agent(Scene *scene, const char *period)
{
    g_autofree char *port = g_strconcat("--port=", scene->host.path, NULL);
    g_autofree char *root = g_strconcat("--root=", scene->root, NULL);
    g_autofree char *every = g_strconcat("--period=", period, NULL);
    char *argv[] = { (char *)g_getenv("MEMPLUG_GUEST"), port, root, every, NULL };

    assert_true(g_spawn_async(NULL, argv, NULL,
                              G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                              &scene->pid, NULL));
}

static void
start_both(Scene *scene, const char *period)
{
    StatsFrame frame;

    host_end_listen(&scene->host);
    start_agent(scene, period);
    host_end_accept(&scene->host);
    assert_true(host_end_receive(&scene->host, &frame, 30000));
    assert_int_equal(frame.type, STATS_FRAME_HELLO);
}

static void
welcome(Scene *scene, guint64 flags, guint64 period_us, guint64 reserve)
{
    StatsFrame frame;

    stats_frame_clear(&frame, STATS_FRAME_WELCOME);
    frame.welcome.flags = flags;
    frame.welcome.period_us = period_us;
    frame.welcome.reserve = reserve;
    host_end_send(&scene->host, &frame);
}

static void
expect_answer(Scene *scene, guint64 id, guint64 size, StatsFrame *frame)
{
    stats_frame_clear(frame, STATS_FRAME_SHRINK);
    frame->shrink.id = id;
    frame->shrink.size = size;
    host_end_send(&scene->host, frame);
    host_end_expect(&scene->host, STATS_FRAME_ANSWER, frame);
    assert_int_equal(frame->answer.id, id);
}

static void
test_says_hello_and_then_samples(void **state)
{
    Scene *scene = *state;
    StatsFrame frame;
    guint64 time_us = 0;

    host_end_listen(&scene->host);
    start_agent(scene, "100");
    host_end_accept(&scene->host);
    assert_true(host_end_receive(&scene->host, &frame, 30000));
    assert_int_equal(frame.type, STATS_FRAME_HELLO);
    assert_true(g_str_has_prefix(frame.hello.agent, "memplug-guest "));
    assert_string_equal(frame.hello.kernel, "6.99-test");
    assert_string_equal(frame.hello.boot_id, "");
    assert_int_equal(frame.hello.can, STATS_CAN_WATCH | STATS_CAN_PSI | STATS_CAN_ANSWER);
    assert_true(frame.hello.block_size == STATS_MISSING);
    assert_true(frame.hello.fastest != STATS_MISSING);
    for (guint i = 0; i < 3; i++) {
        assert_true(host_end_receive(&scene->host, &frame, 30000));
        assert_int_equal(frame.type, STATS_FRAME_SAMPLE);
        assert_true(frame.sample.time_us > time_us);
        time_us = frame.sample.time_us;
        assert_int_equal(frame.sample.total, 1024 * MIB);
        assert_int_equal(frame.sample.available, 700 * MIB);
        assert_int_equal(frame.sample.alloc_stalls, 12);
        assert_int_equal(frame.sample.stall_some_us, 5);
        assert_true(frame.sample.oom_kills == STATS_MISSING);
        assert_int_equal(frame.sample.zone_count, 0);
    }
    assert_int_equal(scene->host.stream.noise, 0);
    assert_int_equal(scene->host.stream.lost, 0);
}

static void
test_does_as_the_host_says(void **state)
{
    Scene *scene = *state;
    guint64 before;
    StatsFrame frame;

    start_both(scene, "60000");
    host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
    welcome(scene, STATS_WELCOME_SAY_HELLO, 200 * MS, STATS_MISSING);
    host_end_expect(&scene->host, STATS_FRAME_HELLO, &frame);
    host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
    before = frame.sample.time_us;
    host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
    /* Not sooner, however loaded the machine is. */
    assert_true(frame.sample.time_us - before >= 170 * MS);
}

static void
test_answers_whether_it_bears_a_shrink(void **state)
{
    Scene *scene = *state;
    StatsFrame frame;

    start_both(scene, "100");
    host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
    welcome(scene, STATS_MISSING, STATS_MISSING, 100 * MIB);
    expect_answer(scene, 1, 500 * MIB, &frame);
    assert_int_equal(frame.answer.verdict, STATS_ANSWER_BEARS);
    assert_int_equal(frame.answer.margin, 100 * MIB);
    expect_answer(scene, 2, 601 * MIB, &frame);
    assert_int_equal(frame.answer.verdict, STATS_ANSWER_REFUSES);
    assert_int_equal(frame.answer.reason, STATS_REASON_LITTLE);

    put_stall(scene, 900 * MS);
    do
        host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
    while (frame.sample.stall_some_us != 900 * MS);
    expect_answer(scene, 3, MIB, &frame);
    assert_int_equal(frame.answer.reason, STATS_REASON_STALLING);
}

static void
test_samples_faster_while_a_shrink_is_watched(void **state)
{
    Scene *scene = *state;
    guint64 before;
    StatsFrame frame;

    start_both(scene, "60000");
    welcome(scene, STATS_MISSING, 400 * MS, STATS_MISSING);
    expect_answer(scene, 1, MIB, &frame);
    host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
    for (guint64 shortest = G_MAXUINT64; shortest >= 200 * MS;) {
        before = frame.sample.time_us;
        host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
        shortest = MIN(shortest, frame.sample.time_us - before);
    }
    stats_frame_clear(&frame, STATS_FRAME_SHRINK_END);
    frame.shrink_end.id = 1;
    frame.shrink_end.outcome = STATS_SHRINK_DONE;
    host_end_send(&scene->host, &frame);
    /* The last that were on their way, the one at once, and then no more so soon. */
    host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
    for (guint64 gap = 0; gap < 330 * MS;) {
        before = frame.sample.time_us;
        host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
        gap = frame.sample.time_us - before;
    }
    before = frame.sample.time_us;
    host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
    assert_true(frame.sample.time_us - before >= 330 * MS);
}

/* Samples are a minute apart: what comes sooner is because the agent looks. */
static void
test_asks_when_memory_falls(void **state)
{
    Scene *scene = *state;
    guint64 available = 700 * MIB;
    StatsFrame frame = { 0 };

    start_both(scene, "60000");
    host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
    while (frame.type != STATS_FRAME_URGENT && available > 0) {
        available -= 4 * MIB;
        put_memory(scene, 1024 * MIB, available);
        host_end_receive(&scene->host, &frame, 8);
    }
    if (frame.type != STATS_FRAME_URGENT)
        host_end_expect(&scene->host, STATS_FRAME_URGENT, &frame);
    assert_int_equal(frame.urgent.cause, STATS_URGENT_FORECAST);
    assert_int_equal(frame.urgent.total, 1024 * MIB);
    assert_in_range(frame.urgent.available, available, 700 * MIB);
    assert_true(frame.urgent.size >= frame.urgent.available);
    assert_true(frame.urgent.fall > 0);
    assert_in_range(frame.urgent.left_us, 0, 1000 * MS);
}

static void
test_a_host_that_does_not_read_is_not_waited_for(void **state)
{
    Scene *scene = *state;
    StatsFrame frame;
    guint frames = 0;

    start_both(scene, "100");
    /* So many requests for a HELLO, which nobody reads, that no buffer holds them. */
    for (guint i = 0; i < 4000; i++)
        welcome(scene, STATS_WELCOME_SAY_HELLO, 100 * MS, STATS_MISSING);
    assert_int_equal(kill(scene->pid, SIGTERM), 0);
    assert_int_equal(reap(scene), 0);
    while (host_end_receive(&scene->host, &frame, 0))
        frames++;
    assert_in_range(frames, 1, 3999);
}

static void
test_greets_a_host_that_comes_again(void **state)
{
    Scene *scene = *state;
    StatsFrame frame;

    for (guint i = 0; i < 2; i++) {
        if (i == 0)
            start_both(scene, "100");
        host_end_leave(&scene->host);
        host_end_listen(&scene->host);
        host_end_accept(&scene->host);
        assert_true(host_end_receive(&scene->host, &frame, 30000));
        assert_int_equal(frame.type, STATS_FRAME_HELLO);
        host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
        assert_int_equal(scene->host.stream.noise, 0);
    }
}

static void
test_hears_through_garbage(void **state)
{
    Scene *scene = *state;
    guint8 garbage[5000];
    StatsFrame frame;

    start_both(scene, "1000");
    for (guint round = 0; round < 20; round++) {
        for (guint i = 0; i < sizeof(garbage); i++)
            garbage[i] = (guint8)(i * round * 31 >> 3);
        memcpy(garbage + 100 * round, "\x9dmpf\1", 5);
        host_end_send_bytes(&scene->host, garbage, sizeof(garbage));
        /* What only a guest says. */
        stats_frame_clear(&frame, STATS_FRAME_ANSWER);
        frame.answer.id = frame.answer.verdict = 1;
        host_end_send(&scene->host, &frame);
        expect_answer(scene, round, MIB, &frame);
    }
}

static void
test_garbled_memory_is_not_told(void **state)
{
    Scene *scene = *state;
    StatsFrame frame;

    put_file(scene, "proc/meminfo", "%0200d", 0);
    start_both(scene, "100");
    expect_answer(scene, 1, MIB, &frame);
    assert_int_equal(frame.answer.reason, STATS_REASON_UNKNOWN);
    put_memory(scene, 1024 * MIB, 700 * MIB);
    host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
    assert_int_equal(frame.sample.available, 700 * MIB);
}

/* What /proc tells of the agent. */
static guint64
figure(Scene *scene, const char *file, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", scene->pid, file);
    g_autofree char *text = NULL;
    const char *at;

    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    at = strstr(text, name);
    return at ? g_ascii_strtoull(at + strlen(name) + 1, NULL, 10) : 0;
}

static guint64
cpu_ns(Scene *scene)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/schedstat", scene->pid);
    g_autofree char *text = NULL;

    /* Time on a CPU, and two more; not every kernel has it. */
    return g_file_get_contents(path, &text, NULL, NULL) ? g_ascii_strtoull(text, NULL, 10) : 0;
}

/* Prints what some seconds cost. */
static void
measure(Scene *scene, const char *what)
{
    guint64 switches = figure(scene, "status", "\nvoluntary_ctxt_switches:");
    guint64 cpu = cpu_ns(scene);
    StatsFrame frame;
    guint64 start;
    double seconds;

    host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
    start = frame.sample.time_us;
    do
        host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
    while (frame.sample.time_us - start < 3000 * MS);
    seconds = (double)(frame.sample.time_us - start) * 1e-6;
    print_message("%s: %.1f wake-ups a second, %.4f %% of a CPU\n", what,
                  (double)(figure(scene, "status", "\nvoluntary_ctxt_switches:") - switches) /
                      seconds,
                  (double)(cpu_ns(scene) - cpu) * 1e-7 / seconds);
}

static void
test_costs_little(void **state)
{
    Scene *scene = *state;
    guint64 resident;
    guint64 fastest;
    StatsFrame frame;

    start_both(scene, "1000");
    welcome(scene, STATS_WELCOME_SAY_HELLO, STATS_MISSING, STATS_MISSING);
    host_end_expect(&scene->host, STATS_FRAME_HELLO, &frame);
    fastest = frame.hello.fastest;

    /* What changes is what there is, not what is used: that would be a burst to learn from. */
    put_memory(scene, 1024 * MIB + fastest * 16, 700 * MIB + fastest * 16);
    host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
    measure(scene, "with plenty");
    put_memory(scene, 324 * MIB + fastest * 8 / 10, fastest * 8 / 10);
    host_end_expect(&scene->host, STATS_FRAME_SAMPLE, &frame);
    measure(scene, "with 0.8 s of the fastest burst");

    resident = figure(scene, "status", "VmRSS:") * 1024;
    print_message("%" G_GUINT64_FORMAT " KiB resident, %" G_GUINT64_FORMAT " KiB locked\n",
                  resident / 1024, figure(scene, "status", "VmLck:"));
    if (g_getenv("MEMPLUG_GUEST_STATIC"))
        assert_true(resident < 2 * MIB);
    else
        print_message("linked dynamically or for a sanitizer: not judged\n");
}

/* Returns: the exit status of the agent with @argument, which makes it end. */
static int
run(const char *argument)
{
    const char *argv[] = { g_getenv("MEMPLUG_GUEST"), argument, NULL };
    g_autofree char *output = NULL;
    g_autofree char *errors = NULL;
    int status = -1;

    assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &output,
                             &errors, &status, NULL));
    assert_true((*output || *errors) && !(*output && *errors));
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
test_tells_how_it_is_used(void **state)
{
    assert_int_equal(run("--version"), 0);
    assert_int_equal(run("--help"), 0);
    assert_int_equal(run("--what"), 2);
    assert_int_equal(run("what"), 2);
    assert_int_equal(run("--period=0"), 2);
    assert_int_equal(run("--period=1s"), 2);
    assert_int_equal(run("--root=/nonexistent"), 1);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCENE(test_says_hello_and_then_samples),
        IN_SCENE(test_does_as_the_host_says),
        IN_SCENE(test_answers_whether_it_bears_a_shrink),
        IN_SCENE(test_samples_faster_while_a_shrink_is_watched),
        IN_SCENE(test_asks_when_memory_falls),
        IN_SCENE(test_a_host_that_does_not_read_is_not_waited_for),
        IN_SCENE(test_greets_a_host_that_comes_again),
        IN_SCENE(test_hears_through_garbage),
        IN_SCENE(test_garbled_memory_is_not_told),
        IN_SCENE(test_costs_little),
        cmocka_unit_test(test_tells_how_it_is_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
