/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state machine against a guest that follows, refuses, stalls or fails on
 * command. Its patience is set to a few milliseconds, so that what takes seconds
 * on a real guest takes none here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hotplug/resize.h"
#include "tests/fake/await.h"
#include "tests/fake/fake-guest.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static const ResizeTuning impatient = {
    .patience = { .plug_us = 20 * 1000,
                  .unplug_us = 20 * 1000,
                  .progress_us = 20 * 1000,
                  .grow_us = 20 * 1000 },
    .refresh_us = 20 * 1000,
    .rest_us = 20 * 1000,
    .trouble = { .first_us = G_TIME_SPAN_HOUR, .most_us = G_TIME_SPAN_HOUR },
};

typedef struct {
    FakeGuest *guest;
    Resize *resize;
    guint reports[RESIZE_REPORT_OVERTAKEN + 1];
    char *last_reason;
    guint overruled;
    gboolean obeys; /* takes what somebody else asked for as the target */
    char *last_hand;
} Bed;

static void
on_report(Resize *resize, const ResizeReport *report, gpointer data)
{
    Bed *bed = data;

    bed->reports[report->kind]++;
    if (report->reason) {
        g_free(bed->last_reason);
        bed->last_reason = g_strdup(report->reason);
    }
}

static void
on_overruled(Resize *resize, const Foreign *foreign, gpointer data)
{
    Bed *bed = data;

    bed->overruled++;
    g_free(bed->last_hand);
    bed->last_hand = g_strdup(foreign->what);
    if (bed->obeys)
        resize_set_target(resize, guest_memory_requested(resize_get_memory(resize)), MECHANISM_AUTO,
                          TRUE);
}

static void
bed_start(Bed *bed, FakeGuest *guest, const ResizeTuning *tuning)
{
    *bed = (Bed){ .guest = guest };
    bed->resize = resize_new(MEMPLUG_GUEST(guest), tuning, FALSE);
    g_signal_connect(bed->resize, "report", G_CALLBACK(on_report), bed);
    g_signal_connect(bed->resize, "overruled", G_CALLBACK(on_overruled), bed);
}

static void
bed_end(Bed *bed)
{
    assert_true(bed->guest->most_in_flight <= 1);
    resize_stop(bed->resize);
    await_quiet();
    g_assert_finalize_object(bed->resize);
    g_assert_finalize_object(bed->guest);
    g_free(bed->last_reason);
    g_free(bed->last_hand);
}

static gboolean
is_observed(gpointer data)
{
    return resize_get_memory(((Bed *)data)->resize) != NULL;
}

static gboolean
is_at_rest(gpointer data)
{
    ResizePhase phase = resize_get_phase(((Bed *)data)->resize);

    return phase == RESIZE_SETTLED || phase == RESIZE_SHORT;
}

/* Asks for @target and waits for the end. */
static void
bring_to(Bed *bed, guint64 target, ResizePhase phase, guint64 actual)
{
    await_condition(is_observed, bed, "the first observation");
    resize_set_target(bed->resize, target, MECHANISM_AUTO, TRUE);
    await_condition(is_at_rest, bed, "the end of the resize");
    assert_string_equal(resize_phase_name(resize_get_phase(bed->resize)), resize_phase_name(phase));
    assert_int_equal(guest_memory_actual(&bed->guest->memory), actual);
    assert_int_equal(guest_memory_actual(resize_get_memory(bed->resize)), actual);
}

static void
test_follows_to_the_byte(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, TRUE), &impatient);
    bring_to(&bed, 512 * MIB, RESIZE_SETTLED, 512 * MIB);
    bring_to(&bed, 562 * MIB, RESIZE_SETTLED, 562 * MIB);
    bring_to(&bed, 256 * MIB, RESIZE_SETTLED, 256 * MIB);
    assert_int_equal(bed.guest->memory.n_devices, 0);
    assert_int_equal(bed.reports[RESIZE_REPORT_ORDERED], bed.guest->ordered);
    assert_int_equal(bed.reports[RESIZE_REPORT_FOLLOWED], bed.guest->ordered);
    bed_end(&bed);
}

static void
test_orders_nothing_before_it_has_a_target(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, TRUE), &impatient);
    await_condition(is_observed, &bed, "the first observation");
    await_ms(50);
    assert_int_equal(bed.guest->ordered, 0);
    bed_end(&bed);
}

