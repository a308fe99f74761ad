/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Properties of whole worlds: random guests on random traces under every policy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "simulate/simulation.h"

#define MIB          (G_GUINT64_CONSTANT(1) << 20)
#define SECOND       ((gint64)G_USEC_PER_SEC)
#define MOST_GUESTS  5
#define WORLDS       15
#define WORLDS_SHARE 500 /* of MEMPLUG_TEST_WORLDS: a world is far larger than those of others */

static guint
worlds(void)
{
    const char *text = g_getenv("MEMPLUG_TEST_WORLDS");

    return text ? MAX(1, (guint)strtoul(text, NULL, 10) / WORLDS_SHARE) : WORLDS;
}

/* A walk of 20 to 200 points: quiet, steep, or both. */
static Trace *
make_trace(Chance *chance, const char *name)
{
    Trace *trace = trace_new(name);
    guint64 total = (1 + chance_next(chance) % 4) * 1024 * MIB;
    double used = chance_between(chance, 0.05, 0.4) * (double)total;
    double wildness = chance_between(chance, 0.001, 0.3) * (double)total;
    guint n = 20 + (guint)(chance_next(chance) % 180);
    gint64 at = 0;

    for (guint i = 0; i < n; i++) {
        TracePoint point = { .time_us = at, .total = total };

        used += chance_between(chance, -1, 1) * wildness;
        used = CLAMP(used, 0, (double)total * 0.95);
        point.used = (guint64)used;
        point.cached = (guint64)(chance_real(chance) * (double)(total - point.used));
        g_array_append_val(trace->points, point);
        at += (gint64)chance_between(chance, 0.2, 3) * SECOND + 1 +
              (gint64)(chance_next(chance) % 999999);
    }
    trace_close(trace);
    return trace;
}

/* What is counted from the rows alone. */
typedef struct {
    const Simulation *simulation;
    WorldRow last[MOST_GUESTS];
    gboolean has[MOST_GUESTS];
    GuestAccount accounts[MOST_GUESTS];
    HostAccount host;
    guint64 most; /* bytes that the guests had together at most, or were to have */
    gint64 latest_us;
    GChecksum *checksum;
} Recount;

static void
recount(const WorldRow *rows, gsize n_rows, gpointer data)
{
    Recount *counts = data;

    for (gsize i = 0; i < n_rows; i++) {
        const WorldRow *row = &rows[i], *last = &counts->last[row->guest];
        GuestAccount *account = &counts->accounts[row->guest];
        const GuestSpec *spec = simulation_guest(counts->simulation, row->guest);

        g_checksum_update(counts->checksum, (const guchar *)&row->actual, sizeof(row->actual));
        g_checksum_update(counts->checksum, (const guchar *)&row->time_us, sizeof(row->time_us));
        assert_true(row->requested >= spec->floor && row->requested <= spec->ceiling);
        if (counts->has[row->guest]) {
            assert_true(row->time_us >= last->time_us);
            assert_true(row->steps >= last->steps);
            if (row->time_us > last->time_us)
                guest_account_add(account,
                                  &(GuestStretch){ .us = (double)(row->time_us - last->time_us),
                                                   .actual = (double)last->actual,
                                                   .used = last->demand,
                                                   .used_end = row->demand,
                                                   .cached = last->cached,
                                                   .cached_end = row->cached });
            account->churn += row->actual > last->actual ? row->actual - last->actual
                                                         : last->actual - row->actual;
        }
        account->steps = row->steps;
        host_account_change(&counts->host, counts->has[row->guest] ? last->actual : 0, row->actual);
        counts->last[row->guest] = *row;
        counts->has[row->guest] = TRUE;
    }
}

static void
assert_near(double a, double b, const char *what)
{
    if (ABS(a - b) > 1e-6 * MAX(1, ABS(b)))
        fail_msg("%s: %.12g is not %.12g", what, a, b);
}

