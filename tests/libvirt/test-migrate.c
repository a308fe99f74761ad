/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Live migration, from one libvirtd to another, with a memplugd on each that knows nothing
 * of the other: what an administrator asked for goes with the guest, also if it is migrated
 * in the middle of growing, and also back.
 *
 * Usage: test-migrate KERNEL-LINE
 */
#include <unistd.h>

#include "tests/libvirt/harness/test-stage.h"

#define CONFIG "[policy]\nname=static\n"

static const char *kernel;

/* The other host. Its domains are the stage's. */
static TestStage away;

static int
setup(void **state)
{
    const TestDomainOptions options[] = {
        { .name = "vm", .kernel = kernel, .virtio_mem = 1024 * MIB },
        { .name = "dimm", .kernel = kernel },
    };
    gpointer scene = NULL;

    test_stage_setup(state);
    test_stage_boot(*state, options, G_N_ELEMENTS(options));
    test_stage_start_daemon(*state, CONFIG);

    test_scene_setup(&scene);
    away.scene = scene;
    test_check((away.libvirtd = test_libvirtd_start_beside(away.scene->room, &error)) != NULL);
    g_free(away.scene->uri);
    away.scene->uri = g_strdup(test_libvirtd_uri(away.libvirtd));
    test_scene_start_daemon(away.scene, CONFIG, NULL);
    return 0;
}

static int
teardown(void **state)
{
    TestStage *home = *state;
    gpointer scene = away.scene;

    if (scene && !home->failed && !home->inside)
        test_scene_passed(away.scene);
    if (scene && away.scene->daemon)
        test_daemon_kill(away.scene->daemon);
    test_libvirtd_free(away.libvirtd);
    if (scene)
        test_scene_teardown(&scene);
    return test_stage_teardown(state);
}

static void
order(TestStage *at, const char *name, const char *size)
{
    g_free(test_scene_memplug(at->scene, 0, "setmem", name, size, "--no-wait", NULL));
}

static guint64
actual(TestStage *at, const char *name)
{
    g_autoptr(JsonObject) info = test_scene_info(at->scene, name);

    return test_scene_size(info, "actual");
}

static gboolean
is_listed(TestStage *at, const char *name)
{
    g_autoptr(JsonObject) listed = test_scene_listed(at->scene, name);

    return listed && test_scene_size(listed, "actual") > 0;
}

static void
migrate(TestStageDomain *domain, TestStage *from, TestStage *to)
{
    gint64 start_us = g_get_monotonic_time();

    print_message("  %s: %.0f MiB when its migration began\n", domain->name,
                  (double)actual(from, domain->name) / (double)MIB);
    test_check(test_domain_migrate(domain->domain, to->libvirtd, &error));
    domain->restored = TRUE;
    print_message("  %s: migrated in %.1f s\n", domain->name,
                  (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC);
    test_scene_await(is_listed(to, domain->name), TEST_SCENE_PATIENCE);
    test_scene_await(!is_listed(from, domain->name), TEST_SCENE_PATIENCE);
}

static void
end(TestStage *at, TestStageDomain *domain, guint64 size)
{
    gint64 start_us = g_get_monotonic_time();

    test_stage_agree(at, domain, size);
    print_message("  %s: there %.1f s after\n", domain->name,
                  (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC);
    assert_true(test_stage_flag(at, domain->name, "held"));
}

static void
test_in_the_middle_of_growing(void **state)
{
    TestStage *home = test_stage_enter(state);
    TestStageDomain *dimm = test_stage_find(home, "dimm");
    TestStageDomain *vm = test_stage_find(home, "vm");

    order(home, "dimm", "1536M");
    test_scene_await(actual(home, "dimm") > dimm->actual, TEST_SCENE_PATIENCE);
    migrate(dimm, home, &away);
    end(&away, dimm, 1536 * MIB);

    order(home, "vm", "1280M");
    migrate(vm, home, &away);
    end(&away, vm, 1280 * MIB);
    test_stage_leave(home);
}

/* What was said there is newer than what was said here before. */
static void
test_and_back_again(void **state)
{
    TestStage *home = test_stage_enter(state);
    TestStageDomain *dimm = test_stage_find(home, "dimm");
    TestStageDomain *vm = test_stage_find(home, "vm");

    order(&away, "dimm", "1792M");
    migrate(dimm, &away, home);
    end(home, dimm, 1792 * MIB);

    /* Given back to the policy, it is held nowhere any more. */
    g_free(test_scene_memplug(away.scene, 0, "manage", "vm", "on", NULL));
    migrate(vm, &away, home);
    test_stage_agree(home, vm, 1280 * MIB);
    assert_false(test_stage_flag(home, "vm", "held"));
    test_stage_untainted(dimm);
    test_stage_untainted(vm);
    test_stage_leave(home);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_the_middle_of_growing),
        cmocka_unit_test(test_and_back_again),
    };

    if (argc != 2) {
        g_printerr("usage: test-migrate KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    if (geteuid() != 0) {
        g_printerr("skipped: only root can have a second libvirtd, in a mount namespace\n");
        return 77;
    }
    return test_stage_can_run(kernel)
               ? cmocka_run_group_tests_name("migrate", tests, setup, teardown)
               : 77;
}
