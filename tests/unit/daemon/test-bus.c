/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's objects on a bus of the test's own, asked by a second connection
 * as memplug would; the guests behind them are fakes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/bus.h"
#include "tests/fake/await.h"
#include "tests/fake/fake-hypervisor.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

#define NAME       "org.memplug1"
#define GUEST_PATH "/org/memplug1/guest/web_2d1"

typedef struct {
    GTestDBus *dbus;
    FakeHypervisor *hypervisor;
    FakeGuest *guest;
    Config *config;
    IntentStore *intents;
    Roster *roster;
    Cycle *cycle;
    Bus *bus;
    GDBusConnection *client;
    char *last_event;
    gboolean dry_run;
} Bed;

static gboolean
refuse_reload(gpointer data, GError **error)
{
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, "memplug.conf: [host] budget: bad");
    return FALSE;
}

static void
on_lost(gpointer data, const char *reason)
{
    fail_msg("the bus was lost: %s", reason);
}

static BusManagerDuties
duties_of(Bed *bed)
{
    return (BusManagerDuties){ MEMPLUG_HYPERVISOR(bed->hypervisor), bed->dry_run, refuse_reload,
                               NULL };
}

static GDBusConnection *
connect_client(const char *address)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *client =
        g_dbus_connection_new_for_address_sync(address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);

    if (!client)
        fail_msg("%s", error->message);
    return client;
}

static void
on_event_signal(GDBusConnection *client, const char *sender, const char *path,
                const char *interface, const char *signal, GVariant *parameters, gpointer data)
{
    Bed *bed = data;

    g_free(bed->last_event);
    bed->last_event = g_variant_print(parameters, FALSE);
}

static int
make_bed(void **state, gboolean dry_run)
{
    Bed *bed = g_new0(Bed, 1);
    g_autoptr(GError) error = NULL;
    BusManagerDuties duties;
    const char *address;

    bed->dry_run = dry_run;
    bed->dbus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(bed->dbus);
    address = g_test_dbus_get_bus_address(bed->dbus);

    bed->hypervisor = fake_hypervisor_new();
    bed->config = config_load("/nonexistent/memplug.conf", FALSE, NULL);
    bed->config->budget = 8192 * MIB;
    bed->intents = intent_store_new_volatile();
    bed->roster =
        roster_new(MEMPLUG_HYPERVISOR(bed->hypervisor), bed->config, bed->intents, dry_run);
    bed->cycle = cycle_new(MEMPLUG_HYPERVISOR(bed->hypervisor), bed->roster, bed->config, 0);
    duties = duties_of(bed);
    bed->bus = bus_new(address, bed->roster, bed->cycle, &duties, on_lost, &error);
    if (!bed->bus)
        fail_msg("%s", error->message);

    bed->client = connect_client(address);
    g_dbus_connection_signal_subscribe(bed->client, NAME, "org.memplug1.Manager", "Event", NULL,
                                       NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_event_signal, bed, NULL);
    bed->guest = fake_guest_new("web-1", 256 * MIB, 2048 * MIB, 4, TRUE);
    fake_hypervisor_add(bed->hypervisor, bed->guest, 100 * MIB);
    await_quiet();
    *state = bed;
    return 0;
}

static int
setup(void **state)
{
    return make_bed(state, FALSE);
}

static int
setup_dry_run(void **state)
{
    return make_bed(state, TRUE);
}

static int
teardown(void **state)
{
    Bed *bed = *state;

    g_dbus_connection_close_sync(bed->client, NULL, NULL);
    g_object_unref(bed->client);
    bus_free(bed->bus);
    cycle_free(bed->cycle);
    g_object_unref(bed->roster);
    await_quiet();
    g_object_unref(bed->hypervisor);
    intent_store_free(bed->intents);
    config_free(bed->config);
    g_test_dbus_down(bed->dbus);
    g_object_unref(bed->dbus);
    g_free(bed->last_event);
    g_free(bed);
    return 0;
}

