/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules of other systems on worlds worked out by hand from what those systems do, so that
 * a comparison with them is with them. Sizes are MiB.
 */
#include "policies/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MIB (G_GUINT64_CONSTANT(1) << 20)

/* 512 MiB to 4 GiB; of @has, @used and @cached, the rest free. */
static GuestView
guest(guint64 has, guint64 used, guint64 cached)
{
    return (GuestView){
        .floor = 512 * MIB,
        .ceiling = 4096 * MIB,
        .actual = has * MIB,
        .requested = has * MIB,
        .used = used * MIB,
        .need = used * MIB,
        .demand = used * MIB,
        .weight = 1,
        .total = has * MIB,
        .free = (has - used - cached) * MIB,
        .cached = cached * MIB,
        .committed = used * MIB,
    };
}

/* All of it may be lent. */
static HostView
host(guint64 total, const GuestView *guests, gsize n_guests)
{
    HostView view = { .budget = total * MIB, .total = total * MIB, .free = total * MIB };

    for (gsize i = 0; i < n_guests; i++)
        view.free -= guests[i].actual;
    return view;
}

static void
assert_targets(const Policy *policy, guint64 total, const GuestView *guests, gsize n_guests,
               const guint64 *expected)
{
    HostView view = host(total, guests, n_guests);
    guint64 targets[8];

    assert_true(n_guests <= G_N_ELEMENTS(targets));
    policy->allocate(&view, guests, n_guests, targets);
    for (gsize i = 0; i < n_guests; i++)
        assert_int_equal((targets[i] + MIB / 2) / MIB, expected[i]);
}

#define assert_allocates(policy, total, guests, ...) \
    assert_targets(policy, total, guests, G_N_ELEMENTS(guests), (const guint64[]){ __VA_ARGS__ })

static void
test_rhythm(void **state)
{
    assert_int_equal(policy_mom.interval_us, 10 * G_USEC_PER_SEC);
    assert_int_equal(policy_proxmox.interval_us, 10 * G_USEC_PER_SEC);
    assert_int_equal(policy_esx.interval_us, 15 * G_USEC_PER_SEC);
    assert_int_equal(policy_hyperv.interval_us, G_USEC_PER_SEC);
    for (const Policy *const *policy = policy_list(); *policy; policy++)
        assert_int_equal((*policy)->paced, *policy != &policy_balance && *policy != &policy_static);
}

static void
test_mom_grows_all_while_the_host_has_memory(void **state)
{
    GuestView guests[] = { guest(1000, 100, 0), guest(2000, 1900, 0), guest(4000, 100, 0) };

    /* The idle one as well; the second is to have 20 % free; the last stops at its ceiling. */
    assert_allocates(&policy_mom, 16000, guests, 1050, 2300, 4096);
}

static void
test_mom_shrinks_all_when_the_host_is_short(void **state)
{
    /* 10 % free: towards used + 10 % of what each has, by at most 5 %; page cache is used. */
    GuestView guests[] = { guest(2000, 500, 0), guest(2000, 1650, 200), guest(2000, 1780, 0),
                           guest(3000, 500, 2200) };

    assert_allocates(&policy_mom, 10000, guests, 1900, 2000, 1980, 3000);
    /* At 4 % all but 1 % of what is free goes, and more. */
    guests[2] = guest(2000, 1950, 0);
    assert_allocates(&policy_mom, 9375, guests, 1900, 1900, 1930, 2850);
}

static void
test_proxmox_goes_to_four_fifths(void **state)
{
    GuestView guests[] = { guest(1024, 900, 100), guest(1024, 200, 0) };

    /* Of 8 GiB 80 % are to be used. The first is short, so it alone grows, by 100 MiB. */
    assert_allocates(&policy_proxmox, 8192, guests, 1124, 1024);
    /* If none is, all grow. */
    guests[0] = guest(1024, 200, 0);
    assert_allocates(&policy_proxmox, 8192, guests, 1124, 1124);
    /* 2048 of 2560 are 80 %: nothing is to be done. */
    assert_allocates(&policy_proxmox, 2560, guests, 1024, 1024);
    /* Of 2304 MiB 1843 are to be used: 205 too much, from those that have enough free. */
    guests[0] = guest(1024, 900, 100);
    assert_allocates(&policy_proxmox, 2304, guests, 1024, 924);
    /* Where all are short, all are taken from. */
    guests[1] = guest(1024, 950, 50);
    assert_allocates(&policy_proxmox, 2304, guests, 924, 924);
}

