/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virsh and memplug agree at every moment: before, while and after domains grow and
 * shrink by virtio-mem, by DIMMs and balloon, and by the balloon alone; and what is
 * changed by hand with virsh is an administrator's word to memplugd.
 *
 * What "agree" means while memory moves: QEMU tells libvirt of a new size by an event,
 * the first at once, later ones of the same device no more than one a second. So what
 * libvirt says at any time is something that memplug says shortly before or after it,
 * and the same is held of the guest's own MemTotal. At rest they are equal.
 *
 * Usage: test-agree KERNEL-LINE
 */
#include <string.h>

#include "tests/libvirt/harness/test-stage.h"

#define BOOT    (256 * MIB)
#define BALLOON (640 * MIB) /* boot memory of the domain that has only that */

#define CONFIG                                                 \
    "[policy]\nname=static\n[guest \"balloon\"]\nfloor=256M\n" \
    "mechanism=balloon\n"

/* By which the one may be later than the other: QEMU's second between two events, and
 * as much again for a machine that is busy. */
#define LATE (2 * G_USEC_PER_SEC)

/* How long an order by hand is watched not to be undone: some cycles. */
#define RESPECT (3 * G_USEC_PER_SEC)

/* libvirt's alias for a virtio-mem device that was there from the start. */
#define VIRTIO_MEM "virtiomem0"

static const char *kernel;

/* One look at all sources, some tens of milliseconds from the first to the last. */
typedef struct {
    gint64 begin_us;
    gint64 end_us;
    guint64 memplug;
    guint64 xml;
    guint64 domstats;
    guint64 dommemstat; /* with virtio-mem, which it leaves out */
    guint64 guest;      /* from MemTotal */
} Sample;

static int
setup(void **state)
{
    const TestDomainOptions options[] = {
        { .name = "vm", .kernel = kernel, .virtio_mem = 1024 * MIB },
        { .name = "dimm", .kernel = kernel },
        { .name = "balloon", .kernel = kernel, .memory = BALLOON },
    };

    test_stage_setup(state);
    test_stage_boot(*state, options, G_N_ELEMENTS(options));
    test_stage_start_daemon(*state, CONFIG);
    return 0;
}

static Sample
look(TestStage *stage, TestStageDomain *domain)
{
    Sample sample = { .begin_us = g_get_monotonic_time() };
    g_autoptr(JsonObject) info = test_scene_info(stage->scene, domain->name);
    TestDomainMemory memory;
    guint64 total;

    test_check(test_domain_memory(domain->domain, &memory, &error));
    test_check(test_guest_meminfo(domain->guest, "MemTotal", &total, &error));
    sample.memplug = test_scene_size(info, "actual");
    sample.xml = memory.current;
    sample.domstats = memory.stats_current;
    sample.dommemstat = memory.dommemstat_actual + memory.virtio_mem_current;
    sample.guest = domain->actual + total - domain->total;
    sample.end_us = g_get_monotonic_time();
    return sample;
}

/* What memplug said from LATE before a sample to LATE after it, and just outside. */
static void
bounds(const GArray *samples, guint at, guint64 *least, guint64 *most)
{
    const Sample *all = (const Sample *)(gpointer)samples->data;
    guint first = at, last = at;

    while (first > 0 && all[first].end_us > all[at].begin_us - LATE)
        first--;
    while (last + 1 < samples->len && all[last].begin_us < all[at].end_us + LATE)
        last++;
    *least = *most = all[at].memplug;
    for (guint i = first; i <= last; i++) {
        *least = MIN(*least, all[i].memplug);
        *most = MAX(*most, all[i].memplug);
    }
}

static void
check_figure(const Sample *sample, const char *source, guint64 figure, guint64 least, guint64 most)
{
    if (figure + TEST_SCENE_TOLERANCE < least || figure > most + TEST_SCENE_TOLERANCE)
        fail_msg("%s says %.1f MiB when memplug said %.1f, and %.1f to %.1f around then", source,
                 (double)figure / (double)MIB, (double)sample->memplug / (double)MIB,
                 (double)least / (double)MIB, (double)most / (double)MIB);
}

