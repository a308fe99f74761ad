/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * limits, manage, plug and unplug: what reaches the daemon, and what comes back.
 */
#include "tests/unit/cli/bus-fixture.h"

#include <signal.h>

#include "tests/fake/await.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

/* As SetLimits had them. */
static char *latest_limits;

static gboolean
on_set_limits(BusGuest *guest, GDBusMethodInvocation *invocation, GVariant *limits, gpointer data)
{
    guint64 size;
    double weight;
    const char *mechanism, *predictor;

    g_free(latest_limits);
    latest_limits = g_variant_print(limits, FALSE);
    if (g_variant_lookup(limits, "floor", "t", &size))
        bus_guest_set_floor(guest, size ? size : 77 * MIB);
    if (g_variant_lookup(limits, "ceiling", "t", &size))
        bus_guest_set_ceiling(guest, size);
    if (g_variant_lookup(limits, "weight", "d", &weight))
        bus_guest_set_weight(guest, weight);
    if (g_variant_lookup(limits, "mechanism", "&s", &mechanism))
        bus_guest_set_mechanism(guest, mechanism);
    if (g_variant_lookup(limits, "predictor", "&s", &predictor))
        bus_guest_set_predictor(guest, *predictor ? predictor : "composite");
    bus_guest_complete_set_limits(guest, invocation);
    return TRUE;
}

static void
test_limits(void **state)
{
    g_autoptr(JsonNode) node = NULL;

    g_signal_connect(bus_fixture.web, "handle-set-limits", G_CALLBACK(on_set_limits), NULL);
    bus_fixture_assert_runs("limits web", "Floor:        128 MiB\n"
                                          "Ceiling:      1 GiB\n"
                                          "Weight:       1.5\n"
                                          "Mechanism:    auto\n"
                                          "Predictor:    composite\n");
    bus_fixture_assert_runs("limits web --floor 200M --ceiling=3G --weight 0.5 --mechanism dimm",
                            "Floor:        200 MiB\n"
                            "Ceiling:      3 GiB\n"
                            "Weight:       0.5\n"
                            "Mechanism:    dimm\n"
                            "Predictor:    composite\n");
    bus_fixture_assert_runs("limits web --predictor season", "Predictor:    season\n");
    bus_fixture_assert_runs("limits web --predictor default", "Predictor:    composite\n");
    bus_fixture_assert_fails("limits web --predictor oracle", 2,
                             "--predictor: unknown predictor 'oracle'; known: composite");
    node = bus_fixture_run_json("limits web --json --floor default", 0);
    assert_int_equal(json_object_get_int_member(json_node_get_object(node), "floor"), 77 * MIB);
    bus_fixture_assert_fails("limits web --mechanism xen", 2,
                             "--mechanism: 'xen' is not a mechanism");
    bus_fixture_assert_fails("limits web --weight 0", 2, "--weight: '0' is not a number above 0");
}

static void
test_where_limits_are_kept(void **state)
{
    static const struct {
        const char *line, *sent;
    } rows[] = {
        { "limits web --weight 2", "{'weight': <2.0>}" },
        { "limits web --weight 2 --live", "{'weight': <2.0>, 'live': <true>}" },
        { "limits web --config --weight 2", "{'weight': <2.0>, 'config': <true>}" },
        { "limits web --weight 2 --predictor default", "{'weight': <2.0>, 'predictor': <''>}" },
        { "limits web --live --config --weight 2",
          "{'weight': <2.0>, 'live': <true>, 'config': <true>}" },
    };

    g_signal_connect(bus_fixture.web, "handle-set-limits", G_CALLBACK(on_set_limits), NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        bus_fixture_assert_runs(rows[i].line, "Weight:       2\n");
        assert_string_equal(latest_limits, rows[i].sent);
    }
    g_clear_pointer(&latest_limits, g_free);
    bus_fixture_assert_runs("limits web --weight 2 --config",
                            "Changed from the next start on; until then these hold:\nFloor:");
    g_clear_pointer(&latest_limits, g_free);
    bus_fixture_assert_fails("limits web --live", 2, "say where a limit is changed; name one");
}

static gboolean
on_set_managed(BusGuest *guest, GDBusMethodInvocation *invocation, gboolean managed, gpointer data)
{
    bus_guest_set_managed(guest, managed);
    bus_guest_complete_set_managed(guest, invocation);
    return TRUE;
}

static void
test_manage(void **state)
{
    g_signal_connect(bus_fixture.web, "handle-set-managed", G_CALLBACK(on_set_managed), NULL);
    bus_fixture_assert_runs("manage web off", "web: left as it is\n");
    assert_false(bus_guest_get_managed(bus_fixture.web));
    bus_fixture_assert_runs("manage web on", "web: the policy decides\n");
    assert_true(bus_guest_get_managed(bus_fixture.web));
    bus_fixture_assert_runs("manage web off --json", "\"managed\" : false");
    bus_fixture_assert_fails("manage web maybe", 2, "on|off: 'maybe' is not 'on' or 'off'");
}

static gboolean
on_plug(BusGuest *guest, GDBusMethodInvocation *invocation, guint64 size, gpointer data)
{
    bus_guest_set_actual(guest, bus_guest_get_actual(guest) + size);
    bus_guest_complete_plug(guest, invocation);
    return TRUE;
}

static gboolean
on_unplug(BusGuest *guest, GDBusMethodInvocation *invocation, const char *device, gpointer data)
{
    g_dbus_method_invocation_return_error(invocation, G_IO_ERROR, G_IO_ERROR_FAILED,
                                          "web does not give %s back", device);
    return TRUE;
}

