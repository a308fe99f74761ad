/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/bus.h"

#include "build-config.h"
#include "daemon/bus-authority.h"
#include "daemon/bus-findings.h"
#include "daemon/bus-guest.h"
#include "daemon/bus-journal.h"
#include "daemon/bus-reservations.h"
#include "doctor/host-checks.h"

#define BUS_NAME "org.memplug1"
#define BUS_PATH "/org/memplug1"

struct _Bus {
    GDBusConnection *connection;
    BusAuthority *authority;
    GDBusObjectManagerServer *server;
    BusManager *manager;
    BusReservations *reservations;
    BusJournal *journal;
    Roster *roster;
    Cycle *cycle;
    BusManagerDuties duties;
    void (*on_lost)(gpointer data, const char *reason);
};

/* The figures of the latest cycle are looked up when they are read. */
#define TYPE_BUS_MANAGER_OBJECT (bus_manager_object_get_type())
G_DECLARE_FINAL_TYPE(BusManagerObject, bus_manager_object, MEMPLUG, BUS_MANAGER_OBJECT,
                     BusManagerSkeleton)

struct _BusManagerObject {
    BusManagerSkeleton parent;
    const Cycle *cycle;
};

G_DEFINE_TYPE(BusManagerObject, bus_manager_object, BUS_TYPE_MANAGER_SKELETON)

static void
bus_manager_object_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    const Cycle *cycle = MEMPLUG_BUS_MANAGER_OBJECT(object)->cycle;

    if (g_str_equal(spec->name, "lent"))
        g_value_set_uint64(value, cycle_get_summary(cycle)->lent);
    else if (g_str_equal(spec->name, "demand"))
        g_value_set_uint64(value, cycle_get_summary(cycle)->demand);
    else if (g_str_equal(spec->name, "shortfall"))
        g_value_set_uint64(value, cycle_get_summary(cycle)->shortfall);
    else if (g_str_equal(spec->name, "leases"))
        g_value_set_variant(value, bus_reservations_variant(cycle_get_reservations(cycle)));
    else if (g_str_equal(spec->name, "budget"))
        g_value_set_uint64(value, cycle_get_settings(cycle)->budget);
    else if (g_str_equal(spec->name, "policy"))
        g_value_set_string(value, cycle_get_settings(cycle)->policy->name);
    else
        G_OBJECT_CLASS(bus_manager_object_parent_class)->get_property(object, id, value, spec);
}

static void
bus_manager_object_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    G_OBJECT_CLASS(bus_manager_object_parent_class)->set_property(object, id, value, spec);
}

static void
bus_manager_object_class_init(BusManagerObjectClass *class)
{
    GObjectClass *object_class = G_OBJECT_CLASS(class);

    object_class->get_property = bus_manager_object_get_property;
    object_class->set_property = bus_manager_object_set_property;
    /* As in bus-guest.c: who owns a property is asked for it. */
    bus_manager_override_properties(object_class, 1);
    bus_authority_guard_class(G_DBUS_INTERFACE_SKELETON_CLASS(class));
}

static void
bus_manager_object_init(BusManagerObject *object)
{
}

static void
on_added(Bus *bus, ManagedGuest *managed)
{
    g_autoptr(BusObjectSkeleton) object =
        bus_guest_new(managed, bus->authority, bus->duties.dry_run);

    g_dbus_object_manager_server_export(bus->server, G_DBUS_OBJECT_SKELETON(object));
}

static void
on_removed(Bus *bus, ManagedGuest *managed)
{
    g_autofree char *path = bus_guest_path(guest_get_name(managed_guest_get_guest(managed)));

    g_dbus_object_manager_server_unexport(bus->server, path);
}

static void
on_event(Bus *bus, const Event *event)
{
    if (event->level <= G_LOG_LEVEL_INFO)
        bus_manager_emit_event(bus->manager, (guint64)g_get_real_time(), event->guest,
                               event_kind_name(event->kind), event->decision, event->message);
}

static gboolean
on_reload(BusManager *manager, GDBusMethodInvocation *invocation, gpointer data)
{
    Bus *bus = data;
    GError *error = NULL;

    if (!bus->duties.reload(bus->duties.data, &error))
        g_dbus_method_invocation_take_error(invocation, error);
    else
        bus_manager_complete_reload(manager, invocation);
    return TRUE;
}

static gboolean
on_diagnose(BusManager *manager, GDBusMethodInvocation *invocation, gpointer data)
{
    Bus *bus = data;
    g_autoptr(HostFacts) facts = host_facts_read("");
    const HostCase host = {
        .facts = facts,
        .connection = hypervisor_get_connection(bus->duties.hypervisor),
        .uri = hypervisor_get_uri(bus->duties.hypervisor),
        .budget = cycle_get_settings(bus->cycle)->budget,
    };
    g_autoptr(GPtrArray) findings = host_checks_run(&host);

    bus_manager_complete_diagnose(manager, invocation, bus_findings_variant(findings));
    return TRUE;
}

static void
on_connection(Bus *bus)
{
    bus_manager_set_connection(bus->manager, hypervisor_get_connection(bus->duties.hypervisor));
}

static void
on_closed(GDBusConnection *connection, gboolean vanished, GError *error, gpointer data)
{
    Bus *bus = data;

    bus->on_lost(bus->duties.data, error ? error->message : "the bus was closed");
}

