/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The daemon names a guest's object after the guest, escaped as
 * g_dbus_escape_object_path() does it. One guest is therefore a proxy made
 * straight at that path, which loads the properties of this guest alone. Only
 * if there is no such guest at that path (or the daemon chose another one) the
 * object manager is asked for all of them, and what it knows serves the error
 * message.
 *
 * Proxies are made for the well-known name, so that they notice when the
 * daemon leaves the bus: their name owner becomes NULL.
 */
#include "cli/connection.h"

#include <string.h>
#include <unistd.h>

#include "cli/password-agent.h"
#include "cli/similar.h"

struct _Connection {
    char *bus;
    GDBusConnection *dbus;      /* NULL until needed */
    PasswordAgent *agent;       /* as well, ... */
    gboolean agent_was_started; /* ... and tried once */
};

Connection *
connection_new(const char *bus)
{
    Connection *connection = g_new0(Connection, 1);
    const char *from_environment = g_getenv("MEMPLUG_BUS");

    if (!bus && from_environment && *from_environment)
        bus = from_environment;
    if (!bus)
        bus = geteuid() == 0 ? "system" : "session";
    connection->bus = g_strdup(bus);
    return connection;
}

void
connection_free(Connection *connection)
{
    if (!connection)
        return;
    g_clear_pointer(&connection->agent, password_agent_stop);
    g_clear_object(&connection->dbus);
    g_free(connection->bus);
    g_free(connection);
}

char *
connection_describe_bus(const Connection *connection)
{
    if (g_str_equal(connection->bus, "system") || g_str_equal(connection->bus, "session"))
        return g_strdup_printf("the %s bus", connection->bus);
    return g_strdup_printf("the bus at %s", connection->bus);
}

char *
connection_describe_absence(const Connection *connection)
{
    g_autofree char *where = connection_describe_bus(connection);

    if (g_str_equal(connection->bus, "system"))
        return g_strdup_printf("memplugd is not running on %s; start it (systemctl start memplugd) "
                               "or name another bus with --bus",
                               where);
    return g_strdup_printf("memplugd is not running on %s; start it (memplugd --bus '%s') or name "
                           "another bus with --bus",
                           where, connection->bus);
}

const char *
connection_describe_start(const Connection *connection)
{
    return g_str_equal(connection->bus, "system") ? "systemctl enable --now memplugd"
                                                  : "systemctl --user enable --now memplugd";
}

static GDBusConnection *
open_bus(const char *bus, GError **error)
{
    if (g_str_equal(bus, "system"))
        return g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, error);
    if (g_str_equal(bus, "session"))
        return g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, error);
    return g_dbus_connection_new_for_address_sync(
        bus,
        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
            G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
        NULL, NULL, error);
}

GDBusConnection *
connection_get_bus(Connection *connection, GError **error)
{
    if (connection->dbus && g_dbus_connection_is_closed(connection->dbus))
        g_clear_object(&connection->dbus);
    if (connection->dbus)
        return connection->dbus;

    connection->dbus = open_bus(connection->bus, error);
    if (!connection->dbus) {
        g_autofree char *where = connection_describe_bus(connection);

        g_prefix_error(error, "cannot reach %s: ", where);
        return NULL;
    }
    /* A bus that goes away is an error to report, not a reason to be killed. */
    g_dbus_connection_set_exit_on_close(connection->dbus, FALSE);
    return connection->dbus;
}

