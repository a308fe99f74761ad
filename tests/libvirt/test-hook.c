/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hook of libvirt on a real libvirtd: virsh starts a domain on a host that is full, and its
 * guest gets room by another that shrinks while libvirtd waits for the hook; a start without
 * room fails with the reason; libvirtd, memplugd and the hook never wait for each other; and
 * without memplugd everything starts as ever.
 *
 * Usage: test-hook KERNEL-LINE
 */
#include <string.h>
#include <unistd.h>

#include "tests/libvirt/harness/test-stage.h"

#define CONFIG "[host]\nbudget=768M\n[policy]\nsurplus=share\n[defaults]\nfloor=128M\n"
#define BUDGET (768 * MIB)

/* In the test's own mount namespace. */
#define HOOKS   "/etc/libvirt/hooks"
#define DROP_IN HOOKS "/qemu.d/memplug"
#define CONF    "/etc/libvirt/memplug-hook.conf"
#define OTHER   "/etc/libvirt/other-hook.log"

static const char *kernel;
static TestDomain *new_domain, *large_domain;

static void
write_file(const char *path, const char *text, int mode)
{
    test_check(g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, mode, &error));
}

/* Ours as it is installed, beside one that is there already. */
static void
install_hooks(void)
{
    g_autofree char *ours = g_strdup_printf("#!/bin/sh\nMEMPLUG_HOOK_CONF=%s exec %s \"$@\"\n",
                                            CONF, g_getenv("MEMPLUG_HOOK"));

    g_mkdir_with_parents(HOOKS "/qemu.d", 0755);
    write_file(HOOKS "/qemu", "#!/bin/sh\ncat >/dev/null\necho \"$*\" >> " OTHER "\n", 0755);
    write_file(DROP_IN, ours, 0755);
}

static void
configure(TestStage *stage, const char *settings)
{
    g_autofree char *text = g_strdup_printf("memplug='%s --bus %s'\n%s\n", g_getenv("MEMPLUG"),
                                            test_daemon_address(stage->scene->daemon), settings);

    write_file(CONF, text, 0644);
}

static int
set_up(void **state)
{
    const TestDomainOptions donor = {
        .name = "donor", .kernel = kernel, .memory = 512 * MIB, .virtio_mem = 1024 * MIB
    };
    const TestDomainOptions fresh = { .name = "new", .no_kernel = TRUE };
    const TestDomainOptions large = { .name = "large", .no_kernel = TRUE, .memory = 300 * MIB };
    TestStage *stage;

    test_stage_setup(state);
    stage = *state;
    install_hooks();
    test_check(test_libvirtd_restart(stage->libvirtd, &error));
    write_file(CONF, "memplug=false\n", 0644);
    test_stage_boot(stage, &donor, 1);
    test_stage_start_daemon(stage, CONFIG);
    configure(stage, "");
    test_check((new_domain = test_domain_define(stage->libvirtd, &fresh, &error)) != NULL);
    test_check((large_domain = test_domain_define(stage->libvirtd, &large, &error)) != NULL);
    return 0;
}

static int
tear_down(void **state)
{
    test_domain_free(new_domain);
    test_domain_free(large_domain);
    return test_stage_teardown(state);
}

static guint64
actual_of(TestStage *stage, const char *name)
{
    g_autoptr(JsonObject) listed = test_scene_listed(stage->scene, name);

    return listed ? test_scene_size(listed, "actual") : 0;
}

static gboolean
nothing_is_held(TestStage *stage)
{
    g_autoptr(JsonNode) host = test_scene_json(stage->scene, "host", "--json", NULL);

    return test_scene_size(json_node_get_object(host), "claimed") == 0;
}

