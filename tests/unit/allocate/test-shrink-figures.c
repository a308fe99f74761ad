/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is told of a trial that has ended: worked out by hand. */
#include "allocate/shrink-trial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MIB    (G_GUINT64_CONSTANT(1) << 20)
#define SECOND ((gint64)G_USEC_PER_SEC)
#define START  (1000 * SECOND)

/* A guest of 1 GiB with an agent, of which 64 MiB are wanted. */
typedef struct {
    SampleRing ring;
    Sample sample;
    ShrinkTrial trial;
    ShrinkView view;
    gint64 now;
} Stage;

/* A second passes. */
static void
pass(Stage *stage, guint64 stall_us, guint64 refaults)
{
    stage->now += SECOND;
    stage->sample.time_us = stage->now;
    stage->sample.stall_some_us += stall_us;
    stage->sample.refaults_file += refaults;
    sample_ring_push(&stage->ring, &stage->sample);
    shrink_trial_look(&stage->trial, &stage->view, stage->now);
}

static void
stage_make(Stage *stage)
{
    memset(stage, 0, sizeof *stage);
    stage->now = START;
    stage->sample = (Sample){ .fields = SAMPLE_AVAILABLE | SAMPLE_REFAULTS | SAMPLE_PRESSURE,
                              .total = 1000 * MIB,
                              .available = 600 * MIB };
    stage->view = (ShrinkView){ .ring = &stage->ring,
                                .actual = 1024 * MIB,
                                .requested = 1024 * MIB,
                                .grain = MIB,
                                .idle = 512 * MIB,
                                .answers = TRUE };
    shrink_trial_start(&stage->trial);
    for (guint i = 0; i < 5; i++)
        pass(stage, 400, 2);
    shrink_trial_want(&stage->trial, &stage->view, 960 * MIB, SHRINK_PLAIN, stage->now);
    assert_int_equal(stage->trial.state, SHRINK_TRIAL_ANNOUNCED);
}

static void
take(Stage *stage)
{
    shrink_trial_note_margin(&stage->trial, stage->trial.id + 1, 7 * MIB); /* of another */
    shrink_trial_note_margin(&stage->trial, stage->trial.id, 200 * MIB);
    shrink_trial_answer(&stage->trial, stage->trial.id, TRUE, NULL, stage->now);
    stage->view.actual = stage->view.requested = 960 * MIB;
    stage->sample.available -= 64 * MIB;
}

static void
test_of_a_step_that_was_kept(void **state)
{
    ShrinkEnd end;
    Stage stage;

    stage_make(&stage);
    take(&stage);
    for (guint i = 0; i < 12 && stage.trial.outcome == SHRINK_OUTCOME_NONE; i++)
        pass(&stage, 1000, 3);
    end = shrink_trial_get_end(&stage.trial);
    assert_int_equal(end.outcome, SHRINK_OUTCOME_KEPT);
    assert_int_equal(end.before, 1024 * MIB);
    assert_int_equal(end.after, 960 * MIB);
    assert_null(end.reason);
    assert_int_equal(end.figures.margin, 200 * MIB);
    assert_in_range(end.figures.watched_us, SHRINK_WATCH_AGENT_US, 12 * SECOND);
    assert_int_equal(end.figures.available_before, 536 * MIB);
    assert_int_equal(end.figures.available_after, 536 * MIB);
    assert_int_equal((int)end.figures.after.stall_us, 1000);
    assert_int_equal((int)end.figures.after.refaults, 3);
    /* With the second in which it was taken. */
    assert_in_range((int)end.figures.before.stall_us, 400, 600);
}

static void
test_of_a_step_that_hurt(void **state)
{
    ShrinkEnd end;
    Stage stage;

    stage_make(&stage);
    take(&stage);
    pass(&stage, 0, 0);
    pass(&stage, 0, 0);
    for (guint i = 0; i < 12 && stage.trial.outcome == SHRINK_OUTCOME_NONE; i++)
        pass(&stage, 0, 5000);
    end = shrink_trial_get_end(&stage.trial);
    assert_int_equal(end.outcome, SHRINK_OUTCOME_HURT);
    assert_string_equal(end.reason, "it read again what it had given up");
    assert_true(end.figures.after.refaults > 500);
    assert_true(end.figures.before.refaults < 3);
}

static void
test_of_a_step_that_was_refused(void **state)
{
    ShrinkEnd end;
    Stage stage;

    stage_make(&stage);
    shrink_trial_answer(&stage.trial, stage.trial.id, FALSE, "too little", stage.now);
    end = shrink_trial_get_end(&stage.trial);
    assert_int_equal(end.outcome, SHRINK_OUTCOME_REFUSED);
    assert_string_equal(end.reason, "too little");
    assert_int_equal(end.figures.watched_us, 0);
    assert_int_equal(end.figures.margin, 0);
}

static void
test_pace_of_what_is_not_told(void **state)
{
    const Sample from = { .time_us = START, .fields = SAMPLE_SWAP, .swap_in = 4096 };
    Sample to = from;

    to.time_us += 2 * SECOND;
    to.swap_in += 8192;
    to.refaults_file = 100;
    assert_int_equal((int)shrink_pace_between(&from, &to).swap_in, 4096);
    assert_int_equal((int)shrink_pace_between(&from, &to).refaults, 0);
    assert_int_equal((int)shrink_pace_between(&to, &from).swap_in, 0);
    to.swap_in = 0; /* it restarted */
    assert_int_equal((int)shrink_pace_between(&from, &to).swap_in, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_a_step_that_was_kept),
        cmocka_unit_test(test_of_a_step_that_hurt),
        cmocka_unit_test(test_of_a_step_that_was_refused),
        cmocka_unit_test(test_pace_of_what_is_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
