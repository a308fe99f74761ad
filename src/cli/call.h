/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calling a method that may take long: memplugd carries it out first, or somebody
 * has to type a password.
 */
#pragma once

#include "cli/connection.h"

/* Passwords may be asked for, and take their time: no call is bounded by a clock.
 * memplugd itself bounds what it does. */
#define CALL_FLAGS   G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION
#define CALL_TIMEOUT G_MAXINT

/*
 * call_method:
 * @arguments: (nullable): a tuple; if floating, it is consumed
 *
 * Waits for the reply or for Ctrl-C, which ends the waiting and not what was
 * ordered. Returns: (transfer full): the reply's tuple, of the type that the
 * interface says; NULL with @error set.
 */
GVariant *call_method(Connection *connection, gpointer proxy, const char *method,
                      GVariant *arguments, GError **error);
