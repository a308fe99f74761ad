/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "allocate/planner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define SECOND ((gint64)G_USEC_PER_SEC)
#define NOW    (1000 * SECOND)

/* A guest with all that a PlanGuest borrows. Not to be moved once it is made. */
typedef struct {
    SampleRing ring;
    PredictorState state;
} Memory;

/* At 1024 MiB between 256 and 4096, which has used @used MiB for some seconds. */
static PlanGuest
make_guest(Memory *memory, guint64 used)
{
    const guint64 total = 1000 * MIB;

    for (gint64 i = 0; i < 5; i++) {
        Sample sample = {
            .time_us = NOW - (4 - i) * SECOND,
            .fields = SAMPLE_AVAILABLE,
            .total = total,
            .available = total - used * MIB,
        };

        sample_ring_push(&memory->ring, &sample);
    }
    predictor_headroom.start(&memory->state);
    return (PlanGuest){
        .ring = &memory->ring,
        .predictor = &predictor_headroom,
        .state = &memory->state,
        .actual = 1024 * MIB,
        .requested = 1024 * MIB,
        .floor = 256 * MIB,
        .ceiling = 4096 * MIB,
        .weight = 1,
        .grain = MIB,
    };
}

static PlanSettings
make_settings(guint64 budget)
{
    PlanSettings settings = { .policy = &policy_balance, .budget = budget * MIB };

    settings.tuning.shrink_step_min = 4096 * MIB; /* no damping, but for the policy's sake */
    return settings;
}

static PlanSummary
plan(const PlanSettings *settings, PlanGuest *guests, gsize n_guests)
{
    planner_predict(guests, n_guests, NOW);
    return planner_allocate(settings, guests, n_guests, NOW);
}

static void
test_from_samples_to_targets(void **state)
{
    Memory memory[2] = { 0 };
    PlanGuest guests[] = { make_guest(&memory[0], 800), make_guest(&memory[1], 400) };
    PlanSettings settings = make_settings(4096);
    PlanSummary summary = plan(&settings, guests, 2);

    /* In use, a quarter more, and the 24 MiB that the kernel keeps. */
    assert_int_equal(guests[0].forecast.demand, (800 + 200 + 24) * MIB);
    assert_int_equal(guests[0].target, 1024 * MIB);
    assert_int_equal(guests[0].limits, 0);
    assert_int_equal(guests[1].raw, (400 + 100 + 24) * MIB);
    assert_int_equal(guests[1].target, 524 * MIB);
    assert_int_equal(summary.lent, (1024 + 524) * MIB);
    assert_int_equal(summary.demand, (1024 + 524) * MIB);
    assert_int_equal(summary.shortfall, 0);
}

static void
test_guest_without_samples_is_pinned(void **state)
{
    Memory memory[2] = { 0 };
    PlanGuest guests[] = { make_guest(&memory[0], 800), make_guest(&memory[1], 400) };
    PlanSettings settings = make_settings(4096);
    PlanSummary summary;

    sample_ring_clear(&memory[1].ring);
    summary = plan(&settings, guests, 2);
    assert_int_equal(guests[0].pin, PLAN_PIN_NONE);
    assert_int_equal(guests[1].pin, PLAN_PIN_NO_SAMPLE);
    assert_int_equal(guests[1].target, 1024 * MIB);
    assert_int_equal(guests[1].raw, 1024 * MIB);
    assert_int_equal(guests[1].limits, 0);
    assert_int_equal(summary.lent, 2 * 1024 * MIB);
    assert_int_equal(summary.demand, 1024 * MIB);
}

static void
test_urgent_guest_gets_what_it_asks_for(void **state)
{
    Memory memory[2] = { 0 };
    PlanGuest guests[] = { make_guest(&memory[0], 400), make_guest(&memory[1], 400) };
    PlanSettings settings = make_settings(4096);

    guests[0].asking = TRUE;
    guests[0].urgent = 512 * MIB;
    plan(&settings, guests, 2);
    assert_true(guests[0].forecast.urgent);
    assert_int_equal(guests[0].forecast.need, (1024 + 512) * MIB);
    assert_int_equal(guests[0].forecast.demand, (1024 + 512) * MIB);
    assert_int_equal(guests[0].target, (1024 + 512) * MIB);
    assert_string_equal(guests[0].forecast.reason, "urgent: its agent asks for more");
    assert_false(guests[1].forecast.urgent);
    assert_int_equal(guests[1].target, 524 * MIB);
}