static void
test_proxmox_shares_by_weight(void **state)
{
    GuestView guests[] = { guest(600, 100, 0), guest(600, 100, 0) };

    /* min + (Σ(current − min) + goal) · shares: 3 to 1 of 176 + 80 above the floors, so that
     * the second gives while all in all the guests grow. */
    guests[0].weight = 3;
    assert_allocates(&policy_proxmox, 1600, guests, 700, 576);
}

static void
test_squeezed_hands_out_all(void **state)
{
    GuestView guests[] = { guest(600, 100, 0), guest(600, 500, 0) };

    assert_allocates(&policy_squeezed, 16384, guests, 4096, 4096);
    /* γ = (3072 - 1024) / (2 · 3584). */
    assert_allocates(&policy_squeezed, 3072, guests, 1536, 1536);
    guests[1].ceiling = 2048 * MIB;
    assert_allocates(&policy_squeezed, 1024 + 2560, guests, 512 + 1792, 512 + 768);
}

static void
test_qmemman_with_enough(void **state)
{
    const GuestView guests[] = { guest(1000, 1000, 0), guest(1000, 500, 400) };

    /* 1300 and 650 are preferred (page cache is not used), so of 3950 MiB 2000 are left, less
     * 50, and shared 2:1; 0.999 of it all. */
    assert_allocates(&policy_qmemman, 3950, guests, 2597, 1299);
}

static void
test_qmemman_with_little(void **state)
{
    GuestView guests[] = { guest(2000, 2000, 0), guest(1000, 500, 0) };

    /* 2600 and 650 of 3050: the donor gives first ... */
    assert_allocates(&policy_qmemman, 3050, guests, 2000, 650);
    /* ... and then what is free but for 50 MiB is shared 4:1, as it has what it prefers and no
     * more, which makes it an acceptor. */
    guests[1] = guest(650, 500, 0);
    assert_allocates(&policy_qmemman, 3050, guests, 2278, 719);
    /* Small change is let be. */
    guests[0] = guest(2340, 2000, 0);
    assert_allocates(&policy_qmemman, 3050, guests, 2340, 650);
}

static void
test_hyperv_adds_a_fifth(void **state)
{
    GuestView guests[] = { guest(1000, 1000, 0), guest(1000, 100, 0), guest(1000, 3800, 0) };

    guests[2].committed = 3800 * MIB;
    assert_allocates(&policy_hyperv, 16000, guests, 1200, 512, 4096);
    /* Weights decide where it does not suffice. */
    guests[0].weight = 2;
    guests[0].committed = guests[2].committed = 2000 * MIB;
    assert_allocates(&policy_hyperv, 3512, guests, 2000, 512, 1000);
}

static void
test_esx_taxes_what_is_idle(void **state)
{
    GuestView guests[] = { guest(2000, 2000, 0), guest(2000, 100, 0) };

    /* Nobody is reclaimed from while 6 % of the host are free. */
    assert_allocates(&policy_esx, 16384, guests, 4096, 4096);
    /* 4000 MiB for two, of which 3760: P1 = L while it is below its use of 2000; beyond,
     * P = used + (L - used) / 4. With P1 = 2000 + (L - 2000)/4 and P2 = 100 + (L - 100)/4, L is
     * 4370. */
    assert_allocates(&policy_esx, 4000, guests, 2593, 1168);
    /* With four times the shares, idleness is made up for, as ρ says. */
    guests[1].weight = 4;
    assert_allocates(&policy_esx, 4000, guests, 1843, 1918);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rhythm),
        cmocka_unit_test(test_mom_grows_all_while_the_host_has_memory),
        cmocka_unit_test(test_mom_shrinks_all_when_the_host_is_short),
        cmocka_unit_test(test_proxmox_goes_to_four_fifths),
        cmocka_unit_test(test_proxmox_shares_by_weight),
        cmocka_unit_test(test_squeezed_hands_out_all),
        cmocka_unit_test(test_qmemman_with_enough),
        cmocka_unit_test(test_qmemman_with_little),
        cmocka_unit_test(test_hyperv_adds_a_fifth),
        cmocka_unit_test(test_esx_taxes_what_is_idle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