/* Returns: (transfer full): a random world. */
static Simulation *
make_world(guint64 seed, guint *n_guests)
{
    Chance chance = chance_new(seed, 77);
    g_autoptr(GPtrArray) traces = g_ptr_array_new_with_free_func((GDestroyNotify)trace_free);
    static const Mechanism mechanisms[] = { MECHANISM_AUTO, MECHANISM_VIRTIO_MEM, MECHANISM_DIMM,
                                            MECHANISM_BALLOON };
    SimulationSettings settings = { .traces = traces, .seed = seed };
    g_autoptr(GError) error = NULL;
    Simulation *simulation;
    guint64 peaks = 0, share;

    *n_guests = 1 + (guint)(chance_next(&chance) % MOST_GUESTS);
    for (guint i = 0; i < *n_guests; i++) {
        Trace *trace = make_trace(&chance, "t");

        peaks += trace->peak;
        g_ptr_array_add(traces, trace);
    }
    settings.mechanism = mechanisms[chance_next(&chance) % G_N_ELEMENTS(mechanisms)];
    settings.stagger = chance_real(&chance);
    settings.floor = 256 * MIB;
    share = (guint64)(chance_between(&chance, 0.3, 1.5) * (double)peaks);
    settings.budget = MAX(share, *n_guests * 256 * MIB);
    simulation = simulation_new(&settings, &error);
    if (!simulation)
        fail_msg("%s", error->message);
    return simulation;
}

static Outcome
run(Simulation *simulation, const char *rule, Recount *counts)
{
    const WorldWatcher watcher = { .rows = recount, .data = counts };
    Outcome outcome;

    memset(counts, 0, sizeof(*counts));
    counts->simulation = simulation;
    counts->checksum = g_checksum_new(G_CHECKSUM_SHA256);
    assert_true(simulation_run(simulation, rule, &watcher, &outcome));
    return outcome;
}

/* Everything that is told of a run follows from its series. */
static void
test_outcomes_follow_from_their_series(void **state)
{
    for (guint64 seed = 1; seed <= worlds(); seed++) {
        guint n;
        g_autoptr(Simulation) simulation = make_world(seed, &n);

        for (const char *const *rule = simulation_policies(); *rule; rule++) {
            Recount counts;
            Outcome told = run(simulation, *rule, &counts);
            Outcome again =
                account_sum_up(counts.accounts, n, &counts.host, simulation_duration(simulation));

            g_checksum_free(counts.checksum);
            assert_near(told.lent_mean, again.lent_mean, "lent");
            assert_near(told.starved_time_ratio, again.starved_time_ratio, "starved");
            assert_near(told.starved_byte_seconds, again.starved_byte_seconds, "lacked");
            assert_near(told.squeezed_byte_seconds, again.squeezed_byte_seconds, "squeezed");
            assert_int_equal(told.churn_bytes, again.churn_bytes);
            assert_int_equal(told.steps, again.steps);
            assert_int_equal(told.lent_peak, again.lent_peak);
            assert_near(told.jain, again.jain, "jain");
            assert_true(told.jain > 0 && told.jain <= 1 + 1e-9);
            assert_true(told.starved_time_ratio >= 0 && told.starved_time_ratio <= 1);
        }
    }
}

/* The devices of a guest with a balloon take a moment to settle between the two kinds of memory;
 * at rest nothing is lent beyond the budget. */
static void
test_no_more_is_lent_than_the_budget(void **state)
{
    for (guint64 seed = 1; seed <= worlds(); seed++) {
        guint n;
        g_autoptr(Simulation) simulation = make_world(seed, &n);

        for (const char *const *rule = simulation_policies(); *rule; rule++) {
            Recount counts;
            Outcome outcome = run(simulation, *rule, &counts);
            guint64 wanted = 0;

            g_checksum_free(counts.checksum);
            for (guint i = 0; i < n; i++)
                wanted += counts.last[i].requested;
            assert_true(wanted <= simulation_budget(simulation));
            if (simulation_guest(simulation, 0)->mechanism == MECHANISM_VIRTIO_MEM ||
                simulation_guest(simulation, 0)->mechanism == MECHANISM_BALLOON)
                assert_true(outcome.lent_peak <= simulation_budget(simulation) + n * 2 * MIB);
        }
    }
}

