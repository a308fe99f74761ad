/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fake/bus-daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NAME "org.memplug1"
#define PATH "/org/memplug1"
#define MIB  (G_GUINT64_CONSTANT(1) << 20)

/* Between what SetMemory leads to: long enough that a client sees each on its
 * own, and nothing depends on it. */
#define STEP_MS 10

struct _BusDaemon {
    GDBusConnection *bus;
    GDBusObjectManagerServer *server;
    BusManager *manager;
    BusDaemonReaction reaction;
    guint64 decision;
    guint set_memory_calls;
    guint64 latest_size;
    GPtrArray *steps; /* Step *: what is still to happen */
};

/* What happens to a guest after SetMemory. */
typedef struct {
    BusDaemon *daemon;
    BusGuest *guest;
    guint64 size;
    guint count; /* of those that happened */
    guint source;
} Step;

static char *
guest_path(const char *name)
{
    g_autofree char *escaped = g_dbus_escape_object_path(name);

    return g_strconcat(PATH "/guest/", escaped, NULL);
}

static void
step_free(gpointer data)
{
    Step *step = data;

    g_source_remove(step->source);
    g_object_unref(step->guest);
    g_free(step);
}

static void
put(BusGuest *guest, guint64 decision, guint64 requested, guint64 actual, const char *phase,
    const char *reason)
{
    bus_guest_set_decision(guest, decision);
    bus_guest_set_requested(guest, requested);
    bus_guest_set_actual(guest, actual);
    bus_guest_set_phase(guest, phase);
    bus_guest_set_reason(guest, reason);
}

/* Returns TRUE if more is to come. */
static gboolean
happen(Step *step)
{
    BusDaemon *daemon = step->daemon;
    guint64 decision = daemon->decision;
    guint64 actual = bus_guest_get_actual(step->guest);

    switch (daemon->reaction) {
    case BUS_DAEMON_FOLLOWS:
    case BUS_DAEMON_EARLIER_DECISION:
        if (step->count == 1) {
            put(step->guest, decision, step->size, (actual + step->size) / 2, "moving", "");
            return TRUE;
        }
        put(step->guest, decision, step->size, step->size, "settled", "");
        return FALSE;
    case BUS_DAEMON_ROUNDS:
        put(step->guest, decision, step->size + MIB, step->size + MIB, "settled", "");
        return FALSE;
    case BUS_DAEMON_OVERRULES:
        put(step->guest, ++daemon->decision, 300 * MIB, 300 * MIB, "settled", "");
        return FALSE;
    case BUS_DAEMON_FALLS_SHORT:
        put(step->guest, decision, step->size, actual + MIB, "short", "the guest keeps it");
        return FALSE;
    case BUS_DAEMON_FREEZES:
        put(step->guest, decision, step->size, actual, "frozen", "the guest is paused");
        return FALSE;
    case BUS_DAEMON_GUEST_GOES:
        bus_daemon_remove_guest(daemon, bus_guest_get_name(step->guest));
        return FALSE;
    case BUS_DAEMON_LEAVES:
        bus_daemon_leave(daemon);
        return FALSE;
    case BUS_DAEMON_AT_ONCE:
    case BUS_DAEMON_STALLS:
    case BUS_DAEMON_REFUSES:
    case BUS_DAEMON_DENIES:
    case BUS_DAEMON_GUEST_HAS_GONE:
    case BUS_DAEMON_LEAVES_SILENTLY:
        break;
    }
    return FALSE;
}

static gboolean
on_step(gpointer data)
{
    Step *step = data;

    step->count++;
    if (!happen(step))
        g_ptr_array_remove(step->daemon->steps, step);
    return G_SOURCE_CONTINUE;
}