static void
on_first_observation(Resize *resize, gpointer data)
{
    if (resize_get_target(resize) == 0)
        resize_set_target(resize, 1024 * MIB, MECHANISM_AUTO, FALSE);
}

/* As a daemon does that adopts a guest with what it was asked for before a restart. */
static void
test_target_set_while_it_is_told_of_the_guest(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, TRUE), &impatient);
    g_signal_connect(bed.resize, "changed", G_CALLBACK(on_first_observation), NULL);
    bring_to(&bed, 1024 * MIB, RESIZE_SETTLED, 1024 * MIB);
    assert_int_equal(bed.reports[RESIZE_REPORT_FAILED], 0);
    bed_end(&bed);
}

static void
test_dry_run_orders_nothing(void **state)
{
    Bed bed = { .guest = fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, TRUE) };

    bed.resize = resize_new(MEMPLUG_GUEST(bed.guest), &impatient, TRUE);
    resize_set_target(bed.resize, 512 * MIB, MECHANISM_AUTO, TRUE);
    await_ms(50);
    assert_true(bed.guest->observed > 0);
    assert_int_equal(bed.guest->ordered, 0);
    bed_end(&bed);
}

static void
test_waits_while_the_guest_moves(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, FALSE), &resize_tuning_default);
    bed.guest->manners.holds_still = TRUE;
    await_condition(is_observed, &bed, "the first observation");
    resize_set_target(bed.resize, 512 * MIB, MECHANISM_AUTO, FALSE);
    await_ms(60);
    assert_int_equal(resize_get_phase(bed.resize), RESIZE_MOVING);
    assert_int_equal(bed.guest->ordered, 1);
    bed.guest->manners.holds_still = FALSE;
    fake_guest_move(bed.guest);
    await_condition(is_at_rest, &bed, "the end of the resize");
    assert_int_equal(guest_memory_actual(&bed.guest->memory), 512 * MIB);
    bed_end(&bed);
}

static void
test_refused_unplug_is_covered_by_the_balloon(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, TRUE), &impatient);
    bring_to(&bed, 384 * MIB, RESIZE_SETTLED, 384 * MIB);
    bed.guest->manners.refuses_unplug = TRUE;
    bring_to(&bed, 256 * MIB, RESIZE_SETTLED, 256 * MIB);
    assert_int_equal(bed.guest->memory.ballooned, 128 * MIB);
    assert_int_equal(bed.reports[RESIZE_REPORT_REFUSED], 1);
    assert_string_equal(bed.last_reason, "the device is in use");
    bed_end(&bed);
}

static void
test_refused_unplug_without_balloon_ends_short_with_the_reason(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, FALSE), &impatient);
    bring_to(&bed, 384 * MIB, RESIZE_SETTLED, 384 * MIB);
    bed.guest->manners.refuses_unplug = TRUE;
    bring_to(&bed, 256 * MIB, RESIZE_SHORT, 384 * MIB);
    assert_non_null(strstr(resize_get_reason(bed.resize), "the device is in use"));
    bring_to(&bed, 512 * MIB, RESIZE_SETTLED, 512 * MIB); /* it costs nothing else */
    bed_end(&bed);
}

static void
test_silent_unplug_times_out(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, FALSE), &impatient);
    bring_to(&bed, 384 * MIB, RESIZE_SETTLED, 384 * MIB);
    bed.guest->manners.silent_unplug = TRUE;
    bring_to(&bed, 256 * MIB, RESIZE_SHORT, 384 * MIB);
    assert_non_null(strstr(resize_get_reason(bed.resize), "never answered"));
    bed_end(&bed);
}

static void
test_stuck_virtio_mem_is_asked_for_what_it_can(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 256 * MIB, 0, FALSE), &impatient);
    fake_guest_add_virtio_mem(bed.guest, 1024 * MIB);
    bring_to(&bed, 512 * MIB, RESIZE_SETTLED, 512 * MIB);
    bed.guest->manners.virtio_mem_keeps = 6 * MIB;
    bring_to(&bed, 256 * MIB, RESIZE_SHORT, 262 * MIB);
    assert_int_equal(bed.guest->memory.devices[0].requested, 6 * MIB);
    bring_to(&bed, 400 * MIB, RESIZE_SETTLED, 400 * MIB);
    bed_end(&bed);
}

