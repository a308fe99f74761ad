/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much of an urgent request is given at once. */
#include "allocate/urgent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define SECOND ((gint64)G_USEC_PER_SEC)
#define START  (1000 * SECOND)

static UrgentTerms
make_terms(guint64 size, guint64 available)
{
    return (UrgentTerms){
        .size = size * MIB,
        .available = available * MIB,
        .fall = 100 * MIB,
        .plug_us = SECOND / 10,
        .actual = 256 * MIB,
        .ceiling = 4096 * MIB,
        .grain = 2 * MIB,
        .valid_us = 10 * SECOND,
    };
}

/* 40 MiB are left, 10 of them gone when the first memory comes: it can pay for all. */
static void
test_affordable_request_is_given_whole(void **state)
{
    UrgentTerms terms = make_terms(512, 40);
    UrgentRequest request = { 0 };

    assert_false(urgent_is_valid(&request, START));
    assert_int_equal(urgent_missing(&request, 256 * MIB, START), 0);
    urgent_ask(&request, &terms, START);
    assert_true(urgent_is_valid(&request, START));
    assert_int_equal(urgent_missing(&request, 256 * MIB, START), 512 * MIB);
    assert_int_equal(urgent_missing(&request, 512 * MIB, START), 256 * MIB);
    assert_int_equal(urgent_missing(&request, 768 * MIB, START), 0);
    /* It is met, and still valid. */
    assert_true(urgent_is_valid(&request, START + 9 * SECOND));
}

/* 2 MiB are left: 7 MiB can be paid for, then twice that, and so on. */
static void
test_poor_guest_gets_it_in_chunks(void **state)
{
    UrgentTerms terms = make_terms(512, 2);
    UrgentRequest request = { 0 };
    guint64 actual = 256 * MIB, before = 0;
    guint chunks = 0;

    urgent_ask(&request, &terms, START);
    for (guint64 missing; (missing = urgent_missing(&request, actual, START)) > 0; chunks++) {
        assert_true(before == 0 ? missing < 16 * MIB : missing <= 2 * before);
        /* The same as long as it has not come. */
        assert_int_equal(urgent_missing(&request, actual, START), missing);
        actual += missing;
        before = missing;
    }
    assert_int_equal(actual, 768 * MIB);
    assert_in_range(chunks, 5, 10);
}

/* A grain at least, or nothing would ever come. */
static void
test_guest_without_anything_gets_a_grain(void **state)
{
    UrgentTerms terms = make_terms(512, 0);
    UrgentRequest request = { 0 };

    terms.grain = 128 * MIB;
    urgent_ask(&request, &terms, START);
    assert_int_equal(urgent_missing(&request, 256 * MIB, START), 128 * MIB);
}

static void
test_balloon_comes_back_whole(void **state)
{
    UrgentTerms terms = make_terms(64, 1);
    UrgentRequest request = { 0 };

    terms.ballooned = 700 * MIB;
    urgent_ask(&request, &terms, START);
    assert_int_equal(urgent_missing(&request, 256 * MIB, START), 700 * MIB);
}

static void
test_ceiling_holds(void **state)
{
    UrgentTerms terms = make_terms(512, 500);
    UrgentRequest request = { 0 };

    terms.size = G_MAXUINT64;
    terms.ceiling = 1024 * MIB;
    urgent_ask(&request, &terms, START);
    assert_int_equal(urgent_missing(&request, 256 * MIB, START), 768 * MIB);
    terms.ceiling = 128 * MIB; /* lowered below what it has */
    urgent_forget(&request);
    urgent_ask(&request, &terms, START);
    assert_int_equal(urgent_missing(&request, 256 * MIB, START), 0);
}

static void
test_request_is_forgotten(void **state)
{
    UrgentTerms terms = make_terms(512, 40);
    UrgentRequest request = { 0 };

    urgent_ask(&request, &terms, START);
    assert_false(urgent_is_valid(&request, START + 10 * SECOND));
    assert_int_equal(urgent_missing(&request, 256 * MIB, START + 10 * SECOND), 0);
    /* What was asked for before that is void, too. */
    terms.size = 16 * MIB;
    urgent_ask(&request, &terms, START + 20 * SECOND);
    assert_int_equal(urgent_missing(&request, 256 * MIB, START + 20 * SECOND), 16 * MIB);
    urgent_forget(&request);
    assert_false(urgent_is_valid(&request, START + 20 * SECOND));
}

