/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits where libvirt keeps things: in a domain's metadata. memplug writes them to the
 * running domain, to its definition, or to both; virsh reads them, and what virsh (or
 * any tool) writes is in force at once. A bad value is warned of, and changes nothing.
 * Without metadata the limits are sensible, and none is beyond what would have the
 * domain killed.
 *
 * The domains have nothing to boot: nobody asks the guests anything.
 *
 * Usage: test-limits
 */
#include <string.h>

#include "tests/libvirt/harness/test-stage.h"

#define NAMESPACE "http://memplug.org/domain/1.0"
#define PREFIX    "memplug"

#define PLAIN "plain" /* DIMMs up to maxMemory */
#define GIVEN "given" /* is started with less than its boot memory */
#define HARD  "hard"  /* would be killed above HARD_LIMIT */

#define HARD_LIMIT (1024 * MIB)

#define CONFIG "[policy]\nname=static\n"

static int
setup(void **state)
{
    const TestDomainOptions options[] = {
        { .name = PLAIN, .no_kernel = TRUE, .max_memory = 2048 * MIB },
        { .name = GIVEN, .no_kernel = TRUE, .memory = 512 * MIB, .current = 384 * MIB },
    };

    test_stage_setup(state);
    test_stage_boot(*state, options, G_N_ELEMENTS(options));
    test_stage_start_daemon(*state, CONFIG);
    return 0;
}

static gboolean
is_limit(TestStage *stage, const char *name, const char *limit, guint64 size)
{
    g_autoptr(JsonObject) info = test_scene_info(stage->scene, name);

    return test_scene_size(info, limit) == size;
}

static double
weight(TestStage *stage, const char *name)
{
    g_autoptr(JsonObject) info = test_scene_info(stage->scene, name);

    return json_object_get_double_member(info, "weight");
}

/* The path of one limit in <metadata>. */
static char *
limit_path(const char *limit, const char *attribute)
{
    return g_strdup_printf("string(/domain/metadata/*[namespace-uri()='" NAMESPACE
                           "']/*[local-name()='%s']%s)",
                           limit, attribute);
}

/* Returns: (transfer full): the text of a limit as libvirt has it; "" if it has none. */
static char *
kept_text(TestStage *stage, const char *name, TestDomainScope scope, const char *limit)
{
    g_autofree char *path = limit_path(limit, "");
    char *text = NULL;

    test_check((text = test_domain_xpath(test_stage_find(stage, name)->domain, scope, path,
                                         &error)) != NULL);
    return text;
}

/* A size as libvirt has it: in the unit that its attribute says; 0 if it has none. */
static guint64
kept_size(TestStage *stage, const char *name, TestDomainScope scope, const char *limit)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
    g_autofree char *text = kept_text(stage, name, scope, limit), *unit = NULL;
    g_autofree char *path = limit_path(limit, "/@unit");
    guint64 size = g_ascii_strtoull(text, NULL, 10);

    test_check((unit = test_domain_xpath(test_stage_find(stage, name)->domain, scope, path,
                                         &error)) != NULL);
    for (guint i = 0; i < G_N_ELEMENTS(units); i++) {
        if (g_str_equal(unit, units[i]))
            return size << (10 * i);
    }
    if (size > 0)
        fail_msg("%s has no unit that libvirt's tools know: %s %s", limit, text, unit);
    return 0;
}

/* virsh metadata --set of this content, live unless @option says otherwise. */
static void
virsh_set(TestStage *stage, const char *name, const char *option, const char *content)
{
    g_autofree char *element = g_strdup_printf("<domain>%s</domain>", content);

    test_check(test_domain_virsh(test_stage_find(stage, name)->domain, NULL, &error, "metadata",
                                 NAMESPACE, "--key", PREFIX, "--set", element, option, NULL));
}

static void
virsh_remove(TestStage *stage, const char *name)
{
    TestDomain *domain = test_stage_find(stage, name)->domain;

    test_check(test_domain_virsh(domain, NULL, &error, "metadata", NAMESPACE, "--remove", "--live",
                                 "--config", NULL));
}

