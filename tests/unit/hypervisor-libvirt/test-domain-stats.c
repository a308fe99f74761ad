/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/domain-stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define UNTOUCHED 4711

static virTypedParameter
number(const char *field, guint64 value)
{
    virTypedParameter param = { .type = VIR_TYPED_PARAM_ULLONG, .value.ul = value };

    g_strlcpy(param.field, field, sizeof(param.field));
    return param;
}

static virTypedParameter
integer(const char *field, int value)
{
    virTypedParameter param = { .type = VIR_TYPED_PARAM_INT, .value.i = value };

    g_strlcpy(param.field, field, sizeof(param.field));
    return param;
}

/* What `virsh domstats --state --balloon` told of a running guest. */
static void
test_a_real_answer(void **state)
{
    const virTypedParameter params[] = {
        integer("state.state", VIR_DOMAIN_RUNNING),
        integer("state.reason", VIR_DOMAIN_RUNNING_BOOTED),
        number("balloon.current", 466944),
        number("balloon.maximum", 1310720),
        number("balloon.swap_in", 1),
        number("balloon.swap_out", 2),
        number("balloon.major_fault", 3),
        number("balloon.minor_fault", 3996),
        number("balloon.unused", 311088),
        number("balloon.available", 361116),
        number("balloon.usable", 314660),
        number("balloon.last-update", 1795418766),
        number("balloon.disk_caches", 15648),
        number("balloon.hugetlb_pgalloc", 4),
        number("balloon.hugetlb_pgfail", 5),
        number("balloon.rss", 347808),
    };
    BalloonStats stats;
    int domain_state;
    int reason;

    assert_true(domain_stats_read(params, G_N_ELEMENTS(params), &stats));
    assert_int_equal(stats.last_update_s, 1795418766);
    assert_int_equal(stats.values[BALLOON_STAT_SWAP_IN], 1024);
    assert_int_equal(stats.values[BALLOON_STAT_SWAP_OUT], 2048);
    assert_int_equal(stats.values[BALLOON_STAT_MAJOR_FAULTS], 3);
    assert_int_equal(stats.values[BALLOON_STAT_MINOR_FAULTS], 3996);
    assert_int_equal(stats.values[BALLOON_STAT_FREE], 311088 * 1024);
    assert_int_equal(stats.values[BALLOON_STAT_TOTAL], 361116 * 1024);
    assert_int_equal(stats.values[BALLOON_STAT_AVAILABLE], 314660 * 1024);
    assert_int_equal(stats.values[BALLOON_STAT_DISK_CACHES], 15648 * 1024);
    assert_int_equal(stats.values[BALLOON_STAT_HTLB_PGALLOC], 4);
    assert_int_equal(stats.values[BALLOON_STAT_HTLB_PGFAIL], 5);
    for (guint i = BALLOON_STAT_OOM_KILL; i < BALLOON_STAT_COUNT; i++)
        assert_true(stats.values[i] == BALLOON_STAT_MISSING);

    assert_true(domain_stats_state(params, G_N_ELEMENTS(params), &domain_state, &reason));
    assert_int_equal(domain_state, VIR_DOMAIN_RUNNING);
    assert_int_equal(reason, VIR_DOMAIN_RUNNING_BOOTED);
}

/* A domain that was busy, or whose guest has no driver yet, has only these. */
static void
test_a_skipped_domain(void **state)
{
    const virTypedParameter params[] = {
        number("balloon.current", 262144),
        number("balloon.maximum", 262144),
        number("balloon.rss", 347808),
        number("balloon.last-update", 0),
    };
    BalloonStats stats = { .last_update_s = UNTOUCHED };
    int domain_state = UNTOUCHED;
    int reason = UNTOUCHED;

    assert_false(domain_stats_read(params, G_N_ELEMENTS(params), &stats));
    assert_false(domain_stats_read(NULL, 0, &stats));
    assert_int_equal(stats.last_update_s, UNTOUCHED);
    assert_false(domain_stats_state(params, G_N_ELEMENTS(params), &domain_state, &reason));
    assert_int_equal(domain_state, UNTOUCHED);
    assert_int_equal(reason, UNTOUCHED);
}

static void
test_what_a_guest_cannot_have(void **state)
{
    const virTypedParameter params[] = {
        number("balloon.unused", G_MAXUINT64),
        number("balloon.available", G_MAXUINT64 / 1024 + 1),
        number("balloon.usable", G_MAXUINT64 / 1024),
        integer("balloon.swap_in", 1),
    };
    BalloonStats stats;

    assert_true(domain_stats_read(params, G_N_ELEMENTS(params), &stats));
    assert_true(stats.values[BALLOON_STAT_FREE] == BALLOON_STAT_MISSING);
    assert_true(stats.values[BALLOON_STAT_TOTAL] == BALLOON_STAT_MISSING);
    assert_true(stats.values[BALLOON_STAT_AVAILABLE] == G_MAXUINT64 / 1024 * 1024);
    assert_true(stats.values[BALLOON_STAT_SWAP_IN] == BALLOON_STAT_MISSING);
    assert_int_equal(stats.last_update_s, 0);
}

static void
test_a_state_without_reason(void **state)
{
    const virTypedParameter params[] = { integer("state.state", VIR_DOMAIN_PAUSED) };
    int domain_state;
    int reason = UNTOUCHED;

    assert_true(domain_stats_state(params, G_N_ELEMENTS(params), &domain_state, &reason));
    assert_int_equal(domain_state, VIR_DOMAIN_PAUSED);
    assert_int_equal(reason, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_real_answer),
        cmocka_unit_test(test_a_skipped_domain),
        cmocka_unit_test(test_what_a_guest_cannot_have),
        cmocka_unit_test(test_a_state_without_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