/* The fall goes on: what is asked for next is given faster. */
static void
test_second_request_adds_to_the_first(void **state)
{
    UrgentTerms terms = make_terms(64, 2);
    UrgentRequest request = { 0 };
    guint64 first;

    urgent_ask(&request, &terms, START);
    first = urgent_missing(&request, 256 * MIB, START);
    terms.actual = 256 * MIB + first;
    terms.size = 512 * MIB;
    urgent_ask(&request, &terms, START + SECOND);
    assert_int_equal(urgent_missing(&request, terms.actual, START + SECOND), 2 * first);
    assert_int_equal(request.goal, terms.actual + 512 * MIB);
    /* A smaller one takes nothing back. */
    terms.size = 1 * MIB;
    urgent_ask(&request, &terms, START + SECOND);
    assert_int_equal(request.goal, terms.actual + 512 * MIB);
}

/* A sample that is taken @at, of 1024 MiB. */
static void
look(SampleRing *ring, gint64 at, guint64 available, guint64 swapped_in)
{
    const Sample sample = { .time_us = at,
                            .source = SAMPLE_SOURCE_AGENT,
                            .fields = SAMPLE_AVAILABLE | SAMPLE_SWAP,
                            .total = 1024 * MIB,
                            .available = available * MIB,
                            .swap_in = swapped_in * MIB };

    sample_ring_push(ring, &sample);
}

/* Returns: whether a request of START is still borne in mind when the guest has told these two
 * things, the second of them @after the request. */
static gboolean
stands(gint64 after, guint64 available_before, guint64 available, guint64 swapped_in)
{
    UrgentTerms terms = make_terms(512, 40);
    UrgentRequest request = { 0 };
    SampleRing ring = { 0 };

    urgent_ask(&request, &terms, START);
    look(&ring, START + after - SECOND, available_before, 0);
    look(&ring, START + after, available, swapped_in);
    urgent_look(&request, &ring, START + after);
    return urgent_is_valid(&request, START + after);
}

static void
test_a_guest_that_is_well_asks_no_longer(void **state)
{
    assert_false(stands(SECOND, 400, 400, 0));
    assert_false(stands(5 * SECOND, 500, 400, 0));
    /* What was so before the request is what it came from. */
    assert_true(stands(SECOND - 1, 400, 400, 0));
    /* It still falls too fast: by 300 MiB a second, of which 550 last for less than two. */
    assert_true(stands(2 * SECOND, 850, 550, 0));
    /* Hardly anything is left, or it reads back from swap. */
    assert_true(stands(2 * SECOND, 40, 40, 0));
    assert_true(stands(2 * SECOND, 400, 400, 5));
}

static void
test_nothing_told_changes_nothing(void **state)
{
    UrgentTerms terms = make_terms(512, 40);
    UrgentRequest request = { 0 };
    SampleRing ring = { 0 };

    urgent_look(&request, &ring, START);
    assert_false(urgent_is_valid(&request, START));
    urgent_ask(&request, &terms, START);
    urgent_look(&request, &ring, START + 5 * SECOND);
    look(&ring, START + 5 * SECOND, 400, 0);
    urgent_look(&request, &ring, START + 5 * SECOND);
    assert_true(urgent_is_valid(&request, START + 5 * SECOND));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_affordable_request_is_given_whole),
        cmocka_unit_test(test_poor_guest_gets_it_in_chunks),
        cmocka_unit_test(test_guest_without_anything_gets_a_grain),
        cmocka_unit_test(test_balloon_comes_back_whole),
        cmocka_unit_test(test_ceiling_holds),
        cmocka_unit_test(test_request_is_forgotten),
        cmocka_unit_test(test_second_request_adds_to_the_first),
        cmocka_unit_test(test_a_guest_that_is_well_asks_no_longer),
        cmocka_unit_test(test_nothing_told_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
