/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * list, info and stats: what the real memplug prints of a fake daemon's guests.
 */
#include "tests/unit/cli/bus-fixture.h"

#include <signal.h>

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static void
test_list(void **state)
{
    g_auto(Run) run = { 0 };

    bus_daemon_add_guest(bus_fixture.daemon, "vm10");
    bus_guest_set_held(bus_daemon_add_guest(bus_fixture.daemon, "vm2"), TRUE);
    bus_guest_set_managed(bus_fixture.web, FALSE);
    bus_guest_set_phase(bus_fixture.web, "short");
    bus_guest_set_reason(bus_fixture.web, "no slot\033[2J");
    run = run_line(bus_fixture.address, "list");
    run_assert_status(&run, 0);
    assert_string_equal(
        run.out,
        "Name  State     Actual  Requested   Demand    Floor  Ceiling  Weight  Mechanism  Notes\n"
        "vm2   running  256 MiB    256 MiB  200 MiB  128 MiB    1 GiB     1.5  auto       held\n"
        "vm10  running  256 MiB    256 MiB  200 MiB  128 MiB    1 GiB     1.5  auto\n"
        "web   running  256 MiB    256 MiB  200 MiB  128 MiB    1 GiB     1.5  auto       "
        "unmanaged, short: no slot?[2J\n");
}

static void
test_list_of_what_cannot_be_changed(void **state)
{
    bus_guest_set_obstacle(bus_fixture.web, "its operating system is not Linux");
    bus_guest_set_phase(bus_fixture.web, "frozen");
    bus_fixture_assert_runs("list",
                            " auto       cannot be resized: its operating system is not Linux\n");
    bus_fixture_assert_runs("info web", "Obstacle:     its operating system is not Linux\n");
    bus_fixture_assert_runs("list --json", "\"obstacle\" : \"its operating system is not Linux\"");

    bus_manager_set_connection(bus_daemon_get_manager(bus_fixture.daemon), "Connection refused");
    bus_fixture_assert_runs(
        "list", "\nConnection: none to qmp:/run/guests at present: Connection refused\n");
    bus_fixture_assert_runs("info web", "Connection:   none to qmp:/run/guests at present");
    bus_fixture_assert_runs("info web --json", "\"connection\" : \"Connection refused\"");
    bus_manager_set_connection(bus_daemon_get_manager(bus_fixture.daemon), "read-only");
    bus_fixture_assert_runs("list", "\nConnection: read-only to qmp:/run/guests: its guests can");
    bus_guest_set_state(bus_fixture.web, "busy");
    bus_fixture_assert_runs("list", "web   busy ");
}

/* From the table that the daemon is built from, so that no daemon is asked. */
static void
test_policies(void **state)
{
    g_autoptr(JsonNode) node = bus_fixture_run_json("policies --json", 0);
    JsonArray *array = json_node_get_array(node);
    JsonObject *first = json_array_get_object_element(array, 0);

    assert_int_equal(json_array_get_length(array), 8);
    assert_string_equal(json_object_get_string_member(first, "name"), "balance");
    assert_true(json_object_get_boolean_member(first, "default"));
    assert_false(json_object_get_boolean_member(first, "paced"));
    bus_fixture_assert_runs("policies", "\nmom              10 s  oVirt's MOM: ");
    bus_fixture_assert_runs("policies", "\nsqueezed  every cycle  xapi's squeezed: ");
}

static void
test_list_json(void **state)
{
    static const char *const members[] = { "name",     "state",   "actual", "requested", "demand",
                                           "floor",    "ceiling", "weight", "mechanism", "managed",
                                           "held",     "phase",   "reason", "used",      "pid",
                                           "decision", "obstacle" };
    g_autoptr(JsonNode) node = bus_fixture_run_json("list --json", 0);
    JsonArray *array = json_node_get_array(node);
    JsonObject *object;

    assert_int_equal(json_array_get_length(array), 1);
    object = json_array_get_object_element(array, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
        if (!json_object_has_member(object, members[i]))
            fail_msg("no member '%s'", members[i]);
    }
    assert_string_equal(json_object_get_string_member(object, "name"), "web");
    assert_int_equal(json_object_get_int_member(object, "ceiling"), 1024 * MIB);
    assert_true(json_object_get_boolean_member(object, "managed"));
    assert_true(json_object_get_double_member(object, "weight") == 1.5);
}

static void
test_list_of_none(void **state)
{
    bus_daemon_remove_guest(bus_fixture.daemon, "web");
    bus_fixture_assert_runs("list", "Name  State  Actual");
    bus_fixture_assert_runs("list --json", "[]");
}