/* All that it asked for has come, which its samples do not show yet. */
static void
test_urgent_guest_keeps_what_came(void **state)
{
    Memory memory[2] = { 0 };
    PlanGuest guests[] = { make_guest(&memory[0], 400), make_guest(&memory[1], 1000) };
    PlanSettings settings = make_settings(2048);

    guests[0].asking = TRUE;
    guests[1].actual = guests[1].requested = 512 * MIB;
    plan(&settings, guests, 2);
    assert_int_equal(guests[0].target, 1024 * MIB);
}

/* It fell silent, or never spoke, but its agent does. */
static void
test_request_serves_where_statistics_are_missing(void **state)
{
    Memory memory[2] = { 0 };
    PlanGuest guests[] = { make_guest(&memory[0], 800), make_guest(&memory[1], 400) };
    PlanSettings settings = make_settings(4096);

    sample_ring_clear(&memory[0].ring);
    guests[0].urgent = guests[1].urgent = 256 * MIB;
    guests[0].pin = PLAN_PIN_NO_SAMPLE; /* as its owner has it */
    guests[1].pin = PLAN_PIN_HELD;
    plan(&settings, guests, 2);
    assert_int_equal(guests[0].pin, PLAN_PIN_NONE);
    assert_int_equal(guests[0].target, (1024 + 256) * MIB);
    assert_int_equal(guests[0].forecast.used, 1024 * MIB);
    assert_int_equal(guests[1].pin, PLAN_PIN_HELD);
    assert_int_equal(guests[1].target, 1024 * MIB);
}

/* A request is met within the fair share, whatever it asks for. */
static void
test_urgent_guest_takes_nothing_from_others(void **state)
{
    Memory memory[2] = { 0 };
    PlanGuest guests[] = { make_guest(&memory[0], 990), make_guest(&memory[1], 990) };
    PlanSettings settings = make_settings(2048);

    guests[0].asking = TRUE;
    guests[0].urgent = G_MAXUINT64;
    plan(&settings, guests, 2);
    assert_int_equal(guests[0].forecast.need, G_MAXUINT64);
    assert_int_equal(guests[0].target, 1024 * MIB);
    assert_int_equal(guests[1].target, 1024 * MIB);
}

/* Room for a burst is part of the demand only. */
static void
test_burst_is_room_to_be_kept(void **state)
{
    Memory memory[2] = { 0 };
    PlanGuest guests[] = { make_guest(&memory[0], 400), make_guest(&memory[1], 400) };
    PlanSettings settings = make_settings(4096);

    guests[0].burst = 300 * MIB;
    plan(&settings, guests, 2);
    assert_int_equal(guests[0].forecast.need, 524 * MIB);
    assert_int_equal(guests[0].forecast.demand, (400 + 300 + 24) * MIB);
    assert_string_equal(guests[0].forecast.reason, "room for its fastest burst");
    assert_int_equal(guests[1].forecast.demand, 524 * MIB);
}

/* A pinned guest has a forecast for people to see, and keeps why it is pinned. */
static void
test_pinned_guest_is_left_alone(void **state)
{
    Memory memory[2] = { 0 };
    PlanGuest guests[] = { make_guest(&memory[0], 800), make_guest(&memory[1], 400) };
    PlanSettings settings = make_settings(4096);

    guests[1].pin = PLAN_PIN_HELD;
    guests[1].requested = 100 * MIB; /* an administrator may go below the floor */
    plan(&settings, guests, 2);
    assert_int_equal(guests[1].pin, PLAN_PIN_HELD);
    assert_int_equal(guests[1].target, 100 * MIB);
    assert_true(guests[1].forecast.valid);

    sample_ring_clear(&memory[1].ring);
    plan(&settings, guests, 2);
    assert_int_equal(guests[1].pin, PLAN_PIN_HELD);
    assert_false(guests[1].forecast.valid);
}

/* Whatever is more of what it has and what it was asked for. */
static void
test_pinned_guest_counts_against_the_budget(void **state)
{
    Memory memory[3] = { 0 };
    PlanGuest guests[] = { make_guest(&memory[0], 400), make_guest(&memory[1], 900),
                           make_guest(&memory[2], 400) };
    PlanSettings settings = make_settings(4096);

    guests[0].pin = PLAN_PIN_HELD;
    guests[0].requested = 2048 * MIB;
    guests[2].pin = PLAN_PIN_FROZEN;
    guests[2].requested = 512 * MIB;
    plan(&settings, guests, 3);
    /* 4096 - 2048 - 1024 are left for the one between them, which demands more. */
    assert_true(guests[1].forecast.demand > 1024 * MIB);
    assert_int_equal(guests[1].raw, 1024 * MIB);
    assert_int_equal(guests[1].target, 1024 * MIB);
}