/* Returns: (transfer full): the reply, or NULL with @error set. */
static GVariant *
call(Bed *bed, const char *path, const char *interface, const char *method, GVariant *arguments,
     GError **error)
{
    g_auto(Await) await = { NULL };

    g_dbus_connection_call(bed->client, NAME, path, interface, method, arguments, NULL,
                           G_DBUS_CALL_FLAGS_NONE, -1, NULL, await_callback, &await);
    return g_dbus_connection_call_finish(bed->client, await_result(&await), error);
}

static GVariant *
call_guest(Bed *bed, const char *method, GVariant *arguments, GError **error)
{
    return call(bed, GUEST_PATH, "org.memplug1.Guest", method, arguments, error);
}

static void
expect_done(Bed *bed, const char *method, GVariant *arguments)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = call_guest(bed, method, arguments, &error);

    if (!reply)
        fail_msg("%s: %s", method, error->message);
}

static void
expect_error(Bed *bed, const char *method, GVariant *arguments, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = call_guest(bed, method, arguments, &error);

    assert_null(reply);
    if (!strstr(error->message, part))
        fail_msg("%s: unexpected message: %s", method, error->message);
}

/* Returns: (transfer full): property @name of @interface, as read anew. */
static GVariant *
get(Bed *bed, const char *path, const char *interface, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = call(bed, path, "org.freedesktop.DBus.Properties", "GetAll",
                                     g_variant_new("(s)", interface), &error);
    g_autoptr(GVariant) all = NULL;
    GVariant *value;

    if (!reply)
        fail_msg("%s", error->message);
    all = g_variant_get_child_value(reply, 0);
    value = g_variant_lookup_value(all, name, NULL);
    assert_non_null(value);
    return value;
}

static guint64
get_size(Bed *bed, const char *name)
{
    g_autoptr(GVariant) value = get(bed, GUEST_PATH, "org.memplug1.Guest", name);

    return g_variant_get_uint64(value);
}

static gboolean
get_flag(Bed *bed, const char *name)
{
    g_autoptr(GVariant) value = get(bed, GUEST_PATH, "org.memplug1.Guest", name);

    return g_variant_get_boolean(value);
}

static void
expect_text(Bed *bed, const char *name, const char *text)
{
    g_autoptr(GVariant) value = get(bed, GUEST_PATH, "org.memplug1.Guest", name);

    assert_string_equal(g_variant_get_string(value, NULL), text);
}

static void
live(Bed *bed, guint seconds)
{
    for (guint i = 0; i < seconds; i++) {
        g_auto(Await) await = { NULL };

        hypervisor_collect_async(MEMPLUG_HYPERVISOR(bed->hypervisor), 100, NULL, await_callback,
                                 &await);
        await_result(&await);
        cycle_run(bed->cycle, g_get_monotonic_time());
        await_ms(8);
    }
}

static void
test_properties_tell_what_is_so_now(void **state)
{
    Bed *bed = *state;
    g_autoptr(GVariant) policy = NULL;
    g_autoptr(GVariant) stats = NULL;
    const char *stats_state = NULL;

    assert_int_equal(get_size(bed, "Actual"), 256 * MIB);
    assert_int_equal(get_size(bed, "Floor"), 256 * MIB);
    assert_int_equal(get_size(bed, "Ceiling"), 2048 * MIB);
    assert_int_equal(get_size(bed, "Demand"), 0);
    live(bed, 3);
    assert_true(get_size(bed, "Demand") >= 100 * MIB);
    assert_int_equal(get_size(bed, "Used"), 100 * MIB);
    stats = get(bed, GUEST_PATH, "org.memplug1.Guest", "Stats");
    assert_true(g_variant_lookup(stats, "state", "&s", &stats_state));
    assert_string_equal(stats_state, "fresh");

    policy = get(bed, "/org/memplug1", "org.memplug1.Manager", "Policy");
    assert_string_equal(g_variant_get_string(policy, NULL), "balance");
}

