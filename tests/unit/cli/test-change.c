/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MIB  (G_GUINT64_CONSTANT(1) << 20)
#define MINE 7 /* the decision that is followed */

/* A guest's state; the skeleton of the interface holds it as a proxy does. */
static BusGuest *
guest_in(guint64 decision, const char *phase, guint64 actual_mib, guint64 grain_mib,
         const char *reason)
{
    BusGuest *guest = bus_guest_skeleton_new();

    bus_guest_set_name(guest, "web");
    bus_guest_set_decision(guest, decision);
    bus_guest_set_phase(guest, phase);
    bus_guest_set_actual(guest, actual_mib * MIB);
    bus_guest_set_requested(guest, 562 * MIB);
    bus_guest_set_grain(guest, grain_mib * MIB);
    bus_guest_set_reason(guest, reason);
    return guest;
}

static Change *
change_at(guint64 decision, const char *phase, guint64 actual_mib, guint64 grain_mib,
          const char *reason)
{
    g_autoptr(BusGuest) before = guest_in(1, "settled", 256, 2, "");
    g_autoptr(BusGuest) after = guest_in(decision, phase, actual_mib, grain_mib, reason);
    Change *change = change_new(before, 562 * MIB);

    change_update(change, after, MINE);
    change->seconds = 0.314;
    return change;
}

static void
test_judgement(void **state)
{
    static const struct {
        guint64 decision;
        const char *phase;
        guint64 actual_mib, grain_mib;
        ChangeOutcome expected;
    } rows[] = {
        /* An earlier decision's end is not ours, whatever it looks like. */
        { MINE - 1, "settled", 562, 2, CHANGE_MOVING },
        { MINE - 1, "short", 300, 2, CHANGE_MOVING },
        { MINE, "moving", 562, 2, CHANGE_MOVING },
        { MINE, "unknown", 562, 2, CHANGE_MOVING },
        { MINE, "settled", 562, 2, CHANGE_SETTLED },
        { MINE + 1, "settled", 562, 2, CHANGE_SETTLED },
        { MINE, "settled", 563, 2, CHANGE_ROUNDED },
        { MINE, "settled", 561, 2, CHANGE_ROUNDED },
        { MINE, "settled", 640, 128, CHANGE_ROUNDED },
        { MINE, "settled", 564, 2, CHANGE_OVERRULED },
        { MINE, "settled", 563, 0, CHANGE_OVERRULED },
        { MINE + 1, "moving", 562, 2, CHANGE_MOVING },
        { MINE, "short", 400, 2, CHANGE_SHORT },
        { MINE, "frozen", 400, 2, CHANGE_FROZEN },
        /* A phase of a later release stands still as well. */
        { MINE, "hibernating", 400, 2, CHANGE_SHORT },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Change) change =
            change_at(rows[i].decision, rows[i].phase, rows[i].actual_mib, rows[i].grain_mib, "");

        if (change->outcome != rows[i].expected)
            fail_msg("row %zu: outcome %d", i, (int)change->outcome);
        assert_int_equal(change->before, 256 * MIB);
        assert_int_equal(change->actual, rows[i].actual_mib * MIB);
    }
}

static void
assert_words(Change *change, gboolean success, const char *expected)
{
    g_autofree char *words = change_describe(change);

    assert_string_equal(words, expected);
    assert_int_equal(change_succeeded(change), success);
    change_free(change);
}

static void
test_words(void **state)
{
    Change *asked = change_at(1, "moving", 256, 2, "");
    Change *late = change_at(MINE, "moving", 400, 2, "");

    assert_words(change_at(MINE, "settled", 562, 2, ""), TRUE,
                 "web: 562 MiB (was 256 MiB) in 0.31 s");
    assert_words(change_at(MINE, "settled", 640, 128, ""), TRUE,
                 "web: 640 MiB (was 256 MiB) in 0.31 s; not exactly 562 MiB, for its steps are "
                 "128 MiB");
    asked->outcome = CHANGE_ASKED;
    assert_words(asked, TRUE, "web: asked for 562 MiB (has 256 MiB)");
    assert_words(change_at(MINE, "short", 400, 2, "no slot is free"), FALSE,
                 "web: 400 MiB, asked for 562 MiB (was 256 MiB), after 0.31 s: no slot is free");
    assert_words(change_at(MINE, "short", 400, 2, ""), FALSE,
                 "web: 400 MiB, asked for 562 MiB (was 256 MiB), after 0.31 s: it goes no further");
    late->outcome = CHANGE_TIMED_OUT;
    assert_words(late, FALSE,
                 "web: 400 MiB, asked for 562 MiB (was 256 MiB), after 0.31 s: still moving when "
                 "the time was up; it goes on");
}

static void
test_reason_cannot_move_the_cursor(void **state)
{
    assert_words(change_at(MINE, "short", 400, 2, "\033[2J\n"), FALSE,
                 "web: 400 MiB, asked for 562 MiB (was 256 MiB), after 0.31 s: ?[2J ");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judgement),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_reason_cannot_move_the_cursor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