static void
test_a_start_makes_room(void **state)
{
    TestStage *stage = test_stage_enter(state);
    g_autofree char *others = NULL;
    guint64 had;
    gint64 start;

    test_scene_await(actual_of(stage, "donor") >= BUDGET - 2 * MIB, TEST_STAGE_PATIENCE);
    had = actual_of(stage, "donor");
    start = g_get_monotonic_time();
    test_check(test_domain_start(new_domain, FALSE, &error));
    print_message("  virsh start took %.2f s; donor had %.0f MiB, has %.0f\n",
                  (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC,
                  (double)had / (double)MIB, (double)actual_of(stage, "donor") / (double)MIB);
    test_scene_await(actual_of(stage, "new") > 0, TEST_STAGE_PATIENCE);
    test_scene_await(nothing_is_held(stage), TEST_STAGE_PATIENCE);
    assert_true(actual_of(stage, "donor") + 256 * MIB <= BUDGET);
    assert_true(test_scene_log_has(stage->scene, "for new: transferred"));
    /* The hook that was there before is run as well. */
    test_check(g_file_get_contents(OTHER, &others, NULL, &error));
    assert_non_null(strstr(others, "new prepare begin"));
    test_stage_leave(stage);
}

/* While a start waits for room in vain, memplugd serves everybody else, and so does libvirtd. */
static void
test_nobody_waits_for_each_other(void **state)
{
    const char *const words[] = { "virsh", "-c", NULL, "start", "large", NULL };
    TestStage *stage = test_stage_enter(state);
    g_autofree char *log = test_room_path(stage->scene->room, "start.log");
    g_autofree char *text = NULL, *stats = NULL;
    g_autoptr(GSubprocess) starting = NULL;
    const char *arguments[G_N_ELEMENTS(words)];
    guint64 had = actual_of(stage, "donor");

    memcpy(arguments, words, sizeof(words));
    arguments[2] = test_libvirtd_uri(stage->libvirtd);
    configure(stage, "wait=15");
    test_check((starting = test_room_spawn(stage->scene->room, arguments, log,
                                           G_SUBPROCESS_FLAGS_NONE, &error)) != NULL);
    test_scene_await(test_scene_log_has(stage->scene, "for large: asked"), TEST_STAGE_PATIENCE);

    /* A change of another domain goes through libvirtd. (One that is held would give nothing, and
     * the start be refused at once.) */
    g_free(test_scene_memplug(stage->scene, 0, "limits", "donor", "--weight", "2", NULL));
    test_check(test_libvirtd_virsh(stage->libvirtd, &stats, &error, "dommemstat", "donor", NULL));
    assert_non_null(g_subprocess_get_identifier(starting)); /* it waits still */
    test_check(g_subprocess_wait(starting, NULL, &error));

    test_check(g_file_get_contents(log, &text, NULL, &error));
    print_message("  %s", text);
    assert_int_not_equal(test_room_exit_status(starting), 0);
    assert_non_null(strstr(text, "memplug: large: too little came free in time"));
    assert_non_null(strstr(text, "; donor keeps "));
    print_message("  donor had %.0f MiB, has %.0f\n", (double)had / (double)MIB,
                  (double)actual_of(stage, "donor") / (double)MIB);
    assert_true(nothing_is_held(stage));
    test_stage_leave(stage);
}

static void
test_without_memplugd(void **state)
{
    TestStage *stage = test_stage_enter(state);
    gint64 start = g_get_monotonic_time();

    test_daemon_kill(stage->scene->daemon);
    test_check(test_domain_start(large_domain, FALSE, &error));
    print_message("  without memplugd, virsh start took %.2f s\n",
                  (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC);
    test_stage_leave(stage);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_start_makes_room),
        cmocka_unit_test(test_nobody_waits_for_each_other),
        cmocka_unit_test(test_without_memplugd),
    };

    if (argc != 2) {
        g_printerr("usage: test-hook KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    if (geteuid() != 0) {
        g_printerr("skipped: libvirt runs hooks for root only\n");
        return 77;
    }
    return test_stage_can_run(kernel)
               ? cmocka_run_group_tests_name("hook", tests, set_up, tear_down)
               : 77;
}