static void
test_without_metadata(void **state)
{
    TestStage *stage = test_stage_enter(state);

    assert_true(is_limit(stage, PLAIN, "floor", 256 * MIB));
    assert_true(is_limit(stage, PLAIN, "ceiling", 2048 * MIB));
    assert_true(is_limit(stage, GIVEN, "floor", 384 * MIB));
    assert_true(is_limit(stage, GIVEN, "ceiling", 4096 * MIB));
    assert_true(weight(stage, PLAIN) == 1.0);
    assert_true(test_stage_flag(stage, PLAIN, "managed"));
    test_stage_leave(stage);
}

/* memplug writes to both definitions, or to one. */
static void
test_written_by_memplug(void **state)
{
    TestStage *stage = test_stage_enter(state);
    g_autofree char *kept = NULL, *shown = NULL;

    g_free(test_scene_memplug(stage->scene, 0, "limits", PLAIN, "--floor", "300M", "--ceiling",
                              "1G", "--weight", "2.5", "--mechanism", "dimm", NULL));
    assert_int_equal(kept_size(stage, PLAIN, TEST_DOMAIN_LIVE, "floor"), 300 * MIB);
    assert_int_equal(kept_size(stage, PLAIN, TEST_DOMAIN_CONFIG, "floor"), 300 * MIB);
    assert_int_equal(kept_size(stage, PLAIN, TEST_DOMAIN_LIVE, "ceiling"), 1024 * MIB);
    kept = kept_text(stage, PLAIN, TEST_DOMAIN_CONFIG, "mechanism");
    assert_string_equal(kept, "dimm");
    test_check(test_domain_virsh(test_stage_find(stage, PLAIN)->domain, &shown, &error, "metadata",
                                 NAMESPACE, NULL));
    print_message("  virsh metadata shows:\n%s\n", shown);

    g_free(test_scene_memplug(stage->scene, 0, "limits", PLAIN, "--floor", "310M", "--live", NULL));
    assert_int_equal(kept_size(stage, PLAIN, TEST_DOMAIN_LIVE, "floor"), 310 * MIB);
    assert_int_equal(kept_size(stage, PLAIN, TEST_DOMAIN_CONFIG, "floor"), 300 * MIB);
    assert_true(is_limit(stage, PLAIN, "floor", 310 * MIB));

    g_free(
        test_scene_memplug(stage->scene, 0, "limits", PLAIN, "--floor", "320M", "--config", NULL));
    assert_int_equal(kept_size(stage, PLAIN, TEST_DOMAIN_LIVE, "floor"), 310 * MIB);
    assert_int_equal(kept_size(stage, PLAIN, TEST_DOMAIN_CONFIG, "floor"), 320 * MIB);
    assert_true(is_limit(stage, PLAIN, "floor", 310 * MIB));

    /* And what memplug has written it reads again. */
    test_stage_restart_daemon(stage);
    assert_true(is_limit(stage, PLAIN, "floor", 310 * MIB));
    assert_true(is_limit(stage, PLAIN, "ceiling", 1024 * MIB));
    assert_true(weight(stage, PLAIN) == 2.5);
    test_stage_leave(stage);
}

