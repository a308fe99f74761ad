/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor: what the real memplug prints of a fake daemon's findings.
 */
#include "tests/unit/cli/bus-fixture.h"

#define SWAP                                                                        \
    "{'check': <'swap'>, 'level': <'advice'>, 'finding': <'the host has no swap'>," \
    " 'reason': <'a guest may be killed'>, 'fix': <'mkswap /swapfile\\nswapon /swapfile'>}"
#define WELL                                                                           \
    "{'check': <'kvm'>, 'level': <'ok'>, 'finding': <'KVM is there'>, 'reason': <''>," \
    " 'fix': <''>}"
#define MAXMEM                                                                   \
    "{'check': <'maxmem'>, 'level': <'problem'>, 'finding': <'no room\033[2J'>," \
    " 'reason': <'it cannot grow'>, 'fix': <'<maxMemory/>'>}"

static void
answer(GDBusMethodInvocation *invocation, const char *findings)
{
    GVariant *parsed = g_variant_new_parsed(findings);

    g_dbus_method_invocation_return_value(invocation, g_variant_new("(@aa{sv})", parsed));
}

static gboolean
on_host(BusManager *manager, GDBusMethodInvocation *invocation, gpointer findings)
{
    answer(invocation, findings);
    return TRUE;
}

static gboolean
on_guest(BusGuest *guest, GDBusMethodInvocation *invocation, gpointer findings)
{
    answer(invocation, findings);
    return TRUE;
}

static void
host_says(const char *findings)
{
    g_signal_connect(bus_daemon_get_manager(bus_fixture.daemon), "handle-diagnose",
                     G_CALLBACK(on_host), (gpointer)findings);
}

static void
guest_says(BusGuest *guest, const char *findings)
{
    g_signal_connect(guest, "handle-diagnose", G_CALLBACK(on_guest), (gpointer)findings);
}

static void
test_the_host_and_a_summary_of_guests(void **state)
{
    host_says("[" WELL "," SWAP "]");
    guest_says(bus_fixture.web, "[" SWAP "," SWAP "]");
    guest_says(bus_daemon_add_guest(bus_fixture.daemon, "db"), "[" WELL "]");
    bus_fixture_assert_runs("doctor", "the host: 1 advice\n"
                                      "  advice   swap: the host has no swap\n"
                                      "           a guest may be killed\n"
                                      "               mkswap /swapfile\n"
                                      "               swapon /swapfile\n"
                                      "db: all is well\n"
                                      "web: 2 advice; see 'memplug doctor web'\n");
    bus_fixture_assert_runs("doctor --all", "  ok       kvm: KVM is there\n");
}

static void
test_a_problem_ends_with_status_1(void **state)
{
    g_auto(Run) run = { 0 };

    host_says("[" WELL "]");
    guest_says(bus_fixture.web, "[" WELL "," MAXMEM "]");
    bus_fixture_assert_fails("doctor", 1, "error: 1 problem found\n");
    run = run_line(bus_fixture.address, "doctor");
    run_assert_contains(run.out, "the host: all is well\n"
                                 "web: 1 problem; see 'memplug doctor web'\n"
                                 "  problem  maxmem: no room?[2J\n");
    bus_fixture_assert_fails("doctor web --json", 1, "error: 1 problem found\n");
}

static void
test_one_guest(void **state)
{
    g_auto(Run) run = { 0 };

    guest_says(bus_fixture.web, "[" WELL "," MAXMEM "]");
    run = run_line(bus_fixture.address, "doctor web");
    run_assert_status(&run, 1);
    assert_string_equal(run.out, "web: 1 problem\n"
                                 "  problem  maxmem: no room?[2J\n"
                                 "           it cannot grow\n"
                                 "               <maxMemory/>\n");
    bus_fixture_assert_fails("doctor wbe", 1, "did you mean 'web'?");
}

static void
test_json(void **state)
{
    g_autoptr(JsonNode) node = NULL;
    JsonArray *array;
    JsonObject *finding;

    host_says("[" SWAP "]");
    guest_says(bus_fixture.web, "[" WELL "]");
    node = bus_fixture_run_json("doctor --json", 0);
    array = json_node_get_array(node);
    assert_int_equal(json_array_get_length(array), 2);
    finding = json_array_get_object_element(array, 0);
    assert_string_equal(json_object_get_string_member(finding, "guest"), "");
    assert_string_equal(json_object_get_string_member(finding, "check"), "swap");
    assert_string_equal(json_object_get_string_member(finding, "level"), "advice");
    assert_string_equal(json_object_get_string_member(finding, "finding"), "the host has no swap");
    assert_string_equal(json_object_get_string_member(finding, "reason"), "a guest may be killed");
    assert_string_equal(json_object_get_string_member(finding, "fix"),
                        "mkswap /swapfile\nswapon /swapfile");
    finding = json_array_get_object_element(array, 1);
    assert_string_equal(json_object_get_string_member(finding, "guest"), "web");
}

static gboolean
refuse(BusGuest *guest, GDBusMethodInvocation *invocation, gpointer data)
{
    g_dbus_method_invocation_return_error_literal(invocation, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                                                  "QEMU does not answer");
    return TRUE;
}

/* One guest that cannot be examined does not hide the others. */
static void
test_an_examination_that_fails(void **state)
{
    g_auto(Run) run = { 0 };

    host_says("[" WELL "]");
    g_signal_connect(bus_fixture.web, "handle-diagnose", G_CALLBACK(refuse), NULL);
    run = run_line(bus_fixture.address, "doctor");
    run_assert_status(&run, 1);
    run_assert_contains(run.out, "  problem  examination: QEMU does not answer\n");
    bus_fixture_assert_fails("doctor web", 1, "1 problem found");
}

static void
test_no_daemon(void **state)
{
    g_auto(Run) run = { 0 };

    bus_daemon_leave(bus_fixture.daemon);
    run = run_line(bus_fixture.address, "doctor");
    run_assert_status(&run, 1);
    run_assert_contains(run.out, "  problem  memplugd: memplugd is not running on the bus at ");
    run_assert_contains(run.out, "enable --now memplugd\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BUS_FIXTURE_TEST(test_the_host_and_a_summary_of_guests),
        BUS_FIXTURE_TEST(test_a_problem_ends_with_status_1),
        BUS_FIXTURE_TEST(test_one_guest),
        BUS_FIXTURE_TEST(test_json),
        BUS_FIXTURE_TEST(test_an_examination_that_fails),
        BUS_FIXTURE_TEST(test_no_daemon),
    };

    return BUS_FIXTURE_RUN(tests);
}
