/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/libvirt/harness/test-stage.h"

static gboolean
is_skipped(const char *reason)
{
    if (reason)
        g_printerr("skipped: %s\n", reason);
    return reason != NULL;
}

gboolean
test_stage_can_run(const char *kernel)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *reason = NULL;

    if (!test_libvirtd_isolate(&error))
        return !is_skipped(error->message);
    reason = test_libvirtd_unavailable();
    return !is_skipped(reason) && test_scene_can_run(kernel);
}

int
test_stage_setup(void **state)
{
    TestStage *stage = g_new0(TestStage, 1);
    gpointer scene = NULL;

    *state = stage;
    test_scene_setup(&scene);
    stage->scene = scene;
    test_check((stage->libvirtd = test_libvirtd_start(stage->scene->room, &error)) != NULL);
    g_free(stage->scene->uri);
    stage->scene->uri = g_strdup(test_libvirtd_uri(stage->libvirtd));
    return 0;
}

int
test_stage_teardown(void **state)
{
    TestStage *stage = *state;
    gpointer scene = stage->scene;

    if (!stage->failed && !stage->inside)
        test_scene_passed(stage->scene);
    /* So that its log does not end with what it says of libvirtd's end. */
    if (stage->scene->daemon)
        test_daemon_kill(stage->scene->daemon);
    for (guint i = 0; i < TEST_STAGE_DOMAINS; i++)
        test_domain_free(stage->domains[i].domain);
    test_libvirtd_free(stage->libvirtd);
    test_scene_teardown(&scene);
    g_free(stage);
    return 0;
}

TestStage *
test_stage_enter(void **state)
{
    TestStage *stage = *state;

    stage->failed |= stage->inside;
    stage->inside = TRUE;
    return stage;
}

void
test_stage_leave(TestStage *stage)
{
    stage->inside = FALSE;
}

static TestStageDomain *
first_free(TestStage *stage)
{
    TestStageDomain *domain = stage->domains;

    while (domain->domain)
        domain++;
    g_assert(domain < stage->domains + TEST_STAGE_DOMAINS);
    return domain;
}

void
test_stage_note_boot(TestStageDomain *domain)
{
    TestDomainMemory memory;

    domain->name = test_domain_name(domain->domain);
    domain->guest = test_domain_guest(domain->domain);
    test_check(test_domain_memory(domain->domain, &memory, &error));
    domain->actual = memory.current;
    if (domain->guest)
        test_check(test_guest_meminfo(domain->guest, "MemTotal", &domain->total, &error));
}

void
test_stage_boot(TestStage *stage, const TestDomainOptions *options, guint n)
{
    TestStageDomain *first = first_free(stage);

    for (guint i = 0; i < n; i++) {
        TestStageDomain *domain = first_free(stage);

        test_check((domain->domain = test_domain_define(stage->libvirtd, &options[i], &error)) !=
                   NULL);
        test_check(test_domain_start(domain->domain, FALSE, &error));
    }
    for (guint i = 0; i < n; i++) {
        test_check(test_domain_wait_ready(first[i].domain, &error));
        test_stage_note_boot(&first[i]);
    }
}

static gboolean
is_known(TestStage *stage, const TestStageDomain *domain)
{
    g_autoptr(JsonObject) listed = test_scene_listed(stage->scene, domain->name);

    return listed && test_scene_size(listed, "actual") > 0;
}

static void
await_domains(TestStage *stage)
{
    for (guint i = 0; i < TEST_STAGE_DOMAINS && stage->domains[i].domain; i++)
        test_scene_await(is_known(stage, &stage->domains[i]), TEST_SCENE_PATIENCE);
}

void
test_stage_start_daemon(TestStage *stage, const char *config)
{
    test_scene_start_daemon(stage->scene, config, NULL);
    await_domains(stage);
}

void
test_stage_restart_daemon(TestStage *stage)
{
    test_scene_restart_daemon(stage->scene);
    await_domains(stage);
}

