/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The closed loop on libvirt: two domains, one that grows by virtio-mem and one by
 * DIMMs and balloon, share a budget that cannot hold both their peaks. A load runs on
 * the one, then on the other; memplugd moves the memory after it, takes no more than
 * the budget, and no program is killed.
 *
 * Usage: test-loop KERNEL-LINE
 */
#include <string.h>

#include "tests/libvirt/harness/test-stage.h"

#define BOOT   (256 * MIB)
#define BUDGET (896 * MIB)

#define CONFIG "[host]\nbudget=896M\n[defaults]\nfloor=256M\n"

/* More than a domain has free at its boot, and less than what the budget can add. */
#define LOAD       "grow=300M@50M hold"
#define LOAD_BYTES (300 * MIB)

/* More than it takes on an idle machine to grow, and for the other to give back. */
#define PATIENCE (90 * G_USEC_PER_SEC)

#define LOOK (G_USEC_PER_SEC / 4)

static const char *const names[] = { "web", "db" };

#define N_DOMAINS G_N_ELEMENTS(names)

static const char *kernel;

typedef struct {
    guint64 used;
    guint64 requested;
    guint64 actual;
} Row;

typedef struct {
    TestStage *stage;
    gint64 start_us;
    gint64 printed_us;
    Row rows[N_DOMAINS];
    guint64 most_requested; /* of all at once */
    guint64 most_actual;
} Loop;

static int
setup(void **state)
{
    const TestDomainOptions options[N_DOMAINS] = {
        { .name = "web", .kernel = kernel, .virtio_mem = 2048 * MIB },
        { .name = "db", .kernel = kernel },
    };
    TestStage *stage;

    test_stage_setup(state);
    stage = *state;
    test_stage_boot(stage, options, N_DOMAINS);
    for (guint i = 0; i < N_DOMAINS; i++)
        test_check(test_guest_swap_on(stage->domains[i].guest, 512 * MIB, &error));
    test_stage_start_daemon(stage, CONFIG);
    return 0;
}

static void
look(Loop *loop, const char *what)
{
    guint64 requested = 0, actual = 0;
    gint64 now = g_get_monotonic_time();

    for (guint i = 0; i < N_DOMAINS; i++) {
        g_autoptr(JsonObject) listed = test_scene_listed(loop->stage->scene, names[i]);

        assert_non_null(listed);
        loop->rows[i] =
            (Row){ test_scene_size(listed, "used"), test_scene_size(listed, "requested"),
                   test_scene_size(listed, "actual") };
        requested += loop->rows[i].requested;
        actual += loop->rows[i].actual;
    }
    loop->most_requested = MAX(loop->most_requested, requested);
    loop->most_actual = MAX(loop->most_actual, actual);
    if (now - loop->printed_us > 2 * G_USEC_PER_SEC) {
        loop->printed_us = now;
        print_message("  %5.1f s", (double)(now - loop->start_us) / G_USEC_PER_SEC);
        for (guint i = 0; i < N_DOMAINS; i++)
            print_message("  %-3s used %3.0f requested %3.0f actual %3.0f", names[i],
                          (double)loop->rows[i].used / (double)MIB,
                          (double)loop->rows[i].requested / (double)MIB,
                          (double)loop->rows[i].actual / (double)MIB);
        print_message("  %s\n", what);
    }
    g_usleep(LOOK);
}

static void
check_not_killed(Loop *loop, guint which, guint load)
{
    gboolean running;

    test_check(test_guest_load_running(loop->stage->domains[which].guest, load, &running, &error));
    if (!running)
        fail_msg("the program in %s was killed", names[which]);
}

/* Runs the load on one domain until it is held whole, with what the domain has besides. */
static void
run_load(Loop *loop, guint which)
{
    g_autofree char *what = g_strdup_printf("load on %s", names[which]);
    TestStageDomain *domain = &loop->stage->domains[which];
    gint64 start_us = g_get_monotonic_time(), first_us = 0;
    guint64 before = loop->rows[which].actual;
    guint load;

    test_check(test_guest_load_start(domain->guest, LOAD, &load, &error));
    do {
        g_autofree char *output = NULL;

        look(loop, what);
        check_not_killed(loop, which, load);
        if (first_us == 0 && loop->rows[which].actual > before)
            first_us = g_get_monotonic_time();
        test_check((output = test_guest_load_output(domain->guest, load, &error)) != NULL);
        if (strstr(output, "step=grow="))
            break;
        if (g_get_monotonic_time() - start_us > PATIENCE)
            fail_msg("%s does not get what its load needs", names[which]);
    } while (TRUE);
    print_message("  %s: first memory after %.1f s, the load was in it after %.1f s, at %.0f MiB\n",
                  names[which], (double)(first_us - start_us) / G_USEC_PER_SEC,
                  (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC,
                  (double)loop->rows[which].actual / (double)MIB);
    assert_true(loop->rows[which].actual >= BOOT + LOAD_BYTES / 2);
    test_check(test_guest_load_stop(domain->guest, load, &error));
}

static void
check_guests(TestStage *stage)
{
    for (guint i = 0; i < N_DOMAINS; i++) {
        g_autoptr(JsonObject) report = NULL;

        test_check((report = test_guest_report(stage->domains[i].guest, &error)) != NULL);
        print_message("  %s: %d pages swapped out\n", names[i],
                      (int)json_object_get_int_member(report, "swap_out_pages"));
        assert_int_equal(json_object_get_int_member(report, "oom_kills"), 0);
        test_stage_untainted(&stage->domains[i]);
    }
}

static void
test_load_moves(void **state)
{
    TestStage *stage = test_stage_enter(state);
    Loop loop = { .stage = stage, .start_us = g_get_monotonic_time() };
    guint64 peak;

    test_scene_await(test_scene_log_has(stage->scene, "statistics come in"), TEST_SCENE_PATIENCE);
    look(&loop, "idle");
    run_load(&loop, 0);
    peak = loop.rows[0].actual;
    run_load(&loop, 1);
    print_message("  web has %.0f MiB of %.0f\n", (double)loop.rows[0].actual / (double)MIB,
                  (double)peak / (double)MIB);
    assert_true(loop.rows[0].actual < peak);
    /* And back again, while db still has all that it was lent. */
    peak = loop.rows[1].actual;
    run_load(&loop, 0);
    assert_true(loop.rows[1].actual < peak);

    print_message("  at most %.0f MiB were requested at once, and %.0f had, of %.0f\n",
                  (double)loop.most_requested / (double)MIB, (double)loop.most_actual / (double)MIB,
                  (double)BUDGET / (double)MIB);
    assert_true(loop.most_requested <= BUDGET);
    check_guests(stage);
    test_stage_leave(stage);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_moves),
    };

    if (argc != 2) {
        g_printerr("usage: test-loop KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_stage_main("loop", kernel, tests, setup);
}