static void
test_balloon_that_stops_filling(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 1024 * MIB, 1024 * MIB, 0, TRUE), &impatient);
    bed.guest->manners.balloon_most = 100 * MIB;
    bring_to(&bed, 512 * MIB, RESIZE_SHORT, 924 * MIB);
    assert_int_equal(bed.guest->memory.balloon_requested, 100 * MIB);
    bring_to(&bed, 1024 * MIB, RESIZE_SETTLED, 1024 * MIB);
    bed_end(&bed);
}

static void
test_failing_order_backs_off(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, FALSE), &impatient);
    bed.guest->manners.fails = "no such bus";
    bring_to(&bed, 512 * MIB, RESIZE_SHORT, 256 * MIB);
    assert_int_equal(bed.guest->ordered, 1);
    assert_int_equal(bed.reports[RESIZE_REPORT_FAILED], 1);
    assert_non_null(strstr(resize_get_reason(bed.resize), "no such bus"));
    bed.guest->manners.fails = NULL;
    bring_to(&bed, 512 * MIB, RESIZE_SETTLED, 512 * MIB); /* a person insists */
    bed_end(&bed);
}

static void
test_failing_balloon_backs_off(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 1024 * MIB, 1024 * MIB, 0, TRUE), &impatient);
    bed.guest->manners.fails = "no such device";
    bring_to(&bed, 512 * MIB, RESIZE_SHORT, 1024 * MIB);
    assert_int_equal(bed.guest->ordered, 1);
    bed_end(&bed);
}

static void
test_is_tried_again_when_its_time_has_come(void **state)
{
    ResizeTuning tuning = impatient;
    Bed bed;

    tuning.trouble = (TroubleTuning){ 30 * 1000, 60 * 1000 };
    bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, FALSE), &tuning);
    bring_to(&bed, 384 * MIB, RESIZE_SETTLED, 384 * MIB);
    bed.guest->manners.refuses_unplug = TRUE;
    bring_to(&bed, 256 * MIB, RESIZE_SHORT, 384 * MIB);
    bed.guest->manners.refuses_unplug = FALSE;
    while (resize_get_phase(bed.resize) != RESIZE_SETTLED)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(guest_memory_actual(&bed.guest->memory), 256 * MIB);
    bed_end(&bed);
}

static void
test_frozen_guest_is_left_alone_with_its_target(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, TRUE), &impatient);
    await_condition(is_observed, &bed, "the first observation");
    guest_take_state(MEMPLUG_GUEST(bed.guest), GUEST_STATE_PAUSED);
    resize_set_target(bed.resize, 512 * MIB, MECHANISM_AUTO, FALSE);
    await_ms(50);
    assert_int_equal(bed.guest->ordered, 0);
    assert_int_equal(resize_get_phase(bed.resize), RESIZE_FROZEN);
    guest_take_state(MEMPLUG_GUEST(bed.guest), GUEST_STATE_RUNNING);
    await_condition(is_at_rest, &bed, "the end of the resize");
    assert_int_equal(guest_memory_actual(&bed.guest->memory), 512 * MIB);
    bed_end(&bed);
}

/* A reset unplugs all virtio-mem: nobody needs to tell, it is seen and mended. */
static void
test_change_behind_its_back_is_mended(void **state)
{
    const GuestMemoryEvent reset = { .kind = GUEST_MEMORY_EVENT_RESET };
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 256 * MIB, 0, FALSE), &impatient);
    fake_guest_add_virtio_mem(bed.guest, 1024 * MIB);
    bring_to(&bed, 512 * MIB, RESIZE_SETTLED, 512 * MIB);
    bed.guest->memory.devices[0].size = bed.guest->memory.devices[0].requested = 0;
    guest_emit_memory_event(MEMPLUG_GUEST(bed.guest), &reset);
    while (bed.guest->memory.devices[0].size == 0)
        g_main_context_iteration(NULL, TRUE);
    await_condition(is_at_rest, &bed, "the end of the resize");
    assert_int_equal(guest_memory_actual(&bed.guest->memory), 512 * MIB);
    bed_end(&bed);
}

static void
test_new_target_overtakes_the_old_one(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 256 * MIB, 0, FALSE), &resize_tuning_default);
    fake_guest_add_virtio_mem(bed.guest, 1024 * MIB);
    bed.guest->manners.holds_still = TRUE;
    await_condition(is_observed, &bed, "the first observation");
    resize_set_target(bed.resize, 512 * MIB, MECHANISM_AUTO, FALSE);
    await_ms(30);
    resize_set_target(bed.resize, 300 * MIB, MECHANISM_AUTO, FALSE);
    await_ms(30);
    assert_int_equal(bed.guest->memory.devices[0].requested, 44 * MIB);
    assert_int_equal(bed.reports[RESIZE_REPORT_OVERTAKEN], 1);
    bed_end(&bed);
}

