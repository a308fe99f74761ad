/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* explain and record, against a daemon that says what the test wants. */
#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/cli/bus-fixture.h"

#define DECISION G_GUINT64_CONSTANT(1700000000250001)

static const char explanation[] =
    "{'kind': <'policy'>, 'guest': <'web'>, 'decision': <uint64 1700000000250001>,"
    " 'time_us': <uint64 1700000000250000>, 'from': <uint64 268435456>,"
    " 'raw': <uint64 805306368>, 'target': <uint64 671088640>, 'demand': <uint64 805306368>,"
    " 'need': <uint64 805306368>, 'used': <uint64 524288000>, 'pressed': <false>,"
    " 'urgent': <true>, 'reason': <'it grows'>, 'policy': <'balance'>,"
    " 'predictor': <'composite'>, 'budget': <uint64 1073741824>, 'actual': <uint64 268435456>,"
    " 'floor': <uint64 134217728>, 'ceiling': <uint64 1073741824>, 'grain': <uint64 2097152>,"
    " 'weight': <2.0>,"
    " 'parts': <[{'name': <'in use'>, 'bytes': <uint64 671088640>, 'decided': <false>},"
    " {'name': <'trend'>, 'bytes': <uint64 805306368>, 'decided': <true>}]>,"
    " 'limits': <['budget']>, 'limit_texts': <['cut to the budget \\u001b[2J']>,"
    " 'sample': <{'age_us': <int64 250000>, 'source': <'agent'>, 'total': <uint64 260046848>,"
    " 'free': <uint64 4194304>, 'available': <uint64 8388608>, 'cached': <uint64 2097152>}>,"
    " 'events': <[{'time_us': <uint64 1700000000290000>, 'kind': <'settled'>,"
    " 'message': <'has 640 MiB'>}, {'time_us': <uint64 1700000000390000>, 'kind': <'shrink'>,"
    " 'message': <'shrink 700 MiB → 640 MiB did no harm'>, 'shrink': <{'kind': <'shrink'>,"
    " 'outcome': <'kept'>, 'reason': <''>, 'before': <uint64 734003200>,"
    " 'after': <uint64 671088640>, 'margin': <uint64 104857600>, 'watched_us': <int64 6100000>,"
    " 'available_before': <uint64 325058560>, 'available_after': <uint64 262144000>,"
    " 'stall_us_before': <0.0>, 'stall_us_after': <1234.0>, 'refaults_before': <0.0>,"
    " 'refaults_after': <3.0>, 'swap_in_before': <0.0>, 'swap_in_after': <8192.0>}>}]>,"
    " 'outcome': <'settled'>,"
    " 'now': <'it has 640 MiB and demands 640 MiB'>}";

static gboolean
on_explain(BusManager *manager, GDBusMethodInvocation *invocation, const char *guest,
           guint64 decision, gpointer data)
{
    if (decision != 0 && decision != DECISION) {
        g_dbus_method_invocation_return_error(invocation, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                                              "the journal has no such decision");
        return TRUE;
    }
    bus_manager_complete_explain(
        manager, invocation,
        g_variant_new_parsed(decision == 0 ? "{'guest': <'web'>, 'now': <'it is held'>}"
                                           : explanation));
    return TRUE;
}

static void
test_explain(void **state)
{
    g_autoptr(JsonNode) json = NULL;
    JsonObject *object;
    g_auto(Run) text = { 0 };

    g_signal_connect(bus_daemon_get_manager(bus_fixture.daemon), "handle-explain",
                     G_CALLBACK(on_explain), NULL);
    text = run_line(bus_fixture.address, "explain web 1700000000250001");
    run_assert_status(&text, 0);
    run_assert_contains(text.out,
                        "web, decision 1700000000250001 at 2023-11-14 22:13:20.250:\n"
                        "  Its agent had told 0.25 s before: 248 MiB in all, 8 MiB available, "
                        "2 MiB page cache.\n");
    run_assert_contains(text.out, "a demand of 768 MiB: it grows.\n");
    run_assert_contains(text.out, "768 MiB  (this counted)\n");
    run_assert_contains(text.out,
                        "    cut to the budget ?[2J\n"
                        "  So it was asked to have 640 MiB instead of 256 MiB.\n"
                        "  22:13:20.290  settled: has 640 MiB\n"
                        "  22:13:20.390  shrink: shrink 700 MiB → 640 MiB did no harm\n"
                        "    Its agent had said that 100 MiB more than these 60 MiB could "
                        "go.\n"
                        "    60 MiB were taken and watched for 6.1 s. Before and after it "
                        "had 310 MiB and 250 MiB available,\n"
                        "    and in a second tasks waited 0.0 and 1.2 ms for memory, 0 and "
                        "3 pages were\n"
                        "    read again, and 0 and 8 KiB read back from swap.\n"
                        "  It got there.\n"
                        "web now: it has 640 MiB and demands 640 MiB.\n");
    bus_fixture_assert_runs("explain web", "web now: it is held.\n");
    bus_fixture_assert_fails("explain web 77", 1, "web: the journal has no such decision");
    bus_fixture_assert_fails("explain web soon", 2, "decision's number");

    json = bus_fixture_run_json("explain web 1700000000250001 --json", 0);
    object = json_node_get_object(json);
    assert_int_equal(json_object_get_int_member(object, "target"), 671088640);
    assert_string_equal(json_object_get_string_member(object, "outcome"), "settled");
    assert_int_equal(json_array_get_length(json_object_get_array_member(object, "parts")), 2);
}

