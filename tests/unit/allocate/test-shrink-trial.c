/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest on trial: worked out by hand first, then at random. The guest here follows what it
 * is asked for at once, and is asked for the least that the trial allows unless a test
 * says otherwise.
 */
#include "allocate/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define SECOND ((gint64)G_USEC_PER_SEC)
#define START  (1000 * SECOND)
#define CYCLE  (SECOND / 4)

typedef struct {
    SampleRing ring;
    Sample sample; /* the latest; the counters go on from it */
    ShrinkTrial trial;
    ShrinkView view;
    guint64 least;
    gint64 now;
} Stage;

static void
tell(Stage *stage)
{
    stage->sample.time_us = stage->now;
    sample_ring_push(&stage->ring, &stage->sample);
}

/* At rest with 1024 MiB, 600 of them available; 512 of them idle. */
static void
stage_make(Stage *stage, gboolean answers)
{
    memset(stage, 0, sizeof *stage);
    stage->now = START;
    stage->sample = (Sample){
        .fields = SAMPLE_AVAILABLE | SAMPLE_SWAP | SAMPLE_FAULTS | SAMPLE_STALLS,
        .total = 1000 * MIB,
        .available = 600 * MIB,
    };
    if (answers)
        stage->sample.fields |= SAMPLE_REFAULTS | SAMPLE_PRESSURE;
    stage->view = (ShrinkView){
        .ring = &stage->ring,
        .actual = 1024 * MIB,
        .requested = 1024 * MIB,
        .grain = MIB,
        .idle = 512 * MIB,
        .answers = answers,
    };
    shrink_trial_start(&stage->trial);
    tell(stage);
}

/* One cycle: a sample, a look, and, unless 0, a wish for @target. */
static void
cycle(Stage *stage, guint64 target)
{
    stage->now += CYCLE;
    tell(stage);
    stage->least = shrink_trial_look(&stage->trial, &stage->view, stage->now);
    if (target > 0)
        shrink_trial_want(&stage->trial, &stage->view, target, SHRINK_PLAIN, stage->now);
}

static void
give(Stage *stage, guint64 requested)
{
    stage->view.requested = requested;
    stage->view.actual = requested;
}

static void
assert_notice(Stage *stage, ShrinkNoticeKind kind)
{
    ShrinkNotice notice = { SHRINK_NOTICE_NONE };

    shrink_trial_next_notice(&stage->trial, &notice);
    assert_int_equal(notice.kind, kind);
    if (kind != SHRINK_NOTICE_NONE)
        assert_int_equal(notice.id, stage->trial.id);
}

/* From rest to a step of 64 MiB that is watched. */
static void
take_step(Stage *stage)
{
    guint64 before = stage->view.requested;

    cycle(stage, before - 64 * MIB);
    if (stage->view.answers) {
        assert_int_equal(stage->trial.state, SHRINK_TRIAL_ANNOUNCED);
        assert_notice(stage, SHRINK_NOTICE_SHRINK);
        cycle(stage, before - 64 * MIB);
        assert_int_equal(stage->least, before);
        shrink_trial_answer(&stage->trial, stage->trial.id, TRUE, NULL, stage->now);
    }
    cycle(stage, before - 64 * MIB);
    assert_int_equal(stage->trial.state, SHRINK_TRIAL_GRANTED);
    assert_int_equal(stage->least, before - 64 * MIB);
    give(stage, stage->least);
    cycle(stage, 0);
    assert_int_equal(stage->trial.state, SHRINK_TRIAL_TAKING);
    cycle(stage, 0);
    assert_int_equal(stage->trial.state, SHRINK_TRIAL_WATCHED);
}

static gint64
watch_out(Stage *stage)
{
    gint64 since = stage->now;

    while (stage->trial.state == SHRINK_TRIAL_WATCHED)
        cycle(stage, 0);
    return stage->now - since;
}