static void
test_order_by_hand_moves_the_target(void **state)
{
    const MemoryStep plug = { .kind = MEMORY_STEP_PLUG_DIMM, .size = 256 * MIB };
    g_auto(Await) await = { NULL };
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, TRUE), &impatient);
    bring_to(&bed, 256 * MIB, RESIZE_SETTLED, 256 * MIB);
    resize_order_async(bed.resize, &plug, await_callback, &await);
    assert_true(resize_order_finish(bed.resize, await_result(&await), NULL));
    await_ms(50);
    assert_int_equal(resize_get_target(bed.resize), 512 * MIB);
    assert_int_equal(guest_memory_actual(&bed.guest->memory), 512 * MIB);
    assert_int_equal(bed.guest->ordered, 1);
    await_clear(&await);
    bed_end(&bed);
}

static void
test_refused_order_by_hand_moves_it_back(void **state)
{
    const MemoryStep unplug = { MEMORY_STEP_UNPLUG_DIMM, 128 * MIB, 0, "admin" };
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, FALSE), &impatient);
    fake_guest_add_dimm(bed.guest, "admin", 128 * MIB, FALSE);
    bed.guest->manners.refuses_unplug = TRUE;
    bring_to(&bed, 384 * MIB, RESIZE_SETTLED, 384 * MIB);
    resize_order_async(bed.resize, &unplug, await_callback, &await);
    assert_false(resize_order_finish(bed.resize, await_result(&await), &error));
    assert_non_null(strstr(error->message, "the device is in use"));
    assert_int_equal(resize_get_target(bed.resize), 384 * MIB);
    await_clear(&await);
    bed_end(&bed);
}

/* An order that fails after somebody has set another target takes nothing off that one. */
static void
test_order_by_hand_leaves_a_later_target(void **state)
{
    const MemoryStep plug = { .kind = MEMORY_STEP_PLUG_DIMM, .size = 128 * MIB };
    g_auto(Await) failing = { NULL };
    g_auto(Await) plugging = { NULL };
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, TRUE), &impatient);
    bring_to(&bed, 256 * MIB, RESIZE_SETTLED, 256 * MIB);
    bed.guest->manners.fails = "no";
    resize_order_async(bed.resize, &plug, await_callback, &failing);
    resize_set_target(bed.resize, 320 * MIB, MECHANISM_AUTO, FALSE);
    assert_false(resize_order_finish(bed.resize, await_result(&failing), NULL));
    assert_int_equal(resize_get_target(bed.resize), 320 * MIB);

    bed.guest->manners.fails = NULL;
    bring_to(&bed, 320 * MIB, RESIZE_SETTLED, 320 * MIB);
    resize_order_async(bed.resize, &plug, await_callback, &plugging);
    resize_set_target(bed.resize, 384 * MIB, MECHANISM_AUTO, FALSE);
    assert_true(resize_order_finish(bed.resize, await_result(&plugging), NULL));
    assert_int_equal(resize_get_target(bed.resize), 512 * MIB);
    await_clear(&failing);
    await_clear(&plugging);
    bed_end(&bed);
}

/*
 * Somebody else's hand
 */

static gboolean
is_overruled(gpointer data)
{
    return ((Bed *)data)->overruled > 0 && is_at_rest(data);
}

static void
test_a_hand_is_told_before_it_is_mended(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 256 * MIB, 0, FALSE), &impatient);
    fake_guest_add_virtio_mem(bed.guest, 1024 * MIB);
    bring_to(&bed, 512 * MIB, RESIZE_SETTLED, 512 * MIB);
    bed.obeys = TRUE;
    bed.guest->memory.devices[0].requested = bed.guest->memory.devices[0].size = 64 * MIB;
    resize_refresh(bed.resize);
    await_condition(is_overruled, &bed, "the hand to be noticed");
    assert_string_equal(bed.last_hand, "virtio-mem vm0 256 MiB → 64 MiB");
    assert_int_equal(resize_get_target(bed.resize), 320 * MIB);
    assert_int_equal(bed.guest->memory.devices[0].requested, 64 * MIB);
    assert_int_equal(bed.guest->ordered, 1);
    bed_end(&bed);
}

