/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way to memplugd: which bus, the daemon on it, its guests.
 *
 * Nothing is asked before somebody needs it, and each question costs as few
 * round trips as it can: one guest is two (who owns the name, the guest's
 * properties), however many guests there are; the list of all is two as well.
 */
#pragma once

#include <gio/gio.h>

#include "dbus/memplug-dbus.h"

#define CONNECTION_BUS_NAME    "org.memplug1"
#define CONNECTION_OBJECT_PATH "/org/memplug1"

typedef struct _Connection Connection;

/*
 * connection_new:
 * @bus: (nullable): "system", "session" or a D-Bus address; NULL: what
 *   MEMPLUG_BUS says, else the system bus for root and the session bus for
 *   others
 *
 * Connects to nothing yet.
 */
Connection *connection_new(const char *bus);
void connection_free(Connection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Connection, connection_free)

/*
 * connection_get_guest:
 *
 * Returns: (transfer full): the guest called @name; its properties are loaded
 *   and follow the daemon's. NULL with @error set, which names guests that may
 *   have been meant.
 */
BusGuest *connection_get_guest(Connection *connection, const char *name, GError **error);

/*
 * connection_list_guests:
 *
 * Returns: (transfer full) (element-type BusGuest): all guests, sorted by name
 *   with numbers in it in their order; NULL with @error set.
 */
GPtrArray *connection_list_guests(Connection *connection, GError **error);

/* Returns: whether the daemon runs. Unlike all else here, this does not start it where
 * the bus can. */
gboolean connection_has_daemon(Connection *connection);

/* Returns: (transfer full): the daemon itself; NULL with @error set. */
BusManager *connection_get_manager(Connection *connection, GError **error);

/* For what proxies do not tell. Returns: (transfer none): NULL with @error set. */
GDBusConnection *connection_get_bus(Connection *connection, GError **error);

/* To be called before what polkit may want a password for: at a terminal, it can ask for
 * one there as long as @connection lives. */
void connection_prepare_password(Connection *connection);

/* Returns: (transfer full): "the system bus", for people. */
char *connection_describe_bus(const Connection *connection);

/* Returns: (transfer full): "memplugd is not running on the system bus; ...": what to do. */
char *connection_describe_absence(const Connection *connection);

/* Returns: (transfer none): the command that starts memplugd on the bus. */
const char *connection_describe_start(const Connection *connection);

/*
 * connection_explain:
 * @error: from any of the above, or from a call on what they returned
 *
 * Returns: (transfer full): what went wrong, and what to do, for people.
 */
char *connection_explain(const Connection *connection, const GError *error);

/* Puts "@guest: " before the words of @error unless they begin with it: for what
 * concerns one guest. */
void connection_prefix_error(GError **error, const char *guest);