gboolean
connection_has_daemon(Connection *connection)
{
    GDBusConnection *dbus = connection_get_bus(connection, NULL);
    g_autoptr(GVariant) reply = NULL;
    gboolean has_owner = FALSE;

    if (!dbus)
        return FALSE;
    reply = g_dbus_connection_call_sync(
        dbus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "NameHasOwner", g_variant_new("(s)", CONNECTION_BUS_NAME), G_VARIANT_TYPE("(b)"),
        G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
    if (reply)
        g_variant_get(reply, "(b)", &has_owner);
    return has_owner;
}

void
connection_prepare_password(Connection *connection)
{
    if (connection->agent_was_started || !connection->dbus ||
        !g_str_equal(connection->bus, "system"))
        return;
    connection->agent_was_started = TRUE;
    connection->agent = password_agent_start();
}

static void
set_absent(GError **error)
{
    /* connection_explain() has the words. */
    g_set_error_literal(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN,
                        "memplugd is not running");
}

static gboolean
has_owner(gpointer proxy)
{
    g_autofree char *owner = g_dbus_proxy_get_name_owner(G_DBUS_PROXY(proxy));

    return owner != NULL;
}

static BusGuest *
guest_at(GDBusConnection *dbus, const char *path, GError **error)
{
    return bus_guest_proxy_new_sync(dbus, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START, CONNECTION_BUS_NAME,
                                    path, NULL, error);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strverscmp(bus_guest_get_name(*(BusGuest **)a), bus_guest_get_name(*(BusGuest **)b));
}

GPtrArray *
connection_list_guests(Connection *connection, GError **error)
{
    GDBusConnection *dbus = connection_get_bus(connection, error);
    g_autoptr(GPtrArray) guests = g_ptr_array_new_with_free_func(g_object_unref);
    g_autoptr(GDBusObjectManager) manager = NULL;
    g_autofree char *owner = NULL;
    GList *objects;

    if (!dbus)
        return NULL;
    manager = bus_object_manager_client_new_sync(dbus, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE,
                                                 CONNECTION_BUS_NAME, CONNECTION_OBJECT_PATH, NULL,
                                                 error);
    if (!manager)
        return NULL;
    owner = g_dbus_object_manager_client_get_name_owner(G_DBUS_OBJECT_MANAGER_CLIENT(manager));
    if (!owner) {
        set_absent(error);
        return NULL;
    }

    objects = g_dbus_object_manager_get_objects(manager);
    for (GList *l = objects; l; l = l->next) {
        BusGuest *guest = bus_object_get_guest(BUS_OBJECT(l->data));

        if (guest && bus_guest_get_name(guest))
            g_ptr_array_add(guests, guest);
        else
            g_clear_object(&guest);
    }
    g_list_free_full(objects, g_object_unref);
    g_ptr_array_sort(guests, compare_names);
    return g_steal_pointer(&guests);
}

/* No guest is called @name: says which are, as many as fit in a line. */
static void
set_no_guest(const char *name, GPtrArray *guests, GError **error)
{
    const guint most = 8;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autoptr(GString) text = g_string_new(NULL);
    const char *meant;

    for (guint i = 0; i < guests->len; i++)
        g_ptr_array_add(names, (gpointer)bus_guest_get_name(guests->pdata[i]));
    g_ptr_array_add(names, NULL);
    meant = similar_find(name, (const char *const *)names->pdata);

    g_string_printf(text, "no running guest is called '%s'", name);
    if (meant)
        g_string_append_printf(text, "; did you mean '%s'?", meant);
    else if (guests->len == 0)
        g_string_append(text, "; memplugd sees no running guest at all");
    for (guint i = 0; !meant && i < MIN(guests->len, most); i++)
        g_string_append_printf(text, "%s %s", i == 0 ? "; there are:" : ",",
                               (const char *)names->pdata[i]);
    if (!meant && guests->len > most)
        g_string_append_printf(text, " and %u more", guests->len - most);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, text->str);
}

/* The guest at the path that its name gives; other properties than its own, or
 * none, are there if there is no such guest. */
static BusGuest *
guest_by_name(GDBusConnection *dbus, const char *name, GError **error)
{
    g_autofree char *escaped = g_dbus_escape_object_path(name);
    g_autofree char *path = g_strconcat(CONNECTION_OBJECT_PATH "/guest/", escaped, NULL);

    return guest_at(dbus, path, error);
}

static BusGuest *
guest_from_list(GPtrArray *guests, const char *name)
{
    for (guint i = 0; i < guests->len; i++) {
        if (g_str_equal(bus_guest_get_name(guests->pdata[i]), name))
            return guests->pdata[i];
    }
    return NULL;
}

BusGuest *
connection_get_guest(Connection *connection, const char *name, GError **error)
{
    GDBusConnection *dbus = connection_get_bus(connection, error);
    g_autoptr(BusGuest) guest = NULL;
    g_autoptr(GPtrArray) guests = NULL;
    BusGuest *listed;

    if (!dbus)
        return NULL;
    guest = guest_by_name(dbus, name, error);
    if (!guest)
        return NULL;
    if (g_strcmp0(bus_guest_get_name(guest), name) == 0)
        return g_steal_pointer(&guest);

    guests = connection_list_guests(connection, error);
    if (!guests)
        return NULL;
    listed = guest_from_list(guests, name);
    if (listed)
        return guest_at(dbus, g_dbus_proxy_get_object_path(G_DBUS_PROXY(listed)), error);
    set_no_guest(name, guests, error);
    return NULL;
}

