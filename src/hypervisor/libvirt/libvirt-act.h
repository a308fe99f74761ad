/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Carries out one step by libvirt's calls, on the running domain only. All of it
 * blocks and is for a thread.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "hypervisor/guest-memory.h"

/*
 * libvirt_act:
 * @lost: bytes of DIMMs that QEMU has and libvirt does not know
 * @alias: (out) (nullable): (transfer full): of the device that was made, if one was
 *
 * Returns: FALSE with @error set: G_IO_ERROR_BUSY if something else is being done
 *   with the domain, so that the step was not tried.
 */
gboolean libvirt_act(virDomainPtr domain, const MemoryStep *step, guint64 lost, char **alias,
                     GError **error);
