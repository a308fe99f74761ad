/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may call what: a daemon of the user memplug on a system bus of the test's own,
 * called by root and by nobody, with a real polkitd, with a polkit that takes its
 * time, and with none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "daemon/bus-authority.h"
#include "daemon/bus.h"
#include "dbus/memplug-dbus.h"
#include "tests/fake/await.h"
#include "tests/fake/fake-hypervisor.h"
#include "tests/unit/daemon/system-room.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

#define NAME         "org.memplug1"
#define MANAGER_PATH "/org/memplug1"
#define GUEST_PATH   "/org/memplug1/guest/web"

#define MANAGE     "org.memplug1.manage"
#define ADMINISTER "org.memplug1.administer"
#define LOOK       "org.memplug1.look"

static SystemRoom *room;

typedef struct {
    FakeHypervisor *hypervisor;
    Config *config;
    IntentStore *intents;
    Roster *roster;
    Cycle *cycle;
    Bus *bus;
    GDBusConnection *root;
    GDBusConnection *nobody;
} Bed;

/* Calls that change something, with what they take; none of them fails for another
 * reason than permission, unless it says so. */
static const struct {
    const char *path, *interface, *method, *arguments;
    const char *action;
} calls[] = {
    { MANAGER_PATH, NAME ".Manager", "Diagnose", "()", LOOK },
    { MANAGER_PATH, NAME ".Manager", "Explain", "('web', uint64 0)", LOOK },
    { MANAGER_PATH, NAME ".Manager", "Report", "(@as [], uint64 0, uint64 1)", LOOK },
    { MANAGER_PATH, NAME ".Manager", "History", "('web', uint64 0, uint64 1, uint32 1)", LOOK },
    { MANAGER_PATH, NAME ".Manager", "Record", "(@as [],)", LOOK },
    { MANAGER_PATH, NAME ".Manager", "Reload", "()", ADMINISTER },
    { MANAGER_PATH, NAME ".Manager", "Reserve", "(uint64 1048576, @a{sv} {})", MANAGE },
    { MANAGER_PATH, NAME ".Manager", "ReserveDomain", "('', @a{sv} {})", MANAGE },
    { MANAGER_PATH, NAME ".Manager", "AwaitLease", "(uint64 1,)", LOOK },
    { MANAGER_PATH, NAME ".Manager", "HoldLease", "(uint64 1, uint32 0)", MANAGE },
    { MANAGER_PATH, NAME ".Manager", "ReleaseLease", "(uint64 1,)", MANAGE },
    { MANAGER_PATH, NAME ".Manager", "DescribeHost", "()", LOOK },
    { GUEST_PATH, NAME ".Guest", "Diagnose", "()", LOOK },
    { GUEST_PATH, NAME ".Guest", "Setup", "(@a{sv} {},)", LOOK },
    { GUEST_PATH, NAME ".Guest", "Setup", "({'apply': <false>},)", LOOK },
    { GUEST_PATH, NAME ".Guest", "Setup", "({'apply': <true>},)", ADMINISTER },
    { GUEST_PATH, NAME ".Guest", "SetMemory", "(uint64 402653184,)", MANAGE },
    { GUEST_PATH, NAME ".Guest", "SetManaged", "(true,)", MANAGE },
    { GUEST_PATH, NAME ".Guest", "StoreMemory", "(uint64 402653184,)", ADMINISTER },
    { GUEST_PATH, NAME ".Guest", "SetLimits", "({'weight': <2.0>},)", ADMINISTER },
    { GUEST_PATH, NAME ".Guest", "Plug", "(uint64 134217728,)", MANAGE },
    { GUEST_PATH, NAME ".Guest", "PlugVirtioMem", "(uint64 134217728, false)", MANAGE },
    { GUEST_PATH, NAME ".Guest", "PlugVirtioMem", "(uint64 134217728, true)", ADMINISTER },
    { GUEST_PATH, NAME ".Guest", "Unplug", "('nothing',)", MANAGE },
};

static gboolean
reload(gpointer data, GError **error)
{
    return TRUE;
}

static void
on_lost(gpointer data, const char *reason)
{
    fail_msg("the bus was lost: %s", reason);
}

/* As the service does, the daemon connects as memplug. @address: as for bus_new() */
static void
start_daemon(Bed *bed, const char *address)
{
    const BusManagerDuties duties = { MEMPLUG_HYPERVISOR(bed->hypervisor), FALSE, reload, NULL };
    g_autoptr(GError) error = NULL;

    assert_int_equal(seteuid(room->service), 0);
    bed->bus = bus_new(address, bed->roster, bed->cycle, &duties, on_lost, &error);
    assert_int_equal(seteuid(0), 0);
    if (!bed->bus)
        fail_msg("%s", error->message);
}

