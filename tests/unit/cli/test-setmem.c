/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * setmem and every way in which it can end.
 */
#include "tests/unit/cli/bus-fixture.h"

#include <signal.h>

#include "tests/fake/await.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static void
test_setmem_follows_to_the_end(void **state)
{
    bus_fixture_assert_runs("setmem web 562M", "web: 562 MiB (was 256 MiB) in ");
    assert_int_equal(bus_daemon_latest_size(bus_fixture.daemon), 562 * MIB);
    /* Down again, in virsh's unit: KiB. */
    bus_fixture_assert_runs("setmem web 262144", "web: 256 MiB (was 562 MiB) in ");
    assert_int_equal(bus_daemon_count_set_memory(bus_fixture.daemon), 2);
}

static void
test_setmem_of_what_is_there_at_once(void **state)
{
    bus_daemon_set_reaction(bus_fixture.daemon, BUS_DAEMON_AT_ONCE);
    bus_fixture_assert_runs("setmem web 562M", "web: 562 MiB (was 256 MiB) in ");
}

static void
test_setmem_waits_for_its_own_decision(void **state)
{
    bus_daemon_set_reaction(bus_fixture.daemon, BUS_DAEMON_EARLIER_DECISION);
    bus_fixture_assert_runs("setmem web 562M", "web: 562 MiB (was 256 MiB) in ");
}

static void
test_setmem_json(void **state)
{
    g_autoptr(JsonNode) node = bus_fixture_run_json("setmem web 512M --json", 0);
    JsonObject *object = json_node_get_object(node);

    assert_string_equal(json_object_get_string_member(object, "guest"), "web");
    assert_string_equal(json_object_get_string_member(object, "outcome"), "settled");
    assert_int_equal(json_object_get_int_member(object, "requested"), 512 * MIB);
    assert_int_equal(json_object_get_int_member(object, "actual"), 512 * MIB);
    assert_int_equal(json_object_get_int_member(object, "before"), 256 * MIB);
    assert_string_equal(json_object_get_string_member(object, "phase"), "settled");
    assert_string_equal(json_object_get_string_member(object, "reason"), "");
    assert_true(json_object_get_double_member(object, "seconds") > 0.0);
}

static void
test_setmem_rounded(void **state)
{
    bus_daemon_set_reaction(bus_fixture.daemon, BUS_DAEMON_ROUNDS);
    bus_fixture_assert_runs("setmem web 561M", "; not exactly 561 MiB, for its steps are 2 MiB\n");
}

/* Each ends badly, says so in words and in JSON, and has reached the daemon. */
static void
test_setmem_outcomes(void **state)
{
    static const struct {
        BusDaemonReaction reaction;
        const char *outcome;
        const char *words;
    } rows[] = {
        { BUS_DAEMON_FALLS_SHORT, "short", ": the guest keeps it\n" },
        { BUS_DAEMON_FREEZES, "frozen",
          ": it cannot be changed now; that goes on when it can (the guest is paused)\n" },
        { BUS_DAEMON_OVERRULES, "overruled", ": it was asked for another size meanwhile\n" },
        { BUS_DAEMON_STALLS, "timed-out", ": still moving when the time was up; it goes on\n" },
        { BUS_DAEMON_GUEST_GOES, "guest-gone", ": the guest is gone\n" },
        { BUS_DAEMON_GUEST_HAS_GONE, "guest-gone", ": the guest is gone\n" },
        { BUS_DAEMON_LEAVES, "daemon-gone", ": memplugd left the bus; once started again" },
        { BUS_DAEMON_LEAVES_SILENTLY, "daemon-gone", ": memplugd left the bus" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(Run) run = { 0 };
        g_autoptr(JsonNode) node = NULL;

        bus_fixture_restart_daemon();
        bus_daemon_set_reaction(bus_fixture.daemon, rows[i].reaction);
        /* Only what never ends by itself is given a short time. */
        run = run_line(bus_fixture.address, rows[i].reaction == BUS_DAEMON_STALLS
                                                ? "setmem web 562M --json --timeout 0.1"
                                                : "setmem web 562M --json");
        run_assert_status(&run, 1);
        node = run_parse_json(run.out);
        assert_string_equal(json_object_get_string_member(json_node_get_object(node), "outcome"),
                            rows[i].outcome);
        run_assert_contains(run.err, "error: web: ");
        run_assert_contains(run.err, ", asked for 562 MiB (was 256 MiB), after ");
        run_assert_contains(run.err, rows[i].words);
        assert_int_equal(bus_daemon_count_set_memory(bus_fixture.daemon), 1);
    }
}

static gboolean
on_describe_host(BusManager *manager, GDBusMethodInvocation *invocation, gpointer data)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&dict, "budget", "t", 1024 * MIB);
    g_variant_dict_insert(&dict, "most", "t", 300 * MIB);
    bus_manager_complete_describe_host(manager, invocation, g_variant_dict_end(&dict));
    return TRUE;
}

