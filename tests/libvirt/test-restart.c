/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything around a guest may end or hang in the middle of a resize: libvirtd,
 * memplugd, the guest's own QEMU (it is saved, and restored in another), and the QEMU
 * of a neighbour. What was asked for is reached all the same.
 *
 * Usage: test-restart KERNEL-LINE
 */
#include <signal.h>

#include "tests/libvirt/harness/test-stage.h"

#define BOOT (256 * MIB)

#define CONFIG "[policy]\nname=static\n"

/* For what has to wait for another's restart. */
#define PATIENCE (60 * G_USEC_PER_SEC)

/* libvirtd is away as long as its restart by systemd takes. */
#define AWAY G_USEC_PER_SEC

static const char *kernel;

static int
setup(void **state)
{
    const TestDomainOptions options[] = {
        { .name = "vm", .kernel = kernel, .virtio_mem = 1024 * MIB },
        { .name = "dimm", .kernel = kernel },
        { .name = "attach", .kernel = kernel },
        { .name = "stuck", .kernel = kernel, .virtio_mem = 1024 * MIB },
    };

    test_stage_setup(state);
    test_stage_boot(*state, options, G_N_ELEMENTS(options));
    test_stage_start_daemon(*state, CONFIG);
    return 0;
}

static guint64
actual(TestStage *stage, const char *name)
{
    g_autoptr(JsonObject) info = test_scene_info(stage->scene, name);

    return test_scene_size(info, "actual");
}

static void
order(TestStage *stage, const char *name, guint64 size)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT "M", size / MIB);

    g_free(test_scene_memplug(stage->scene, 0, "setmem", name, text, "--no-wait", NULL));
}

/* Orders a size and returns when the guest has begun to move there. */
static void
begin(TestStage *stage, const char *name, guint64 size)
{
    guint64 before = actual(stage, name);

    order(stage, name, size);
    test_scene_await(actual(stage, name) != before, TEST_SCENE_PATIENCE);
    print_message("  %s: %.0f of %.0f MiB when it was interrupted\n", name,
                  (double)actual(stage, name) / (double)MIB, (double)size / (double)MIB);
}