/* Returns: how many of @samples saw sources differ, as they may for a moment. */
static guint
check_samples(const GArray *samples)
{
    guint differ = 0;

    for (guint i = 0; i < samples->len; i++) {
        const Sample *sample = &g_array_index(samples, Sample, i);
        guint64 least, most;

        bounds(samples, i, &least, &most);
        check_figure(sample, "dumpxml", sample->xml, least, most);
        check_figure(sample, "domstats", sample->domstats, least, most);
        check_figure(sample, "dommemstat", sample->dommemstat, least, most);
        check_figure(sample, "the guest", sample->guest, least, most);
        differ += sample->xml != sample->memplug || sample->domstats != sample->memplug;
    }
    return differ;
}

/* memplug setmem, with samples from before it until all have settled. */
static void
set(TestStage *stage, const char *name, guint64 size)
{
    TestStageDomain *domain = test_stage_find(stage, name);
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT "M", size / MIB);
    g_autoptr(GArray) samples = g_array_new(FALSE, FALSE, sizeof(Sample));
    gint64 start_us = g_get_monotonic_time(), settled_us = 0;
    Sample sample = look(stage, domain);

    g_array_append_val(samples, sample);
    g_free(test_scene_memplug(stage->scene, 0, "setmem", name, text, "--no-wait", NULL));
    while (settled_us == 0 || g_get_monotonic_time() - settled_us < LATE) {
        sample = look(stage, domain);
        g_array_append_val(samples, sample);
        if (settled_us == 0 && test_stage_has(stage, name, size))
            settled_us = g_get_monotonic_time();
        if (g_get_monotonic_time() - start_us > TEST_SCENE_PATIENCE)
            fail_msg("%s does not settle at %s", name, text);
    }
    test_stage_agree(stage, domain, size);
    print_message("      settled after %.2f s; sources differed in %u of %u samples\n",
                  (double)(settled_us - start_us) / G_USEC_PER_SEC, check_samples(samples),
                  samples->len);
    test_stage_untainted(domain);
}

static void
test_virtio_mem(void **state)
{
    TestStage *stage = test_stage_enter(state);

    test_stage_agree(stage, test_stage_find(stage, "vm"), BOOT);
    set(stage, "vm", 512 * MIB);
    set(stage, "vm", 562 * MIB);
    set(stage, "vm", 896 * MIB);
    set(stage, "vm", 256 * MIB);
    test_stage_leave(stage);
}

static guint
count_ours(TestStage *stage, const char *name)
{
    TestDomainMemory memory;

    test_check(test_domain_memory(test_stage_find(stage, name)->domain, &memory, &error));
    return memory.n_ours;
}

static void
test_dimm_and_balloon(void **state)
{
    TestStage *stage = test_stage_enter(state);

    test_stage_agree(stage, test_stage_find(stage, "dimm"), BOOT);
    set(stage, "dimm", 512 * MIB);
    set(stage, "dimm", 562 * MIB);
    assert_true(count_ours(stage, "dimm") > 0);
    set(stage, "dimm", 256 * MIB);
    assert_int_equal(count_ours(stage, "dimm"), 0);
    test_stage_leave(stage);
}

static void
test_balloon(void **state)
{
    TestStage *stage = test_stage_enter(state);

    test_stage_agree(stage, test_stage_find(stage, "balloon"), BALLOON);
    set(stage, "balloon", 512 * MIB);
    set(stage, "balloon", 256 * MIB);
    set(stage, "balloon", 640 * MIB);
    assert_int_equal(count_ours(stage, "balloon"), 0);
    test_stage_leave(stage);
}

static void
manage(TestStage *stage, const char *name)
{
    g_free(test_scene_memplug(stage->scene, 0, "manage", name, "on", NULL));
    assert_false(test_stage_flag(stage, name, "held"));
}

/*
 * After an order of virsh: the guest becomes held at what was asked for, and stays
 * there until it is given back.
 */
static void
expect_respect(TestStage *stage, const char *name, guint64 size)
{
    TestStageDomain *domain = test_stage_find(stage, name);
    gint64 start_us = g_get_monotonic_time(), libvirt_us = 0, memplug_us = 0;

    while (libvirt_us == 0 || memplug_us == 0) {
        gint64 now = g_get_monotonic_time();

        if (libvirt_us == 0 && test_stage_libvirt_has(domain, size))
            libvirt_us = now;
        if (memplug_us == 0 && test_stage_flag(stage, name, "held"))
            memplug_us = now;
        if (now - start_us > TEST_SCENE_PATIENCE)
            fail_msg("%s: %s", name, libvirt_us ? "memplug does not notice" : "virsh failed");
    }
    print_message("    after virsh: libvirt has it in %.2f s, memplug notices in %.2f s\n",
                  (double)(libvirt_us - start_us) / G_USEC_PER_SEC,
                  (double)(memplug_us - start_us) / G_USEC_PER_SEC);
    test_stage_agree(stage, domain, size);
    g_usleep(RESPECT);
    test_stage_agree(stage, domain, size);
    assert_true(test_stage_flag(stage, name, "held"));
    manage(stage, name);
}

