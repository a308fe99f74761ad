/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reserve, release, leases, run and host: what reaches the daemon, and what comes back.
 */
#include "tests/unit/cli/bus-fixture.h"

#include <signal.h>
#include <string.h>

#include "tests/fake/await.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

/* What the daemon was called with, and how it answers. */
static struct {
    guint64 size;
    char *options;
    GDBusMethodInvocation *waits; /* AwaitLease that a test answers by itself */
    gboolean slow;
    const char *refusal;
    guint held, released;
    guint process;
} seen;

static gboolean
on_reserve(BusManager *manager, GDBusMethodInvocation *invocation, guint64 size, GVariant *options,
           gpointer data)
{
    seen.size = size;
    g_free(seen.options);
    seen.options = g_variant_print(options, FALSE);
    bus_manager_complete_reserve(manager, invocation, 3);
    return TRUE;
}

static gboolean
on_reserve_domain(BusManager *manager, GDBusMethodInvocation *invocation, const char *xml,
                  GVariant *options, gpointer data)
{
    g_free(seen.options);
    seen.options = g_variant_print(options, FALSE);
    seen.size = strlen(xml);
    bus_manager_complete_reserve_domain(manager, invocation, 3);
    return TRUE;
}

static gboolean
on_await(BusManager *manager, GDBusMethodInvocation *invocation, guint64 lease, gpointer data)
{
    assert_int_equal(lease, 3);
    if (seen.slow)
        seen.waits = invocation;
    else if (seen.refusal)
        g_dbus_method_invocation_return_error_literal(invocation, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                                                      seen.refusal);
    else
        bus_manager_complete_await_lease(manager, invocation, seen.size);
    return TRUE;
}

static gboolean
on_hold(BusManager *manager, GDBusMethodInvocation *invocation, guint64 lease, guint process,
        gpointer data)
{
    seen.held++;
    seen.process = process;
    bus_manager_complete_hold_lease(manager, invocation);
    return TRUE;
}

static gboolean
on_release(BusManager *manager, GDBusMethodInvocation *invocation, guint64 lease, gpointer data)
{
    assert_int_equal(lease, 3);
    seen.released++;
    bus_manager_complete_release_lease(manager, invocation);
    return TRUE;
}

static gboolean
on_describe_host(BusManager *manager, GDBusMethodInvocation *invocation, gpointer data)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&dict, "total", "t", 4096 * MIB);
    g_variant_dict_insert(&dict, "available", "t", 2048 * MIB);
    g_variant_dict_insert(&dict, "arc", "t", G_GUINT64_CONSTANT(0));
    g_variant_dict_insert(&dict, "budget", "t", 1024 * MIB);
    g_variant_dict_insert(&dict, "free", "t", 100 * MIB);
    g_variant_dict_insert(&dict, "reserve", "t", 3072 * MIB);
    g_variant_dict_insert(&dict, "promises", "t", 512 * MIB);
    g_variant_dict_insert(&dict, "overcommit", "d", 1.5);
    g_variant_dict_insert(&dict, "overcommit_promises", "d", 0.5);
    g_variant_dict_insert(&dict, "level", "s", "well");
    g_variant_dict_insert(&dict, "soft", "t", 300 * MIB);
    g_variant_dict_insert(&dict, "hard", "t", 200 * MIB);
    g_variant_dict_insert(&dict, "emergency", "t", 100 * MIB);
    bus_manager_complete_describe_host(manager, invocation, g_variant_dict_end(&dict));
    return TRUE;
}

static GVariant *
some_leases(void)
{
    return g_variant_new_parsed(
        "[{'id': <uint64 3>, 'state': <'granted'>, 'guest': <'db'>, 'purpose': <'test'>, "
        "'asked': <uint64 268435456>, 'granted': <uint64 268435456>, 'left_us': <int64 59400000>, "
        "'process': <uint64 0>, 'taken': <true>, 'reason': <''>},"
        "{'id': <uint64 4>, 'state': <'failed'>, 'guest': <''>, 'purpose': <'test'>, "
        "'asked': <uint64 1048576>, 'granted': <uint64 0>, 'left_us': <int64 0>, "
        "'process': <uint64 4711>, 'taken': <false>, 'reason': <'no room'>}]");
}

