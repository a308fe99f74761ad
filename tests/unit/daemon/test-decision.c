/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/decision.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static void
test_says_from_what_to_what_and_why(void **state)
{
    const PlanGuest plan = { .forecast = { .demand = 371 * MIB + MIB / 5, .reason = "growing" },
                             .target = 384 * MIB };
    g_autofree char *text = decision_describe(&plan, 256 * MIB);

    assert_string_equal(text, "256 MiB → 384 MiB: demand 371.2 MiB (growing)");
}

static void
test_names_every_limit_that_changed_it(void **state)
{
    const PlanGuest plan = { .forecast = { .demand = 100 * MIB, .reason = "in use" },
                             .target = 128 * MIB,
                             .limits = LIMIT_FLOOR | LIMIT_STEP };
    g_autofree char *text = decision_describe(&plan, 256 * MIB);
    g_autofree char *wanted =
        g_strdup_printf("256 MiB → 128 MiB: demand 100 MiB (in use); %s, %s",
                        limit_describe(LIMIT_FLOOR), limit_describe(LIMIT_STEP));

    assert_string_equal(text, wanted);
}

/* What a trial holds back, it tells itself; what probing found is told where it counts. */
static void
test_tells_of_trials_and_probes(void **state)
{
    const PlanGuest plan = { .forecast = { .demand = 100 * MIB, .reason = "in use" },
                             .target = 320 * MIB,
                             .found = 20 * MIB,
                             .limits = LIMIT_TRIAL,
                             .hold = SHRINK_HOLD_UNDOING };
    g_autofree char *text = decision_describe(&plan, 256 * MIB);
    g_autofree char *wanted =
        g_strdup_printf("256 MiB → 320 MiB: demand 100 MiB (in use) less 20 MiB by probing; %s",
                        shrink_hold_describe(SHRINK_HOLD_UNDOING));

    assert_string_equal(text, wanted);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_from_what_to_what_and_why),
        cmocka_unit_test(test_names_every_limit_that_changed_it),
        cmocka_unit_test(test_tells_of_trials_and_probes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