static void
test_shortfall_is_told(void **state)
{
    Memory memory[2] = { 0 };
    PlanGuest guests[] = { make_guest(&memory[0], 400), make_guest(&memory[1], 400) };
    PlanSettings settings = make_settings(1100);
    PlanSummary summary;

    guests[0].pin = PLAN_PIN_UNMANAGED;
    summary = plan(&settings, guests, 2);
    assert_int_equal(guests[1].target, 256 * MIB);
    assert_int_equal(summary.shortfall, (1024 + 256 - 1100) * MIB);

    settings.budget = 0;
    summary = planner_allocate(&settings, guests, 2, NOW);
    assert_int_equal(summary.shortfall, (1024 + 256) * MIB);
    settings.budget = (1024 + 256) * MIB;
    summary = planner_allocate(&settings, guests, 2, NOW);
    assert_int_equal(summary.shortfall, 0);
}

static void
test_why_a_target_changed_is_told(void **state)
{
    Memory memory[1] = { 0 };
    PlanGuest guests[] = { make_guest(&memory[0], 400) };
    PlanSettings settings = make_settings(4096);

    settings.tuning = limit_tuning_default;
    plan(&settings, guests, 1);
    assert_int_equal(guests[0].raw, 524 * MIB);
    assert_int_equal(guests[0].target, 1024 * MIB * 7 / 8);
    assert_int_equal(guests[0].limits, LIMIT_STEP);
}

static void
test_sums_do_not_wrap(void **state)
{
    Memory memory[2] = { 0 };
    PlanGuest guests[] = { make_guest(&memory[0], 400), make_guest(&memory[1], 400) };
    PlanSettings settings = make_settings(4096);
    PlanSummary summary;

    for (gsize i = 0; i < 2; i++) {
        guests[i].pin = PLAN_PIN_HELD;
        guests[i].requested = G_MAXUINT64 - 1;
    }
    summary = plan(&settings, guests, 2);
    assert_int_equal(summary.lent, G_MAXUINT64);
    assert_int_equal(summary.shortfall, G_MAXUINT64 - 4096 * MIB);
}

static void
test_no_guests(void **state)
{
    PlanSettings settings = make_settings(4096);
    PlanSummary summary = plan(&settings, NULL, 0);

    assert_int_equal(summary.lent, 0);
    assert_int_equal(summary.shortfall, 0);
}

/* A guest on trial, planned for and following every quarter of a second. */
typedef struct {
    Memory memory;
    ShrinkTrial trial;
    Probe probe;
    PlanGuest guest;
    PlanSettings settings;
    Sample sample;
    gint64 now;
} Course;

static void
course_make(Course *course, guint64 used, ProbeMode mode)
{
    memset(course, 0, sizeof *course);
    course->guest = make_guest(&course->memory, used);
    course->guest.trial = &course->trial;
    course->guest.probe = &course->probe;
    course->settings = make_settings(8192);
    course->settings.tuning = limit_tuning_default;
    course->settings.probe = mode;
    course->sample = *sample_ring_get(&course->memory.ring, 0);
    course->sample.fields |= SAMPLE_SWAP;
    course->now = NOW;
    shrink_trial_start(&course->trial);
    probe_start(&course->probe);
}

static void
course_go(Course *course, gint64 time_us)
{
    for (gint64 end = course->now + time_us; course->now < end; course->now += SECOND / 4) {
        course->sample.time_us = course->now;
        course->sample.available =
            course->sample.available + course->guest.actual - 24 * MIB - course->sample.total;
        course->sample.total = course->guest.actual - 24 * MIB;
        sample_ring_push(&course->memory.ring, &course->sample);
        planner_predict(&course->guest, 1, course->now);
        planner_allocate(&course->settings, &course->guest, 1, course->now);
        if (course->guest.target > course->guest.requested)
            course->guest.grown_us = course->now;
        course->guest.requested = course->guest.actual = course->guest.target;
    }
}

static void
test_shrink_is_on_trial(void **state)
{
    Course course;

    course_make(&course, 400, PROBE_NEVER);
    course_go(&course, SECOND / 4);
    assert_int_equal(course.guest.target, 1024 * MIB);
    assert_true(course.guest.limits & LIMIT_TRIAL);
    assert_int_equal(shrink_trial_hold(&course.trial, course.now), SHRINK_HOLD_STEP);
    course_go(&course, 5 * SECOND);
    assert_int_equal(course.guest.target, 896 * MIB);
    assert_int_equal(course.trial.state, SHRINK_TRIAL_WATCHED);
    /* It hurts: whole and at once. */
    course.sample.swap_in += 100 * MIB;
    course_go(&course, SECOND);
    assert_true(course.guest.target >= 1024 * MIB);
    /* In the end it is where its demand is. */
    course_go(&course, 600 * SECOND);
    assert_in_range(course.guest.target, 524 * MIB, 540 * MIB);
    assert_int_equal(course.trial.state, SHRINK_TRIAL_REST);
}