static void
test_update_by_hand(void **state)
{
    TestStage *stage = test_stage_enter(state);
    TestStageDomain *domain = test_stage_find(stage, "vm");

    manage(stage, "vm");
    test_check(test_domain_virsh(domain->domain, NULL, &error, "update-memory-device", "--live",
                                 "--alias", VIRTIO_MEM, "--requested-size", "300M", NULL));
    expect_respect(stage, "vm", 556 * MIB);
    test_stage_leave(stage);
}

/* The alias of one of the domain's DIMMs of memplug's. */
static char *
own_dimm(TestStageDomain *domain)
{
    char *alias = NULL;

    test_check((alias = test_domain_xpath(domain->domain, TEST_DOMAIN_LIVE,
                                          "string(//memory[@model='dimm']/alias[starts-with(@name,"
                                          "'ua-memplug-')][1]/@name)",
                                          &error)) != NULL);
    assert_string_not_equal(alias, "");
    return alias;
}

static void
test_detach_by_hand(void **state)
{
    TestStage *stage = test_stage_enter(state);
    TestStageDomain *domain = test_stage_find(stage, "dimm");
    g_autofree char *alias = NULL, *size = NULL, *expression = NULL;

    set(stage, "dimm", 512 * MIB);
    manage(stage, "dimm");
    alias = own_dimm(domain);
    expression = g_strdup_printf("number(//memory[alias/@name='%s']/target/size)", alias);
    test_check((size = test_domain_xpath(domain->domain, TEST_DOMAIN_LIVE, expression, &error)) !=
               NULL);
    print_message("    virsh detaches %s of %s KiB\n", alias, size);
    test_check(test_domain_virsh(domain->domain, NULL, &error, "detach-device-alias", alias,
                                 "--live", NULL));
    expect_respect(stage, "dimm", 512 * MIB - g_ascii_strtoull(size, NULL, 10) * 1024);
    test_stage_leave(stage);
}

static void
test_attach_by_hand(void **state)
{
    TestStage *stage = test_stage_enter(state);
    TestStageDomain *domain = test_stage_find(stage, "dimm");
    guint64 before;
    g_autoptr(JsonObject) info = test_scene_info(stage->scene, "dimm");

    before = test_scene_size(info, "actual");
    test_check(test_domain_attach_dimm(domain->domain, 128 * MIB, 0, NULL, &error));
    expect_respect(stage, "dimm", before + 128 * MIB);
    test_stage_leave(stage);
}

static void
test_setmem_by_hand(void **state)
{
    TestStage *stage = test_stage_enter(state);
    TestStageDomain *domain = test_stage_find(stage, "balloon");

    manage(stage, "balloon");
    test_check(test_domain_virsh(domain->domain, NULL, &error, "setmem", "400M", "--live", NULL));
    expect_respect(stage, "balloon", 400 * MIB);
    test_stage_leave(stage);
}

static void
test_no_taint(void **state)
{
    TestStage *stage = test_stage_enter(state);

    for (guint i = 0; i < TEST_STAGE_DOMAINS && stage->domains[i].domain; i++)
        test_stage_untainted(&stage->domains[i]);
    test_stage_leave(stage);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_virtio_mem),     cmocka_unit_test(test_dimm_and_balloon),
        cmocka_unit_test(test_balloon),        cmocka_unit_test(test_update_by_hand),
        cmocka_unit_test(test_detach_by_hand), cmocka_unit_test(test_attach_by_hand),
        cmocka_unit_test(test_setmem_by_hand), cmocka_unit_test(test_no_taint),
    };

    if (argc != 2) {
        g_printerr("usage: test-agree KERNEL-LINE\n");
        return 2;
    }
    kernel = argv[1];
    return test_stage_main("agree", kernel, tests, setup);
}