/* Whether SetMemory fails; the invocation is taken then. */
static gboolean
fails(BusDaemon *daemon, GDBusMethodInvocation *invocation)
{
    static const struct {
        BusDaemonReaction reaction;
        GDBusError code;
        const char *message;
    } failures[] = {
        { BUS_DAEMON_REFUSES, G_DBUS_ERROR_INVALID_ARGS, "the ceiling is 512 MiB" },
        { BUS_DAEMON_DENIES, G_DBUS_ERROR_ACCESS_DENIED, "not authorized" },
        { BUS_DAEMON_GUEST_HAS_GONE, G_DBUS_ERROR_UNKNOWN_OBJECT, "no such object" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(failures); i++) {
        if (daemon->reaction == failures[i].reaction) {
            g_dbus_method_invocation_return_error_literal(
                invocation, G_DBUS_ERROR, (int)failures[i].code, failures[i].message);
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean
on_set_memory(BusGuest *guest, GDBusMethodInvocation *invocation, guint64 size, gpointer data)
{
    BusDaemon *daemon = data;
    Step *step;

    daemon->set_memory_calls++;
    daemon->latest_size = size;
    if (fails(daemon, invocation))
        return TRUE;
    if (daemon->reaction == BUS_DAEMON_LEAVES_SILENTLY) {
        bus_daemon_leave(daemon);
        g_dbus_method_invocation_return_error_literal(invocation, G_DBUS_ERROR,
                                                      G_DBUS_ERROR_NO_REPLY, "gone");
        return TRUE;
    }

    if (daemon->reaction == BUS_DAEMON_EARLIER_DECISION)
        put(guest, daemon->decision, size + MIB, size + MIB, "settled", "");
    daemon->decision++;
    if (daemon->reaction == BUS_DAEMON_AT_ONCE)
        put(guest, daemon->decision, size, size, "settled", "");
    else if (daemon->reaction != BUS_DAEMON_EARLIER_DECISION)
        put(guest, daemon->decision, size, bus_guest_get_actual(guest), "moving", "");
    g_dbus_interface_skeleton_flush(G_DBUS_INTERFACE_SKELETON(guest));
    bus_guest_complete_set_memory(guest, invocation, daemon->decision);

    step = g_new0(Step, 1);
    step->daemon = daemon;
    step->guest = g_object_ref(guest);
    step->size = size;
    step->source = g_timeout_add(STEP_MS, on_step, step);
    g_ptr_array_add(daemon->steps, step);
    return TRUE;
}

static GVariant *
usual_devices(void)
{
    return g_variant_new_parsed(
        "[{'id': <'memplug-vmem'>, 'kind': <'virtio-mem'>, 'ours': <false>, 'node': <uint32 0>,"
        "  'size': <uint64 0>, 'requested': <uint64 0>, 'max': <uint64 1073741824>,"
        "  'block': <uint64 2097152>},"
        " {'id': <'memplug-dimm-1'>, 'kind': <'dimm'>, 'ours': <true>, 'node': <uint32 1>,"
        "  'size': <uint64 134217728>, 'acknowledged': <true>, 'removing': <true>}]");
}

static GVariant *
usual_stats(void)
{
    return g_variant_new_parsed("{'state': <'fresh'>, 'reason': <''>, 'age_us': <int64 400000>,"
                                " 'total': <uint64 260046848>, 'free': <uint64 104857600>,"
                                " 'swap_in': <uint64 4096>, 'major_faults': <uint64 17>}");
}

BusGuest *
bus_daemon_add_guest(BusDaemon *daemon, const char *name)
{
    g_autofree char *path = guest_path(name);
    g_autoptr(BusObjectSkeleton) object = bus_object_skeleton_new(path);
    g_autoptr(BusGuest) guest = bus_guest_skeleton_new();

    put(guest, 0, 256 * MIB, 256 * MIB, "settled", "");
    bus_guest_set_name(guest, name);
    bus_guest_set_pid(guest, 4242);
    bus_guest_set_state(guest, "running");
    bus_guest_set_demand(guest, 200 * MIB);
    bus_guest_set_used(guest, 150 * MIB);
    bus_guest_set_floor(guest, 128 * MIB);
    bus_guest_set_ceiling(guest, 1024 * MIB);
    bus_guest_set_weight(guest, 1.5);
    bus_guest_set_mechanism(guest, "auto");
    bus_guest_set_predictor(guest, "composite");
    bus_guest_set_managed(guest, TRUE);
    bus_guest_set_forecast(guest, "used and a third");
    bus_guest_set_pinned(guest, "");
    bus_guest_set_held_back(guest, "");
    bus_guest_set_boot(guest, 128 * MIB);
    bus_guest_set_lowest(guest, 64 * MIB);
    bus_guest_set_highest(guest, 1280 * MIB);
    bus_guest_set_grain(guest, 2 * MIB);
    bus_guest_set_has_balloon(guest, TRUE);
    bus_guest_set_slots(guest, 16);
    bus_guest_set_slots_free(guest, 15);
    bus_guest_set_devices(guest, usual_devices());
    bus_guest_set_stats(guest, usual_stats());
    g_signal_connect(guest, "handle-set-memory", G_CALLBACK(on_set_memory), daemon);

    bus_object_skeleton_set_guest(object, guest);
    g_dbus_object_manager_server_export(daemon->server, G_DBUS_OBJECT_SKELETON(object));
    return guest;
}

BusManager *
bus_daemon_get_manager(BusDaemon *daemon)
{
    return daemon->manager;
}

void
bus_daemon_remove_guest(BusDaemon *daemon, const char *name)
{
    g_autofree char *path = guest_path(name);

    assert_true(g_dbus_object_manager_server_unexport(daemon->server, path));
}

static void
call_bus(BusDaemon *daemon, const char *method, GVariant *arguments)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
        daemon->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        method, arguments, G_VARIANT_TYPE("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);

    if (!reply)
        fail_msg("%s: %s", method, error->message);
}

void
bus_daemon_leave(BusDaemon *daemon)
{
    call_bus(daemon, "ReleaseName", g_variant_new("(s)", NAME));
}

void
bus_daemon_come_back(BusDaemon *daemon)
{
    call_bus(daemon, "RequestName", g_variant_new("(su)", NAME, 0));
}

BusDaemon *
bus_daemon_new(const char *address)
{
    BusDaemon *daemon = g_new0(BusDaemon, 1);
    g_autoptr(GError) error = NULL;

    daemon->bus =
        g_dbus_connection_new_for_address_sync(address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);
    if (!daemon->bus)
        fail_msg("%s: %s", address, error->message);
    daemon->decision = 1000;
    daemon->steps = g_ptr_array_new_with_free_func(step_free);
    daemon->server = g_dbus_object_manager_server_new(PATH);
    daemon->manager = bus_manager_skeleton_new();
    bus_manager_set_version(daemon->manager, "1.2.3");
    bus_manager_set_uri(daemon->manager, "qmp:/run/guests");
    bus_manager_set_policy(daemon->manager, "balance");
    bus_manager_set_connection(daemon->manager, "connected");
    if (!g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(daemon->manager), daemon->bus,
                                          PATH, &error))
        fail_msg("%s", error->message);
    g_dbus_object_manager_server_set_connection(daemon->server, daemon->bus);
    bus_daemon_come_back(daemon);
    return daemon;
}

void
bus_daemon_free(BusDaemon *daemon)
{
    g_ptr_array_unref(daemon->steps);
    g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(daemon->manager));
    g_object_unref(daemon->manager);
    g_object_unref(daemon->server);
    g_dbus_connection_close_sync(daemon->bus, NULL, NULL);
    g_object_unref(daemon->bus);
    g_free(daemon);
}

void
bus_daemon_set_reaction(BusDaemon *daemon, BusDaemonReaction reaction)
{
    daemon->reaction = reaction;
}

guint
bus_daemon_count_set_memory(const BusDaemon *daemon)
{
    return daemon->set_memory_calls;
}

guint64
bus_daemon_latest_size(const BusDaemon *daemon)
{
    return daemon->latest_size;
}

void
bus_daemon_emit_event(BusDaemon *daemon, const char *guest, const char *kind, guint64 decision,
                      const char *message)
{
    bus_manager_emit_event(daemon->manager, G_GUINT64_CONSTANT(1700000000250000), guest, kind,
                           decision, message);
}