/* Below its demand a guest goes only if it may be probed, and back when it needs it. */
static void
test_probing(void **state)
{
    Course course;

    course_make(&course, 400, PROBE_ALWAYS);
    course_go(&course, 1200 * SECOND);
    assert_in_range(course.guest.target, (400 + 24 + 24) * MIB, (400 + 24 + 24 + 40) * MIB);
    assert_true(course.guest.found > 30 * MIB);
    /* Down to its reserve, it gets even the little that it needs more. */
    {
        guint64 before = course.guest.target;

        course.sample.available -= 10 * MIB;
        course_go(&course, SECOND);
        assert_true(course.guest.target > before);
        course.sample.available += 10 * MIB;
    }
    course.settings.probe = PROBE_WANTED;
    course_go(&course, SECOND);
    assert_int_equal(course.guest.found, 0);
    assert_in_range(course.guest.target, 524 * MIB, 545 * MIB);
    /* The budget is wanted: less than all demand. */
    course.settings.budget = 500 * MIB;
    course_go(&course, 600 * SECOND);
    assert_true(course.guest.target < 500 * MIB);
}

/* A policy with a pace of its own takes what it takes; nothing is told to be given back. */
static void
test_paced_policy_tries_nothing(void **state)
{
    Course course;

    course_make(&course, 400, PROBE_ALWAYS);
    course.settings.tuning.undamped = TRUE;
    course_go(&course, 5 * SECOND);
    assert_in_range(course.guest.target, 524 * MIB, 525 * MIB);
    course.sample.swap_in += 100 * MIB;
    course_go(&course, 60 * SECOND);
    assert_int_equal(course.trial.outcomes, 0);
    assert_int_equal(course.guest.found, 0);
}

/* A guest that is held, or that nobody knows of, is on no trial. */
static void
test_pinned_guest_is_on_no_trial(void **state)
{
    Course course;

    course_make(&course, 400, PROBE_NEVER);
    course_go(&course, 5 * SECOND);
    assert_int_equal(course.trial.state, SHRINK_TRIAL_WATCHED);
    course.guest.pin = PLAN_PIN_NO_SAMPLE;
    course_go(&course, SECOND);
    assert_int_equal(course.trial.state, SHRINK_TRIAL_WATCHED);
    course.guest.pin = PLAN_PIN_HELD;
    course_go(&course, SECOND);
    assert_int_equal(course.trial.state, SHRINK_TRIAL_REST);
    assert_int_equal(course.guest.target, 896 * MIB);
}

static void
test_every_pin_has_its_text(void **state)
{
    for (guint i = 0; i <= PLAN_PIN_NO_SAMPLE; i++) {
        assert_non_null(plan_pin_describe((PlanPin)i));
        for (guint j = 0; j < i; j++)
            assert_string_not_equal(plan_pin_describe((PlanPin)i), plan_pin_describe((PlanPin)j));
    }
}

static guint times_asked;

/* A rule of another system: it doubles what a guest has, and speaks every ten seconds. */
static void
double_all(const HostView *host, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    times_asked++;
    for (gsize i = 0; i < n_guests; i++)
        targets[i] = MIN(guests[i].requested * 2, guests[i].ceiling);
}

static const Policy policy_seldom = {
    .name = "seldom",
    .interval_us = 10 * SECOND,
    .allocate = double_all,
};

static void
test_policy_speaks_at_its_own_interval(void **state)
{
    Memory memory[2] = { 0 };
    PlanGuest guests[] = { make_guest(&memory[0], 800), make_guest(&memory[1], 800) };
    PlanSettings settings = make_settings(64 * 1024);
    gint64 spoken = 0;

    settings.policy = &policy_seldom;
    settings.spoken_us = &spoken;
    times_asked = 0;
    plan(&settings, guests, 1);
    assert_int_equal(guests[0].target, 2048 * MIB);
    assert_int_equal(spoken, NOW);

    /* It does not double again so soon; and the second guest, which is new, waits. */
    guests[0].requested = guests[0].actual = 2048 * MIB;
    planner_allocate(&settings, guests, 2, NOW + 10 * SECOND - 1);
    assert_int_equal(guests[0].raw, 2048 * MIB);
    assert_int_equal(guests[1].raw, 1024 * MIB);
    assert_int_equal(times_asked, 1);
    planner_allocate(&settings, guests, 2, NOW + 10 * SECOND);
    assert_int_equal(guests[0].raw, 4096 * MIB);
    assert_int_equal(guests[1].raw, 2048 * MIB);
    assert_int_equal(times_asked, 2);

    settings.spoken_us = NULL;
    planner_allocate(&settings, guests, 2, NOW + 10 * SECOND);
    assert_int_equal(times_asked, 3);
}