static int
set_up(void **state)
{
    BusManager *manager;
    int result = bus_fixture_set_up(state);

    if (result)
        return result;
    manager = bus_daemon_get_manager(bus_fixture.daemon);
    g_clear_pointer(&seen.options, g_free);
    memset(&seen, 0, sizeof(seen));
    g_signal_connect(manager, "handle-reserve", G_CALLBACK(on_reserve), NULL);
    g_signal_connect(manager, "handle-reserve-domain", G_CALLBACK(on_reserve_domain), NULL);
    g_signal_connect(manager, "handle-await-lease", G_CALLBACK(on_await), NULL);
    g_signal_connect(manager, "handle-hold-lease", G_CALLBACK(on_hold), NULL);
    g_signal_connect(manager, "handle-release-lease", G_CALLBACK(on_release), NULL);
    g_signal_connect(manager, "handle-describe-host", G_CALLBACK(on_describe_host), NULL);
    bus_manager_set_leases(manager, some_leases());
    return 0;
}

static void
test_reserve(void **state)
{
    g_autoptr(JsonNode) node = NULL;

    bus_fixture_assert_runs("reserve 256M --for db --ttl 30", "lease 3: 256 MiB for db in 0.0");
    assert_int_equal(seen.size, 256 * MIB);
    assert_non_null(strstr(seen.options, "'for': <'db'>"));
    assert_non_null(strstr(seen.options, "'ttl': <30.0>"));
    assert_null(strstr(seen.options, "'wait'"));
    assert_int_equal(seen.held, 1);
    assert_int_equal(seen.process, 0);

    node = bus_fixture_run_json("reserve 2G --at-least 1G --wait 5 --json", 0);
    assert_int_equal(json_object_get_int_member(json_node_get_object(node), "lease"), 3);
    assert_int_equal(json_object_get_int_member(json_node_get_object(node), "granted"), 2048 * MIB);
    assert_non_null(strstr(seen.options, "'at_least': <uint64 1073741824>"));
    assert_non_null(strstr(seen.options, "'wait': <5.0>"));
}

static void
test_a_domain_says_how_much(void **state)
{
    const char *const words[] = { "reserve", "--domain", "-", "--wait", "3", NULL };
    g_auto(Run) run = run_end(run_begin(bus_fixture.address, "<domain/>", words));

    run_assert_status(&run, 0);
    assert_int_equal(seen.size, strlen("<domain/>"));
    assert_int_equal(seen.held, 1);
    bus_fixture_assert_fails("reserve 1G --domain -", 2, "does not go with --domain");
    bus_fixture_assert_fails("reserve", 2, "SIZE is missing, or --domain FILE");
    bus_fixture_assert_fails("reserve --domain /nonexistent/x", 1, "/nonexistent/x");
}

static void
test_refusal(void **state)
{
    seen.refusal = "no room for 256 MiB: web keeps 256 MiB of 256 MiB (in use)";
    bus_fixture_assert_fails("reserve 256M", 1, seen.refusal);
    assert_int_equal(seen.held, 0);
    bus_fixture_assert_fails("reserve 1G --at-least 2G", 2, "--at-least is more than SIZE");
    bus_fixture_assert_fails("release x", 2, "'x' is not a");
}

static gboolean
is_waited_for(gpointer data)
{
    return seen.waits != NULL;
}

static void
test_who_waits_may_leave(void **state)
{
    const char *const words[] = { "reserve", "256M", NULL };
    RunPending *pending = run_begin(bus_fixture.address, NULL, words);
    g_auto(Run) run = { 0 };

    seen.slow = TRUE;
    await_condition(is_waited_for, NULL, "AwaitLease");
    run_signal(pending, SIGINT);
    run = run_end(pending);
    run_assert_status(&run, 1);
    run_assert_contains(run.err, "no longer wanted");
    assert_int_equal(seen.held, 0);
    bus_manager_complete_await_lease(bus_daemon_get_manager(bus_fixture.daemon), seen.waits, 1);
}