static void
test_plug_and_unplug(void **state)
{
    g_autoptr(JsonNode) node = NULL;

    g_signal_connect(bus_fixture.web, "handle-plug", G_CALLBACK(on_plug), NULL);
    g_signal_connect(bus_fixture.web, "handle-unplug", G_CALLBACK(on_unplug), NULL);
    bus_fixture_assert_runs("plug web 128M", "web: 384 MiB (was 256 MiB) in ");
    node = bus_fixture_run_json("--json plug web 128M", 0);
    assert_int_equal(json_object_get_int_member(json_node_get_object(node), "actual"), 512 * MIB);
    assert_int_equal(json_object_get_int_member(json_node_get_object(node), "before"), 384 * MIB);

    bus_fixture_assert_fails("unplug web memplug-dimm-1", 1,
                             "error: web does not give memplug-dimm-1 back\n");
    bus_fixture_assert_fails("unplug web memplug-dimm-2", 1, "did you mean 'memplug-dimm-1'?");
    bus_fixture_assert_fails("unplug web x", 1, "web has no DIMM 'x'; it has memplug-dimm-1\n");
}

static gboolean
on_plug_virtio_mem(BusGuest *guest, GDBusMethodInvocation *invocation, guint64 max, gboolean config,
                   gpointer data)
{
    bus_guest_set_highest(guest, max);
    bus_guest_set_held(guest, config);
    bus_guest_complete_plug_virtio_mem(guest, invocation);
    return TRUE;
}

static void
test_plug_virtio_mem(void **state)
{
    g_signal_connect(bus_fixture.web, "handle-plug-virtio-mem", G_CALLBACK(on_plug_virtio_mem),
                     NULL);
    bus_fixture_assert_runs("plug web --virtio-mem 4G", "web: 256 MiB (was 256 MiB) in ");
    assert_int_equal(bus_guest_get_highest(bus_fixture.web), 4096 * MIB);
    assert_false(bus_guest_get_held(bus_fixture.web));
    bus_fixture_assert_runs("plug web --virtio-mem 4G --config", "web: 256 MiB");
    assert_true(bus_guest_get_held(bus_fixture.web));

    bus_fixture_assert_fails("plug web", 2, "SIZE is missing, or --virtio-mem MAX");
    bus_fixture_assert_fails("plug web 128M --virtio-mem 1G", 2, "give one of them");
    bus_fixture_assert_fails("plug web 128M --config", 2, "--config goes with --virtio-mem");
}

static gboolean
on_store_memory(BusGuest *guest, GDBusMethodInvocation *invocation, guint64 size, gpointer data)
{
    if (size > 1024 * MIB) {
        g_dbus_method_invocation_return_error_literal(invocation, G_IO_ERROR, G_IO_ERROR_FAILED,
                                                      "no room for that");
        return TRUE;
    }
    bus_guest_set_boot(guest, size);
    bus_guest_complete_store_memory(guest, invocation);
    return TRUE;
}

static void
test_setmem_for_the_next_start(void **state)
{
    g_signal_connect(bus_fixture.web, "handle-store-memory", G_CALLBACK(on_store_memory), NULL);
    bus_fixture_assert_runs("setmem web 512M --config", "web: 512 MiB (was 256 MiB) in ");
    assert_int_equal(bus_guest_get_boot(bus_fixture.web), 512 * MIB);
    /* What cannot be stored is not set either. */
    bus_fixture_assert_fails("setmem web 2G --config", 1, "error: web: no room for that\n");
    assert_int_equal(bus_daemon_count_set_memory(bus_fixture.daemon), 1);
    bus_daemon_set_reaction(bus_fixture.daemon, BUS_DAEMON_REFUSES);
    bus_fixture_assert_fails(
        "setmem web 700M --config", 1,
        "error: web: kept for the next start, and not done now: the ceiling is 512 MiB\n");
    bus_daemon_set_reaction(bus_fixture.daemon, BUS_DAEMON_FOLLOWS);
    bus_guest_set_boot(bus_fixture.web, 512 * MIB);
    bus_fixture_assert_runs("setmem web 600M", "web: 600 MiB");
    assert_int_equal(bus_guest_get_boot(bus_fixture.web), 512 * MIB);
}

static gboolean
note_unplug(BusGuest *guest, GDBusMethodInvocation *invocation, const char *device, gpointer data)
{
    /* Never answered: the test interrupts it. */
    *(GDBusMethodInvocation **)data = invocation;
    return TRUE;
}

static gboolean
is_not_null(gpointer data)
{
    return *(gpointer *)data != NULL;
}

static void
test_unplug_interrupted(void **state)
{
    const char *const words[] = { "unplug", "web", "memplug-dimm-1", NULL };
    GDBusMethodInvocation *invocation = NULL;
    RunPending *pending;
    g_auto(Run) run = { 0 };

    g_signal_connect(bus_fixture.web, "handle-unplug", G_CALLBACK(note_unplug), &invocation);
    pending = run_begin(bus_fixture.address, NULL, words);
    await_condition(is_not_null, &invocation, "Unplug");
    run_signal(pending, SIGINT);
    run = run_end(pending);
    run_assert_status(&run, 1);
    run_assert_contains(run.err, "web: no longer waiting; memplugd goes on with it\n");
    bus_guest_complete_unplug(bus_fixture.web, invocation);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BUS_FIXTURE_TEST(test_limits),
        BUS_FIXTURE_TEST(test_where_limits_are_kept),
        BUS_FIXTURE_TEST(test_manage),
        BUS_FIXTURE_TEST(test_plug_and_unplug),
        BUS_FIXTURE_TEST(test_plug_virtio_mem),
        BUS_FIXTURE_TEST(test_setmem_for_the_next_start),
        BUS_FIXTURE_TEST(test_unplug_interrupted),
    };

    return BUS_FIXTURE_RUN(tests);
}