static void
test_the_same_twice(void **state)
{
    for (guint64 seed = 1; seed <= worlds(); seed++) {
        guint n;
        g_autoptr(Simulation) simulation = make_world(seed, &n), same = make_world(seed, &n);

        for (const char *const *rule = simulation_policies(); *rule; rule++) {
            Recount once, twice;
            Outcome a = run(simulation, *rule, &once), b = run(same, *rule, &twice);

            assert_memory_equal(&a, &b, sizeof(a));
            assert_string_equal(g_checksum_get_string(once.checksum),
                                g_checksum_get_string(twice.checksum));
            g_checksum_free(once.checksum);
            g_checksum_free(twice.checksum);
        }
    }
}

/* Being watched changes nothing. */
static void
test_watching_changes_nothing(void **state)
{
    guint n;
    g_autoptr(Simulation) simulation = make_world(5, &n);
    Recount counts;
    Outcome watched = run(simulation, "balance", &counts), alone;

    g_checksum_free(counts.checksum);
    assert_true(simulation_run(simulation, "balance", NULL, &alone));
    assert_near(watched.starved_byte_seconds, alone.starved_byte_seconds, "lacked");
    assert_near(watched.lent_mean, alone.lent_mean, "lent");
    assert_int_equal(watched.steps, alone.steps);
}

/* With more memory for good nobody lacks more, and at its peak nobody lacks anything. */
static void
test_more_static_memory_is_never_worse(void **state)
{
    for (guint64 seed = 1; seed <= worlds(); seed++) {
        Chance chance = chance_new(seed, 5);
        g_autoptr(Trace) trace = make_trace(&chance, "t");
        GuestSpec guest = {
            .name = "g", .trace = trace, .weight = 1, .mechanism = MECHANISM_BALLOON
        };
        const WorldSettings settings = { .devices = &device_tuning_default,
                                         .duration_us = trace_length(trace) };
        double before_us = G_MAXDOUBLE, before_area = G_MAXDOUBLE;

        for (guint64 size = 64 * MIB; size <= trace->peak; size += 64 * MIB) {
            Outcome outcome;

            guest.size = guest.floor = guest.ceiling = size;
            assert_true(world_run(&settings, &guest, 1, NULL, &outcome));
            assert_true(outcome.starved_time_ratio <= before_us);
            assert_true(outcome.starved_byte_seconds <= before_area);
            assert_near(outcome.lent_mean, (double)size, "lent");
            assert_int_equal(outcome.steps, 0);
            before_us = outcome.starved_time_ratio;
            before_area = outcome.starved_byte_seconds;
        }
        guest.size = guest.floor = guest.ceiling = trace->peak;
        {
            Outcome outcome;

            assert_true(world_run(&settings, &guest, 1, NULL, &outcome));
            assert_true(outcome.starved_time_ratio == 0);
            assert_true(outcome.squeezed_byte_seconds <= 1);
        }
    }
}

/*
 * A predictor that knows what is to come, and a policy that gives it
 */

static const Trace *foretold;

static Forecast
foretell(PredictorState *state, const SampleRing *ring, guint64 actual, gint64 now)
{
    TraceCursor cursor;
    double most;

    trace_cursor_start(&cursor, foretold, 0);
    while (cursor.end_us <= now)
        trace_cursor_next(&cursor);
    trace_cursor_look_ahead(&cursor, now, now + SECOND, &most);
    return (Forecast){ .valid = TRUE,
                       .reason = "",
                       .used = (guint64)most + 1,
                       .need = (guint64)most + 1,
                       .demand = (guint64)most + 1 };
}

static void
forget(PredictorState *state)
{
}

static void
give(const HostView *host, const GuestView *guests, gsize n_guests, guint64 *targets)
{
    for (gsize i = 0; i < n_guests; i++)
        targets[i] = CLAMP(guests[i].demand, guests[i].floor, guests[i].ceiling);
}