BusManager *
connection_get_manager(Connection *connection, GError **error)
{
    GDBusConnection *dbus = connection_get_bus(connection, error);
    g_autoptr(BusManager) manager = NULL;

    if (!dbus)
        return NULL;
    manager = bus_manager_proxy_new_sync(dbus, G_DBUS_PROXY_FLAGS_NONE, CONNECTION_BUS_NAME,
                                         CONNECTION_OBJECT_PATH, NULL, error);
    if (!manager)
        return NULL;
    if (!has_owner(manager)) {
        set_absent(error);
        return NULL;
    }
    /* A proxy keeps it to itself why it could load nothing. */
    if (!bus_manager_get_version(manager)) {
        g_autoptr(GVariant) reply = g_dbus_proxy_call_sync(
            G_DBUS_PROXY(manager), "org.freedesktop.DBus.Properties.GetAll",
            g_variant_new("(s)", "org.memplug1.Manager"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);

        if (!reply)
            return NULL;
    }
    return g_steal_pointer(&manager);
}

static char *
explain_denial(const Connection *connection, const char *message)
{
    return g_strdup_printf("access denied: %s", message);
}

static char *
explain_absence(const Connection *connection, const char *message)
{
    return connection_describe_absence(connection);
}

static char *
explain_silence(const Connection *connection, const char *message)
{
    return g_strdup_printf("memplugd did not answer: %s", message);
}

static char *
explain_strangeness(const Connection *connection, const char *message)
{
    return g_strdup_printf("memplugd does not know this (any more): %s", message);
}

static const struct {
    GDBusError code;
    char *(*explain)(const Connection *connection, const char *message);
} explanations[] = {
    { G_DBUS_ERROR_SERVICE_UNKNOWN, explain_absence },
    { G_DBUS_ERROR_NAME_HAS_NO_OWNER, explain_absence },
    { G_DBUS_ERROR_ACCESS_DENIED, explain_denial },
    { G_DBUS_ERROR_AUTH_FAILED, explain_denial },
    { G_DBUS_ERROR_NO_REPLY, explain_silence },
    { G_DBUS_ERROR_TIMEOUT, explain_silence },
    { G_DBUS_ERROR_TIMED_OUT, explain_silence },
    { G_DBUS_ERROR_UNKNOWN_OBJECT, explain_strangeness },
    { G_DBUS_ERROR_UNKNOWN_INTERFACE, explain_strangeness },
    { G_DBUS_ERROR_UNKNOWN_METHOD, explain_strangeness },
};

/* What GLib puts before the reason why the bus could not start memplugd. What it tells
 * besides depends on who tried, the bus or systemd. */
#define START_FAILED "Error calling StartServiceByName for " CONNECTION_BUS_NAME ": "

/* What systemd says if nobody has enabled the unit, and so nobody wants it started. */
#define NOT_ENABLED "dbus-" CONNECTION_BUS_NAME ".service not found"

static char *
explain_start(const Connection *connection, const char *message)
{
    const char *journal = g_str_equal(connection->bus, "system") ? "" : "--user ";

    if (strstr(message, NOT_ENABLED))
        return connection_describe_absence(connection);
    return g_strdup_printf("memplugd could not be started: %s; look at: journalctl %s-u memplugd",
                           message + strlen(START_FAILED), journal);
}

char *
connection_explain(const Connection *connection, const GError *error)
{
    g_autoptr(GError) plain = g_error_copy(error);

    g_dbus_error_strip_remote_error(plain);
    if (g_str_has_prefix(plain->message, START_FAILED))
        return explain_start(connection, plain->message);
    for (gsize i = 0; i < G_N_ELEMENTS(explanations); i++) {
        if (g_error_matches(plain, G_DBUS_ERROR, explanations[i].code))
            return explanations[i].explain(connection, plain->message);
    }
    return g_strdup(plain->message);
}

void
connection_prefix_error(GError **error, const char *guest)
{
    if (!error || !*error)
        return;
    /* The name of a remote error stands at the beginning, or is not recognised. */
    g_dbus_error_strip_remote_error(*error);
    /* Most of what memplugd says of a guest begins with its name. */
    if (!g_str_has_prefix((*error)->message, guest))
        g_prefix_error(error, "%s: ", guest);
}
