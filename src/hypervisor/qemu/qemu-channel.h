/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The socket of a QEMU that is the host's end of a guest's port:
 *
 *   -chardev socket,id=stats,path=DIR/NAME.stats,server=on,wait=off
 *
 * QEMU serves one client at a time and keeps one more waiting. Who waits is connected as
 * far as the kernel is concerned, but is not heard until the other goes.
 */
#pragma once

#include <gio/gio.h>

/* Connects to @path for @source; as guest_open_channel_async(). */
void qemu_channel_open_async(gpointer source, const char *path, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);

/* Returns: (transfer full): as guest_open_channel_finish(). */
GIOStream *qemu_channel_open_finish(gpointer source, GAsyncResult *result, GError **error);