static void
test_info(void **state)
{
    g_auto(Run) run = run_line(bus_fixture.address, "info web");

    run_assert_status(&run, 0);
    run_assert_contains(run.out, "Name:         web\nPid:          4242\n");
    run_assert_contains(run.out, "Statistics:   fresh, 0.4 s old\n");
    run_assert_contains(run.out, "Ceiling:      1 GiB\n");
    run_assert_contains(run.out, "Forecast:     used and a third\n");
    run_assert_contains(run.out, "DIMM slots:   16, 15 of them free\n");
    run_assert_contains(
        run.out,
        "Device          Kind           Size  Requested   Most  Block  Node  Notes\n"
        "memplug-vmem    virtio-mem    0 MiB      0 MiB  1 GiB  2 MiB     0  not plugged by "
        "memplug\n"
        "memplug-dimm-1  dimm        128 MiB          -      -      -     1  being unplugged\n");
    /* Nothing is pinned, and nothing is wrong. */
    assert_null(strstr(run.out, "Pinned"));
    assert_null(strstr(run.out, "Reason"));
}

static void
test_info_json(void **state)
{
    g_autoptr(JsonNode) node = bus_fixture_run_json("info web --json", 0);
    JsonObject *object = json_node_get_object(node);
    JsonArray *devices = json_object_get_array_member(object, "devices");

    assert_int_equal(json_object_get_int_member(object, "grain"), 2 * MIB);
    assert_int_equal(json_array_get_length(devices), 2);
    assert_string_equal(
        json_object_get_string_member(json_array_get_object_element(devices, 1), "id"),
        "memplug-dimm-1");
    assert_int_equal(
        json_object_get_int_member(json_object_get_object_member(object, "stats"), "major_faults"),
        17);
}

static void
test_guest_with_an_odd_name(void **state)
{
    const char *const words[] = { "info", "dépôt 1/_x", NULL };
    g_auto(Run) run = { 0 };

    bus_daemon_add_guest(bus_fixture.daemon, "dépôt 1/_x");
    run = run_end(run_begin(bus_fixture.address, NULL, words));
    run_assert_status(&run, 0);
    run_assert_contains(run.out, "Name:         dépôt 1/_x\n");
}

static void
test_no_such_guest(void **state)
{
    bus_fixture_assert_fails("info wbe", 1,
                             "error: no running guest is called 'wbe'; did you mean 'web'?\n");
    bus_fixture_assert_fails("setmem nothing 1G", 1,
                             "no running guest is called 'nothing'; there are: web\n");
    bus_daemon_remove_guest(bus_fixture.daemon, "web");
    bus_fixture_assert_fails("stats web", 1, "memplugd sees no running guest at all");
}

static void
test_stats(void **state)
{
    g_auto(Run) run = run_line(bus_fixture.address, "stats web");

    run_assert_status(&run, 0);
    assert_string_equal(run.out, "Guest:        web\n"
                                 "Statistics:   fresh, 0.4 s old\n"
                                 "Total:        248 MiB\n"
                                 "Free:         100 MiB\n"
                                 "Swapped in:   4 KiB\n"
                                 "Major faults: 17\n");
}

static void
test_stats_of_a_silent_guest(void **state)
{
    g_autoptr(JsonNode) node = NULL;
    JsonObject *object;

    bus_guest_set_stats(bus_fixture.web,
                        g_variant_new_parsed("{'state': <'never'>, 'reason': <'no driver'>}"));
    bus_fixture_assert_runs("stats web", "Statistics:   never (no driver)\n");
    node = bus_fixture_run_json("stats web --json", 0);
    object = json_node_get_object(node);
    assert_string_equal(json_object_get_string_member(object, "state"), "never");
    assert_false(json_object_has_member(object, "total"));
}

