/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asking a guest to have another size, and following it to the end.
 */
#pragma once

#include "cli/change.h"
#include "cli/connection.h"

/*
 * follow_change:
 * @connection: by which @guest was found
 * @guest: a proxy that follows the daemon's properties
 * @size: bytes it shall have
 * @wait: FALSE: return as soon as the daemon has taken the order
 * @timeout_s: seconds to wait at most; 0 for as long as it takes
 *
 * Progress goes to standard error if that is a terminal.
 *
 * Returns: (transfer full): how it ended, well or not; NULL with @error set if
 *   the daemon refused the order.
 */
Change *follow_change(Connection *connection, BusGuest *guest, guint64 size, gboolean wait,
                      double timeout_s, GError **error);
