/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Carries out one step by QMP, and undoes half of one.
 */
#pragma once

#include "hypervisor/guest-memory.h"
#include "hypervisor/qemu/qemu-dimms.h"
#include "hypervisor/qemu/qemu-machine.h"

/*
 * qemu_act_async:
 * @machine, @dimms: must live until the callback
 * @step: is copied
 *
 * @dimms is told what was ordered. A DIMM that QEMU does not take leaves no
 * backend behind, unless QEMU stops answering: qemu_orphans_find_async() then
 * finds it later.
 */
void qemu_act_async(QmpClient *client, const QemuMachine *machine, DimmBook *dimms,
                    const MemoryStep *step, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer user_data);
gboolean qemu_act_finish(QmpClient *client, GAsyncResult *result, GError **error);