static void
test_step_is_kept(void **state)
{
    Stage stage;

    stage_make(&stage, TRUE);
    take_step(&stage);
    assert_int_equal(stage.least, 960 * MIB);
    assert_int_equal(shrink_trial_hold(&stage.trial, stage.now), SHRINK_HOLD_WATCHING);
    assert_in_range(watch_out(&stage), SHRINK_WATCH_AGENT_US, SHRINK_WATCH_AGENT_US + 2 * CYCLE);
    assert_int_equal(stage.trial.outcome, SHRINK_OUTCOME_KEPT);
    assert_int_equal(stage.trial.ended_before, 1024 * MIB);
    assert_int_equal(stage.trial.ended_after, 960 * MIB);
    assert_notice(&stage, SHRINK_NOTICE_DONE);
    /* The next one at once. */
    take_step(&stage);
    assert_int_equal(stage.view.requested, 896 * MIB);
}

static void
test_without_an_agent(void **state)
{
    Stage stage;

    stage_make(&stage, FALSE);
    take_step(&stage);
    assert_in_range(watch_out(&stage), SHRINK_WATCH_BALLOON_US,
                    SHRINK_WATCH_BALLOON_US + 2 * CYCLE);
    assert_int_equal(stage.trial.outcome, SHRINK_OUTCOME_KEPT);
    assert_notice(&stage, SHRINK_NOTICE_NONE);
}

/* What is taken of free memory alone is watched for less long, but not what is probed. */
static void
test_free_memory_goes_faster(void **state)
{
    Stage stage;

    stage_make(&stage, FALSE);
    stage.sample.free = 200 * MIB;
    take_step(&stage);
    assert_in_range(watch_out(&stage), SHRINK_WATCH_FREE_US, SHRINK_WATCH_FREE_US + 2 * CYCLE);
    /* What stays free is to be a reserve. */
    stage.sample.free = 100 * MIB;
    take_step(&stage);
    assert_in_range(watch_out(&stage), SHRINK_WATCH_BALLOON_US,
                    SHRINK_WATCH_BALLOON_US + 2 * CYCLE);
    stage.sample.free = 200 * MIB;
    cycle(&stage, 0);
    shrink_trial_want(&stage.trial, &stage.view, 800 * MIB, SHRINK_PROBE, stage.now);
    cycle(&stage, 0);
    give(&stage, stage.least);
    cycle(&stage, 0);
    cycle(&stage, 0);
    assert_true(watch_out(&stage) >= SHRINK_WATCH_BALLOON_US);
}

static void
test_step_that_hurts_is_taken_back(void **state)
{
    Stage stage;

    stage_make(&stage, TRUE);
    take_step(&stage);
    stage.sample.stall_some_us += 61000;
    cycle(&stage, 0); /* the first since it has followed: stalls count from here */
    stage.sample.stall_some_us += 59000;
    cycle(&stage, 0);
    assert_int_equal(stage.trial.state, SHRINK_TRIAL_WATCHED);
    stage.sample.stall_some_us += 2000;
    cycle(&stage, 0);
    assert_int_equal(stage.trial.state, SHRINK_TRIAL_UNDOING);
    assert_int_equal(stage.least, 1024 * MIB);
    assert_string_equal(stage.trial.reason, "its tasks waited for memory");
    assert_notice(&stage, SHRINK_NOTICE_UNDONE);
    give(&stage, stage.least);
    cycle(&stage, 900 * MIB);
    assert_int_equal(stage.trial.state, SHRINK_TRIAL_REST);
    assert_int_equal(shrink_trial_hold(&stage.trial, stage.now), SHRINK_HOLD_HURT);
    assert_int_equal(stage.least, 1024 * MIB);
}

/* Each sign of harm alone ends a trial, and as much of it that was there before does not. */
static void
hurt_by(Stage *stage, guint64 *counter, guint64 rise, const char *reason)
{
    take_step(stage);
    cycle(stage, 0);
    *counter += rise;
    cycle(stage, 0);
    assert_int_equal(stage->trial.state, SHRINK_TRIAL_UNDOING);
    assert_string_equal(stage->trial.reason, reason);
}

