/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor/guest-monitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define SECOND ((gint64)G_USEC_PER_SEC)
#define MOST   (1024 * MIB)
#define PERIOD 2
#define START  (1000 * SECOND)

/* What a kernel of today answers. */
static BalloonStats
good_stats(guint64 last_update_s)
{
    BalloonStats stats = { .last_update_s = last_update_s };

    for (guint i = 0; i < BALLOON_STAT_COUNT; i++)
        stats.values[i] = i + 1;
    stats.values[BALLOON_STAT_TOTAL] = 256 * MIB;
    stats.values[BALLOON_STAT_FREE] = 100 * MIB;
    stats.values[BALLOON_STAT_AVAILABLE] = 150 * MIB;
    stats.values[BALLOON_STAT_DISK_CACHES] = 60 * MIB;
    return stats;
}

/* What QEMU tells before the driver has answered. */
static BalloonStats
no_stats(void)
{
    BalloonStats stats = { .last_update_s = 0 };

    for (guint i = 0; i < BALLOON_STAT_COUNT; i++)
        stats.values[i] = BALLOON_STAT_MISSING;
    return stats;
}

static GuestMonitorVerdict
answer(GuestMonitor *monitor, guint64 last_update_s, gint64 now)
{
    BalloonStats stats = good_stats(last_update_s);

    return guest_monitor_update(monitor, &stats, MOST, now);
}

/* A monitor that has seen a guest which has not answered yet. */
static GuestMonitor
started_monitor(void)
{
    BalloonStats none = no_stats();
    GuestMonitor monitor;

    guest_monitor_start(&monitor, PERIOD, START);
    assert_int_equal(guest_monitor_update(&monitor, &none, MOST, START), GUEST_MONITOR_SAME);
    return monitor;
}

static void
test_answer_becomes_a_sample(void **state)
{
    GuestMonitor monitor = started_monitor();
    const Sample *sample;

    assert_int_equal(answer(&monitor, 7, START + SECOND), GUEST_MONITOR_SAMPLE);
    sample = sample_ring_get(&monitor.ring, 0);
    assert_int_equal(sample->time_us, START + SECOND);
    assert_int_equal(sample->fields,
                     SAMPLE_AVAILABLE | SAMPLE_SWAP | SAMPLE_FAULTS | SAMPLE_STALLS | SAMPLE_SCANS);
    assert_int_equal(sample->source, SAMPLE_SOURCE_BALLOON);
    assert_int_equal(sample->total, 256 * MIB);
    assert_int_equal(sample->free, 100 * MIB);
    assert_int_equal(sample->available, 150 * MIB);
    assert_int_equal(sample->cached, 60 * MIB);
    assert_int_equal(sample->swap_in, 1 + BALLOON_STAT_SWAP_IN);
    assert_int_equal(sample->swap_out, 1 + BALLOON_STAT_SWAP_OUT);
    assert_int_equal(sample->major_faults, 1 + BALLOON_STAT_MAJOR_FAULTS);
    assert_int_equal(sample->alloc_stalls, 1 + BALLOON_STAT_ALLOC_STALL);
    assert_int_equal(sample->oom_kills, 1 + BALLOON_STAT_OOM_KILL);
    assert_int_equal(sample->direct_scans, 1 + BALLOON_STAT_DIRECT_SCAN);
    assert_int_equal(sample->direct_steals, 1 + BALLOON_STAT_DIRECT_RECLAIM);
}

static void
test_only_a_new_answer_is_a_sample(void **state)
{
    GuestMonitor monitor = started_monitor();

    assert_int_equal(answer(&monitor, 7, START + 1 * SECOND), GUEST_MONITOR_SAMPLE);
    assert_int_equal(answer(&monitor, 7, START + 2 * SECOND), GUEST_MONITOR_SAME);
    assert_int_equal(answer(&monitor, 8, START + 3 * SECOND), GUEST_MONITOR_SAMPLE);
    assert_int_equal(monitor.ring.count, 2);
    /* The host's clock was set back: still another answer. */
    assert_int_equal(answer(&monitor, 3, START + 4 * SECOND), GUEST_MONITOR_SAMPLE);
}

/* QEMU keeps the last answer while nobody polls: it may be hours old. */
static void
test_first_answer_seen_may_be_old(void **state)
{
    GuestMonitor monitor;

    guest_monitor_start(&monitor, PERIOD, START);
    assert_int_equal(answer(&monitor, 7, START), GUEST_MONITOR_SAME);
    assert_int_equal(guest_monitor_state(&monitor, START), GUEST_MONITOR_NEVER);
    assert_int_equal(answer(&monitor, 9, START + SECOND), GUEST_MONITOR_SAMPLE);
    assert_int_equal(guest_monitor_state(&monitor, START + SECOND), GUEST_MONITOR_FRESH);
}

