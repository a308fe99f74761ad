/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/libvirt-workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fake/await.h"

/* The deadline of calls that are meant to miss it. */
#define SHORT_MS 20

#define LANES 2
#define BOUND 3

/* No call is lost, however slow the machine; and each that waits at a gate. */
static const LibvirtWorkersLimits patient = { LANES, 1000 * AWAIT_PATIENCE_S, BOUND };
static const LibvirtWorkersLimits impatient = { LANES, SHORT_MS, BOUND };

/*
 * Work that waits at a gate, as a call to libvirt waits for a QEMU.
 */

typedef struct {
    GMutex mutex;
    GCond cond;
    gboolean open;
    guint inside;
    guint most;    /* that were inside at a time */
    guint entered; /* in all */
} Gate;

static void
gate_begin(Gate *gate)
{
    *gate = (Gate){ .open = FALSE };
    g_mutex_init(&gate->mutex);
    g_cond_init(&gate->cond);
}

static void
gate_end(Gate *gate)
{
    g_mutex_clear(&gate->mutex);
    g_cond_clear(&gate->cond);
}

static void
gate_open(Gate *gate)
{
    g_mutex_lock(&gate->mutex);
    gate->open = TRUE;
    g_cond_broadcast(&gate->cond);
    g_mutex_unlock(&gate->mutex);
}

/* Waits until @n calls have entered. */
static void
gate_await(Gate *gate, guint n)
{
    gint64 end = g_get_monotonic_time() + AWAIT_PATIENCE_S * G_USEC_PER_SEC;
    gboolean in_time = TRUE;

    g_mutex_lock(&gate->mutex);
    while (gate->entered < n && in_time)
        in_time = g_cond_wait_until(&gate->cond, &gate->mutex, end);
    g_mutex_unlock(&gate->mutex);
    assert_true(in_time);
}

static guint
gate_entered(Gate *gate)
{
    guint n;

    g_mutex_lock(&gate->mutex);
    n = gate->entered;
    g_mutex_unlock(&gate->mutex);
    return n;
}

static gpointer
pass(gpointer data, GError **error)
{
    Gate *gate = data;

    g_mutex_lock(&gate->mutex);
    gate->entered++;
    gate->inside++;
    gate->most = MAX(gate->most, gate->inside);
    g_cond_broadcast(&gate->cond);
    while (!gate->open)
        g_cond_wait(&gate->cond, &gate->mutex);
    gate->inside--;
    g_mutex_unlock(&gate->mutex);
    return g_strdup("through");
}

static const LibvirtWorkKind passing = { pass, NULL, g_free };

static gpointer
fail_in_thread(gpointer data, GError **error)
{
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_BUSY, data);
    return NULL;
}

static const LibvirtWorkKind failing = { fail_in_thread, g_free, NULL };

/*
 * The fixture: workers, a gate, and how often something was said to be lost.
 */

typedef struct {
    LibvirtWorkers *workers;
    Gate gate;
    guint told;
} Fixture;

static void
on_lost(gpointer data)
{
    ((Fixture *)data)->told++;
}

static int
set_up_with(void **state, const LibvirtWorkersLimits *limits)
{
    Fixture *fixture = g_new0(Fixture, 1);

    gate_begin(&fixture->gate);
    fixture->workers = libvirt_workers_new(limits, on_lost, fixture);
    *state = fixture;
    return 0;
}

static int
set_up_patient(void **state)
{
    return set_up_with(state, &patient);
}

static int
set_up_impatient(void **state)
{
    return set_up_with(state, &impatient);
}

static gboolean
one_is_lost(gpointer data)
{
    return libvirt_workers_lost(((Fixture *)data)->workers) == 1;
}

static gboolean
two_are_lost(gpointer data)
{
    return libvirt_workers_lost(((Fixture *)data)->workers) == 2;
}

static gboolean
all_have_left(gpointer data)
{
    return libvirt_workers_out(((Fixture *)data)->workers) == 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    /* No thread may see the gate when it has gone. */
    gate_open(&fixture->gate);
    await_condition(all_have_left, fixture, "the threads to end");
    libvirt_workers_free(fixture->workers);
    gate_end(&fixture->gate);
    g_free(fixture);
    return 0;
}

static void
call(Fixture *fixture, const char *key, guint deadline_ms, Await *await)
{
    libvirt_workers_run_async(fixture->workers, key, deadline_ms, &passing, &fixture->gate, NULL,
                              await_callback, await);
}

static void
assert_passed(Await *await)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *result = libvirt_workers_run_finish(await_result(await), &error);

    assert_null(error);
    assert_string_equal(result, "through");
    await_clear(await);
}

static void
assert_error(Await *await, GIOErrorEnum code)
{
    g_autoptr(GError) error = NULL;

    assert_null(libvirt_workers_run_finish(await_result(await), &error));
    assert_true(g_error_matches(error, G_IO_ERROR, (int)code));
    await_clear(await);
}