static void
test_written_by_virsh(void **state)
{
    TestStage *stage = test_stage_enter(state);
    gint64 start_us;

    virsh_set(stage, GIVEN, "--live", "<floor>400M</floor><weight>3</weight>");
    start_us = g_get_monotonic_time();
    test_scene_await(is_limit(stage, GIVEN, "floor", 400 * MIB), TEST_SCENE_PATIENCE);
    print_message("  a floor set by virsh was in force %.0f ms after\n",
                  (double)(g_get_monotonic_time() - start_us) / 1000.0);
    assert_true(weight(stage, GIVEN) == 3.0);

    virsh_set(stage, GIVEN, "--live", "<floor unit='MiB'>420</floor>");
    test_scene_await(is_limit(stage, GIVEN, "floor", 420 * MIB), TEST_SCENE_PATIENCE);
    assert_true(weight(stage, GIVEN) == 1.0);

    /* In KiB, as libvirt's own elements. */
    virsh_set(stage, GIVEN, "--live", "<ceiling>1048576</ceiling>");
    test_scene_await(is_limit(stage, GIVEN, "ceiling", 1024 * MIB), TEST_SCENE_PATIENCE);
    assert_true(is_limit(stage, GIVEN, "floor", 384 * MIB));

    virsh_remove(stage, GIVEN);
    test_scene_await(is_limit(stage, GIVEN, "ceiling", 4096 * MIB), TEST_SCENE_PATIENCE);
    test_stage_leave(stage);
}

/* Whether a warning in memplugd's log has all three. */
static gboolean
is_warned(TestStage *stage, const char *name, const char *element, const char *value)
{
    g_autofree char *log = test_daemon_log(stage->scene->daemon);
    g_auto(GStrv) lines = g_strsplit(log, "\n", -1);

    for (char **line = lines; *line; line++) {
        if (strstr(*line, "warning") && strstr(*line, name) && strstr(*line, element) &&
            strstr(*line, value)) {
            print_message("  %s\n", *line);
            return TRUE;
        }
    }
    return FALSE;
}

static void
test_bad_value(void **state)
{
    static const struct {
        const char *content;
        const char *element;
        const char *value;
    } bad[] = {
        { "<floor>plenty</floor>", "floor", "plenty" },
        { "<weight>-7</weight>", "weight", "-7" },
        { "<flor>512M</flor>", "flor", "unknown" },
        { "<floor>800M</floor><ceiling>700M</ceiling>", "floor", "800 MiB" },
        { "<managed>perhaps</managed>", "managed", "perhaps" },
    };
    TestStage *stage = test_stage_enter(state);

    virsh_set(stage, GIVEN, "--live", "<floor>444M</floor><ceiling>2G</ceiling>");
    test_scene_await(is_limit(stage, GIVEN, "floor", 444 * MIB), TEST_SCENE_PATIENCE);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        virsh_set(stage, GIVEN, "--live", bad[i].content);
        test_scene_await(is_warned(stage, GIVEN, bad[i].element, bad[i].value),
                         TEST_SCENE_PATIENCE);
        assert_true(is_limit(stage, GIVEN, "floor", 444 * MIB));
        assert_true(is_limit(stage, GIVEN, "ceiling", 2048 * MIB));
        assert_true(test_stage_flag(stage, GIVEN, "managed"));
    }
    virsh_set(stage, GIVEN, "--live", "<floor>455M</floor>");
    test_scene_await(is_limit(stage, GIVEN, "floor", 455 * MIB), TEST_SCENE_PATIENCE);
    test_stage_leave(stage);
}

static void
test_opt_out(void **state)
{
    TestStage *stage = test_stage_enter(state);
    g_autofree char *live = NULL, *config = NULL;

    g_free(test_scene_memplug(stage->scene, 0, "manage", PLAIN, "off", NULL));
    assert_false(test_stage_flag(stage, PLAIN, "managed"));
    live = kept_text(stage, PLAIN, TEST_DOMAIN_LIVE, "managed");
    config = kept_text(stage, PLAIN, TEST_DOMAIN_CONFIG, "managed");
    assert_string_equal(live, "no");
    assert_string_equal(config, "no");
    g_free(test_scene_memplug(stage->scene, 0, "manage", PLAIN, "on", NULL));
    assert_true(test_stage_flag(stage, PLAIN, "managed"));

    virsh_set(stage, GIVEN, "--live", "<managed>no</managed>");
    test_scene_await(!test_stage_flag(stage, GIVEN, "managed"), TEST_SCENE_PATIENCE);
    virsh_remove(stage, GIVEN);
    test_scene_await(test_stage_flag(stage, GIVEN, "managed"), TEST_SCENE_PATIENCE);
    test_stage_leave(stage);
}

