/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads of a guest, for a diagnosis, what QEMU tells beside its memory.
 */
#pragma once

#include "hypervisor/guest-facts.h"
#include "hypervisor/qemu/qemu-machine.h"

/*
 * qemu_describe_async:
 * @machine: as read from @client; outlives the operation
 *
 * What this QEMU does not know, or does not tell as expected, stays unknown. Left to
 * the caller: name and memory.
 */
void qemu_describe_async(QmpClient *client, const QemuMachine *machine, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data);

/* Returns: (transfer full): NULL with @error set if it was cancelled or the connection ended. */
GuestFacts *qemu_describe_finish(QmpClient *client, GAsyncResult *result, GError **error);
