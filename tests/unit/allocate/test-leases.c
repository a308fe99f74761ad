/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "allocate/leases.h"

#define S G_USEC_PER_SEC

static Lease *
ask(Leases *leases, guint64 id, guint64 asked, guint64 at_least, gint64 now)
{
    const LeaseTerms terms = { .asked = asked,
                               .at_least = at_least,
                               .wait_us = 10 * S,
                               .ttl_us = 60 * S,
                               .guest = "web",
                               .purpose = "test" };

    return leases_ask(leases, id, &terms, now);
}

static void
test_the_way_of_a_lease(void **state)
{
    g_autoptr(Leases) leases = leases_new();
    Lease *lease = ask(leases, 7, 100, 0, 1 * S);

    assert_int_equal(lease->state, LEASE_ASKED);
    assert_int_equal(lease->at_least, 100);
    assert_true(leases_wait(leases));
    assert_int_equal(leases_claimed(leases), 0);

    leases_promise(leases, 150, 2 * S);
    assert_int_equal(lease->state, LEASE_GATHERING);
    assert_int_equal(leases_claimed(leases), 100);
    assert_int_equal(leases_granted(leases), 0);

    leases_grant(leases, 60, 3 * S);
    assert_int_equal(lease->state, LEASE_GATHERING);
    assert_int_equal(lease->gathered, 60);
    leases_grant(leases, 100, 4 * S);
    assert_int_equal(lease->state, LEASE_GRANTED);
    assert_int_equal(lease->granted, 100);
    assert_int_equal(lease->deadline_us, 64 * S);
    assert_int_equal(leases_claimed(leases), 100);
    assert_false(leases_wait(leases));

    lease_hold(lease, 0, 0);
    assert_ptr_equal(leases_find_for(leases, "web"), lease);
    lease_transfer(lease, 5 * S);
    assert_int_equal(leases_claimed(leases), 0);
    assert_null(leases_find_for(leases, "web"));
    assert_ptr_equal(leases_find(leases, 7), lease);
}

static void
test_no_less_than_at_least(void **state)
{
    g_autoptr(Leases) leases = leases_new();
    Lease *lease = ask(leases, 1, 100, 40, 0);

    leases_promise(leases, 39, 0);
    assert_int_equal(lease->state, LEASE_ASKED);
    leases_promise(leases, 70, 0);
    assert_int_equal(lease->promised, 70);
    /* A guest needs it after all: its need comes first. */
    leases_promise(leases, 39, 0);
    assert_int_equal(lease->state, LEASE_ASKED);
    assert_int_equal(leases_claimed(leases), 0);
    leases_promise(leases, 45, 0);
    leases_grant(leases, 45, 0);
    assert_int_equal(lease->granted, 45);
}

/* Who wants less does not get past who waits longer. */
static void
test_first_come_first_served(void **state)
{
    g_autoptr(Leases) leases = leases_new();
    Lease *large = ask(leases, 1, 100, 0, 0);
    Lease *small = ask(leases, 2, 10, 0, 0);

    leases_promise(leases, 99, 0);
    assert_int_equal(large->state, LEASE_ASKED);
    assert_int_equal(small->state, LEASE_ASKED);
    leases_promise(leases, 109, 0);
    assert_int_equal(large->promised, 100);
    assert_int_equal(small->state, LEASE_ASKED);
    leases_promise(leases, 110, 0);
    leases_grant(leases, 12, 0);
    assert_int_equal(large->gathered, 12);
    assert_int_equal(small->gathered, 0);
    lease_end(large, LEASE_RELEASED, "no longer wanted", 1);
    leases_promise(leases, 110, 1);
    leases_grant(leases, 12, 1);
    assert_int_equal(small->state, LEASE_GRANTED);
}