TestStageDomain *
test_stage_find(TestStage *stage, const char *name)
{
    TestStageDomain *domain = stage->domains;

    while (!g_str_equal(domain->name, name))
        domain++;
    return domain;
}

gboolean
test_stage_says(TestStage *stage, const char *name, const char *member, const char *value)
{
    g_autoptr(JsonObject) info = test_scene_info(stage->scene, name);

    return g_str_equal(test_scene_text(info, member), value);
}

gboolean
test_stage_flag(TestStage *stage, const char *name, const char *member)
{
    g_autoptr(JsonObject) info = test_scene_info(stage->scene, name);

    if (!json_object_has_member(info, member))
        fail_msg("memplug tells no flag '%s'", member);
    return json_object_get_boolean_member(info, member);
}

gboolean
test_stage_has(TestStage *stage, const char *name, guint64 actual)
{
    g_autoptr(JsonObject) info = test_scene_info(stage->scene, name);

    return g_str_equal(test_scene_text(info, "phase"), "settled") &&
           test_scene_size(info, "requested") == actual &&
           test_scene_size(info, "actual") == actual;
}

/* dommemstat tells QEMU's figure of the balloon, of which virtio-mem is no part. */
static gboolean
all_say(const TestDomainMemory *memory, gboolean restored, guint64 actual)
{
    return (restored || (memory->current == actual && memory->stats_current == actual)) &&
           memory->dommemstat_actual == actual - memory->virtio_mem_current;
}

gboolean
test_stage_libvirt_has(TestStageDomain *domain, guint64 actual)
{
    TestDomainMemory memory;

    test_check(test_domain_memory(domain->domain, &memory, &error));
    return all_say(&memory, domain->restored, actual);
}

static void
print_row(TestStage *stage, TestStageDomain *domain)
{
    g_autoptr(JsonObject) info = test_scene_info(stage->scene, domain->name);
    TestDomainMemory memory;
    guint64 total = domain->total;

    test_check(test_domain_memory(domain->domain, &memory, &error));
    if (domain->guest)
        test_check(test_guest_meminfo(domain->guest, "MemTotal", &total, &error));
    print_message("    %-8s requested %4.0f  actual %4.0f  libvirt: XML %4.0f domstats %4.0f "
                  "dommemstat %4.0f + %4.0f  MemTotal %+7.1f MiB  %s %s\n",
                  domain->name, (double)test_scene_size(info, "requested") / (double)MIB,
                  (double)test_scene_size(info, "actual") / (double)MIB,
                  (double)memory.current / (double)MIB, (double)memory.stats_current / (double)MIB,
                  (double)memory.dommemstat_actual / (double)MIB,
                  (double)memory.virtio_mem_current / (double)MIB,
                  ((double)total - (double)domain->total) / (double)MIB,
                  test_scene_text(info, "phase"), test_scene_text(info, "reason"));
}

/* Waits as test_scene_await() does, but lets the row be printed before it fails. */
static gboolean
comes_to(TestStage *stage, TestStageDomain *domain, guint64 actual)
{
    gint64 deadline = g_get_monotonic_time() + TEST_STAGE_PATIENCE;

    while (!test_stage_has(stage, domain->name, actual) ||
           !test_stage_libvirt_has(domain, actual)) {
        if (g_get_monotonic_time() > deadline)
            return FALSE;
        g_usleep(20 * 1000);
    }
    return TRUE;
}

void
test_stage_agree(TestStage *stage, TestStageDomain *domain, guint64 actual)
{
    gboolean agreed = comes_to(stage, domain, actual);

    print_row(stage, domain);
    if (!agreed)
        fail_msg("%s: memplug and libvirt should both say %.0f MiB", domain->name,
                 (double)actual / (double)MIB);
    if (domain->guest)
        test_check(test_guest_wait_total(domain->guest, domain->total + actual - domain->actual,
                                         TEST_SCENE_TOLERANCE, TEST_SCENE_PATIENCE, &error));
}

void
test_stage_untainted(TestStageDomain *domain)
{
    assert_false(test_domain_is_tainted(domain->domain));
}