static gboolean
on_history(BusManager *manager, GDBusMethodInvocation *invocation, const char *guest, guint64 since,
           guint64 until, guint most, gpointer data)
{
    gboolean known = g_str_equal(guest, "web");

    assert_int_equal(until - since, 60 * G_USEC_PER_SEC);
    assert_int_equal(most, 5);
    bus_manager_complete_history(
        manager, invocation,
        g_variant_new_parsed(known
                                 ? "[(uint64 1700000000000000, uint64 268435456, uint64 268435456,"
                                   " uint64 0, uint64 0), (1700000030000000, 268435456,"
                                   " 536870912, 536870912, 134217728)]"
                                 : "@a(ttttt) []"));
    return TRUE;
}

static void
test_history(void **state)
{
    g_autoptr(JsonNode) json = NULL;
    JsonObject *second;

    g_signal_connect(bus_daemon_get_manager(bus_fixture.daemon), "handle-history",
                     G_CALLBACK(on_history), NULL);
    bus_fixture_assert_runs("history web --last 60 --rows 5",
                            "22:13:50  256 MiB    512 MiB  512 MiB  128 MiB  ██████▒▒▒▒▒▒\n");
    bus_fixture_assert_fails("history nobody --last 60 --rows 5", 1, "tells nothing of it");
    json = bus_fixture_run_json("history web --last 60 --rows 5 --json", 0);
    second = json_array_get_object_element(json_node_get_array(json), 1);
    assert_int_equal(json_object_get_int_member(second, "demand"), 536870912);
    assert_int_equal(json_object_get_int_member(second, "time_us"), 1700000030000000);
}

/*
 * report
 */

#define ACCOUNT                                                                              \
    "{'guest': <'web'>, 'known_us': <uint64 3600000000>, 'actual_mean': <uint64 536870912>," \
    " 'actual_peak': <uint64 1073741824>, 'demand_mean': <uint64 402653184>,"                \
    " 'demand_peak': <uint64 1073741824>, 'short_us': <uint64 36000000>,"                    \
    " 'stall_some_us': <uint64 3600000>, 'decisions': <uint64 12>, 'steps': <uint64 34>,"    \
    " 'urgents': <uint64 5>}"

static gboolean
on_report(BusManager *manager, GDBusMethodInvocation *invocation, const char *const *guests,
          guint64 since, guint64 until, gpointer data)
{
    gboolean known = !*guests || g_str_equal(*guests, "web");

    assert_int_equal(until - since, G_TIME_SPAN_HOUR);
    bus_manager_complete_report(manager, invocation,
                                g_variant_new_parsed(known ? "[" ACCOUNT "]" : "@aa{sv} []"));
    return TRUE;
}

static void
test_report(void **state)
{
    g_autoptr(JsonNode) json = NULL;
    JsonObject *object, *web;

    g_signal_connect(bus_daemon_get_manager(bus_fixture.daemon), "handle-report",
                     G_CALLBACK(on_report), NULL);
    bus_fixture_assert_runs("report", "\nweb    1:00:00     512 MiB  1 GiB       384 MiB  1 GiB  "
                                      "1.00 %           -   0.10 %         12     34       5   "
                                      "50 %\n");
    bus_fixture_assert_runs("report web", "\n0.50 GiB h were lent. Each guest at its own peak all "
                                          "the time, it had been 1.00 GiB h: 100 % more.\n");
    bus_fixture_assert_fails("report nobody", 1, "nobody: the journal tells nothing of it");
    json = bus_fixture_run_json("report --json", 0);
    object = json_node_get_object(json);
    assert_true(json_object_get_int_member(object, "until_us") >
                json_object_get_int_member(object, "since_us"));
    web = json_array_get_object_element(json_object_get_array_member(object, "guests"), 0);
    assert_string_equal(json_object_get_string_member(web, "guest"), "web");
    assert_int_equal(json_object_get_int_member(web, "steps"), 34);
    assert_true(json_object_get_double_member(web, "saved_gib_hours") == 0.5);
}

