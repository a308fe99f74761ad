/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a domain as a person writes it to one that memplug can serve: doctor tells what
 * is missing, setup shows it as a diff and then makes it, and once the domain has been
 * started again it can be grown.
 *
 * Usage: test-setup KERNEL-LINE
 */
#include <stdio.h>
#include <string.h>

#include "tests/libvirt/harness/test-stage.h"

#define BOOT   (256 * MIB)
#define CONFIG "[policy]\nname=static\n"

static const char *kernel;

static int
setup(void **state)
{
    const TestDomainOptions options[] = {
        { .name = "plain", .kernel = kernel, .no_max_memory = TRUE },
    };

    test_stage_setup(state);
    test_stage_boot(*state, options, G_N_ELEMENTS(options));
    test_stage_start_daemon(*state, CONFIG);
    return 0;
}

/* cmocka's own messages end at 1,024 bytes. */
static void
tell(const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
}

static char *
definition(TestStage *stage)
{
    char *xml = NULL;

    test_check(test_domain_virsh(test_stage_find(stage, "plain")->domain, &xml, &error, "dumpxml",
                                 "--inactive", NULL));
    return xml;
}

/* Runs memplug with --json: its status may be 0, or 1 where it has found a problem. */
static JsonNode *
findings(TestStage *stage, const char *guest)
{
    g_auto(TestCommand) command = { 0 };
    JsonNode *json = NULL;

    test_check(
        test_daemon_run(stage->scene->daemon, &command, &error, "doctor", "--json", guest, NULL));
    test_check((json = json_from_string(command.output, &error)) != NULL);
    return json;
}

/* Returns: (nullable): the finding whose check has @word in its text or in its fix. */
static JsonObject *
find_finding(JsonNode *json, const char *word)
{
    JsonArray *all = JSON_NODE_HOLDS_ARRAY(json)
                         ? json_node_get_array(json)
                         : json_object_get_array_member(json_node_get_object(json), "findings");

    for (guint i = 0; i < json_array_get_length(all); i++) {
        JsonObject *finding = json_array_get_object_element(all, i);

        if (strstr(test_scene_text(finding, "finding"), word) ||
            strstr(test_scene_text(finding, "fix"), word))
            return finding;
    }
    return NULL;
}

static void
print_doctor(TestStage *stage, const char *guest)
{
    g_auto(TestCommand) command = { 0 };

    test_check(test_daemon_run(stage->scene->daemon, &command, &error, "doctor", guest, NULL));
    tell(command.output);
    assert_true(command.status == 0 || command.status == 1);
    assert_string_not_equal(command.output, "");
}

static void
test_doctor(void **state)
{
    TestStage *stage = test_stage_enter(state);
    g_autoptr(JsonNode) host = NULL, guest = NULL;
    JsonObject *finding;

    print_doctor(stage, NULL);
    print_doctor(stage, "plain");
    host = findings(stage, NULL);
    guest = findings(stage, "plain");
    finding = find_finding(guest, "maxMemory");
    assert_non_null(finding);
    assert_string_not_equal(test_scene_text(finding, "level"), "ok");
    assert_string_not_equal(test_scene_text(finding, "fix"), "");
    test_stage_leave(stage);
}

static void
test_setup_tells(void **state)
{
    TestStage *stage = test_stage_enter(state);
    g_autofree char *before = definition(stage), *after = NULL, *diff = NULL;

    diff = test_scene_memplug(stage->scene, 0, "setup", "plain", "--max", "2G", NULL);
    tell(diff);
    assert_true(g_str_has_prefix(diff, "--- "));
    assert_non_null(strstr(diff, "\n+++ "));
    assert_non_null(strstr(diff, "\n@@ "));
    assert_non_null(strstr(diff, "\n+  <maxMemory "));
    after = definition(stage);
    assert_string_equal(before, after);
    test_stage_leave(stage);
}

static void
test_setup_applies(void **state)
{
    TestStage *stage = test_stage_enter(state);
    TestStageDomain *domain = test_stage_find(stage, "plain");
    g_autofree char *max = NULL, *again = NULL, *said = NULL;

    said = test_scene_memplug(stage->scene, 0, "setup", "plain", "--max", "2G", "--apply", NULL);
    test_check((max = test_domain_xpath(domain->domain, TEST_DOMAIN_CONFIG,
                                        "string(/domain/maxMemory)", &error)) != NULL);
    assert_true(g_ascii_strtoull(max, NULL, 10) * 1024 >= 2048 * MIB);
    again = test_scene_memplug(stage->scene, 0, "setup", "plain", "--max", "2G", NULL);
    print_message("  and again: %s\n", again);
    assert_null(strstr(again, "@@ "));

    test_check(test_domain_virsh(domain->domain, NULL, &error, "destroy", NULL));
    test_scene_await(test_scene_listed(stage->scene, "plain") == NULL, TEST_SCENE_PATIENCE);
    test_check(test_domain_start(domain->domain, FALSE, &error));
    test_check(test_domain_wait_ready(domain->domain, &error));
    test_stage_note_boot(domain);
    assert_int_equal(domain->actual, BOOT);
    test_scene_await(test_scene_listed(stage->scene, "plain") != NULL, TEST_SCENE_PATIENCE);

    g_free(test_scene_memplug(stage->scene, 0, "setmem", "plain", "512M", NULL));
    test_stage_agree(stage, domain, 512 * MIB);
    g_free(test_scene_memplug(stage->scene, 0, "setmem", "plain", "256M", NULL));
    test_stage_agree(stage, domain, BOOT);
    g_free(test_scene_memplug(stage->scene, 0, "setmem", "plain", "2G", NULL));
    test_stage_agree(stage, domain, 2048 * MIB);
    test_stage_untainted(domain);
    test_stage_leave(stage);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doctor),
        cmocka_unit_test(test_setup_tells),
        cmocka_unit_test(test_setup_applies),
    };

    if (argc != 2) {
        g_printerr("usage: test-setup KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_stage_main("setup", kernel, tests, setup);
}