static void
test_stats_by_an_agent(void **state)
{
    g_autoptr(JsonNode) node = NULL;
    JsonObject *object;

    bus_guest_set_stats(
        bus_fixture.web,
        g_variant_new_parsed(
            "{'state': <'fresh'>, 'reason': <''>, 'age_us': <int64 400000>, 'source': <'agent'>,"
            " 'total': <uint64 268435456>, 'stall_some_us': <uint64 1500000>,"
            " 'balloon_age_us': <int64 900000>, 'agent': <'memplug-guest 1\\u001b[2J'>,"
            " 'fastest': <uint64 104857600>, 'urgent_requests': <uint64 3>,"
            " 'urgent_first_us': <int64 45000>, 'channel': <'open'>, 'channel_reason': <''>,"
            " 'zones': <[{'zone': <'Movable'>, 'managed': <uint64 134217728>,"
            "             'free': <uint64 67108864>}]>,"
            " 'blocks': <[{'state': <'online'>, 'zone': <'Movable'>, 'count': <uint64 1>,"
            "              'size': <uint64 134217728>}]>,"
            " 'runs': <[{'first': <uint64 0>, 'count': <uint64 2>, 'state': <'online'>,"
            "            'zone': <'DMA32'>},"
            "           {'first': <uint64 32>, 'count': <uint64 1>, 'state': <'offline'>,"
            "            'zone': <'other'>}]>}"));
    bus_fixture_assert_runs("stats web", "fresh, 0.4 s old, by its agent\n");
    bus_fixture_assert_runs("stats web", "Some stalled: 1.500 s\n");
    bus_fixture_assert_runs("stats web", "By balloon:   0.9 s ago\n");
    bus_fixture_assert_runs("stats web", "Fastest:      100 MiB/s\n");
    bus_fixture_assert_runs("stats web", "Urgent:       3\n");
    bus_fixture_assert_runs("stats web", "Met after:    0.045 s\n");
    bus_fixture_assert_runs("stats web", "Channel:      open\n");
    bus_fixture_assert_runs("stats web", "Zone Movable: 128 MiB, 64 MiB free\n");
    bus_fixture_assert_runs("stats web", "Blocks:       1 online in Movable, 128 MiB\n");
    bus_fixture_assert_runs("stats web", "Block:        0 to 1: online in DMA32\n");
    bus_fixture_assert_runs("stats web", "Block:        32: offline\n");
    node = bus_fixture_run_json("stats web --json", 0);
    object = json_node_get_object(node);
    assert_int_equal(json_object_get_int_member(object, "urgent_requests"), 3);
    assert_int_equal(json_array_get_length(json_object_get_array_member(object, "zones")), 1);
}

static void
test_stats_follow(void **state)
{
    g_auto(Run) run =
        run_line(bus_fixture.address, "stats web --follow --interval 0.01 --count 3 --json");
    g_auto(GStrv) lines = g_strsplit(run.out, "\n", -1);

    run_assert_status(&run, 0);
    assert_int_equal(g_strv_length(lines), 4);
    for (int i = 0; i < 3; i++) {
        g_autoptr(JsonNode) node = run_parse_json(lines[i]);

        assert_int_equal(json_object_get_int_member(json_node_get_object(node), "total"),
                         248 * MIB);
    }
    bus_fixture_assert_runs("stats web --follow --count 1", "  fresh, 0.4 s old\n");
    bus_fixture_assert_fails("stats web --count 1", 2, "--interval and --count need --follow");
}

static void
test_stats_follow_ends_with_the_guest(void **state)
{
    const char *const words[] = { "stats", "web", "--follow", "--interval", "0.01", NULL };
    RunPending *pending = run_begin(bus_fixture.address, NULL, words);
    g_auto(Run) run = { 0 };

    run_await_output(pending, "fresh");
    bus_daemon_remove_guest(bus_fixture.daemon, "web");
    run = run_end(pending);
    run_assert_status(&run, 1);
    run_assert_contains(run.err, "web: ");
}

static void
test_stats_follow_is_ended_by_the_user(void **state)
{
    const char *const words[] = { "stats", "web", "--follow", "--interval", "1000", NULL };
    RunPending *pending = run_begin(bus_fixture.address, NULL, words);
    g_auto(Run) run = { 0 };

    run_await_output(pending, "fresh");
    run_signal(pending, SIGINT);
    run = run_end(pending);
    run_assert_status(&run, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BUS_FIXTURE_TEST(test_list),
        BUS_FIXTURE_TEST(test_list_of_what_cannot_be_changed),
        BUS_FIXTURE_TEST(test_policies),
        BUS_FIXTURE_TEST(test_list_json),
        BUS_FIXTURE_TEST(test_list_of_none),
        BUS_FIXTURE_TEST(test_info),
        BUS_FIXTURE_TEST(test_info_json),
        BUS_FIXTURE_TEST(test_guest_with_an_odd_name),
        BUS_FIXTURE_TEST(test_no_such_guest),
        BUS_FIXTURE_TEST(test_stats),
        BUS_FIXTURE_TEST(test_stats_of_a_silent_guest),
        BUS_FIXTURE_TEST(test_stats_by_an_agent),
        BUS_FIXTURE_TEST(test_stats_follow),
        BUS_FIXTURE_TEST(test_stats_follow_ends_with_the_guest),
        BUS_FIXTURE_TEST(test_stats_follow_is_ended_by_the_user),
    };

    return BUS_FIXTURE_RUN(tests);
}