static void
test_each_sign(void **state)
{
    Stage s;

    stage_make(&s, TRUE);
    hurt_by(&s, &s.sample.swap_in, 2 * MIB, "it read back from swap");
    stage_make(&s, TRUE);
    hurt_by(&s, &s.sample.refaults_file, 1000, "it read again what it had given up");
    stage_make(&s, TRUE);
    hurt_by(&s, &s.sample.refaults_anon, 1000, "it read again what it had given up");
    stage_make(&s, TRUE);
    hurt_by(&s, &s.sample.alloc_stalls, 10, "its allocations stalled");
    stage_make(&s, TRUE);
    hurt_by(&s, &s.sample.oom_kills, 1, "a program was killed for lack of memory");
    stage_make(&s, FALSE);
    hurt_by(&s, &s.sample.major_faults, 200, "it read its programs again");
    stage_make(&s, FALSE);
    hurt_by(&s, &s.sample.swap_in, 2 * MIB, "it read back from swap");

    stage_make(&s, TRUE);
    take_step(&s);
    s.sample.available = 50 * MIB;
    cycle(&s, 0);
    assert_string_equal(s.trial.reason, "too little memory stayed available");
    stage_make(&s, TRUE);
    take_step(&s);
    s.view.pressed = TRUE;
    cycle(&s, 0);
    assert_string_equal(s.trial.reason, "it came under pressure");
}

/* For @seconds, in each cycle @rise more of a counter, and every fourth time as much again
 * times @uneven. */
static void
go_on(Stage *stage, guint64 *counter, guint seconds, guint64 rise, guint uneven)
{
    for (guint i = 0; i < 4 * seconds; i++) {
        *counter += i % 4 == 0 ? (1 + uneven) * rise : rise;
        cycle(stage, 0);
    }
}

static void
test_its_own_pace_is_no_sign(void **state)
{
    Stage stage;

    stage_make(&stage, TRUE);
    go_on(&stage, &stage.sample.refaults_file, 10, 50, 0);
    take_step(&stage);
    go_on(&stage, &stage.sample.refaults_file, 10, 50, 0);
    assert_int_equal(stage.trial.outcome, SHRINK_OUTCOME_KEPT);
    assert_notice(&stage, SHRINK_NOTICE_DONE);
    /* And what is borne beyond it. */
    take_step(&stage);
    go_on(&stage, &stage.sample.refaults_file, 10, 50 + 60, 0);
    assert_int_equal(stage.trial.outcome, SHRINK_OUTCOME_KEPT);
    stage_make(&stage, TRUE);
    go_on(&stage, &stage.sample.refaults_file, 10, 50, 0);
    take_step(&stage);
    go_on(&stage, &stage.sample.refaults_file, 10, 50 + 150, 0);
    assert_int_equal(stage.trial.outcome, SHRINK_OUTCOME_HURT);
}

/* The same mean, in fits and starts: what would be harm in an even guest is none here, but a
 * cache that no longer fits is. */
static void
test_uneven_pace_is_no_sign(void **state)
{
    Stage stage;

    stage_make(&stage, TRUE);
    go_on(&stage, &stage.sample.refaults_file, 10, 12, 13);
    take_step(&stage);
    go_on(&stage, &stage.sample.refaults_file, 10, 50 + 150, 0);
    assert_int_equal(stage.trial.outcome, SHRINK_OUTCOME_KEPT);
    stage_make(&stage, TRUE);
    go_on(&stage, &stage.sample.refaults_file, 10, 12, 13);
    take_step(&stage);
    go_on(&stage, &stage.sample.refaults_file, 2, 1000, 0);
    assert_int_equal(stage.trial.outcome, SHRINK_OUTCOME_HURT);
}

