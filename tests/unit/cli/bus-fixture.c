/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/cli/bus-fixture.h"

#include <gio/gio.h>

BusFixture bus_fixture;

static GTestDBus *test_bus;

int
bus_fixture_set_up(void **state)
{
    bus_fixture.daemon = bus_daemon_new(bus_fixture.address);
    bus_fixture.web = bus_daemon_add_guest(bus_fixture.daemon, "web");
    return 0;
}

int
bus_fixture_tear_down(void **state)
{
    g_clear_pointer(&bus_fixture.daemon, bus_daemon_free);
    return 0;
}

void
bus_fixture_restart_daemon(void)
{
    bus_fixture_tear_down(NULL);
    bus_fixture_set_up(NULL);
}

int
bus_fixture_start_bus(void **state)
{
    test_bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(test_bus);
    bus_fixture.address = g_test_dbus_get_bus_address(test_bus);
    return bus_fixture.address ? 0 : -1;
}

int
bus_fixture_stop_bus(void **state)
{
    g_test_dbus_stop(test_bus);
    g_clear_object(&test_bus);
    return 0;
}

gboolean
bus_fixture_is_possible(void)
{
    g_autofree char *program = g_find_program_in_path("dbus-daemon");

    if (!program)
        print_message("skipped: there is no dbus-daemon\n");
    return program != NULL;
}

void
bus_fixture_assert_runs(const char *line, const char *expected)
{
    g_auto(Run) run = run_line(bus_fixture.address, line);

    run_assert_status(&run, 0);
    run_assert_contains(run.out, expected);
    assert_string_equal(run.err, "");
}

void
bus_fixture_assert_fails(const char *line, int status, const char *expected)
{
    g_auto(Run) run = run_line(bus_fixture.address, line);

    run_assert_status(&run, status);
    run_assert_contains(run.err, expected);
    assert_null(strstr(run.err, "GDBus"));
}

JsonNode *
bus_fixture_run_json(const char *line, int status)
{
    g_auto(Run) run = run_line(bus_fixture.address, line);

    run_assert_status(&run, status);
    return run_parse_json(run.out);
}
