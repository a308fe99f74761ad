/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When an agent is not listened to any more, and for how long. */
#include "monitor/agent-conduct.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SECOND ((gint64)G_USEC_PER_SEC)
#define START  (1000 * SECOND)

static gboolean
charge(AgentConduct *conduct, AgentCharge what, gint64 now)
{
    return agent_conduct_charge(conduct, &what, now);
}

static void
test_bucket_refills_up_to_its_rim(void **state)
{
    RateBucket bucket;

    rate_bucket_start(&bucket, 10, 2, START);
    assert_true(rate_bucket_charge(&bucket, 10, START));
    assert_false(rate_bucket_charge(&bucket, 1, START));
    assert_true(rate_bucket_charge(&bucket, 1, START + SECOND / 2));
    assert_false(rate_bucket_charge(&bucket, 10.5, START + 3600 * SECOND));
    assert_true(rate_bucket_charge(&bucket, 10, START + 3600 * SECOND));
    /* What is refused costs nothing, and time does not run backwards. */
    assert_false(rate_bucket_charge(&bucket, 1, START));
    assert_true(rate_bucket_charge(&bucket, 2, START + 3601 * SECOND));
}

/* The most that an honest agent sends: ten large samples a second, for a day. */
static void
test_busy_agent_is_borne(void **state)
{
    AgentConduct conduct;

    agent_conduct_start(&conduct, START);
    for (gint64 i = 0; i < 10 * 86400; i++)
        assert_true(
            charge(&conduct, (AgentCharge){ .bytes = 2000, .frames = 1 }, START + i * SECOND / 10));
    assert_false(agent_conduct_is_dropped(&conduct, START + 86400 * SECOND));
    assert_null(conduct.reason);
}

/* What a full socket holds after memplugd was stopped comes at once. */
static void
test_what_waited_is_borne(void **state)
{
    AgentConduct conduct;

    agent_conduct_start(&conduct, START);
    for (guint i = 0; i < 52; i++)
        assert_true(charge(&conduct, (AgentCharge){ .bytes = 4096, .frames = 5 }, START));
}

static void
test_flood_is_dropped(void **state)
{
    AgentConduct conduct;
    guint64 borne = 0;

    agent_conduct_start(&conduct, START);
    while (charge(&conduct, (AgentCharge){ .bytes = 4096, .frames = 1 }, START))
        borne += 4096;
    assert_in_range(borne, 200 << 10, 1 << 20);
    assert_true(agent_conduct_is_dropped(&conduct, START));
    assert_string_equal(conduct.reason, "it sends more than any agent needs to");
    assert_int_equal(conduct.dropped, 1);
}

static void
test_small_frames_without_end_are_dropped(void **state)
{
    AgentConduct conduct;
    guint borne = 0;

    agent_conduct_start(&conduct, START);
    while (charge(&conduct, (AgentCharge){ .bytes = 44, .frames = 1 }, START + borne * 100))
        borne++;
    assert_in_range(borne, 100, 2000);
}

static void
test_noise_is_dropped_early(void **state)
{
    AgentConduct conduct;

    agent_conduct_start(&conduct, START);
    assert_true(charge(&conduct, (AgentCharge){ .bytes = 4096, .noise = 4096 }, START));
    assert_false(charge(&conduct, (AgentCharge){ .bytes = 32768, .noise = 32768 }, START));
    assert_string_equal(conduct.reason, "it sends what is no frame");
}

static void
test_lies_are_dropped(void **state)
{
    AgentConduct conduct;
    guint borne = 0;

    agent_conduct_start(&conduct, START);
    while (charge(&conduct, (AgentCharge){ .bytes = 800, .frames = 1, .refusals = 1 },
                  START + borne * SECOND))
        borne++;
    assert_in_range(borne, 4, 20);
    assert_string_equal(conduct.reason, "what it says cannot be true");
}

static gint64
misbehave(AgentConduct *conduct, gint64 now)
{
    assert_false(charge(conduct, (AgentCharge){ .noise = 1 << 20 }, now));
    return conduct->until_us - now;
}

/* Each time twice as long, with an end; and forgiven by who behaved for long enough. */
static void
test_pauses_grow(void **state)
{
    AgentConduct conduct;
    gint64 now = START, first, pause;

    agent_conduct_start(&conduct, now);
    first = pause = misbehave(&conduct, now);
    assert_true(first >= SECOND);
    for (guint i = 0; i < 40; i++) {
        gint64 before = pause;

        now = conduct.until_us;
        assert_false(agent_conduct_is_dropped(&conduct, now));
        pause = misbehave(&conduct, now);
        assert_true(pause >= before && pause <= 2 * before);
    }
    assert_true(pause > 10 * first && pause <= 3600 * SECOND);
    assert_int_equal(misbehave(&conduct, now + 86400 * SECOND), first);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bucket_refills_up_to_its_rim),
        cmocka_unit_test(test_busy_agent_is_borne),
        cmocka_unit_test(test_what_waited_is_borne),
        cmocka_unit_test(test_flood_is_dropped),
        cmocka_unit_test(test_small_frames_without_end_are_dropped),
        cmocka_unit_test(test_noise_is_dropped_early),
        cmocka_unit_test(test_lies_are_dropped),
        cmocka_unit_test(test_pauses_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
