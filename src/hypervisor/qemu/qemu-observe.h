/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads a guest's memory as QEMU tells it.
 */
#pragma once

#include "hypervisor/guest-memory.h"
#include "hypervisor/qemu/qemu-machine.h"

/*
 * qemu_observe_async:
 * @paths: memdev → QOM path of virtio-mem devices without an id; empty at first,
 *   kept by the caller from one call to the next
 *
 * What QEMU does not know is left to the caller: every DIMM is acknowledged, none
 * is being removed, and the balloon was asked for what it holds.
 */
void qemu_observe_async(QmpClient *client, const QemuMachine *machine, GHashTable *paths,
                        GCancellable *cancellable, GAsyncReadyCallback callback,
                        gpointer user_data);

/* Returns: (transfer full): NULL with @error set, also if QEMU tells what cannot be. */
GuestMemory *qemu_observe_finish(QmpClient *client, GAsyncResult *result, GError **error);