static Bed *
make_bed(const char *address)
{
    Bed *bed = g_new0(Bed, 1);

    bed->hypervisor = fake_hypervisor_new();
    bed->config = config_load("/nonexistent/memplug.conf", FALSE, NULL);
    bed->config->budget = 8192 * MIB;
    bed->intents = intent_store_new_volatile();
    bed->roster = roster_new(MEMPLUG_HYPERVISOR(bed->hypervisor), bed->config, bed->intents, FALSE);
    bed->cycle = cycle_new(MEMPLUG_HYPERVISOR(bed->hypervisor), bed->roster, bed->config, 0);
    start_daemon(bed, address);
    fake_hypervisor_add(bed->hypervisor, fake_guest_new("web", 256 * MIB, 2048 * MIB, 4, TRUE),
                        100 * MIB);
    bed->root = system_room_connect(room, 0);
    bed->nobody = system_room_connect(room, SYSTEM_ROOM_NOBODY);
    await_quiet();
    return bed;
}

static int
setup(void **state)
{
    *state = make_bed("system");
    return 0;
}

static int
teardown(void **state)
{
    Bed *bed = *state;

    g_dbus_connection_close_sync(bed->root, NULL, NULL);
    g_dbus_connection_close_sync(bed->nobody, NULL, NULL);
    g_object_unref(bed->root);
    g_object_unref(bed->nobody);
    bus_free(bed->bus);
    cycle_free(bed->cycle);
    g_object_unref(bed->roster);
    await_quiet();
    g_object_unref(bed->hypervisor);
    intent_store_free(bed->intents);
    config_free(bed->config);
    g_free(bed);
    system_room_stop_polkitd(room);
    return 0;
}

/* Begins call @number, to be ended with end_call(). */
static void
begin_call(GDBusConnection *caller, gsize number, Await *await)
{
    GVariant *arguments = g_variant_new_parsed(calls[number].arguments);

    g_dbus_connection_call(caller, NAME, calls[number].path, calls[number].interface,
                           calls[number].method, arguments, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                           await_callback, await);
}

/* Returns: (transfer full) (nullable): the error, without the name that it has on the bus. */
static GError *
end_call(GDBusConnection *caller, Await *await)
{
    GError *error = NULL;
    GVariant *reply = g_dbus_connection_call_finish(caller, await_result(await), &error);

    if (reply)
        g_variant_unref(reply);
    else
        g_dbus_error_strip_remote_error(error);
    return error;
}

static GError *
call(GDBusConnection *caller, gsize number)
{
    g_auto(Await) await = { NULL };

    begin_call(caller, number, &await);
    return end_call(caller, &await);
}

static gboolean
is_denied(const GError *error)
{
    return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
}

/* @allowed: (array zero-terminated=1): the actions that @caller has. Every other call is
 * refused in words that have its action and @help in them. */
static void
expect_permissions(GDBusConnection *caller, const char *const *allowed, const char *help)
{
    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++) {
        g_autoptr(GError) error = call(caller, i);
        const char *message = error ? error->message : "it succeeded";

        if (g_strv_contains(allowed, calls[i].action)) {
            if (is_denied(error))
                fail_msg("%s%s: %s", calls[i].method, calls[i].arguments, message);
        } else if (!is_denied(error) || !strstr(message, calls[i].action) ||
                   !strstr(message, help)) {
            fail_msg("%s%s: %s", calls[i].method, calls[i].arguments, message);
        }
    }
}

static const char *const everything[] = { LOOK, MANAGE, ADMINISTER, NULL };
static const char *const looking[] = { LOOK, NULL };
static const char *const managing[] = { LOOK, MANAGE, NULL };
static const char *const nothing[] = { NULL };

/*
 * The table
 */

static void
count_methods(const GDBusInterfaceInfo *interface, guint *count)
{
    for (guint i = 0; interface->methods[i]; i++) {
        gboolean found = FALSE;

        for (gsize j = 0; j < G_N_ELEMENTS(calls); j++)
            found |= g_str_equal(calls[j].method, interface->methods[i]->name) &&
                     g_str_equal(calls[j].interface, interface->name);
        if (!found)
            fail_msg("%s.%s: nobody has said who may call it", interface->name,
                     interface->methods[i]->name);
        ++*count;
    }
}

static void
test_each_method_has_its_action(void **state)
{
    guint count = 0;

    count_methods(bus_manager_interface_info(), &count);
    count_methods(bus_guest_interface_info(), &count);
    assert_true(count >= 11);
    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++) {
        g_autoptr(GVariant) arguments =
            g_variant_ref_sink(g_variant_new_parsed(calls[i].arguments));

        assert_string_equal(bus_authority_action(calls[i].method, arguments), calls[i].action);
    }
    assert_string_equal(bus_authority_action("ToCome", NULL), ADMINISTER);
}