/* Of 1 GiB, 300 MiB are left with all guests at their floors, web's of 128 MiB included. */
static void
test_setmem_beyond_the_budget(void **state)
{
    g_auto(Run) run = { 0 };

    g_signal_connect(bus_daemon_get_manager(bus_fixture.daemon), "handle-describe-host",
                     G_CALLBACK(on_describe_host), NULL);
    bus_fixture_assert_runs("setmem web 428M", "web: 428 MiB (was 256 MiB) in ");
    bus_fixture_assert_runs("setmem web 256M", "web: 256 MiB (was 428 MiB) in ");
    run = run_line(bus_fixture.address, "setmem web 500M");
    run_assert_status(&run, 0);
    run_assert_contains(run.err, "warning: with 500 MiB for web, floors, held guests and leases "
                                 "exceed the budget of 1 GiB by 72 MiB: ");
}

static void
test_setmem_refused(void **state)
{
    bus_daemon_set_reaction(bus_fixture.daemon, BUS_DAEMON_REFUSES);
    bus_fixture_assert_fails("setmem web 2G", 1, "error: web: the ceiling is 512 MiB\n");
    bus_daemon_set_reaction(bus_fixture.daemon, BUS_DAEMON_DENIES);
    bus_fixture_assert_fails("setmem web 2G", 1, "error: access denied: web: not authorized\n");
}

static void
test_setmem_no_wait(void **state)
{
    bus_daemon_set_reaction(bus_fixture.daemon, BUS_DAEMON_STALLS);
    bus_fixture_assert_runs("setmem web 562M --no-wait", "web: asked for 562 MiB (has 256 MiB)\n");
    assert_int_equal(bus_daemon_latest_size(bus_fixture.daemon), 562 * MIB);
}

static gboolean
was_asked(gpointer data)
{
    return bus_daemon_count_set_memory(bus_fixture.daemon) > 0;
}

static void
test_setmem_interrupted(void **state)
{
    const char *const words[] = { "setmem", "web", "562M", NULL };
    RunPending *pending;
    g_auto(Run) run = { 0 };

    bus_daemon_set_reaction(bus_fixture.daemon, BUS_DAEMON_STALLS);
    pending = run_begin(bus_fixture.address, NULL, words);
    await_condition(was_asked, NULL, "SetMemory");
    run_signal(pending, SIGINT);
    run = run_end(pending);
    run_assert_status(&run, 1);
    run_assert_contains(run.err, ": no longer waiting; the change goes on\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BUS_FIXTURE_TEST(test_setmem_follows_to_the_end),
        BUS_FIXTURE_TEST(test_setmem_of_what_is_there_at_once),
        BUS_FIXTURE_TEST(test_setmem_waits_for_its_own_decision),
        BUS_FIXTURE_TEST(test_setmem_json),
        BUS_FIXTURE_TEST(test_setmem_rounded),
        BUS_FIXTURE_TEST(test_setmem_outcomes),
        BUS_FIXTURE_TEST(test_setmem_beyond_the_budget),
        BUS_FIXTURE_TEST(test_setmem_refused),
        BUS_FIXTURE_TEST(test_setmem_no_wait),
        BUS_FIXTURE_TEST(test_setmem_interrupted),
    };

    return BUS_FIXTURE_RUN(tests);
}