/*
 * Calls that end
 */

static void
test_result_and_error_come_to_the_main_context(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) through = { NULL };
    g_auto(Await) failed = { NULL };
    g_autoptr(GError) error = NULL;

    gate_open(&fixture->gate);
    call(fixture, "a", LIBVIRT_WORKERS_PATIENT, &through);
    libvirt_workers_run_async(fixture->workers, "b", LIBVIRT_WORKERS_PATIENT, &failing,
                              g_strdup("the reason"), NULL, await_callback, &failed);
    assert_passed(&through);
    assert_null(libvirt_workers_run_finish(await_result(&failed), &error));
    assert_string_equal(error->message, "the reason");
    assert_int_equal(fixture->told, 0);
}

static void
test_calls_of_one_key_do_not_meet(void **state)
{
    Fixture *fixture = *state;
    Await calls[8] = { { NULL } };

    for (guint i = 0; i < G_N_ELEMENTS(calls); i++)
        call(fixture, "a", LIBVIRT_WORKERS_PATIENT, &calls[i]);
    gate_await(&fixture->gate, 1);
    gate_open(&fixture->gate);
    for (guint i = 0; i < G_N_ELEMENTS(calls); i++)
        assert_passed(&calls[i]);
    assert_int_equal(fixture->gate.most, 1);
}

static void
test_lanes_bound_those_that_run(void **state)
{
    Fixture *fixture = *state;
    Await calls[8] = { { NULL } };

    for (guint i = 0; i < G_N_ELEMENTS(calls); i++) {
        char key[2] = { (char)('a' + i), '\0' };

        call(fixture, key, LIBVIRT_WORKERS_PATIENT, &calls[i]);
    }
    gate_await(&fixture->gate, LANES);
    gate_open(&fixture->gate);
    for (guint i = 0; i < G_N_ELEMENTS(calls); i++)
        assert_passed(&calls[i]);
    assert_int_equal(fixture->gate.most, LANES);
    assert_int_equal(libvirt_workers_count(fixture->workers).calls, G_N_ELEMENTS(calls));
}

/*
 * Calls that hang
 */

static void
test_the_caller_of_one_that_hangs_is_answered(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) hanging = { NULL };

    call(fixture, "a", SHORT_MS, &hanging);
    assert_error(&hanging, G_IO_ERROR_TIMED_OUT);
    assert_int_equal(libvirt_workers_out(fixture->workers), 1);

    /* Its result comes when nobody waits for it, and is freed. */
    gate_open(&fixture->gate);
    await_condition(all_have_left, fixture, "the thread to end");
    assert_int_equal(libvirt_workers_count(fixture->workers).late, 1);
}

static void
test_a_lost_call_is_told_of_and_its_result_still_counts(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) slow = { NULL };

    call(fixture, "a", LIBVIRT_WORKERS_PATIENT, &slow);
    await_condition(one_is_lost, fixture, "the loss");
    assert_int_equal(fixture->told, 1);
    gate_open(&fixture->gate);
    assert_passed(&slow);
    assert_int_equal(fixture->told, 2);
    assert_int_equal(libvirt_workers_lost(fixture->workers), 0);
}

static void
test_those_behind_one_that_hangs_time_out_without_a_thread(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) hanging = { NULL };
    g_auto(Await) behind = { NULL };
    g_auto(Await) other = { NULL };

    call(fixture, "a", SHORT_MS, &hanging);
    call(fixture, "a", SHORT_MS, &behind);
    assert_error(&hanging, G_IO_ERROR_TIMED_OUT);
    assert_error(&behind, G_IO_ERROR_TIMED_OUT);
    assert_int_equal(gate_entered(&fixture->gate), 1);
    assert_int_equal(libvirt_workers_out(fixture->workers), 1);

    /* Another key has the other lane. */
    call(fixture, "b", LIBVIRT_WORKERS_PATIENT, &other);
    gate_await(&fixture->gate, 2);
    gate_open(&fixture->gate);
    assert_passed(&other);
}

static void
test_written_off_calls_leave_their_lanes_but_not_their_keys(void **state)
{
    Fixture *fixture = *state;
    Await hanging[2] = { { NULL } };
    g_auto(Await) same_key = { NULL };
    g_auto(Await) other = { NULL };

    call(fixture, "a", SHORT_MS, &hanging[0]);
    call(fixture, "b", SHORT_MS, &hanging[1]);
    call(fixture, "c", LIBVIRT_WORKERS_PATIENT, &other);
    for (guint i = 0; i < G_N_ELEMENTS(hanging); i++)
        assert_error(&hanging[i], G_IO_ERROR_TIMED_OUT);
    await_condition(two_are_lost, fixture, "the losses");
    assert_int_equal(gate_entered(&fixture->gate), 2);

    assert_true(libvirt_workers_may_write_off(fixture->workers));
    libvirt_workers_write_off(fixture->workers);
    assert_int_equal(libvirt_workers_lost(fixture->workers), 0);
    gate_await(&fixture->gate, 3); /* c */
    call(fixture, "a", SHORT_MS, &same_key);
    assert_error(&same_key, G_IO_ERROR_TIMED_OUT);
    assert_int_equal(gate_entered(&fixture->gate), 3);

    gate_open(&fixture->gate);
    assert_passed(&other);
}