static void
test_arguments_of_another_type_take_nothing_away(void **state)
{
    g_autoptr(GVariant) twice =
        g_variant_ref_sink(g_variant_new_parsed("([{'apply', <true>}, {'apply', <false>}],)"));

    assert_string_equal(bus_authority_action("Setup", twice), ADMINISTER);
}

/*
 * With a real polkitd
 */

static void
test_root_needs_no_polkit(void **state)
{
    Bed *bed = *state;

    expect_permissions(bed->root, everything, "");
}

static void
test_nobody_may_look(void **state)
{
    Bed *bed = *state;

    system_room_start_polkitd(room, NULL);
    expect_permissions(bed->nobody, looking, "ask as root");
    expect_permissions(bed->root, everything, "");
}

static void
test_a_rule_grants_to_manage(void **state)
{
    Bed *bed = *state;

    system_room_start_polkitd(room, "polkit.addRule(function(action, subject) {\n"
                                    "    if (action.id == '" MANAGE "' &&\n"
                                    "        subject.user == 'nobody')\n"
                                    "        return polkit.Result.YES;\n"
                                    "});\n");
    expect_permissions(bed->nobody, managing, "ask as root");
}

static void
test_a_rule_may_forbid_to_look(void **state)
{
    Bed *bed = *state;

    system_room_start_polkitd(room, "polkit.addRule(function(action, subject) {\n"
                                    "    return polkit.Result.NO;\n"
                                    "});\n");
    expect_permissions(bed->nobody, nothing, "polkit does not grant");
    expect_permissions(bed->root, everything, "");
}

static void
test_without_polkit_only_root_may(void **state)
{
    Bed *bed = *state;

    expect_permissions(bed->nobody, nothing, "cannot be asked");
    expect_permissions(bed->root, everything, "");
}

static void
test_properties_are_open(void **state)
{
    Bed *bed = *state;
    g_auto(Await) await = { NULL };
    g_autoptr(GVariant) reply = NULL;

    g_dbus_connection_call(bed->nobody, NAME, GUEST_PATH, "org.freedesktop.DBus.Properties",
                           "GetAll", g_variant_new("(s)", NAME ".Guest"), NULL,
                           G_DBUS_CALL_FLAGS_NONE, -1, NULL, await_callback, &await);
    reply = g_dbus_connection_call_finish(bed->nobody, await_result(&await), NULL);
    assert_non_null(reply);
}

/*
 * On a bus that is not the system's
 */

static int
setup_own_bus(void **state)
{
    *state = make_bed(room->address);
    return 0;
}

static void
test_on_another_bus_others_may_look(void **state)
{
    Bed *bed = *state;

    expect_permissions(bed->nobody, looking, "may look");
    expect_permissions(bed->root, everything, "");
}

/*
 * With a polkit that takes its time
 */

typedef struct {
    GDBusConnection *connection;
    GDBusMethodInvocation *asked; /* the latest question, not answered yet */
} SlowPolkit;

static void
on_question(GDBusConnection *connection, const char *sender, const char *path,
            const char *interface, const char *method, GVariant *parameters,
            GDBusMethodInvocation *invocation, gpointer data)
{
    ((SlowPolkit *)data)->asked = invocation;
}

static const GDBusInterfaceVTable slow_vtable = { on_question, NULL, NULL };

static SlowPolkit *
slow_polkit_new(void)
{
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(
        "<node><interface name='org.freedesktop.PolicyKit1.Authority'>"
        "<method name='CheckAuthorization'><arg type='(sa{sv})' direction='in'/>"
        "<arg type='s' direction='in'/><arg type='a{ss}' direction='in'/>"
        "<arg type='u' direction='in'/><arg type='s' direction='in'/>"
        "<arg type='(bba{ss})' direction='out'/></method></interface></node>",
        NULL);
    SlowPolkit *polkit = g_new0(SlowPolkit, 1);
    g_autoptr(GVariant) reply = NULL;

    polkit->connection = system_room_connect(room, 0);
    assert_true(g_dbus_connection_register_object(
        polkit->connection, "/org/freedesktop/PolicyKit1/Authority", node->interfaces[0],
        &slow_vtable, polkit, NULL, NULL));
    reply = g_dbus_connection_call_sync(
        polkit->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "RequestName", g_variant_new("(su)", "org.freedesktop.PolicyKit1", 0), NULL,
        G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
    assert_non_null(reply);
    return polkit;
}

static void
slow_polkit_free(SlowPolkit *polkit)
{
    g_dbus_connection_close_sync(polkit->connection, NULL, NULL);
    g_object_unref(polkit->connection);
    g_free(polkit);
}

static gboolean
is_asked(gpointer data)
{
    return ((SlowPolkit *)data)->asked != NULL;
}

/* The number of the first call of @method. */
static gsize
number_of(const char *method)
{
    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++) {
        if (g_str_equal(calls[i].method, method))
            return i;
    }
    fail_msg("no call of %s", method);
    return 0;
}

