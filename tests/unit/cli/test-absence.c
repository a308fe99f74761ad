/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is not there: the daemon, the bus, a word of the command line.
 */
#include "tests/unit/cli/bus-fixture.h"

static void
test_without_a_daemon(void **state)
{
    static const char *const lines[] = { "list",          "info web",     "stats web",
                                         "setmem web 1G", "limits web",   "manage web on",
                                         "plug web 128M", "unplug web x", "events",
                                         "version",       "list --json" };
    g_autoptr(JsonNode) node = NULL;

    bus_daemon_leave(bus_fixture.daemon);
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
        bus_fixture_assert_fails(lines[i], 1, "error: memplugd is not running on the bus at ");
    node = bus_fixture_run_json("version --json", 1);
    assert_true(json_object_get_null_member(json_node_get_object(node), "daemon"));
}

static void
test_without_a_bus(void **state)
{
    g_auto(Run) run = run_line("unix:path=/nonexistent/bus", "list");

    run_assert_status(&run, 1);
    run_assert_contains(run.err, "error: cannot reach the bus at unix:path=/nonexistent/bus: ");
}

static void
test_bus_option_wins(void **state)
{
    g_autofree char *line = g_strdup_printf("--bus %s list", bus_fixture.address);
    g_auto(Run) run = run_line("unix:path=/nonexistent/bus", line);

    run_assert_status(&run, 0);
    run_assert_contains(run.out, "web");
}

static void
test_wrong_usage(void **state)
{
    bus_fixture_assert_fails("lits", 2, "error: unknown command 'lits'; did you mean 'list'?\n");
    bus_fixture_assert_fails("setmem web", 2,
                             "error: setmem: SIZE is missing\nUsage: memplug setmem GUEST");
    bus_fixture_assert_fails("setmem web 0", 2, "SIZE: '0' is not a size above 0");
    bus_fixture_assert_fails("list web", 2, "'web' is one word too many");
    bus_fixture_assert_fails("list --jsno", 2, "unknown option '--jsno'; did you mean '--json'?");
    bus_fixture_assert_fails("--bus", 2, "--bus needs a value");
    bus_fixture_assert_fails("help nothing", 2, "unknown command 'nothing'");
    assert_int_equal(bus_daemon_count_set_memory(bus_fixture.daemon), 0);
}

static void
test_help(void **state)
{
    bus_fixture_assert_runs("--help", "\n  setmem ");
    bus_fixture_assert_runs("help", "\n  setmem ");
    bus_fixture_assert_runs("help setmem", "Usage: memplug setmem GUEST SIZE [--no-wait]");
    /* Also where the rest of the line is not complete. */
    bus_fixture_assert_runs("setmem --help", "Usage: memplug setmem GUEST SIZE [--no-wait]");
    bus_fixture_assert_runs("setmem -h", "Usage: memplug setmem GUEST SIZE [--no-wait]");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BUS_FIXTURE_TEST(test_without_a_daemon),
        BUS_FIXTURE_TEST(test_without_a_bus),
        BUS_FIXTURE_TEST(test_bus_option_wins),
        BUS_FIXTURE_TEST(test_wrong_usage),
        BUS_FIXTURE_TEST(test_help),
    };

    return BUS_FIXTURE_RUN(tests);
}