/* Who lacks memory as it is is left alone, with the reason, until ten seconds have been calm. */
static void
test_not_tried_where_pressed(void **state)
{
    Stage stage;
    guint64 *counters[] = { &stage.sample.refaults_file, &stage.sample.swap_in,
                            &stage.sample.stall_some_us, &stage.sample.alloc_stalls };
    const guint64 rises[] = { 100, 300 << 10, 3000, 2 };
    const char *const reasons[] = { "it reads again what it had given up",
                                    "it reads back from swap", "its tasks wait for memory",
                                    "its allocations stall" };

    for (guint i = 0; i < G_N_ELEMENTS(counters); i++) {
        stage_make(&stage, TRUE);
        go_on(&stage, counters[i], 10, rises[i], 0);
        cycle(&stage, 960 * MIB);
        assert_int_equal(stage.trial.state, SHRINK_TRIAL_REST);
        assert_notice(&stage, SHRINK_NOTICE_NONE);
        assert_int_equal(shrink_trial_hold(&stage.trial, stage.now), SHRINK_HOLD_PRESSED);
        assert_string_equal(stage.trial.pressed_by, reasons[i]);
        assert_int_equal(stage.trial.outcomes, 0);
        go_on(&stage, counters[i], 10, 0, 0);
        cycle(&stage, 960 * MIB);
        assert_int_equal(stage.trial.state, SHRINK_TRIAL_ANNOUNCED);
        assert_false(stage.trial.pressed);
    }
}

/* A probe bears a quarter of that; and what giving memory up cost is none of the next
 * step's baseline. */
static void
test_pressed_for_a_probe(void **state)
{
    Stage stage;

    stage_make(&stage, FALSE);
    go_on(&stage, &stage.sample.major_faults, 10, 10, 0);
    cycle(&stage, 0);
    shrink_trial_want(&stage.trial, &stage.view, 960 * MIB, SHRINK_PROBE, stage.now);
    assert_string_equal(stage.trial.pressed_by, "it reads its programs again");
    shrink_trial_want(&stage.trial, &stage.view, 960 * MIB, SHRINK_PLAIN, stage.now);
    assert_int_equal(stage.trial.state, SHRINK_TRIAL_GRANTED);

    stage_make(&stage, TRUE);
    take_step(&stage);
    stage.sample.stall_some_us += 900000;
    cycle(&stage, 0);
    go_on(&stage, &stage.sample.stall_some_us, 6, 0, 0);
    assert_int_equal(stage.trial.outcome, SHRINK_OUTCOME_KEPT);
    cycle(&stage, 900 * MIB);
    assert_int_equal(stage.trial.state, SHRINK_TRIAL_ANNOUNCED);
}

/* Others' need asks for no trial; what comes of it is held against the baseline all the same. */
static void
test_forced_where_pressed(void **state)
{
    for (guint rise = 500; rise <= 1000; rise += 500) {
        Stage stage;

        stage_make(&stage, TRUE);
        go_on(&stage, &stage.sample.refaults_file, 10, 500, 0);
        give(&stage, 900 * MIB);
        go_on(&stage, &stage.sample.refaults_file, 12, rise, 0);
        assert_int_equal(stage.trial.outcome,
                         rise == 500 ? SHRINK_OUTCOME_KEPT : SHRINK_OUTCOME_HURT);
    }
}

/* A guest that refuses is asked at ever longer intervals. */
static void
test_refusals_are_backed_off(void **state)
{
    gint64 asked = 0, pause = 0;
    guint refusals = 0;
    Stage stage;

    stage_make(&stage, TRUE);
    while (stage.now < START + 3600 * SECOND) {
        cycle(&stage, 960 * MIB);
        if (stage.trial.state != SHRINK_TRIAL_ANNOUNCED)
            continue;
        assert_true(asked == 0 || stage.now - asked >= pause);
        pause = asked == 0 ? SHRINK_BACK_OFF_US : MIN(stage.now - asked + pause, 900 * SECOND);
        asked = stage.now;
        shrink_trial_answer(&stage.trial, stage.trial.id, FALSE, "it has too little", stage.now);
        assert_int_equal(stage.trial.state, SHRINK_TRIAL_REST);
        assert_int_equal(shrink_trial_hold(&stage.trial, stage.now), SHRINK_HOLD_REFUSED);
        refusals++;
    }
    assert_in_range(refusals, 5, 10);
    assert_int_equal(stage.view.requested, 1024 * MIB);
    assert_string_equal(stage.trial.reason, "it has too little");
}