static void
answer(SlowPolkit *polkit, const char *text)
{
    g_dbus_method_invocation_return_value(g_steal_pointer(&polkit->asked),
                                          g_variant_new_parsed(text));
}

static void
test_a_prompt_holds_up_nobody_else(void **state)
{
    Bed *bed = *state;
    SlowPolkit *polkit = slow_polkit_new();
    g_auto(Await) waiting = { NULL };
    g_autoptr(GError) error = NULL;
    const char *action;

    begin_call(bed->nobody, number_of("SetMemory"), &waiting);
    await_condition(is_asked, polkit, "a question to polkit");
    g_variant_get_child(g_dbus_method_invocation_get_parameters(polkit->asked), 1, "&s", &action);
    assert_string_equal(action, MANAGE);

    error = call(bed->root, number_of("SetLimits"));
    assert_null(error);
    assert_null(waiting.result);

    answer(polkit, "((true, false, @a{ss} {}),)");
    error = end_call(bed->nobody, &waiting);
    assert_null(error);
    slow_polkit_free(polkit);
}

static void
test_a_dismissed_prompt_is_told(void **state)
{
    Bed *bed = *state;
    SlowPolkit *polkit = slow_polkit_new();
    g_auto(Await) waiting = { NULL };
    g_autoptr(GError) error = NULL;

    begin_call(bed->nobody, number_of("SetMemory"), &waiting);
    await_condition(is_asked, polkit, "a question to polkit");
    answer(polkit, "((false, true, {'polkit.dismissed': 'true'}),)");
    error = end_call(bed->nobody, &waiting);
    assert_true(is_denied(error));
    assert_non_null(strstr(error->message, "was dismissed"));
    slow_polkit_free(polkit);
}

static void
test_a_guest_may_go_during_a_prompt(void **state)
{
    Bed *bed = *state;
    SlowPolkit *polkit = slow_polkit_new();
    g_auto(Await) waiting = { NULL };
    g_autoptr(GError) error = NULL;

    begin_call(bed->nobody, number_of("SetMemory"), &waiting);
    await_condition(is_asked, polkit, "a question to polkit");
    fake_hypervisor_remove(bed->hypervisor, 0);
    answer(polkit, "((true, false, @a{ss} {}),)");
    error = end_call(bed->nobody, &waiting);
    assert_non_null(error);
    assert_string_equal(error->message, "the guest is gone");
    slow_polkit_free(polkit);
}

static int
start_room(void **state)
{
    room = system_room_new();
    return 0;
}

static int
stop_room(void **state)
{
    system_room_free(room);
    return 0;
}

#define ON_THE_SYSTEM_BUS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const char *obstacle = system_room_obstacle();
    const struct CMUnitTest pure[] = {
        cmocka_unit_test(test_each_method_has_its_action),
        cmocka_unit_test(test_arguments_of_another_type_take_nothing_away),
    };
    const struct CMUnitTest tests[] = {
        ON_THE_SYSTEM_BUS(test_root_needs_no_polkit),
        ON_THE_SYSTEM_BUS(test_nobody_may_look),
        ON_THE_SYSTEM_BUS(test_a_rule_grants_to_manage),
        ON_THE_SYSTEM_BUS(test_a_rule_may_forbid_to_look),
        ON_THE_SYSTEM_BUS(test_without_polkit_only_root_may),
        ON_THE_SYSTEM_BUS(test_properties_are_open),
        ON_THE_SYSTEM_BUS(test_a_prompt_holds_up_nobody_else),
        ON_THE_SYSTEM_BUS(test_a_dismissed_prompt_is_told),
        ON_THE_SYSTEM_BUS(test_a_guest_may_go_during_a_prompt),
        cmocka_unit_test_setup_teardown(test_on_another_bus_others_may_look, setup_own_bus,
                                        teardown),
    };
    int failed = cmocka_run_group_tests(pure, NULL, NULL);

    if (failed > 0)
        return failed;
    if (obstacle) {
        print_message("skipped: %s\n", obstacle);
        return 77;
    }
    return cmocka_run_group_tests(tests, start_room, stop_room);
}
