/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory backends of ours that no device uses. One is left by a memplugd that
 * was killed between making it and plugging it, or between the end of a DIMM and
 * removing it. It holds host memory that nobody can use.
 */
#pragma once

#include "qmp/qmp-client.h"

void qemu_orphans_find_async(QmpClient *client, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);

/* Returns: (transfer full): their ids, an array of char *; NULL with @error set. While
 *   a DIMM is being plugged, its backend looks like an orphan too. */
GPtrArray *qemu_orphans_find_finish(QmpClient *client, GAsyncResult *result, GError **error);