static void
test_missing_values(void **state)
{
    GuestMonitor monitor = started_monitor();
    BalloonStats stats = no_stats();
    const Sample *sample;

    /* The first kernels with a balloon told no more than this. */
    stats.last_update_s = 7;
    stats.values[BALLOON_STAT_TOTAL] = 256 * MIB;
    stats.values[BALLOON_STAT_FREE] = 100 * MIB;
    assert_int_equal(guest_monitor_update(&monitor, &stats, MOST, START + 1000), GUEST_MONITOR_SAMPLE);
    sample = sample_ring_get(&monitor.ring, 0);
    assert_int_equal(sample->fields, 0);
    assert_int_equal(sample->available, 100 * MIB);
    assert_int_equal(sample->swap_in, 0);
    assert_int_equal(sample->alloc_stalls, 0);

    /* Page cache counts as available, but not more than there is. */
    stats.last_update_s = 8;
    stats.values[BALLOON_STAT_DISK_CACHES] = 60 * MIB;
    guest_monitor_update(&monitor, &stats, MOST, START + 2000);
    assert_int_equal(sample_ring_get(&monitor.ring, 0)->available, 160 * MIB);
    stats.last_update_s = 9;
    stats.values[BALLOON_STAT_DISK_CACHES] = 256 * MIB;
    guest_monitor_update(&monitor, &stats, MOST, START + 3000);
    assert_int_equal(sample_ring_get(&monitor.ring, 0)->available, 256 * MIB);

    /* Swapping is known by both counters or not at all. */
    stats.last_update_s = 10;
    stats.values[BALLOON_STAT_SWAP_IN] = 5;
    guest_monitor_update(&monitor, &stats, MOST, START + 4);
    assert_int_equal(sample_ring_get(&monitor.ring, 0)->fields, 0);
}

static void
test_lies_are_refused(void **state)
{
    static const struct {
        BalloonStat stat;
        guint64 value;
        const char *refusal;
    } rows[] = {
        { BALLOON_STAT_TOTAL, 0, "the guest claims to have no memory" },
        { BALLOON_STAT_TOTAL, BALLOON_STAT_MISSING, "the guest tells no total or no free memory" },
        { BALLOON_STAT_FREE, BALLOON_STAT_MISSING, "the guest tells no total or no free memory" },
        { BALLOON_STAT_TOTAL, MOST + 1, "the guest claims more memory than it can have" },
        { BALLOON_STAT_TOTAL, G_MAXUINT64 - 1, "the guest claims more memory than it can have" },
        { BALLOON_STAT_FREE, 256 * MIB + 1, "the guest claims more free memory than it has" },
        { BALLOON_STAT_AVAILABLE, 256 * MIB + 1,
          "the guest claims more available memory than it has" },
        { BALLOON_STAT_DISK_CACHES, 256 * MIB + 1,
          "the guest claims more page cache than it has memory" },
    };
    GuestMonitor monitor = started_monitor();

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        BalloonStats stats = good_stats(100 + i);

        stats.values[rows[i].stat] = rows[i].value;
        assert_int_equal(guest_monitor_update(&monitor, &stats, MOST, START + i),
                         GUEST_MONITOR_REFUSED);
        assert_int_equal(monitor.refused, i + 1);
        assert_string_equal(monitor.refusal, rows[i].refusal);
        assert_string_equal(guest_monitor_trouble(&monitor, START + i), rows[i].refusal);
        assert_int_equal(monitor.ring.count, 0);
    }

    /* One that tells the truth again is believed again; the count stays. */
    assert_int_equal(answer(&monitor, 7, START + SECOND), GUEST_MONITOR_SAMPLE);
    assert_null(monitor.refusal);
    assert_null(guest_monitor_trouble(&monitor, START + SECOND));
    assert_int_equal(monitor.refused, G_N_ELEMENTS(rows));
}

static void
test_limits_of_the_plausible(void **state)
{
    GuestMonitor monitor = started_monitor();
    BalloonStats stats = good_stats(7);

    stats.values[BALLOON_STAT_TOTAL] = MOST;
    stats.values[BALLOON_STAT_FREE] = MOST;
    stats.values[BALLOON_STAT_AVAILABLE] = MOST;
    assert_int_equal(guest_monitor_update(&monitor, &stats, MOST, START), GUEST_MONITOR_SAMPLE);
}

