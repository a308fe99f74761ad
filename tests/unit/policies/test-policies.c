/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The policies on worlds worked out by hand. What all of them must keep in any
 * world is in allocate/test-properties.c.
 */
#include "policies/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MIB (G_GUINT64_CONSTANT(1) << 20)

/* A guest without anything unusual: 256 MiB to 4 GiB, at 1 GiB, as given in MiB. */
static GuestView
guest(guint64 requested_mib, guint64 demand_mib)
{
    return (GuestView){
        .floor = 256 * MIB,
        .ceiling = 4096 * MIB,
        .actual = requested_mib * MIB,
        .requested = requested_mib * MIB,
        .demand = demand_mib * MIB,
        .weight = 1,
    };
}

static void
assert_targets(const Policy *policy, guint64 budget_mib, const GuestView *guests, gsize n_guests,
               const guint64 *expected_mib)
{
    HostView host = { .budget = budget_mib * MIB };
    guint64 targets[8];

    assert_true(n_guests <= G_N_ELEMENTS(targets));
    policy->allocate(&host, guests, n_guests, targets);
    for (gsize i = 0; i < n_guests; i++)
        assert_int_equal((targets[i] + MIB / 2) / MIB, expected_mib[i]);
}

#define assert_allocates(policy, budget_mib, guests, ...)            \
    assert_targets(policy, budget_mib, guests, G_N_ELEMENTS(guests), \
                   (const guint64[]){ __VA_ARGS__ })

static void
test_balance_gives_what_is_demanded(void **state)
{
    const GuestView guests[] = { guest(1024, 512), guest(1024, 2048), guest(1024, 100),
                                 guest(1024, 9999) };

    /* The third is raised to its floor, the last lowered to its ceiling; the
     * surplus is nobody's. */
    assert_allocates(&policy_balance, 64 * 1024, guests, 512, 2048, 256, 4096);
}

static void
test_balance_shares_what_is_scarce(void **state)
{
    GuestView guests[] = { guest(1024, 500), guest(1024, 3000), guest(1024, 2000) };

    /* 500 is less than a third of 2500, so it is granted; the rest is halved. */
    assert_allocates(&policy_balance, 2500, guests, 500, 1000, 1000);

    guests[1].weight = 3;
    assert_allocates(&policy_balance, 2500, guests, 500, 1500, 500);

    /* A floor above the share comes off first. */
    guests[2].floor = 1400 * MIB;
    assert_allocates(&policy_balance, 2500, guests, 275, 825, 1400);
}

static void
test_balance_without_room(void **state)
{
    const GuestView guests[] = { guest(1024, 500), guest(1024, 3000) };

    assert_allocates(&policy_balance, 512, guests, 256, 256);
    assert_allocates(&policy_balance, 100, guests, 256, 256);
    assert_allocates(&policy_balance, 0, guests, 256, 256);
}

static void
test_static_leaves_guests_alone(void **state)
{
    GuestView guests[] = { guest(1024, 4096), guest(300, 0) };

    assert_allocates(&policy_static, 4096, guests, 1024, 300);
    assert_allocates(&policy_static, 1324, guests, 1024, 300);
    guests[0].ceiling = 800 * MIB;
    guests[1].floor = 400 * MIB;
    assert_allocates(&policy_static, 4096, guests, 800, 400);
}

static void
test_static_cuts_in_proportion(void **state)
{
    const GuestView guests[] = { guest(1256, 0), guest(756, 4096), guest(256, 4096) };

    /* 1000, 500 and 0 above the floors; 768 + 750 leaves half of it. */
    assert_allocates(&policy_static, 768 + 750, guests, 756, 506, 256);
    assert_allocates(&policy_static, 768, guests, 256, 256, 256);
    assert_allocates(&policy_static, 5, guests, 256, 256, 256);
}

static void
test_policies_are_found_by_name(void **state)
{
    guint n = 0;

    for (const Policy *const *policy = policy_list(); *policy; policy++, n++) {
        assert_ptr_equal(policy_find((*policy)->name), *policy);
        assert_non_null((*policy)->summary);
    }
    assert_true(n >= 2);
    assert_ptr_equal(policy_list()[0], &policy_balance);
    assert_null(policy_find("Balance"));
    assert_null(policy_find(""));
}

static void
test_no_guests(void **state)
{
    HostView host = { .budget = 1 };

    for (const Policy *const *policy = policy_list(); *policy; policy++)
        (*policy)->allocate(&host, NULL, 0, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_balance_gives_what_is_demanded),
        cmocka_unit_test(test_balance_shares_what_is_scarce),
        cmocka_unit_test(test_balance_without_room),
        cmocka_unit_test(test_static_leaves_guests_alone),
        cmocka_unit_test(test_static_cuts_in_proportion),
        cmocka_unit_test(test_policies_are_found_by_name),
        cmocka_unit_test(test_no_guests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