/*
 * record
 */

static int other_end = -1;

static gboolean
on_record(BusManager *manager, GDBusMethodInvocation *invocation, GUnixFDList *none,
          const char *const *guests, gpointer data)
{
    g_autoptr(GUnixFDList) list = g_unix_fd_list_new();
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(g_unix_fd_list_append(list, fds[0], NULL), 0);
    close(fds[0]);
    assert_true(write(fds[1], "{\"journal\":1}\n", 14) == 14);
    other_end = fds[1];
    bus_manager_complete_record(manager, invocation, list, g_variant_new_handle(0));
    return TRUE;
}

typedef struct {
    char *folder, *path;
} Place;

static Place
place_new(void)
{
    Place place = { .folder = g_dir_make_tmp("memplug-record-XXXXXX", NULL) };

    place.path = g_build_filename(place.folder, "file.jsonl", NULL);
    g_signal_connect(bus_daemon_get_manager(bus_fixture.daemon), "handle-record",
                     G_CALLBACK(on_record), NULL);
    return place;
}

static void
place_clear(Place *place)
{
    g_unlink(place->path);
    g_rmdir(place->folder);
    g_free(place->path);
    g_free(place->folder);
    if (other_end >= 0)
        close(other_end);
    other_end = -1;
}

static void
assert_recorded(const Place *place)
{
    g_autofree char *text = NULL;

    assert_true(g_file_get_contents(place->path, &text, NULL, NULL));
    assert_string_equal(text, "{\"journal\":1}\n");
}

static void
test_record_for_a_time(void **state)
{
    Place place = place_new();
    g_autofree char *line = g_strdup_printf("record %s --duration 0.3 --json", place.path);
    g_autofree char *again = g_strdup_printf("record %s", place.path);
    g_autoptr(JsonNode) json = bus_fixture_run_json(line, 0);

    assert_int_equal(json_object_get_int_member(json_node_get_object(json), "bytes"), 14);
    assert_recorded(&place);
    /* What is there is not written over. */
    bus_fixture_assert_fails(again, 1, "a recording begins a file of its own");
    assert_recorded(&place);
    place_clear(&place);
}

static gboolean
interrupt(gpointer data)
{
    if (other_end < 0)
        return G_SOURCE_CONTINUE;
    run_signal(data, SIGINT);
    return G_SOURCE_REMOVE;
}

static void
test_record_until_interrupted(void **state)
{
    Place place = place_new();
    const char *const words[] = { "record", place.path, "--guest", "web", NULL };
    RunPending *pending = run_begin(bus_fixture.address, NULL, words);
    g_auto(Run) run = { 0 };

    g_timeout_add(300, interrupt, pending);
    run = run_end(pending);
    run_assert_status(&run, 0);
    run_assert_contains(run.out, "file.jsonl: ");
    assert_recorded(&place);
    place_clear(&place);
}

static gboolean
hang_up(gpointer data)
{
    if (other_end < 0)
        return G_SOURCE_CONTINUE;
    close(other_end);
    other_end = -1;
    return G_SOURCE_REMOVE;
}

static void
test_record_from_a_daemon_that_goes(void **state)
{
    Place place = place_new();
    g_autofree char *line = g_strdup_printf("record %s", place.path);

    g_timeout_add(50, hang_up, NULL);
    bus_fixture_assert_fails(line, 1, "memplugd ended the recording");
    assert_recorded(&place);
    place_clear(&place);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BUS_FIXTURE_TEST(test_explain),
        BUS_FIXTURE_TEST(test_history),
        BUS_FIXTURE_TEST(test_report),
        BUS_FIXTURE_TEST(test_record_for_a_time),
        BUS_FIXTURE_TEST(test_record_until_interrupted),
        BUS_FIXTURE_TEST(test_record_from_a_daemon_that_goes),
    };

    return BUS_FIXTURE_RUN(tests);
}