static void
test_states(void **state)
{
    GuestMonitor monitor = started_monitor();
    const gint64 patience = 3 * PERIOD * SECOND, answered = START + SECOND;

    assert_int_equal(guest_monitor_state(&monitor, START), GUEST_MONITOR_NEVER);
    assert_string_equal(guest_monitor_trouble(&monitor, START + patience),
                        "the balloon driver has not answered yet");
    assert_string_equal(guest_monitor_trouble(&monitor, START + patience + 1),
                        "the balloon driver never answered");

    answer(&monitor, 7, answered);
    assert_int_equal(guest_monitor_state(&monitor, answered + patience), GUEST_MONITOR_FRESH);
    assert_null(guest_monitor_trouble(&monitor, answered + patience));
    assert_int_equal(guest_monitor_state(&monitor, answered + patience + 1), GUEST_MONITOR_STALE);
    assert_string_equal(guest_monitor_trouble(&monitor, answered + patience + 1),
                        "the balloon driver no longer answers");
    assert_int_equal(monitor.ring.count, 1);

    answer(&monitor, 8, answered + 2 * patience);
    assert_int_equal(guest_monitor_state(&monitor, answered + 2 * patience), GUEST_MONITOR_FRESH);
}

/* QEMU forgets the last answer when the device is reset. */
static void
test_no_answer_any_more_is_no_answer(void **state)
{
    GuestMonitor monitor = started_monitor();
    BalloonStats none = no_stats();

    answer(&monitor, 7, START + SECOND);
    assert_int_equal(guest_monitor_update(&monitor, &none, MOST, START + 2 * SECOND),
                     GUEST_MONITOR_SAME);
    assert_int_equal(monitor.refused, 0);
    assert_int_equal(answer(&monitor, 8, START + 3 * SECOND), GUEST_MONITOR_SAMPLE);
}

/* QEMU's timer re-arms only when the guest answers. */
static void
test_period_is_set_again(void **state)
{
    GuestMonitor monitor = started_monitor();
    const gint64 patience = 3 * PERIOD * SECOND;
    gint64 now = START;

    /* At first, then only once per three periods while nobody answers. */
    assert_int_equal(guest_monitor_check(&monitor, now), GUEST_MONITOR_SET_PERIOD);
    assert_int_equal(guest_monitor_check(&monitor, now + patience), GUEST_MONITOR_NOTHING);
    now += patience + 1;
    assert_int_equal(guest_monitor_check(&monitor, now), GUEST_MONITOR_SET_PERIOD);
    assert_int_equal(guest_monitor_check(&monitor, now + 1), GUEST_MONITOR_NOTHING);

    /* Not while it answers, even if what it says is refused: the path is alive. */
    for (guint64 i = 1; i <= 20; i++) {
        BalloonStats stats = good_stats(i);

        now += PERIOD * SECOND;
        if (i % 2)
            stats.values[BALLOON_STAT_TOTAL] = 0;
        guest_monitor_update(&monitor, &stats, MOST, now);
        assert_int_equal(guest_monitor_check(&monitor, now), GUEST_MONITOR_NOTHING);
    }

    /* One reply is lost. */
    answer(&monitor, 20, now + patience);
    assert_int_equal(guest_monitor_check(&monitor, now + patience), GUEST_MONITOR_NOTHING);
    assert_int_equal(guest_monitor_check(&monitor, now + patience + 1), GUEST_MONITOR_SET_PERIOD);
    assert_int_equal(guest_monitor_check(&monitor, now + patience + 2), GUEST_MONITOR_NOTHING);
}

static void
test_another_period_is_set_at_once(void **state)
{
    GuestMonitor monitor = started_monitor();

    guest_monitor_check(&monitor, START);
    answer(&monitor, 7, START);
    guest_monitor_set_period(&monitor, 0);
    assert_int_equal(monitor.period_s, 1);
    assert_int_equal(guest_monitor_check(&monitor, START + 1), GUEST_MONITOR_SET_PERIOD);
    assert_int_equal(guest_monitor_check(&monitor, START + 2), GUEST_MONITOR_NOTHING);
}

static void
test_reset_forgets_the_run_before(void **state)
{
    GuestMonitor monitor = started_monitor();
    BalloonStats lie = good_stats(8);
    gint64 now = START + 3 * SECOND;

    guest_monitor_check(&monitor, START);
    answer(&monitor, 7, START + SECOND);
    lie.values[BALLOON_STAT_TOTAL] = 0;
    guest_monitor_update(&monitor, &lie, MOST, START + 2 * SECOND);

    guest_monitor_reset(&monitor, now);
    assert_int_equal(monitor.ring.count, 0);
    assert_int_equal(monitor.refused, 0);
    assert_int_equal(monitor.period_s, PERIOD);
    assert_int_equal(guest_monitor_state(&monitor, now), GUEST_MONITOR_NEVER);
    assert_string_equal(guest_monitor_trouble(&monitor, now),
                        "the balloon driver has not answered yet");
    /* The answer of the run before is still there to be read. */
    assert_int_equal(answer(&monitor, 8, now), GUEST_MONITOR_SAME);
    assert_int_equal(guest_monitor_check(&monitor, now), GUEST_MONITOR_SET_PERIOD);
    assert_int_equal(answer(&monitor, 9, now + SECOND), GUEST_MONITOR_SAMPLE);
}