static void
test_no_more_may_hang_than_the_bound(void **state)
{
    Fixture *fixture = *state;
    Await hanging[4] = { { NULL } };

    for (guint i = 0; i < G_N_ELEMENTS(hanging); i++) {
        char key[2] = { (char)('a' + i), '\0' };

        call(fixture, key, SHORT_MS, &hanging[i]);
        assert_error(&hanging[i], G_IO_ERROR_TIMED_OUT);
        await_condition(one_is_lost, fixture, "the loss");
        assert_int_equal(libvirt_workers_may_write_off(fixture->workers), i < BOUND);
        if (i < BOUND)
            libvirt_workers_write_off(fixture->workers);
    }
    assert_int_equal(libvirt_workers_lost(fixture->workers), 1);
}

/*
 * Calls that are given up
 */

static void
test_a_cancelled_call_is_answered_at_once(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Await calls[2] = { { NULL } }; /* one runs, one waits */

    for (guint i = 0; i < G_N_ELEMENTS(calls); i++)
        libvirt_workers_run_async(fixture->workers, "a", LIBVIRT_WORKERS_PATIENT, &passing,
                                  &fixture->gate, cancellable, await_callback, &calls[i]);
    g_cancellable_cancel(cancellable);
    for (guint i = 0; i < G_N_ELEMENTS(calls); i++)
        assert_error(&calls[i], G_IO_ERROR_CANCELLED);
    assert_int_equal(libvirt_workers_out(fixture->workers), 1);
    assert_int_equal(fixture->told, 0);
}

static void
test_dropping_a_key_concerns_no_other(void **state)
{
    Fixture *fixture = *state;
    Await dropped[2] = { { NULL } };
    g_auto(Await) kept = { NULL };

    call(fixture, "a", LIBVIRT_WORKERS_PATIENT, &dropped[0]);
    call(fixture, "a", LIBVIRT_WORKERS_PATIENT, &dropped[1]);
    call(fixture, "b", LIBVIRT_WORKERS_PATIENT, &kept);
    libvirt_workers_drop(fixture->workers, "a");
    for (guint i = 0; i < G_N_ELEMENTS(dropped); i++)
        assert_error(&dropped[i], G_IO_ERROR_CANCELLED);
    gate_open(&fixture->gate);
    assert_passed(&kept);
}

static void
test_freeing_ends_what_is_waited_for(void **state)
{
    Fixture *fixture = *state;
    LibvirtWorkers *workers = libvirt_workers_new(&impatient, on_lost, fixture);
    Gate gate;
    g_auto(Await) running = { NULL };
    g_auto(Await) waiting = { NULL };

    gate_begin(&gate);
    libvirt_workers_run_async(workers, "a", SHORT_MS, &passing, &gate, NULL, await_callback,
                              &running);
    libvirt_workers_run_async(workers, "a", SHORT_MS, &passing, &gate, NULL, await_callback,
                              &waiting);
    gate_await(&gate, 1);
    libvirt_workers_free(workers);
    assert_error(&running, G_IO_ERROR_CANCELLED);
    assert_error(&waiting, G_IO_ERROR_CANCELLED);

    /* What still runs ends by itself, and tells nobody. */
    gate_open(&gate);
    while (gate.inside > 0)
        await_ms(1);
    await_ms(SHORT_MS * 2);
    assert_int_equal(fixture->told, 0);
    gate_end(&gate);
}

int
main(void)
{
#define PATIENT(name)   cmocka_unit_test_setup_teardown(name, set_up_patient, tear_down)
#define IMPATIENT(name) cmocka_unit_test_setup_teardown(name, set_up_impatient, tear_down)
    const struct CMUnitTest tests[] = {
        PATIENT(test_result_and_error_come_to_the_main_context),
        PATIENT(test_calls_of_one_key_do_not_meet),
        PATIENT(test_lanes_bound_those_that_run),
        PATIENT(test_the_caller_of_one_that_hangs_is_answered),
        IMPATIENT(test_a_lost_call_is_told_of_and_its_result_still_counts),
        PATIENT(test_those_behind_one_that_hangs_time_out_without_a_thread),
        IMPATIENT(test_written_off_calls_leave_their_lanes_but_not_their_keys),
        IMPATIENT(test_no_more_may_hang_than_the_bound),
        PATIENT(test_a_cancelled_call_is_answered_at_once),
        PATIENT(test_dropping_a_key_concerns_no_other),
        PATIENT(test_freeing_ends_what_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