static void
test_release(void **state)
{
    bus_fixture_assert_runs("release 3", "");
    assert_int_equal(seen.released, 1);
    bus_fixture_assert_runs("release --for db", "");
    assert_int_equal(seen.released, 2);
    bus_fixture_assert_runs("release --for nobody", "");
    assert_int_equal(seen.released, 2);
    bus_fixture_assert_fails("release", 2, "give either LEASE or --for NAME");
}

static void
test_leases(void **state)
{
    g_autoptr(JsonNode) node = bus_fixture_run_json("leases --json", 0);
    JsonArray *array = json_node_get_array(node);

    assert_int_equal(json_array_get_length(array), 2);
    assert_string_equal(
        json_object_get_string_member(json_array_get_object_element(array, 0), "guest"), "db");
    bus_fixture_assert_runs(
        "leases", "Lease  State    For             Asked      Has  Left  By    Notes\n"
                  "    3  granted  db            256 MiB  256 MiB  59 s  test\n"
                  "    4  failed   process 4711    1 MiB    0 MiB     -  test  no room\n");
}

/* The lease is held for the very process that the command then is. */
static void
test_run(void **state)
{
    const char *const words[] = { "run", "--",   "sh", "-c", "echo $$; exit 7", "sh", "-m",
                                  "256", "-smp", "2",  NULL };
    g_auto(Run) run = run_end(run_begin(bus_fixture.address, NULL, words));
    g_autofree char *process = NULL;

    run_assert_status(&run, 7);
    process = g_strdup_printf("%u\n", seen.process);
    assert_string_equal(run.out, process);
    assert_int_equal(seen.size, (256 + 64 + 16) * MIB + MIB / 2);
    assert_int_equal(seen.released, 0);
}

static void
test_run_what_cannot_be(void **state)
{
    seen.refusal = "no room";
    bus_fixture_assert_fails("run -- touch /nonexistent/x", 1, "no room");
    assert_int_equal(seen.held, 0);
    seen.refusal = NULL;
    bus_fixture_assert_fails("run --reserve 1G -- /nonexistent/qemu -m 5", 1,
                             "cannot run /nonexistent/qemu");
    assert_int_equal(seen.size, 1024 * MIB);
    assert_int_equal(seen.released, 1);
    bus_fixture_assert_fails("run -- qemu -daemonize", 2, "give --for NAME");
    bus_fixture_assert_fails("run -- qemu -m much", 2, "QEMU's memory");
    bus_fixture_assert_fails("run", 2, "COMMAND");
}

static void
test_host(void **state)
{
    g_autoptr(JsonNode) node = bus_fixture_run_json("host --json", 0);
    JsonObject *host = json_node_get_object(node);

    bus_fixture_assert_runs("host", "Memory:       4 GiB\n"
                                    "Available:    2 GiB\n"
                                    "Reserve:      3 GiB\n"
                                    "Budget:       1 GiB\n"
                                    "Free:         100 MiB\n"
                                    "Over-commit:  1.5 of sizes, 0.5 of promises (floors and "
                                    "leases: 512 MiB)\n"
                                    "Marks:        soft below 300 MiB, hard below 200 MiB, "
                                    "emergency below 100 MiB\n"
                                    "Pressure:     none\n");
    bus_fixture_assert_runs("host", "web    ");
    assert_int_equal(json_object_get_int_member(host, "budget"), 1024 * MIB);
    assert_int_equal(json_array_get_length(json_object_get_array_member(host, "guests")), 1);
    assert_int_equal(json_array_get_length(json_object_get_array_member(host, "leases")), 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, bus_fixture_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reserve), TEST(test_a_domain_says_how_much),
        TEST(test_refusal), TEST(test_who_waits_may_leave),
        TEST(test_release), TEST(test_leases),
        TEST(test_run),     TEST(test_run_what_cannot_be),
        TEST(test_host),
    };

    return BUS_FIXTURE_RUN(tests);
}
