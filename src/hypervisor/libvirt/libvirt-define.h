/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What memplug keeps in a domain's definition. All of it blocks and is for a thread.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "hypervisor/guest-limits.h"
#include "hypervisor/guest-setup.h"
#include "hypervisor/guest.h"

/* Writes @limits to the domain's metadata. @scope as of guest_store_limits_async(). */
gboolean libvirt_define_limits(virDomainPtr domain, const GuestLimits *limits, guint scope,
                               GError **error);

/* Has the domain start with @size bytes the next time. */
gboolean libvirt_define_memory(virDomainPtr domain, guint64 size, GError **error);

/* Returns: (transfer full): NULL with @error set. */
GuestSetupPlan *libvirt_define_setup(virDomainPtr domain, const GuestSetup *wanted, gboolean apply,
                                     GError **error);
