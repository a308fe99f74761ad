/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's limits in the file NAME.conf beside its socket.
 */
#pragma once

#include "hypervisor/guest-limits.h"

typedef struct QemuLimits QemuLimits;

/* Reads nothing yet. */
QemuLimits *qemu_limits_new(const char *path);

void qemu_limits_free(QemuLimits *limits);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QemuLimits, qemu_limits_free)

/*
 * Looks whether the file has changed since the last time, and reads it if so. A
 * file that is not there says nothing; one that is bad is told of in the log, once,
 * and what it said before stays in force.
 * Returns: (transfer none): the limits in force.
 */
const GuestLimits *qemu_limits_refresh(QemuLimits *limits);

/*
 * Writes @wanted to the file and keeps what else is there, comments included.
 * Returns: FALSE with @error set if it cannot be written, or is no key file.
 */
gboolean qemu_limits_store(QemuLimits *limits, const GuestLimits *wanted, GError **error);
