/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * events and version.
 */
#include "tests/unit/cli/bus-fixture.h"

#include <signal.h>

static gboolean
emit_events(gpointer data)
{
    bus_daemon_emit_event(bus_fixture.daemon, "db", "step", 3, "plugged");
    bus_daemon_emit_event(bus_fixture.daemon, "web", "settled", 4, "at 562 MiB\033[2J");
    return G_SOURCE_CONTINUE;
}

static void
test_events(void **state)
{
    guint timer = g_timeout_add(10, emit_events, NULL);
    g_auto(Run) text = run_line(bus_fixture.address, "events --guest web --count 2");
    g_auto(Run) json = run_line(bus_fixture.address, "events --count 2 --json");
    g_auto(GStrv) text_lines = g_strsplit(text.out, "\n", -1);
    g_auto(GStrv) json_lines = g_strsplit(json.out, "\n", -1);

    g_source_remove(timer);
    run_assert_status(&text, 0);
    assert_int_equal(g_strv_length(text_lines), 3);
    run_assert_contains(text_lines[0], ".250  web              settled        at 562 MiB?[2J");
    assert_string_equal(text_lines[0], text_lines[1]);

    run_assert_status(&json, 0);
    assert_int_equal(g_strv_length(json_lines), 3);
    for (int i = 0; i < 2; i++) {
        g_autoptr(JsonNode) node = run_parse_json(json_lines[i]);
        JsonObject *object = json_node_get_object(node);

        assert_true(json_object_get_int_member(object, "time_us") == 1700000000250000);
        assert_true(json_object_has_member(object, "kind"));
    }
}

static void
test_events_in_time(void **state)
{
    bus_fixture_assert_fails("events --count 1 --timeout 0.05", 1, "only 0 of 1 events came\n");
    bus_fixture_assert_runs("events --timeout 0.05", "");
}

static gboolean
emit_early(gpointer data)
{
    bus_daemon_emit_event(bus_fixture.daemon, "web", "step", 1, "early");
    return G_SOURCE_CONTINUE;
}

static void
test_events_outlive_the_daemon(void **state)
{
    const char *const words[] = { "events", NULL };
    RunPending *pending = run_begin(bus_fixture.address, NULL, words);
    g_auto(Run) run = { 0 };
    guint timer = g_timeout_add(10, emit_early, NULL);

    run_await_output(pending, "early");
    g_source_remove(timer);
    bus_daemon_leave(bus_fixture.daemon);
    bus_daemon_come_back(bus_fixture.daemon);
    bus_daemon_emit_event(bus_fixture.daemon, "web", "step", 2, "late");
    run_await_output(pending, "late");
    run_await_error(pending, "back");
    run_signal(pending, SIGINT);
    run = run_end(pending);
    run_assert_status(&run, 0);
    assert_string_equal(run.err, "memplugd left the bus; waiting for it\nmemplugd is back\n");
}

static void
test_version(void **state)
{
    g_autoptr(JsonNode) node = bus_fixture_run_json("version --json", 0);
    JsonObject *object = json_node_get_object(node);

    assert_string_equal(json_object_get_string_member(object, "daemon"), "1.2.3");
    assert_string_equal(json_object_get_string_member(object, "uri"), "qmp:/run/guests");
    bus_fixture_assert_runs("version", "Daemon:       1.2.3\n");
    bus_fixture_assert_runs("--version", "memplug ");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BUS_FIXTURE_TEST(test_events),
        BUS_FIXTURE_TEST(test_events_in_time),
        BUS_FIXTURE_TEST(test_events_outlive_the_daemon),
        BUS_FIXTURE_TEST(test_version),
    };

    return BUS_FIXTURE_RUN(tests);
}