static void
test_who_follows_exactly_never_starves(void **state)
{
    static const Predictor oracle = { .name = "oracle", .start = forget, .forecast = foretell };
    static const Policy giver = { .name = "giver", .paced = TRUE, .allocate = give };
    static const DeviceTuning at_once = { .unplug_stuck = 0 };

    for (guint64 seed = 1; seed <= worlds(); seed++) {
        Chance chance = chance_new(seed, 6);
        g_autoptr(Trace) trace = make_trace(&chance, "t");
        const GuestSpec guest = { .name = "g",
                                  .trace = trace,
                                  .weight = 1,
                                  .floor = 64 * MIB,
                                  .ceiling = trace->most_total,
                                  .size = trace->most_total,
                                  .mechanism = MECHANISM_BALLOON };
        const WorldSettings settings = { .policy = &giver,
                                         .predictor = &oracle,
                                         .devices = &at_once,
                                         .interval_us = SECOND,
                                         .duration_us = trace_length(trace),
                                         .budget = trace->most_total };
        Outcome outcome;

        foretold = trace;
        assert_true(world_run(&settings, &guest, 1, NULL, &outcome));
        assert_true(outcome.starved_time_ratio == 0);
        assert_true(outcome.steps > 0);
        assert_true(outcome.lent_mean < (double)trace->most_total);
    }
}

static gboolean
stop(double done, gpointer data)
{
    double *seen = data;

    assert_true(done >= *seen && done <= 1);
    *seen = done;
    return FALSE;
}

static void
test_a_run_can_be_ended(void **state)
{
    Chance chance = chance_new(1, 1);
    g_autoptr(Trace) trace = make_trace(&chance, "t");
    const GuestSpec guest = { .name = "g",
                              .trace = trace,
                              .weight = 1,
                              .floor = 64 * MIB,
                              .ceiling = 1024 * MIB,
                              .size = 512 * MIB };
    const WorldSettings settings = { .policy = policy_list()[0],
                                     .predictor = predictor_list()[0],
                                     .devices = &device_tuning_default,
                                     .interval_us = SECOND / 100,
                                     .duration_us = trace_length(trace),
                                     .budget = 1024 * MIB };
    double seen = 0;
    const WorldWatcher watcher = { .progress = stop, .data = &seen };
    Outcome outcome = { .steps = 12345 };

    assert_false(world_run(&settings, &guest, 1, &watcher, &outcome));
    assert_int_equal(outcome.steps, 12345);
    assert_true(seen > 0);
}

/* What an agent is for: a burst between two samples. */
static void
test_an_agent_is_worth_something(void **state)
{
    g_autoptr(Trace) trace = trace_new("burst");
    g_autoptr(GPtrArray) traces = g_ptr_array_new();
    SimulationSettings settings = { .traces = traces,
                                    .seed = 1,
                                    .mechanism = MECHANISM_VIRTIO_MEM };
    const guint64 used[] = { 400, 410, 400, 405, 1900, 1900, 400, 400 };
    Outcome with, without;

    for (guint i = 0; i < G_N_ELEMENTS(used); i++) {
        const TracePoint point = { .time_us = (gint64)i * 10 * SECOND - (i == 4 ? 7 * SECOND : 0),
                                   .total = 4096 * MIB,
                                   .used = used[i] * MIB };

        g_array_append_val(trace->points, point);
    }
    trace_close(trace);
    g_ptr_array_add(traces, trace);
    for (guint turn = 0; turn < 2; turn++) {
        g_autoptr(Simulation) simulation = NULL;

        settings.no_agents = turn == 1;
        simulation = simulation_new(&settings, NULL);
        assert_true(simulation_run(simulation, "balance", NULL, turn == 0 ? &with : &without));
    }
    assert_true(with.requests > 0);
    assert_int_equal(without.requests, 0);
    assert_true(with.starved_byte_seconds <= without.starved_byte_seconds);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes_follow_from_their_series),
        cmocka_unit_test(test_no_more_is_lent_than_the_budget),
        cmocka_unit_test(test_the_same_twice),
        cmocka_unit_test(test_watching_changes_nothing),
        cmocka_unit_test(test_more_static_memory_is_never_worse),
        cmocka_unit_test(test_who_follows_exactly_never_starves),
        cmocka_unit_test(test_a_run_can_be_ended),
        cmocka_unit_test(test_an_agent_is_worth_something),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