/* An agent that never answers is as good as none, and no worse. */
static void
test_silent_agent(void **state)
{
    Stage stage;

    stage_make(&stage, TRUE);
    cycle(&stage, 960 * MIB);
    assert_int_equal(stage.trial.state, SHRINK_TRIAL_ANNOUNCED);
    shrink_trial_answer(&stage.trial, stage.trial.id + 1, FALSE, NULL, stage.now);
    assert_int_equal(stage.trial.state, SHRINK_TRIAL_ANNOUNCED);
    while (stage.trial.state == SHRINK_TRIAL_ANNOUNCED)
        cycle(&stage, 960 * MIB);
    assert_int_equal(stage.trial.state, SHRINK_TRIAL_GRANTED);
    assert_in_range(stage.now - START, SHRINK_ANSWER_US, SHRINK_ANSWER_US + 2 * CYCLE);
    /* A late answer says nothing any more. */
    shrink_trial_answer(&stage.trial, stage.trial.id, FALSE, NULL, stage.now);
    assert_int_equal(stage.trial.state, SHRINK_TRIAL_GRANTED);
}

/* What another's need takes, over the trial's head, is watched and given back as well. */
static void
test_forced_step(void **state)
{
    Stage stage;

    stage_make(&stage, TRUE);
    cycle(&stage, 0);
    give(&stage, 800 * MIB);
    cycle(&stage, 0);
    assert_int_equal(stage.trial.state, SHRINK_TRIAL_TAKING);
    assert_int_equal(stage.trial.before, 1024 * MIB);
    give(&stage, 700 * MIB);
    cycle(&stage, 0);
    assert_int_equal(stage.trial.before, 800 * MIB);
    stage.sample.swap_in += 100 * MIB;
    cycle(&stage, 0);
    assert_int_equal(stage.least, 800 * MIB);
    assert_notice(&stage, SHRINK_NOTICE_NONE);
    /* Nobody can give it: it is not asked for beyond the back-off. */
    for (guint i = 0; i < 4 * 16; i++)
        cycle(&stage, 0);
    assert_int_equal(stage.trial.state, SHRINK_TRIAL_REST);
    assert_int_equal(stage.least, 700 * MIB);
}

static void
test_half_the_step_after_a_failure(void **state)
{
    Stage stage;

    stage_make(&stage, TRUE);
    cycle(&stage, 960 * MIB);
    assert_int_equal(stage.trial.size, 64 * MIB);
    shrink_trial_answer(&stage.trial, stage.trial.id, FALSE, NULL, stage.now);
    stage.now += 60 * SECOND;
    cycle(&stage, 960 * MIB);
    assert_int_equal(stage.trial.size, 32 * MIB);
    /* Never more than is idle, nor anything where that is less than a grain. */
    stage_make(&stage, TRUE);
    stage.view.idle = 10 * MIB;
    cycle(&stage, 960 * MIB);
    assert_int_equal(stage.trial.size, 10 * MIB);
    stage_make(&stage, TRUE);
    stage.view.idle = 10 * MIB;
    stage.view.grain = 128 * MIB;
    cycle(&stage, 512 * MIB);
    assert_int_equal(stage.trial.state, SHRINK_TRIAL_REST);
}

/*
 * At random
 */

#define U G_GUINT64_FORMAT

static guint64 seed;
static guint64 rounds;

/* SplitMix64, as in world.c. */
static guint64
draw(guint64 *state, guint64 end)
{
    guint64 z = *state += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    z ^= z >> 31;
    return end == 0 ? z : z % end;
}