static void
test_the_object_manager_lists_the_guests(void **state)
{
    Bed *bed = *state;
    g_autoptr(GVariant) before = call(bed, "/org/memplug1", "org.freedesktop.DBus.ObjectManager",
                                      "GetManagedObjects", NULL, NULL);
    g_autoptr(GVariant) after = NULL;
    g_autofree char *text = g_variant_print(before, FALSE);

    assert_non_null(strstr(text, GUEST_PATH));
    fake_hypervisor_remove(bed->hypervisor, 0);
    after = call(bed, "/org/memplug1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                 NULL, NULL);
    g_free(text);
    text = g_variant_print(after, FALSE);
    assert_null(strstr(text, GUEST_PATH));
}

static void
test_set_memory_is_carried_out_and_told(void **state)
{
    Bed *bed = *state;

    expect_done(bed, "SetMemory", g_variant_new("(t)", 562 * MIB));
    await_ms(40);
    assert_int_equal(get_size(bed, "Requested"), 562 * MIB);
    assert_int_equal(get_size(bed, "Actual"), 562 * MIB);
    assert_true(get_flag(bed, "Held"));
    assert_non_null(bed->last_event);
    assert_non_null(strstr(bed->last_event, "'web-1'"));

    expect_done(bed, "SetManaged", g_variant_new("(b)", TRUE));
    assert_false(get_flag(bed, "Held"));
    expect_error(bed, "SetMemory", g_variant_new("(t)", 64 * MIB), "below the floor");
    expect_error(bed, "SetMemory", g_variant_new("(t)", G_MAXUINT64), "no higher than 2 GiB");
}

static void
test_limits_are_changed_and_taken_back(void **state)
{
    Bed *bed = *state;

    expect_done(bed, "SetLimits",
                g_variant_new_parsed("({'floor': <%t>, 'weight': <2.5>, "
                                     "'mechanism': <'balloon'>},)",
                                     128 * MIB));
    assert_int_equal(get_size(bed, "Floor"), 128 * MIB);
    assert_int_equal(bed->guest->stored.floor, 128 * MIB);
    assert_true(bed->guest->stored.weight == 2.5);
    expect_done(bed, "SetLimits", g_variant_new_parsed("({'floor': <uint64 0>},)"));
    assert_int_equal(get_size(bed, "Floor"), 256 * MIB);
    assert_false(bed->guest->stored.set & GUEST_LIMIT_FLOOR);
    assert_true(bed->guest->stored.set & GUEST_LIMIT_WEIGHT);
}

static void
test_a_guest_has_a_predictor_of_its_own(void **state)
{
    Bed *bed = *state;

    expect_text(bed, "Predictor", "composite");
    expect_done(bed, "SetLimits", g_variant_new_parsed("({'predictor': <'season'>},)"));
    expect_text(bed, "Predictor", "season");
    assert_string_equal(bed->guest->stored.predictor, "season");
    expect_error(bed, "SetLimits", g_variant_new_parsed("({'predictor': <'oracle'>},)"),
                 "unknown predictor 'oracle'");
    expect_error(bed, "SetLimits", g_variant_new_parsed("({'predictor': <uint64 1>},)"),
                 "its value has the wrong type");
    expect_text(bed, "Predictor", "season");
    expect_done(bed, "SetLimits", g_variant_new_parsed("({'predictor': <''>},)"));
    expect_text(bed, "Predictor", "composite");
    assert_false(bed->guest->stored.set & GUEST_LIMIT_PREDICTOR);
}

static void
test_bad_limits_are_refused_whole(void **state)
{
    Bed *bed = *state;

    expect_error(bed, "SetLimits", g_variant_new_parsed("({'flor': <uint64 1>},)"), "flor");
    expect_error(bed, "SetLimits", g_variant_new_parsed("({'floor': <'much'>},)"), "floor");
    expect_error(bed, "SetLimits", g_variant_new_parsed("({'weight': <-1.0>},)"), "weight");
    expect_error(bed, "SetLimits",
                 g_variant_new_parsed("({'ceiling': <uint64 1>, 'floor': <uint64 2>},)"),
                 "above the ceiling");
    assert_int_equal(bed->guest->stored.set, 0);
    assert_int_equal(get_size(bed, "Floor"), 256 * MIB);
}

static void
test_plug_and_unplug_by_hand(void **state)
{
    Bed *bed = *state;
    g_autofree char *id = NULL;

    expect_error(bed, "Plug", g_variant_new("(t)", 100 * MIB), "multiple of 128 MiB");
    expect_done(bed, "Plug", g_variant_new("(t)", 256 * MIB));
    assert_int_equal(get_size(bed, "Actual"), 512 * MIB);
    id = g_strdup(bed->guest->memory.devices[0].id);
    bed->guest->manners.refuses_unplug = TRUE;
    expect_error(bed, "Unplug", g_variant_new("(s)", id), "the device is in use");
    assert_int_equal(get_size(bed, "Requested"), 512 * MIB);
    bed->guest->manners.refuses_unplug = FALSE;
    expect_done(bed, "Unplug", g_variant_new("(s)", id));
    assert_int_equal(get_size(bed, "Actual"), 256 * MIB);
    expect_error(bed, "Unplug", g_variant_new("(s)", "nothing"), "no DIMM called");
}

static void
test_limits_are_kept_where_they_shall_be(void **state)
{
    Bed *bed = *state;

    expect_done(bed, "SetLimits", g_variant_new_parsed("({'weight': <3.0>},)"));
    assert_int_equal(bed->guest->stored_scope, GUEST_SCOPE_ALL);
    expect_done(bed, "SetLimits", g_variant_new_parsed("({'weight': <3.0>, 'live': <true>},)"));
    assert_int_equal(bed->guest->stored_scope, GUEST_SCOPE_LIVE);
    expect_done(bed, "SetLimits",
                g_variant_new_parsed("({'weight': <3.0>, 'live': <false>, 'config': <true>},)"));
    assert_int_equal(bed->guest->stored_scope, GUEST_SCOPE_CONFIG);
    expect_error(bed, "SetLimits", g_variant_new_parsed("({'live': <1>},)"), "live");
}

static void
test_memory_for_the_next_start(void **state)
{
    Bed *bed = *state;

    expect_done(bed, "StoreMemory", g_variant_new("(t)", 512 * MIB));
    assert_int_equal(bed->guest->stored_memory, 512 * MIB);
    assert_int_equal(get_size(bed, "Actual"), 256 * MIB);
}

static void
test_a_virtio_mem_device_is_plugged(void **state)
{
    Bed *bed = *state;

    bed->guest->can_be_set_up = TRUE;
    expect_done(bed, "PlugVirtioMem", g_variant_new("(tb)", 1024 * MIB, FALSE));
    assert_int_equal(bed->guest->memory.n_devices, 1);
    assert_int_equal(bed->guest->memory.devices[0].max, 1024 * MIB);
    assert_int_equal(bed->guest->setups_applied, 0);
}

static void
test_a_virtio_mem_device_is_kept(void **state)
{
    Bed *bed = *state;

    bed->guest->can_be_set_up = TRUE;
    expect_done(bed, "PlugVirtioMem", g_variant_new("(tb)", 1024 * MIB, TRUE));
    assert_int_equal(bed->guest->memory.n_devices, 1);
    assert_int_equal(bed->guest->setups_applied, 1);
}

static void
test_a_device_that_cannot_be_kept_is_told(void **state)
{
    Bed *bed = *state;

    expect_error(bed, "PlugVirtioMem", g_variant_new("(tb)", 1024 * MIB, TRUE),
                 "plugged, but not for the next start: it has no definition");
}

/* Returns: (transfer full): the member @key of the finding of @check. */
static char *
look_up_finding(GVariant *reply, const char *check, const char *key)
{
    g_autoptr(GVariant) findings = g_variant_get_child_value(reply, 0);

    for (gsize i = 0; i < g_variant_n_children(findings); i++) {
        g_autoptr(GVariant) finding = g_variant_get_child_value(findings, i);
        const char *name = NULL;
        char *text = NULL;

        assert_true(g_variant_lookup(finding, "check", "&s", &name));
        if (g_str_equal(name, check) && g_variant_lookup(finding, key, "s", &text))
            return text;
    }
    fail_msg("no finding of %s", check);
    return NULL;
}

static void
test_diagnoses(void **state)
{
    Bed *bed = *state;
    g_autoptr(GVariant) host =
        call(bed, "/org/memplug1", "org.memplug1.Manager", "Diagnose", NULL, NULL);
    g_autoptr(GVariant) guest = NULL;
    g_autofree char *level = NULL;
    g_autofree char *fix = NULL;

    assert_non_null(host);
    level = look_up_finding(host, "connection", "level");
    assert_string_equal(level, "ok");

    expect_error(bed, "Diagnose", NULL, "it has no definition");
    bed->guest->can_be_set_up = TRUE;
    guest = call_guest(bed, "Diagnose", NULL, NULL);
    assert_non_null(guest);
    fix = look_up_finding(guest, "virtio-mem", "fix");
    assert_non_null(strstr(fix, "memplug setup web-1 --apply"));
}

static void
test_set_up(void **state)
{
    Bed *bed = *state;
    g_autoptr(GVariant) planned = NULL;
    g_autoptr(GVariant) applied = NULL;
    g_autofree char *text = NULL;

    bed->guest->can_be_set_up = TRUE;
    planned = call_guest(
        bed, "Setup", g_variant_new_parsed("({'max': <uint64 7>, 'virtio-mem-max': <uint64 5>},)"),
        NULL);
    assert_non_null(planned);
    assert_int_equal(bed->guest->setup.max, 7);
    assert_false(bed->guest->setup.no_virtio_mem);
    assert_int_equal(bed->guest->setup.virtio_mem, 5);
    assert_int_equal(bed->guest->setups_applied, 0);

    applied = call_guest(bed, "Setup",
                         g_variant_new_parsed("({'virtio-mem': <false>, 'apply': <true>},)"), NULL);
    assert_non_null(applied);
    assert_true(bed->guest->setup.no_virtio_mem);
    assert_int_equal(bed->guest->setups_applied, 1);
    text = g_variant_print(applied, FALSE);
    assert_non_null(strstr(text, "'done': <['the balloon tells its statistics']>"));
    assert_non_null(strstr(text, "'restart': <true>"));

    expect_error(bed, "Setup", g_variant_new_parsed("({'aply': <true>},)"), "'aply' is no option");
    expect_error(bed, "Setup", g_variant_new_parsed("({'apply': <1>},)"), "wrong type");
}

static void
test_an_obstacle_and_the_connection_are_told(void **state)
{
    Bed *bed = *state;
    g_autoptr(GVariant) none = get(bed, GUEST_PATH, "org.memplug1.Guest", "Obstacle");
    g_autoptr(GVariant) before = get(bed, "/org/memplug1", "org.memplug1.Manager", "Connection");
    g_autoptr(GVariant) after = NULL;
    g_autoptr(GVariant) some = NULL;

    assert_string_equal(g_variant_get_string(none, NULL), "");
    assert_string_equal(g_variant_get_string(before, NULL), "connected");

    hypervisor_take_connection(MEMPLUG_HYPERVISOR(bed->hypervisor), "Connection refused");
    after = get(bed, "/org/memplug1", "org.memplug1.Manager", "Connection");
    assert_string_equal(g_variant_get_string(after, NULL), "Connection refused");

    bed->guest->memory.obstacle = g_strdup("it is a Windows");
    guest_emit_memory_event(MEMPLUG_GUEST(bed->guest),
                            &(GuestMemoryEvent){ GUEST_MEMORY_EVENT_CHANGED, NULL, NULL });
    await_ms(40);
    some = get(bed, GUEST_PATH, "org.memplug1.Guest", "Obstacle");
    assert_string_equal(g_variant_get_string(some, NULL), "it is a Windows");
}

static void
test_a_dry_run_changes_nothing(void **state)
{
    static const char refusal[] = "--dry-run and changes nothing";
    Bed *bed = *state;
    g_autoptr(GVariant) plan = NULL;

    bed->guest->can_be_set_up = TRUE;
    expect_error(bed, "SetMemory", g_variant_new("(t)", 512 * MIB), refusal);
    expect_error(bed, "SetManaged", g_variant_new("(b)", FALSE), refusal);
    expect_error(bed, "StoreMemory", g_variant_new("(t)", 512 * MIB), refusal);
    expect_error(bed, "SetLimits", g_variant_new_parsed("({'weight': <3.0>},)"), refusal);
    expect_error(bed, "Plug", g_variant_new("(t)", 128 * MIB), refusal);
    expect_error(bed, "PlugVirtioMem", g_variant_new("(tb)", 128 * MIB, TRUE), refusal);
    expect_error(bed, "Unplug", g_variant_new("(s)", "nothing"), refusal);
    expect_error(bed, "Setup", g_variant_new_parsed("({'apply': <true>},)"), refusal);
    plan = call_guest(bed, "Setup", g_variant_new_parsed("(@a{sv} {},)"), NULL);
    assert_non_null(plan);
    assert_int_equal(bed->guest->ordered + bed->guest->setups_applied, 0);
    assert_int_equal(bed->guest->stored_memory, 0);
    assert_int_equal(bed->guest->stored.set, 0);
}

static void
test_a_refused_reload_is_told(void **state)
{
    Bed *bed = *state;
    g_autoptr(GError) error = NULL;

    assert_null(call(bed, "/org/memplug1", "org.memplug1.Manager", "Reload", NULL, &error));
    assert_non_null(strstr(error->message, "[host] budget"));
}

static void
test_a_second_daemon_is_refused(void **state)
{
    Bed *bed = *state;
    const BusManagerDuties duties = duties_of(bed);
    g_autoptr(GError) error = NULL;

    assert_null(bus_new(g_test_dbus_get_bus_address(bed->dbus), bed->roster, bed->cycle, &duties,
                        on_lost, &error));
    assert_non_null(strstr(error->message, "another memplugd"));
}

#define ON_A_BUS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_BUS(test_properties_tell_what_is_so_now),
        ON_A_BUS(test_the_object_manager_lists_the_guests),
        ON_A_BUS(test_set_memory_is_carried_out_and_told),
        ON_A_BUS(test_limits_are_changed_and_taken_back),
        ON_A_BUS(test_a_guest_has_a_predictor_of_its_own),
        ON_A_BUS(test_bad_limits_are_refused_whole),
        ON_A_BUS(test_plug_and_unplug_by_hand),
        ON_A_BUS(test_limits_are_kept_where_they_shall_be),
        ON_A_BUS(test_memory_for_the_next_start),
        ON_A_BUS(test_a_virtio_mem_device_is_plugged),
        ON_A_BUS(test_a_virtio_mem_device_is_kept),
        ON_A_BUS(test_a_device_that_cannot_be_kept_is_told),
        ON_A_BUS(test_diagnoses),
        ON_A_BUS(test_set_up),
        ON_A_BUS(test_an_obstacle_and_the_connection_are_told),
        cmocka_unit_test_setup_teardown(test_a_dry_run_changes_nothing, setup_dry_run, teardown),
        ON_A_BUS(test_a_refused_reload_is_told),
        ON_A_BUS(test_a_second_daemon_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