static void
on_name_lost(GDBusConnection *connection, const char *sender, const char *path,
             const char *interface, const char *signal, GVariant *parameters, gpointer data)
{
    Bus *bus = data;
    const char *name = NULL;

    g_variant_get(parameters, "(&s)", &name);
    if (g_str_equal(name, BUS_NAME))
        bus->on_lost(bus->duties.data, "another process took the name " BUS_NAME);
}

static GDBusConnection *
connect_to(const char *address, GError **error)
{
    if (g_str_equal(address, "system"))
        return g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, error);
    if (g_str_equal(address, "session"))
        return g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, error);
    return g_dbus_connection_new_for_address_sync(
        address,
        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
            G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
        NULL, NULL, error);
}

/* Synchronous and without a queue: a daemon that is second says so and ends. */
static gboolean
take_name(GDBusConnection *connection, GError **error)
{
    const guint do_not_queue = 4;
    const guint primary_owner = 1;
    g_autoptr(GVariant) reply = NULL;
    guint result;

    reply = g_dbus_connection_call_sync(
        connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "RequestName", g_variant_new("(su)", BUS_NAME, do_not_queue), G_VARIANT_TYPE("(u)"),
        G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);
    if (!reply)
        return FALSE;
    g_variant_get(reply, "(u)", &result);
    if (result != primary_owner) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS,
                    "another memplugd owns the name " BUS_NAME);
        return FALSE;
    }
    return TRUE;
}

static void
export_manager(Bus *bus)
{
    g_autoptr(BusManagerObject) object = g_object_new(TYPE_BUS_MANAGER_OBJECT, NULL);

    object->cycle = bus->cycle;
    bus->manager = BUS_MANAGER(g_steal_pointer(&object));
    bus_manager_set_version(bus->manager, MEMPLUG_VERSION);
    bus_manager_set_uri(bus->manager, hypervisor_get_uri(bus->duties.hypervisor));
    bus_manager_set_dry_run(bus->manager, bus->duties.dry_run);
    on_connection(bus);
    g_signal_connect_swapped(bus->duties.hypervisor, "notify::connection",
                             G_CALLBACK(on_connection), bus);
    g_signal_connect(bus->manager, "handle-reload", G_CALLBACK(on_reload), bus);
    g_signal_connect(bus->manager, "handle-diagnose", G_CALLBACK(on_diagnose), bus);
    if (bus->duties.journal)
        bus->journal = bus_journal_new(bus->manager, bus->roster, bus->duties.journal);
    bus->reservations = bus_reservations_new(
        bus->manager, bus->connection, bus->duties.reservations, bus->cycle, bus->duties.dry_run);
    bus_authority_guard(bus->authority, G_DBUS_INTERFACE_SKELETON(bus->manager));
}

Bus *
bus_new(const char *address, Roster *roster, Cycle *cycle, const BusManagerDuties *duties,
        void (*on_lost)(gpointer data, const char *reason), GError **error)
{
    g_autoptr(GDBusConnection) connection = connect_to(address, error);
    GPtrArray *guests = roster_get_guests(roster);
    Bus *bus;

    if (!connection)
        return NULL;
    g_dbus_connection_set_exit_on_close(connection, FALSE);

    bus = g_new0(Bus, 1);
    bus->connection = g_steal_pointer(&connection);
    bus->authority = bus_authority_new(bus->connection, g_str_equal(address, "system"));
    bus->server = g_dbus_object_manager_server_new(BUS_PATH);
    bus->roster = roster;
    bus->cycle = cycle;
    bus->duties = *duties;
    bus->on_lost = on_lost;

    export_manager(bus);
    if (!g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(bus->manager), bus->connection,
                                          BUS_PATH, error)) {
        bus_free(bus);
        return NULL;
    }
    for (guint i = 0; i < guests->len; i++)
        on_added(bus, guests->pdata[i]);
    g_signal_connect_swapped(roster, "added", G_CALLBACK(on_added), bus);
    g_signal_connect_swapped(roster, "removed", G_CALLBACK(on_removed), bus);
    g_signal_connect_swapped(roster, "event", G_CALLBACK(on_event), bus);
    g_dbus_object_manager_server_set_connection(bus->server, bus->connection);

    if (!take_name(bus->connection, error)) {
        bus_free(bus);
        return NULL;
    }
    g_signal_connect(bus->connection, "closed", G_CALLBACK(on_closed), bus);
    g_dbus_connection_signal_subscribe(bus->connection, "org.freedesktop.DBus",
                                       "org.freedesktop.DBus", "NameLost", "/org/freedesktop/DBus",
                                       NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_name_lost, bus, NULL);
    return bus;
}

void
bus_free(Bus *bus)
{
    if (!bus)
        return;
    g_signal_handlers_disconnect_by_data(bus->roster, bus);
    g_signal_handlers_disconnect_by_data(bus->duties.hypervisor, bus);
    g_signal_handlers_disconnect_by_data(bus->connection, bus);
    g_clear_pointer(&bus->authority, bus_authority_free);
    g_clear_pointer(&bus->journal, bus_journal_free);
    g_clear_pointer(&bus->reservations, bus_reservations_free);
    g_clear_object(&bus->server);
    if (g_dbus_interface_skeleton_get_connection(G_DBUS_INTERFACE_SKELETON(bus->manager)))
        g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(bus->manager));
    g_clear_object(&bus->manager);
    g_dbus_connection_flush_sync(bus->connection, NULL, NULL);
    g_clear_object(&bus->connection);
    g_free(bus);
}