#define check(condition)                                                      \
    G_STMT_START                                                              \
    {                                                                         \
        if (!(condition))                                                     \
            fail_msg("MEMPLUG_TEST_SEED=%" U ": %s", world_seed, #condition); \
    }                                                                         \
    G_STMT_END

static void
random_sample(Stage *stage, guint64 *random)
{
    guint64 *counters[] = { &stage->sample.swap_in,       &stage->sample.major_faults,
                            &stage->sample.alloc_stalls,  &stage->sample.refaults_anon,
                            &stage->sample.refaults_file, &stage->sample.stall_some_us,
                            &stage->sample.oom_kills };
    guint64 *counter = counters[draw(random, G_N_ELEMENTS(counters))];

    if (draw(random, 12) == 0)
        *counter += draw(random, 2) ? draw(random, 2000) : draw(random, 0);
    if (draw(random, 20) == 0)
        stage->sample.available = draw(random, 3) ? draw(random, 1000 * MIB) : draw(random, 0);
    if (draw(random, 20) == 0)
        stage->sample.fields = (guint)draw(random, 0);
    if (draw(random, 5) > 0)
        tell(stage);
}

static gboolean
is_calm(Stage *stage, ShrinkKind kind)
{
    const ShrinkBaseline baseline =
        shrink_signs_baseline(&stage->ring, stage->trial.settled_us, stage->now);

    return !shrink_signs_find_before(
        kind == SHRINK_PROBE ? &shrink_budget_probe : &shrink_budget_plain, &baseline);
}

/*
 * A hostile guest and a planner that always wants less, down to a floor, and always gets
 * what the trial allows: it takes one step at a time, each is watched in full before the
 * next, and one that is taken back restores exactly what was there before.
 */
static void
run_world(guint64 world_seed)
{
    guint64 random = world_seed, floor = draw(&random, 1024) * MIB, before = 0;
    gint64 arrived = 0, backed_off[SHRINK_KINDS] = { 0 }, last_pause[SHRINK_KINDS] = { 0 };
    Stage stage;

    stage_make(&stage, draw(&random, 2) == 0);
    stage.view.idle = draw(&random, 4) ? draw(&random, 1024) * MIB : G_MAXUINT64;
    stage.view.grain = draw(&random, 2) ? MIB : 128 * MIB;
    for (guint i = 0; i < 400; i++) {
        ShrinkTrialState was = stage.trial.state;
        ShrinkKind kind = draw(&random, 4) ? SHRINK_PLAIN : SHRINK_PROBE;
        ShrinkNotice notice;

        stage.now += draw(&random, 2 * SECOND);
        random_sample(&stage, &random);
        stage.view.pressed = draw(&random, 60) == 0;
        stage.least = shrink_trial_look(&stage.trial, &stage.view, stage.now);

        check(stage.least <= MAX(stage.view.requested, 1024 * MIB));
        check(stage.least >= stage.view.requested || stage.trial.state == SHRINK_TRIAL_GRANTED);
        check(stage.view.requested - MIN(stage.least, stage.view.requested) <= stage.view.idle);
        if (stage.trial.state == SHRINK_TRIAL_UNDOING && was != SHRINK_TRIAL_UNDOING) {
            gint64 pause = stage.trial.not_before[stage.trial.kind] - stage.now;

            check(stage.least == before);
            check(pause >= SHRINK_BACK_OFF_US);
            check(pause <= SHRINK_BACK_OFF_US << SHRINK_BACK_OFF_MOST);
            check(stage.trial.failures[stage.trial.kind] == 1 ||
                  pause >= last_pause[stage.trial.kind]);
            last_pause[stage.trial.kind] = pause;
            backed_off[stage.trial.kind] = stage.trial.not_before[stage.trial.kind];
        }
        if (stage.trial.state == SHRINK_TRIAL_REST && stage.trial.outcome == SHRINK_OUTCOME_KEPT)
            last_pause[stage.trial.kind] = 0;
        if (was == SHRINK_TRIAL_TAKING && stage.trial.state == SHRINK_TRIAL_WATCHED)
            arrived = stage.now;
        if (was == SHRINK_TRIAL_WATCHED && stage.trial.state == SHRINK_TRIAL_REST)
            check(stage.now - arrived >= SHRINK_WATCH_FREE_US);
        if (stage.trial.state == SHRINK_TRIAL_REST)
            before = 0;

        if (stage.least != stage.view.requested && draw(&random, 3) > 0) {
            guint64 to = MAX(stage.least, floor);

            if (to < stage.view.requested) {
                check(before == 0); /* nothing else is untested */
                check(stage.now >= backed_off[stage.trial.kind]);
                before = stage.view.requested;
            }
            give(&stage, to);
        }
        was = stage.trial.state;
        shrink_trial_want(&stage.trial, &stage.view,
                          stage.view.requested -
                              MIN(stage.view.requested, draw(&random, 200) * MIB),
                          kind, stage.now);
        check(stage.trial.state == was || is_calm(&stage, kind));
        while (shrink_trial_next_notice(&stage.trial, &notice)) {
            if (notice.kind == SHRINK_NOTICE_SHRINK && draw(&random, 3) > 0)
                shrink_trial_answer(&stage.trial, notice.id, draw(&random, 4) > 0, NULL, stage.now);
        }
    }
}

static void
test_random_worlds(void **state)
{
    for (guint64 i = 0; i < rounds; i++)
        run_world(seed + i);
}

/*
 * Probing
 */

typedef struct {
    Stage stage;
    Probe probe;
    ProbeView view;
    ProbeAim aim;
} Lab;

static void
lab_make(Lab *lab)
{
    memset(lab, 0, sizeof *lab);
    stage_make(&lab->stage, TRUE);
    probe_start(&lab->probe);
    lab->view = (ProbeView){
        .ring = &lab->stage.ring,
        .trial = &lab->stage.trial,
        .floor = 256 * MIB,
        .grain = MIB,
        .demand = 1024 * MIB,
        .band = 32 * MIB,
        .allowed = TRUE,
    };
}

/* A cycle in which the planner does as the probe says; what the guest uses stays the same. */
static void
lab_cycle(Lab *lab)
{
    Stage *stage = &lab->stage;
    guint64 target;

    stage->sample.available = 600 * MIB - MIN(600 * MIB, 1024 * MIB - stage->view.actual);
    cycle(stage, 0);
    lab->view.actual = stage->view.actual;
    lab->view.requested = stage->view.requested;
    lab->view.pressed = stage->view.pressed;
    lab->aim = probe_look(&lab->probe, &lab->view, stage->now);
    target = lab->view.demand - lab->aim.discount;
    stage->view.idle = stage->view.requested - MIN(lab->aim.lowest, stage->view.requested);
    shrink_trial_want(&stage->trial, &stage->view, target,
                      lab->aim.probing ? SHRINK_PROBE : SHRINK_PLAIN, stage->now);
    if (stage->trial.state == SHRINK_TRIAL_ANNOUNCED)
        shrink_trial_answer(&stage->trial, stage->trial.id, TRUE, NULL, stage->now);
    give(stage, MAX(target, stage->least));
}

static void
test_probe_finds_what_is_idle(void **state)
{
    guint64 lowest;
    Lab lab;

    lab_make(&lab);
    for (guint i = 0; i < 4 * 1200; i++) {
        guint64 before = lab.stage.view.requested;

        lab_cycle(&lab);
        assert_true(before - MIN(before, lab.stage.view.requested) <= 11 * MIB);
    }
    /* 424 MiB are in use, and a sixteenth of 1000 stays available. */
    lowest = 424 * MIB + 1000 * MIB / 16;
    assert_in_range(lab.stage.view.requested, lowest, lowest + 12 * MIB);
    assert_int_equal(lab.probe.found, 1024 * MIB - lab.stage.view.requested);
}

static void
test_probe_that_hurts_ends_there(void **state)
{
    Lab lab;

    lab_make(&lab);
    for (guint i = 0; i < 4 * 600; i++) {
        if (lab.stage.view.actual < 900 * MIB)
            lab.stage.sample.refaults_file += 200;
        lab_cycle(&lab);
    }
    assert_in_range(lab.stage.view.requested, 890 * MIB, 920 * MIB);
    assert_true(lab.stage.trial.failures[SHRINK_PROBE] > 2);
}

/* Who is pressed is not probed, and its demand is not made smaller by a step that cannot begin. */
static void
test_no_probe_where_pressed(void **state)
{
    Lab lab;

    lab_make(&lab);
    go_on(&lab.stage, &lab.stage.sample.refaults_file, 10, 30, 0);
    for (guint i = 0; i < 400; i++) {
        lab.stage.sample.refaults_file += 30;
        lab_cycle(&lab);
        assert_int_equal(lab.aim.discount, 0);
    }
    assert_int_equal(lab.stage.view.requested, 1024 * MIB);
}

static void
test_demand_comes_back(void **state)
{
    Lab lab;

    for (guint way = 0; way < 3; way++) {
        lab_make(&lab);
        for (guint i = 0; i < 4 * 60; i++)
            lab_cycle(&lab);
        assert_true(lab.probe.found > 40 * MIB);
        if (way == 0)
            lab.stage.view.pressed = TRUE;
        else if (way == 1)
            lab.view.allowed = FALSE;
        else
            lab.view.demand += 100 * MIB; /* what was found is taken off, no more */
        lab_cycle(&lab);
        if (way < 2)
            assert_int_equal(lab.aim.discount, 0);
        else
            assert_in_range(lab.aim.discount, 1, lab.probe.found);
    }
}

/* DIMMs are too coarse to probe with. */
static void
test_no_probe_by_coarse_steps(void **state)
{
    Lab lab;

    lab_make(&lab);
    lab.view.grain = 128 * MIB;
    for (guint i = 0; i < 400; i++)
        lab_cycle(&lab);
    assert_int_equal(lab.stage.view.requested, 1024 * MIB);
}

static void
test_words(void **state)
{
    ProbeMode mode = PROBE_ALWAYS;

    for (ShrinkTrialState s = SHRINK_TRIAL_REST; s <= SHRINK_TRIAL_UNDOING; s++)
        assert_non_null(shrink_trial_state_name(s));
    for (ShrinkHold hold = SHRINK_HOLD_NONE; hold <= SHRINK_HOLD_PRESSED; hold++)
        assert_non_null(shrink_hold_describe(hold));
    assert_true(probe_mode_parse("never", &mode));
    assert_int_equal(mode, PROBE_NEVER);
    assert_string_equal(probe_mode_name(mode), "never");
    assert_false(probe_mode_parse("sometimes", &mode));
    assert_int_equal(mode, PROBE_NEVER);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step_is_kept),
        cmocka_unit_test(test_without_an_agent),
        cmocka_unit_test(test_free_memory_goes_faster),
        cmocka_unit_test(test_step_that_hurts_is_taken_back),
        cmocka_unit_test(test_each_sign),
        cmocka_unit_test(test_its_own_pace_is_no_sign),
        cmocka_unit_test(test_uneven_pace_is_no_sign),
        cmocka_unit_test(test_not_tried_where_pressed),
        cmocka_unit_test(test_pressed_for_a_probe),
        cmocka_unit_test(test_forced_where_pressed),
        cmocka_unit_test(test_refusals_are_backed_off),
        cmocka_unit_test(test_silent_agent),
        cmocka_unit_test(test_forced_step),
        cmocka_unit_test(test_half_the_step_after_a_failure),
        cmocka_unit_test(test_random_worlds),
        cmocka_unit_test(test_probe_finds_what_is_idle),
        cmocka_unit_test(test_probe_that_hurts_ends_there),
        cmocka_unit_test(test_no_probe_where_pressed),
        cmocka_unit_test(test_demand_comes_back),
        cmocka_unit_test(test_no_probe_by_coarse_steps),
        cmocka_unit_test(test_words),
    };
    const char *text = g_getenv("MEMPLUG_TEST_SEED");

    seed = text ? g_ascii_strtoull(text, NULL, 10) : (guint64)g_get_real_time();
    text = g_getenv("MEMPLUG_TEST_WORLDS");
    rounds = (text ? g_ascii_strtoull(text, NULL, 10) : 1000000) / 100 + 1;
    g_print("MEMPLUG_TEST_SEED=%" U "\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