static void
give_floor(const HostView *host, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    for (gsize i = 0; i < n_guests; i++)
        targets[i] = guests[i].floor;
}

/* The limits neither better nor worsen a rule that has its own pace. */
static void
test_paced_policy_is_not_damped(void **state)
{
    static const Policy damped = { .name = "damped", .allocate = give_floor },
                        paced = { .name = "paced", .allocate = give_floor, .paced = TRUE };
    Memory memory = { 0 };
    PlanGuest guest = make_guest(&memory, 300);
    PlanSettings settings = make_settings(64 * 1024);

    settings.tuning = limit_tuning_default;
    guest.grown_us = NOW;
    settings.policy = &damped;
    plan(&settings, &guest, 1);
    assert_int_equal(guest.target, 1024 * MIB);
    assert_true(guest.limits & LIMIT_COOL_DOWN);
    settings.policy = &paced;
    plan(&settings, &guest, 1);
    assert_int_equal(guest.target, 256 * MIB);
    assert_int_equal(guest.limits, 0);
}

/* What a rule of another system looks at comes from the latest sample as it is. */
static GuestView seen;
static HostView host_seen;

static void
look_on(const HostView *host, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    host_seen = *host;
    seen = guests[0];
    for (gsize i = 0; i < n_guests; i++)
        targets[i] = guests[i].floor;
}

static void
test_policy_sees_host_and_guest(void **state)
{
    static const Policy looking = { .name = "looking", .allocate = look_on };
    Memory memory[2] = { 0 };
    PlanGuest guests[] = { make_guest(&memory[0], 300), make_guest(&memory[1], 300) };
    PlanSettings settings = make_settings(4096);
    Sample sample = *sample_ring_get(&memory[0].ring, 0);

    sample.time_us += 1;
    sample.free = 500 * MIB;
    sample.cached = 200 * MIB;
    sample_ring_push(&memory[0].ring, &sample);
    settings.policy = &looking;
    settings.host_total = 8192 * MIB;
    settings.share = TRUE;
    guests[1].pin = PLAN_PIN_HELD;
    guests[1].requested = 2048 * MIB;
    plan(&settings, guests, 2);

    assert_int_equal(host_seen.budget, 2048 * MIB);
    assert_int_equal(host_seen.total, 8192 * MIB);
    assert_int_equal(host_seen.free, (8192 - 2 * 1024) * MIB);
    assert_true(host_seen.share);
    assert_int_equal(seen.total, 1000 * MIB);
    assert_int_equal(seen.free, 500 * MIB);
    assert_int_equal(seen.cached, 200 * MIB);
    assert_int_equal(seen.committed, 300 * MIB);
    assert_int_equal(seen.swapped, 0);

    /* No host is smaller than what it lends. */
    settings.host_total = 0;
    plan(&settings, guests, 2);
    assert_int_equal(host_seen.total, 4096 * MIB);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_samples_to_targets),
        cmocka_unit_test(test_guest_without_samples_is_pinned),
        cmocka_unit_test(test_urgent_guest_gets_what_it_asks_for),
        cmocka_unit_test(test_urgent_guest_keeps_what_came),
        cmocka_unit_test(test_request_serves_where_statistics_are_missing),
        cmocka_unit_test(test_urgent_guest_takes_nothing_from_others),
        cmocka_unit_test(test_burst_is_room_to_be_kept),
        cmocka_unit_test(test_pinned_guest_is_left_alone),
        cmocka_unit_test(test_pinned_guest_counts_against_the_budget),
        cmocka_unit_test(test_shortfall_is_told),
        cmocka_unit_test(test_why_a_target_changed_is_told),
        cmocka_unit_test(test_sums_do_not_wrap),
        cmocka_unit_test(test_no_guests),
        cmocka_unit_test(test_policy_speaks_at_its_own_interval),
        cmocka_unit_test(test_paced_policy_is_not_damped),
        cmocka_unit_test(test_policy_sees_host_and_guest),
        cmocka_unit_test(test_shrink_is_on_trial),
        cmocka_unit_test(test_probing),
        cmocka_unit_test(test_paced_policy_tries_nothing),
        cmocka_unit_test(test_pinned_guest_is_on_no_trial),
        cmocka_unit_test(test_every_pin_has_its_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