static void
test_a_hand_at_the_balloon_is_not_fought(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 1024 * MIB, 1024 * MIB, 0, TRUE), &impatient);
    bring_to(&bed, 768 * MIB, RESIZE_SETTLED, 768 * MIB);
    bed.obeys = TRUE;
    bed.guest->memory.ballooned = bed.guest->memory.balloon_requested = 512 * MIB;
    resize_refresh(bed.resize);
    await_condition(is_overruled, &bed, "the hand to be noticed");
    assert_string_equal(bed.last_hand, "balloon 256 MiB → 512 MiB");
    assert_int_equal(resize_get_target(bed.resize), 512 * MIB);
    assert_int_equal(bed.guest->ordered, 1);
    bed_end(&bed);
}

static void
test_without_a_target_nobody_is_overruled(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 256 * MIB, 0, FALSE), &impatient);
    fake_guest_add_virtio_mem(bed.guest, 1024 * MIB);
    await_condition(is_observed, &bed, "the first observation");
    bed.guest->memory.devices[0].requested = 64 * MIB;
    resize_refresh(bed.resize);
    await_ms(60);
    assert_int_equal(bed.overruled, 0);
    assert_int_equal(resize_get_memory(bed.resize)->devices[0].requested, 64 * MIB);
    bed_end(&bed);
}

static void
test_our_own_orders_overrule_nobody(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 4096 * MIB, 8, TRUE), &impatient);
    bring_to(&bed, 1000 * MIB, RESIZE_SETTLED, 1000 * MIB);
    bed.guest->manners.refuses_unplug = TRUE;
    bring_to(&bed, 200 * MIB, RESIZE_SETTLED, 200 * MIB);
    bed.guest->manners.refuses_unplug = FALSE;
    bring_to(&bed, 2000 * MIB, RESIZE_SETTLED, 2000 * MIB);
    bring_to(&bed, 256 * MIB, RESIZE_SETTLED, 256 * MIB);
    assert_int_equal(bed.overruled, 0);
    bed_end(&bed);
}

/*
 * A hypervisor without time
 */

static gboolean
has_failed(gpointer data)
{
    return ((Bed *)data)->reports[RESIZE_REPORT_FAILED] > 0;
}

static void
test_an_order_that_found_no_time_is_no_trouble(void **state)
{
    static const int errors[] = { G_IO_ERROR_BUSY, G_IO_ERROR_TIMED_OUT, G_IO_ERROR_NOT_CONNECTED,
                                  G_IO_ERROR_CONNECTION_CLOSED };

    for (guint i = 0; i < G_N_ELEMENTS(errors); i++) {
        Bed bed;

        bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, FALSE), &impatient);
        bed.guest->manners.fails = "a backup is being made";
        bed.guest->manners.fails_with = errors[i];
        await_condition(is_observed, &bed, "the first observation");
        resize_set_target(bed.resize, 512 * MIB, MECHANISM_AUTO, FALSE);
        await_condition(has_failed, &bed, "the order to fail");
        await_ms(60);
        assert_int_equal(bed.guest->ordered, 1); /* not hammered */
        bed.guest->manners.fails = NULL;
        await_condition(is_at_rest, &bed, "another try, which nobody asks for");
        assert_int_equal(guest_memory_actual(&bed.guest->memory), 512 * MIB);
        assert_int_equal(resize_get_phase(bed.resize), RESIZE_SETTLED);
        bed_end(&bed);
    }
}

static void
test_a_guest_that_is_free_again_is_tried_at_once(void **state)
{
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, FALSE), &impatient);
    bed.guest->manners.fails = "a migration has begun";
    bed.guest->manners.fails_with = G_IO_ERROR_BUSY;
    await_condition(is_observed, &bed, "the first observation");
    resize_set_target(bed.resize, 512 * MIB, MECHANISM_AUTO, FALSE);
    await_condition(has_failed, &bed, "the order to fail");
    guest_take_state(MEMPLUG_GUEST(bed.guest), GUEST_STATE_MIGRATING);
    await_quiet();
    assert_int_equal(resize_get_phase(bed.resize), RESIZE_FROZEN);
    assert_int_equal(resize_get_target(bed.resize), 512 * MIB);
    bed.guest->manners.fails = NULL;
    guest_take_state(MEMPLUG_GUEST(bed.guest), GUEST_STATE_RUNNING);
    await_condition(is_at_rest, &bed, "the end of the resize");
    assert_int_equal(guest_memory_actual(&bed.guest->memory), 512 * MIB);
    assert_int_equal(bed.guest->ordered, 2);
    bed_end(&bed);
}