static void
test_waiting_and_holding_end(void **state)
{
    g_autoptr(Leases) leases = leases_new();
    Lease *waits = ask(leases, 1, 100, 0, 0);
    Lease *held = ask(leases, 2, 10, 0, 0);

    lease_end(waits, LEASE_RELEASED, NULL, 0);
    waits = ask(leases, 3, 100, 0, 0);
    leases_promise(leases, 10, 0);
    leases_grant(leases, 10, 0);
    assert_int_equal(held->state, LEASE_GRANTED);

    leases_expire(leases, 10 * S - 1);
    assert_int_equal(waits->state, LEASE_ASKED);
    leases_expire(leases, 10 * S);
    assert_int_equal(waits->state, LEASE_FAILED);
    assert_string_equal(waits->reason, "too little came free in time");
    leases_expire(leases, 60 * S - 1);
    assert_int_equal(leases_claimed(leases), 10);
    leases_expire(leases, 60 * S);
    assert_int_equal(held->state, LEASE_EXPIRED);
    assert_int_equal(leases_claimed(leases), 0);

    /* Not before its owner has looked at it. */
    leases_expire(leases, 1000 * S);
    assert_int_equal(leases_all(leases)->len, 3);
    for (guint i = 0; i < 3; i++)
        ((Lease *)leases_all(leases)->pdata[i])->changed = FALSE;
    leases_expire(leases, 1000 * S);
    assert_int_equal(leases_all(leases)->len, 0);
}

/* As long as its process lives, no clock ends it. */
static void
test_held_for_a_process(void **state)
{
    g_autoptr(Leases) leases = leases_new();
    Lease *lease = ask(leases, 1, 100, 0, 0);

    leases_promise(leases, 100, 0);
    leases_grant(leases, 100, 0);
    lease_hold(lease, 4711, 99);
    leases_expire(leases, 1000 * S);
    assert_int_equal(lease->state, LEASE_GRANTED);
    assert_int_equal(lease->process, 4711);
}

static void
test_debts_remember_the_most(void **state)
{
    g_autoptr(Leases) leases = leases_new();
    Lease *lease = ask(leases, 1, 100, 0, 0);

    lease_owe(lease, "a@1", 30);
    lease_owe(lease, "b@1", 5);
    lease_owe(lease, "a@1", 42);
    lease_owe(lease, "a@1", 12);
    assert_int_equal(lease->debts->len, 2);
    assert_int_equal(g_array_index(lease->debts, LeaseDebt, 0).before, 42);
}

static void
test_no_more_than_can_be_kept(void **state)
{
    g_autoptr(Leases) leases = leases_new();

    for (guint i = 0; i < LEASES_MOST_OPEN; i++)
        assert_non_null(ask(leases, i + 1, 1, 0, 0));
    assert_null(ask(leases, 5000, 1, 0, 0));
}

static Lease *
kept(guint64 id, LeaseState lease_state, guint64 granted, gboolean taken)
{
    Lease *lease = lease_new();

    lease->id = id;
    lease->state = lease_state;
    lease->asked = lease->at_least = 100;
    lease->granted = granted;
    lease->taken = taken;
    lease->purpose = g_strdup("");
    return lease;
}

/* Nothing is held for nobody after a restart. */
static void
test_restart(void **state)
{
    g_autoptr(Leases) leases = leases_new();

    leases_restore(leases, kept(1, LEASE_ASKED, 0, FALSE), 5);
    leases_restore(leases, kept(2, LEASE_GATHERING, 0, FALSE), 5);
    leases_restore(leases, kept(3, LEASE_GRANTED, 100, FALSE), 5);
    leases_restore(leases, kept(4, LEASE_GRANTED, 100, TRUE), 5);
    assert_int_equal(leases_claimed(leases), 100);
    for (guint64 id = 1; id <= 3; id++)
        assert_int_equal(leases_find(leases, id)->state, LEASE_FAILED);
    assert_int_equal(leases_find(leases, 4)->state, LEASE_GRANTED);
}

static void
test_states_have_names(void **state)
{
    LeaseState found;

    for (LeaseState s = LEASE_ASKED; s <= LEASE_FAILED; s++) {
        assert_true(lease_state_find(lease_state_name(s), &found));
        assert_int_equal(found, s);
    }
    assert_false(lease_state_find("lost", &found));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_way_of_a_lease),
        cmocka_unit_test(test_no_less_than_at_least),
        cmocka_unit_test(test_first_come_first_served),
        cmocka_unit_test(test_waiting_and_holding_end),
        cmocka_unit_test(test_held_for_a_process),
        cmocka_unit_test(test_debts_remember_the_most),
        cmocka_unit_test(test_no_more_than_can_be_kept),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_states_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
