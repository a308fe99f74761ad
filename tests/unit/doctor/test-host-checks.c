/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is found of hosts that are well, and of those that are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "doctor/host-checks.h"

#define GIB (G_GUINT64_CONSTANT(1) << 30)

/* A host with which all is well; each test makes it ill in one way. */
static HostFacts
well(void)
{
    return (HostFacts){
        .memory = 32 * GIB,
        .swap = 8 * GIB,
        .swap_free = 8 * GIB,
        .overcommit = 0,
        .transparent = (char *)"madvise",
        .ksm = FACT_NO,
        .zswap = FACT_NO,
        .psi = FACT_YES,
        .cgroup = 2,
        .kernel = (char *)"6.1.0",
        .kvm = FACT_YES,
        .vhost_regions = 509,
    };
}

static HostCase
case_of(const HostFacts *facts)
{
    return (HostCase){
        .facts = facts, .connection = "connected", .uri = "qemu:///system", .budget = 28 * GIB
    };
}

/* Exactly one finding of @host is more than well: @check at @level, with @text in what it says
 * and @fix in how to mend it. */
static void
expect(const HostCase *host, const char *check, FindingLevel level, const char *text,
       const char *fix)
{
    g_autoptr(GPtrArray) findings = host_checks_run(host);
    const Finding *found = NULL;

    for (guint i = 0; i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];

        if (finding->level == FINDING_OK)
            continue;
        if (found)
            fail_msg("beside %s there is %s: %s", found->check, finding->check, finding->text);
        found = finding;
    }
    assert_non_null(found);
    assert_string_equal(found->check, check);
    assert_int_equal(found->level, level);
    if (!strstr(found->text, text) || !strstr(found->fix, fix) || *found->reason == '\0')
        fail_msg("%s: %s\n%s\n%s", found->check, found->text, found->reason, found->fix);
}

static void
test_all_is_well(void **state)
{
    const HostFacts facts = well();
    const HostCase host = case_of(&facts);
    g_autoptr(GPtrArray) findings = host_checks_run(&host);

    assert_true(findings->len >= 9);
    for (guint i = 0; i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];

        if (finding->level != FINDING_OK)
            fail_msg("%s: %s", finding->check, finding->text);
        assert_true(*finding->text != '\0');
    }
}

static void
test_connection(void **state)
{
    const HostFacts facts = well();
    HostCase host = case_of(&facts);

    host.connection = "read-only";
    expect(&host, "connection", FINDING_PROBLEM, "qemu:///system is read-only", "group libvirt");
    host.connection = "connecting";
    expect(&host, "connection", FINDING_WARNING, "still connecting to qemu:///system",
           "in a moment");
    host.connection = "Connection refused";
    expect(&host, "connection", FINDING_PROBLEM, "Connection refused", "virsh -c qemu:///system");
}

static void
test_budget(void **state)
{
    const HostFacts facts = well();
    HostCase host = case_of(&facts);

    host.budget = 36 * GIB;
    expect(&host, "budget", FINDING_WARNING, "36 GiB, is more than", "[host]\nbudget =");
    host.budget = 41 * GIB;
    expect(&host, "budget", FINDING_PROBLEM, "41 GiB", "memplug.conf");
}

static void
test_kernel_and_its_settings(void **state)
{
    static const struct {
        gsize offset; /* of an int or of a Fact, which are alike */
        int value;
        const char *check;
        FindingLevel level;
        const char *text, *fix;
    } rows[] = {
        { G_STRUCT_OFFSET(HostFacts, kvm), FACT_NO, "kvm", FINDING_WARNING, "/dev/kvm",
          "modprobe" },
        { G_STRUCT_OFFSET(HostFacts, overcommit), 2, "overcommit", FINDING_WARNING,
          "vm.overcommit_memory = 2", "sysctl -w vm.overcommit_memory=0" },
        { G_STRUCT_OFFSET(HostFacts, psi), FACT_NO, "psi", FINDING_ADVICE, "PSI", "psi=1" },
        { G_STRUCT_OFFSET(HostFacts, cgroup), 1, "cgroup", FINDING_ADVICE, "version 1",
          "unified_cgroup_hierarchy=1" },
        { G_STRUCT_OFFSET(HostFacts, vhost_regions), 64, "vhost", FINDING_ADVICE,
          "64 memory regions", "max_mem_regions=509" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        HostFacts facts = well();
        const HostCase host = case_of(&facts);

        *(int *)G_STRUCT_MEMBER_P(&facts, rows[i].offset) = rows[i].value;
        expect(&host, rows[i].check, rows[i].level, rows[i].text, rows[i].fix);
    }
}

static void
test_swap_and_huge_pages(void **state)
{
    HugepagePool pool = { .page = 2 << 20, .total = 512, .free = 100 };
    HostFacts facts = well();
    const HostCase host = case_of(&facts);
    g_autoptr(GPtrArray) findings = NULL;
    gboolean told = FALSE;

    facts.swap = facts.swap_free = 0;
    expect(&host, "swap", FINDING_ADVICE, "no swap", "swapon");
    facts = well();
    facts.transparent = (char *)"never";
    expect(&host, "transparent-hugepages", FINDING_ADVICE, "switched off", "echo madvise >");

    facts = well();
    facts.pools = &pool;
    facts.n_pools = 1;
    findings = host_checks_run(&host);
    for (guint i = 0; i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];

        told |= strstr(finding->text, "512 huge pages of 2 MiB, 100 of them free") != NULL;
    }
    assert_true(told);
}

static void
test_what_is_not_known_is_not_judged(void **state)
{
    const HostFacts facts = { .overcommit = -1, .kvm = FACT_YES, .psi = FACT_YES };
    const HostCase host = case_of(&facts);
    g_autoptr(GPtrArray) findings = host_checks_run(&host);

    for (guint i = 0; i < findings->len; i++)
        assert_int_equal(((const Finding *)findings->pdata[i])->level, FINDING_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_well),
        cmocka_unit_test(test_connection),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_kernel_and_its_settings),
        cmocka_unit_test(test_swap_and_huge_pages),
        cmocka_unit_test(test_what_is_not_known_is_not_judged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