/* It cannot follow while it does not run, so that is not held against it. */
static void
test_no_patience_runs_out_while_it_is_frozen(void **state)
{
    static const GuestState states[] = { GUEST_STATE_PAUSED, GUEST_STATE_MIGRATING,
                                         GUEST_STATE_BUSY, GUEST_STATE_UNREACHABLE };

    for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
        Bed bed;

        bed_start(&bed, fake_guest_new("web", 256 * MIB, 2048 * MIB, 8, FALSE), &impatient);
        bed.guest->manners.holds_still = TRUE;
        await_condition(is_observed, &bed, "the first observation");
        resize_set_target(bed.resize, 384 * MIB, MECHANISM_AUTO, FALSE);
        await_quiet();
        guest_take_state(MEMPLUG_GUEST(bed.guest), states[i]);
        await_ms(60);
        bed.guest->manners.holds_still = FALSE;
        guest_take_state(MEMPLUG_GUEST(bed.guest), GUEST_STATE_RUNNING);
        fake_guest_move(bed.guest);
        await_condition(is_at_rest, &bed, "the end of the resize");
        assert_int_equal(bed.reports[RESIZE_REPORT_REFUSED], 0);
        assert_int_equal(bed.reports[RESIZE_REPORT_FOLLOWED], 1);
        bed_end(&bed);
    }
}

static void
test_virtio_mem_can_be_plugged_without_a_target(void **state)
{
    const MemoryStep plug = { .kind = MEMORY_STEP_PLUG_VIRTIO_MEM, .size = 512 * MIB };
    g_auto(Await) await = { NULL };
    Bed bed;

    bed_start(&bed, fake_guest_new("web", 256 * MIB, 256 * MIB, 0, FALSE), &impatient);
    await_condition(is_observed, &bed, "the first observation");
    resize_order_async(bed.resize, &plug, await_callback, &await);
    assert_true(resize_order_finish(bed.resize, await_result(&await), NULL));
    assert_int_equal(bed.guest->memory.n_devices, 1);
    assert_int_equal(resize_get_target(bed.resize), 0);
    assert_int_equal(bed.overruled, 0);
    await_clear(&await);
    bed_end(&bed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follows_to_the_byte),
        cmocka_unit_test(test_orders_nothing_before_it_has_a_target),
        cmocka_unit_test(test_target_set_while_it_is_told_of_the_guest),
        cmocka_unit_test(test_dry_run_orders_nothing),
        cmocka_unit_test(test_waits_while_the_guest_moves),
        cmocka_unit_test(test_refused_unplug_is_covered_by_the_balloon),
        cmocka_unit_test(test_refused_unplug_without_balloon_ends_short_with_the_reason),
        cmocka_unit_test(test_silent_unplug_times_out),
        cmocka_unit_test(test_stuck_virtio_mem_is_asked_for_what_it_can),
        cmocka_unit_test(test_balloon_that_stops_filling),
        cmocka_unit_test(test_failing_order_backs_off),
        cmocka_unit_test(test_failing_balloon_backs_off),
        cmocka_unit_test(test_is_tried_again_when_its_time_has_come),
        cmocka_unit_test(test_frozen_guest_is_left_alone_with_its_target),
        cmocka_unit_test(test_change_behind_its_back_is_mended),
        cmocka_unit_test(test_new_target_overtakes_the_old_one),
        cmocka_unit_test(test_order_by_hand_moves_the_target),
        cmocka_unit_test(test_refused_order_by_hand_moves_it_back),
        cmocka_unit_test(test_order_by_hand_leaves_a_later_target),
        cmocka_unit_test(test_a_hand_is_told_before_it_is_mended),
        cmocka_unit_test(test_a_hand_at_the_balloon_is_not_fought),
        cmocka_unit_test(test_without_a_target_nobody_is_overruled),
        cmocka_unit_test(test_our_own_orders_overrule_nobody),
        cmocka_unit_test(test_an_order_that_found_no_time_is_no_trouble),
        cmocka_unit_test(test_a_guest_that_is_free_again_is_tried_at_once),
        cmocka_unit_test(test_no_patience_runs_out_while_it_is_frozen),
        cmocka_unit_test(test_virtio_mem_can_be_plugged_without_a_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