/* Waits until everybody agrees on @size and says how long that took. */
static void
end(TestStage *stage, const char *name, guint64 size)
{
    gint64 start_us = g_get_monotonic_time();

    test_stage_agree(stage, test_stage_find(stage, name), size);
    print_message("  %s: there %.1f s after\n", name,
                  (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC);
    assert_true(test_stage_flag(stage, name, "held"));
}

static void
kill_libvirtd(TestStage *stage)
{
    test_libvirtd_kill(stage->libvirtd);
    g_usleep(AWAY);
    test_check(test_libvirtd_restart(stage->libvirtd, &error));
}

static void
test_libvirtd_is_killed(void **state)
{
    TestStage *stage = test_stage_enter(state);

    order(stage, "vm", 1024 * MIB);
    begin(stage, "dimm", 768 * MIB);
    kill_libvirtd(stage);
    end(stage, "dimm", 768 * MIB);
    end(stage, "vm", 1024 * MIB);

    order(stage, "vm", 512 * MIB);
    order(stage, "dimm", 300 * MIB);
    kill_libvirtd(stage);
    end(stage, "vm", 512 * MIB);
    end(stage, "dimm", 300 * MIB);
    test_stage_leave(stage);
}

/* How much more its kernel has than libvirt's devices account for. */
static double
lost_mib(TestStageDomain *domain)
{
    TestDomainMemory memory;
    guint64 total;

    test_check(test_domain_memory(domain->domain, &memory, &error));
    test_check(test_guest_meminfo(domain->guest, "MemTotal", &total, &error));
    return ((double)total - (double)domain->total + (double)domain->actual -
            (double)(BOOT + memory.dimms)) /
           (double)MIB;
}

/*
 * Within the attaching of a DIMM, at different moments: killed between QEMU's device_add and
 * its own note of it, libvirt 9.0 knows nothing of the device for as long as the guest runs,
 * and its slot is lost.
 */
static void
test_libvirtd_is_killed_within_an_attach(void **state)
{
    static const guint delays_ms[] = { 4, 12, 24, 40 };
    TestStage *stage = test_stage_enter(state);
    TestStageDomain *domain = test_stage_find(stage, "attach");

    for (guint i = 0; i < G_N_ELEMENTS(delays_ms); i++) {
        guint64 size = (512 + 256 * i) * MIB;

        order(stage, "attach", size);
        g_usleep(delays_ms[i] * 1000);
        kill_libvirtd(stage);
        end(stage, "attach", size);
        print_message("  killed after %u ms: %.0f MiB are in no device that libvirt knows\n",
                      delays_ms[i], lost_mib(domain));
    }
    order(stage, "attach", 300 * MIB);
    end(stage, "attach", 300 * MIB);
    test_stage_leave(stage);
}

/* The guests stay listed, and what is held stays held. */
static void
test_libvirtd_is_away(void **state)
{
    TestStage *stage = test_stage_enter(state);
    g_autofree char *listed = NULL;

    test_libvirtd_kill(stage->libvirtd);
    listed = test_scene_memplug(stage->scene, 0, "list", NULL);
    print_message("%s", listed);
    test_check(test_libvirtd_restart(stage->libvirtd, &error));
    test_scene_await(test_scene_listed(stage->scene, "vm") != NULL, PATIENCE);
    test_scene_await(test_stage_says(stage, "vm", "state", "running"), PATIENCE);
    assert_true(test_stage_flag(stage, "vm", "held"));
    order(stage, "vm", 600 * MIB);
    end(stage, "vm", 600 * MIB);
    test_stage_leave(stage);
}

static void
test_memplugd_is_killed(void **state)
{
    TestStage *stage = test_stage_enter(state);

    begin(stage, "dimm", 1024 * MIB);
    test_stage_restart_daemon(stage);
    end(stage, "dimm", 1024 * MIB);
    order(stage, "dimm", 256 * MIB);
    test_stage_restart_daemon(stage);
    end(stage, "dimm", 256 * MIB);
    test_stage_leave(stage);
}

static void
save_and_restore(TestStage *stage, const char *name)
{
    TestStageDomain *domain = test_stage_find(stage, name);
    gint64 start_us = g_get_monotonic_time();

    test_check(test_domain_save(domain->domain, &error));
    test_scene_await(test_scene_listed(stage->scene, name) == NULL, TEST_SCENE_PATIENCE);
    test_check(test_domain_restore(domain->domain, &error));
    domain->restored = TRUE;
    print_message("  %s: saved and restored in %.1f s\n", name,
                  (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC);
    test_scene_await(test_scene_listed(stage->scene, name) != NULL, TEST_SCENE_PATIENCE);
}

static void
test_save_and_restore(void **state)
{
    TestStage *stage = test_stage_enter(state);

    begin(stage, "dimm", 1024 * MIB);
    save_and_restore(stage, "dimm");
    end(stage, "dimm", 1024 * MIB);

    order(stage, "vm", 1024 * MIB);
    save_and_restore(stage, "vm");
    end(stage, "vm", 1024 * MIB);
    test_stage_leave(stage);
}

/* Seconds that memplug itself says it took. */
static double
timed_setmem(TestStage *stage, const char *name, const char *size)
{
    g_autoptr(JsonNode) change =
        test_scene_json(stage->scene, "setmem", name, size, "--json", NULL);

    return json_object_get_double_member(json_node_get_object(change), "seconds");
}

/*
 * The slowest of a few growths by 512 MiB; each is taken back again. No more, and not
 * down to its boot memory: what a guest has grown to four times may not be let go whole.
 */
static double
slowest(TestStage *stage)
{
    double most = 0;

    for (guint run = 0; run < 3; run++) {
        double up = timed_setmem(stage, "vm", "832M");

        most = MAX(most, up);
        timed_setmem(stage, "vm", "320M");
    }
    return most;
}

static void
test_neighbour_hangs(void **state)
{
    TestStage *stage = test_stage_enter(state);
    GPid pid = test_domain_pid(test_stage_find(stage, "stuck")->domain);
    gint64 start_us;
    double alone, beside;

    timed_setmem(stage, "vm", "320M");
    alone = slowest(stage);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    start_us = g_get_monotonic_time();
    /* So that a call to it hangs, too. */
    order(stage, "stuck", 512 * MIB);
    beside = slowest(stage);
    print_message("  512 MiB more took at most %.2f s, and %.2f s beside a QEMU that was stopped\n",
                  alone, beside);
    test_scene_await(test_stage_says(stage, "stuck", "state", "unreachable"), PATIENCE);
    print_message("  the stopped one was listed unreachable after at most %.1f s\n",
                  (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC);
    /* Nobody waited for the stopped one: its calls end after many seconds. */
    assert_true(beside < alone + 3.0);

    assert_int_equal(kill(pid, SIGCONT), 0);
    start_us = g_get_monotonic_time();
    test_scene_await(test_stage_says(stage, "stuck", "state", "running"), PATIENCE);
    print_message("  and running %.1f s after SIGCONT\n",
                  (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC);
    end(stage, "stuck", 512 * MIB);
    test_stage_leave(stage);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_libvirtd_is_killed),
        cmocka_unit_test(test_libvirtd_is_killed_within_an_attach),
        cmocka_unit_test(test_libvirtd_is_away),
        cmocka_unit_test(test_memplugd_is_killed),
        cmocka_unit_test(test_save_and_restore),
        cmocka_unit_test(test_neighbour_hangs),
    };

    if (argc != 2) {
        g_printerr("usage: test-restart KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_stage_main("restart", kernel, tests, setup);
}