/*
 * libvirt starts such a domain only if it may raise QEMU's limit of locked memory.
 * Returns: whether it could.
 */
static gboolean
start_limited(TestStage *stage)
{
    const TestDomainOptions options = { .name = HARD, .no_kernel = TRUE, .hard_limit = HARD_LIMIT };
    TestStageDomain *domain = &stage->domains[2];
    g_autoptr(GError) failure = NULL;

    test_check((domain->domain = test_domain_define(stage->libvirtd, &options, &error)) != NULL);
    domain->name = HARD;
    if (test_domain_start(domain->domain, FALSE, &failure))
        return TRUE;
    if (!strstr(failure->message, "locked memory"))
        fail_msg("%s", failure->message);
    print_message("  skipped: %s\n", failure->message);
    return FALSE;
}

static void
test_hard_limit(void **state)
{
    TestStage *stage = test_stage_enter(state);
    g_autofree char *refusal = NULL;
    g_autoptr(JsonObject) info = NULL;

    if (!start_limited(stage)) {
        test_stage_leave(stage);
        skip();
    }
    test_scene_await((info = test_scene_listed(stage->scene, HARD)) != NULL, TEST_SCENE_PATIENCE);
    test_scene_await(is_limit(stage, HARD, "floor", 256 * MIB), TEST_SCENE_PATIENCE);
    g_free(test_scene_memplug(stage->scene, 0, "limits", HARD, "--ceiling", "2G", NULL));
    g_clear_pointer(&info, json_object_unref);
    info = test_scene_info(stage->scene, HARD);
    print_message("  with a hard limit of %.0f MiB the ceiling is %.0f MiB\n",
                  (double)HARD_LIMIT / (double)MIB,
                  (double)test_scene_size(info, "ceiling") / (double)MIB);
    assert_true(test_scene_size(info, "ceiling") < HARD_LIMIT);
    assert_true(test_scene_size(info, "ceiling") > 256 * MIB);
    refusal = test_scene_memplug(stage->scene, 1, "setmem", HARD, "1G", NULL);
    print_message("  %s", refusal);
    assert_non_null(strstr(refusal, "hard_limit"));
    test_stage_leave(stage);
}

/* A domain that is ended is gone, and is not told to be unreachable first. */
static void
test_a_destroyed_domain_is_gone(void **state)
{
    TestStage *stage = test_stage_enter(state);
    TestDomain *domain = test_stage_find(stage, PLAIN)->domain;

    for (guint run = 0; run < 3; run++) {
        g_autofree char *before = test_daemon_log(stage->scene->daemon), *after = NULL;
        const char *said;

        test_check(test_domain_virsh(domain, NULL, &error, "destroy", NULL));
        test_scene_await(test_scene_listed(stage->scene, PLAIN) == NULL, TEST_SCENE_PATIENCE);
        after = test_daemon_log(stage->scene->daemon);
        said = after + strlen(before);
        assert_non_null(strstr(said, PLAIN " guest-removed"));
        if (strstr(said, PLAIN " state: is unreachable"))
            fail_msg("%s", said);
        test_check(test_domain_start(domain, FALSE, &error));
        test_scene_await(test_scene_listed(stage->scene, PLAIN) != NULL, TEST_SCENE_PATIENCE);
    }
    test_stage_leave(stage);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_metadata),
        cmocka_unit_test(test_written_by_memplug),
        cmocka_unit_test(test_written_by_virsh),
        cmocka_unit_test(test_bad_value),
        cmocka_unit_test(test_opt_out),
        cmocka_unit_test(test_hard_limit),
        cmocka_unit_test(test_a_destroyed_domain_is_gone),
    };

    if (argc != 1) {
        g_printerr("usage: test-limits\n");
        return 2;
    }
    return test_stage_main("limits", NULL, tests, setup);
}
