/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domains whose memory cannot be resized, or must not be: they are listed with the
 * reason, setmem is refused with it, and nothing is done to them.
 *
 * A domain with a physical device (VFIO) is of that kind, too; there is none to be had
 * for a test.
 *
 * Usage: test-unresizable
 */
#include <string.h>

#include "tests/libvirt/harness/test-stage.h"

#define BARE    "bare"    /* no balloon, no room to grow */
#define WINDOWS "windows" /* could be resized, but its system cannot follow */
#define USUAL   "usual"   /* nothing hinders */

/* A small budget, so that a policy that may would take from everybody. */
#define CONFIG "[host]\nbudget=300M\n[defaults]\nfloor=128M\n"

/* Some cycles. */
#define WATCH (3 * G_USEC_PER_SEC)

static const char libosinfo[] =
    "<libosinfo:libosinfo xmlns:libosinfo='http://libosinfo.org/xmlns/libvirt/domain/1.0'>"
    "<libosinfo:os id='http://microsoft.com/win/10'/></libosinfo:libosinfo>";

static int
setup(void **state)
{
    const TestDomainOptions options[] = {
        { .name = BARE, .no_kernel = TRUE, .no_balloon = TRUE, .no_max_memory = TRUE },
        { .name = WINDOWS, .no_kernel = TRUE, .metadata = libosinfo, .virtio_mem = 512 * MIB },
        { .name = USUAL, .no_kernel = TRUE, .virtio_mem = 512 * MIB },
    };

    test_stage_setup(state);
    test_stage_boot(*state, options, G_N_ELEMENTS(options));
    test_stage_start_daemon(*state, CONFIG);
    return 0;
}

static char *
obstacle(TestStage *stage, const char *name)
{
    g_autoptr(JsonObject) info = test_scene_info(stage->scene, name);

    return g_strdup(test_scene_text(info, "obstacle"));
}

static void
expect_untouched(TestStage *stage, const char *name)
{
    TestStageDomain *domain = test_stage_find(stage, name);
    TestDomainMemory memory;

    test_check(test_domain_memory(domain->domain, &memory, &error));
    assert_int_equal(memory.current, domain->actual);
    assert_int_equal(memory.virtio_mem_requested, 0);
    assert_int_equal(memory.n_ours, 0);
    test_stage_untainted(domain);
}

static void
expect_obstacle(TestStage *stage, const char *name, const char *word)
{
    g_autofree char *why = obstacle(stage, name), *refusal = NULL;

    print_message("  %s: %s\n", name, why);
    assert_string_not_equal(why, "");
    if (!strstr(why, word))
        fail_msg("the obstacle does not tell of '%s'", word);
    refusal = test_scene_memplug(stage->scene, 1, "setmem", name, "300M", NULL);
    print_message("    setmem: %s", refusal);
    if (!strstr(refusal, why))
        fail_msg("setmem is not refused with the obstacle");
    g_usleep(WATCH);
    expect_untouched(stage, name);
}

static void
test_no_means(void **state)
{
    TestStage *stage = test_stage_enter(state);

    expect_obstacle(stage, BARE, "balloon");
    test_stage_leave(stage);
}

static void
test_not_linux(void **state)
{
    TestStage *stage = test_stage_enter(state);

    expect_obstacle(stage, WINDOWS, "Linux");
    test_stage_leave(stage);
}

static void
test_nothing_hinders(void **state)
{
    TestStage *stage = test_stage_enter(state);
    g_autofree char *why = obstacle(stage, USUAL);

    assert_string_equal(why, "");
    test_stage_leave(stage);
}

static void
test_listed(void **state)
{
    TestStage *stage = test_stage_enter(state);
    g_autofree char *list = test_scene_memplug(stage->scene, 0, "list", NULL);

    print_message("%s", list);
    assert_non_null(strstr(list, BARE));
    assert_non_null(strstr(list, WINDOWS));
    test_stage_leave(stage);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_means),
        cmocka_unit_test(test_not_linux),
        cmocka_unit_test(test_nothing_hinders),
        cmocka_unit_test(test_listed),
    };

    if (argc != 1) {
        g_printerr("usage: test-unresizable\n");
        return 2;
    }
    return test_stage_main("unresizable", NULL, tests, setup);
}
