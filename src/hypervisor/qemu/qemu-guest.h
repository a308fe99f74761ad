/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest behind one open QMP connection. It is as old as the connection: when
 * that ends, so does the guest, and a new one begins with the next.
 */
#pragma once

#include "hypervisor/qemu/qemu-hypervisor.h"
#include "hypervisor/qemu/qemu-limits.h"
#include "hypervisor/qemu/qemu-machine.h"

#define TYPE_QEMU_GUEST (qemu_guest_get_type())
G_DECLARE_FINAL_TYPE(QemuGuest, qemu_guest, MEMPLUG, QEMU_GUEST, Guest)

/*
 * qemu_guest_new:
 * @client: open, and used by nobody else from now on
 * @machine: (transfer full): as read from @client
 * @limits: (transfer full): where its limits are kept
 * @channel: of the socket behind its stats channel; nothing need be there
 */
QemuGuest *qemu_guest_new(const char *name, QmpClient *client, QemuMachine *machine,
                          QemuLimits *limits, const char *channel, const QemuTuning *tuning);

/* Ends the connection; all that is in flight ends with an error. */
void qemu_guest_close(QemuGuest *guest);

/* Reads the file of limits if it has changed. */
void qemu_guest_refresh_limits(QemuGuest *guest);

/*
 * Reads the balloon's statistics and whether the guest migrates, and tells both by
 * the guest's signals. At most one reading is in flight: a call during another
 * ends with it.
 */
void qemu_guest_collect_async(QemuGuest *guest, GAsyncReadyCallback callback, gpointer user_data);
void qemu_guest_collect_finish(QemuGuest *guest, GAsyncResult *result);
