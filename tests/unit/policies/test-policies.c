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

/* @used of it in use, @need with headroom, @demand with what is remembered. */
static GuestView
busy(guint64 used_mib, guint64 need_mib, guint64 demand_mib)
{
    GuestView view = guest(1024, demand_mib);

    view.used = used_mib * MIB;
    view.need = need_mib * MIB;
    return view;
}

/* Whose loss is least goes first: what is remembered, then headroom, use at last. */
static void
test_balance_takes_what_is_missed_least(void **state)
{
    GuestView guests[] = { busy(960, 1200, 1200), busy(384, 480, 1920) };

    assert_allocates(&policy_balance, 3120, guests, 1200, 1920);
    assert_allocates(&policy_balance, 1920, guests, 1200, 720);
    assert_allocates(&policy_balance, 1680, guests, 1200, 480);
    /* Now headroom: the smaller guest keeps its own, as a smaller share would have it. */
    assert_allocates(&policy_balance, 1560, guests, 1080, 480);
    assert_allocates(&policy_balance, 1470, guests, 1020, 450);
    assert_allocates(&policy_balance, 1428, guests, 1020, 408);
    /* And now what is in use, and a sixteenth: the larger one lacks, the other does not. */
    assert_allocates(&policy_balance, 1400, guests, 992, 408);
    assert_allocates(&policy_balance, 1200, guests, 792, 408);
    assert_allocates(&policy_balance, 700, guests, 350, 350);
}

/* What it swapped out it would use at once, so headroom of others yields to it. */
static void
test_balance_relieves_a_pressed_guest_first(void **state)
{
    GuestView guests[] = { busy(960, 1200, 1200), busy(1920, 2160, 2160) };

    assert_allocates(&policy_balance, 3200, guests, 1160, 2040);
    guests[1].pressed = TRUE;
    assert_allocates(&policy_balance, 3200, guests, 1040, 2160);
    assert_allocates(&policy_balance, 3100, guests, 1020, 2080);
    /* What it remembers of the past is not what it swaps for. */
    guests[1].demand = 4000 * MIB;
    assert_allocates(&policy_balance, 3200, guests, 1040, 2160);
}

/* Of two that would keep as much in reserve, the busy one keeps more. */
static void
test_balance_taxes_idle_memory(void **state)
{
    const GuestView guests[] = { busy(1200, 1200, 2000), busy(200, 200, 2000) };

    /* Level L: 1200 + (L - 1200) / 4 and 200 + (L - 200) / 4 make 2700 where L is 3300. */
    assert_allocates(&policy_balance, 2700, guests, 1725, 975);
}

static void
test_balance_shares_surplus_if_told_to(void **state)
{
    GuestView guests[] = { busy(500, 600, 600), busy(500, 600, 600), busy(500, 600, 600) };
    HostView host = { .budget = 3000 * MIB, .share = TRUE };
    guint64 targets[3];

    policy_balance.allocate(&host, guests, 3, targets);
    for (guint i = 0; i < 3; i++)
        assert_int_equal(targets[i], 1000 * MIB);

    /* By weight, up to the ceiling, and none while something is demanded and not there. */
    guests[0].ceiling = 650 * MIB;
    guests[1].weight = 4;
    policy_balance.allocate(&host, guests, 3, targets);
    assert_int_equal(targets[0], 650 * MIB);
    assert_int_equal((targets[1] + MIB / 2) / MIB, 1655);
    assert_int_equal((targets[2] + MIB / 2) / MIB, 695);
    host.budget = 1800 * MIB;
    policy_balance.allocate(&host, guests, 3, targets);
    for (guint i = 0; i < 3; i++)
        assert_int_equal(targets[i], 600 * MIB);
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
    assert_int_equal(n, 8);
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
        cmocka_unit_test(test_balance_takes_what_is_missed_least),
        cmocka_unit_test(test_balance_relieves_a_pressed_guest_first),
        cmocka_unit_test(test_balance_taxes_idle_memory),
        cmocka_unit_test(test_balance_shares_surplus_if_told_to),
        cmocka_unit_test(test_balance_without_room),
        cmocka_unit_test(test_static_leaves_guests_alone),
        cmocka_unit_test(test_static_cuts_in_proportion),
        cmocka_unit_test(test_policies_are_found_by_name),
        cmocka_unit_test(test_no_guests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