static Sample
agent_sample(gint64 now)
{
    return (Sample){
        .time_us = now, .source = SAMPLE_SOURCE_AGENT, .total = 512 * MIB, .available = 300 * MIB
    };
}

/* The agent's samples go before the balloon's, whose age is told all the same. */
static void
test_agent_goes_first(void **state)
{
    GuestMonitor monitor = started_monitor();
    Sample sample = agent_sample(START + SECOND);

    guest_monitor_take_agent(&monitor, &sample);
    assert_int_equal(guest_monitor_state(&monitor, START + SECOND), GUEST_MONITOR_FRESH);
    assert_int_equal(answer(&monitor, 7, START + 2 * SECOND), GUEST_MONITOR_SPARE);
    assert_int_equal(monitor.ring.count, 1);
    assert_int_equal(sample_ring_get(&monitor.ring, 0)->source, SAMPLE_SOURCE_AGENT);
    assert_int_equal(monitor.balloon.time_us, START + 2 * SECOND);
    assert_int_equal(monitor.agent.time_us, START + SECOND);
    assert_int_equal(monitor.balloon.total, 256 * MIB);
}

static void
test_balloon_serves_when_the_agent_falls_silent(void **state)
{
    GuestMonitor monitor = started_monitor();
    Sample sample = agent_sample(START + SECOND);
    gint64 later = START + 20 * SECOND;

    guest_monitor_take_agent(&monitor, &sample);
    assert_true(guest_monitor_has_agent(&monitor, START + 7 * SECOND));
    assert_false(guest_monitor_has_agent(&monitor, later));
    assert_int_equal(guest_monitor_state(&monitor, later), GUEST_MONITOR_STALE);
    assert_int_equal(answer(&monitor, 7, later), GUEST_MONITOR_SAMPLE);
    assert_int_equal(sample_ring_get(&monitor.ring, 0)->source, SAMPLE_SOURCE_BALLOON);
    assert_int_equal(guest_monitor_state(&monitor, later), GUEST_MONITOR_FRESH);
    sample.time_us = later + SECOND;
    guest_monitor_take_agent(&monitor, &sample);
    assert_int_equal(sample_ring_get(&monitor.ring, 0)->source, SAMPLE_SOURCE_AGENT);
}

/* What waited comes at once: only the latest of it is the guest's state. */
static void
test_samples_at_once_count_as_one(void **state)
{
    GuestMonitor monitor = started_monitor();

    for (guint i = 0; i < 100; i++) {
        Sample sample = agent_sample(START + SECOND + i);

        sample.available = i * MIB;
        guest_monitor_take_agent(&monitor, &sample);
    }
    assert_int_equal(monitor.ring.count, 1);
    assert_int_equal(sample_ring_get(&monitor.ring, 0)->available, 99 * MIB);
}

static void
test_reset_forgets_the_agent(void **state)
{
    GuestMonitor monitor = started_monitor();
    Sample sample = agent_sample(START + SECOND);

    guest_monitor_take_agent(&monitor, &sample);
    guest_monitor_reset(&monitor, START + SECOND);
    assert_false(guest_monitor_has_agent(&monitor, START + SECOND));
    assert_int_equal(guest_monitor_state(&monitor, START + SECOND), GUEST_MONITOR_NEVER);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agent_goes_first),
        cmocka_unit_test(test_balloon_serves_when_the_agent_falls_silent),
        cmocka_unit_test(test_samples_at_once_count_as_one),
        cmocka_unit_test(test_reset_forgets_the_agent),
        cmocka_unit_test(test_answer_becomes_a_sample),
        cmocka_unit_test(test_only_a_new_answer_is_a_sample),
        cmocka_unit_test(test_first_answer_seen_may_be_old),
        cmocka_unit_test(test_missing_values),
        cmocka_unit_test(test_lies_are_refused),
        cmocka_unit_test(test_limits_of_the_plausible),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_no_answer_any_more_is_no_answer),
        cmocka_unit_test(test_period_is_set_again),
        cmocka_unit_test(test_another_period_is_set_at_once),
        cmocka_unit_test(test_reset_forgets_the_run_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
