/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What memplug keeps in a domain's definition. All of it blocks and is for a thread.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "hypervisor/guest-limits.h"
#include "hypervisor/guest-setup.h"
#include "hypervisor/guest.h"

/* Changes the limits in the domain's metadata, as guest_change_limits_async() says.
 * @live: those that the running domain shall have */
gboolean libvirt_define_limits(virDomainPtr domain, const GuestLimits *live,
                               const GuestLimits *change, guint unset, guint scope, GError **error);

/* Notes with the running domain what it is held at. */
gboolean libvirt_define_word(virDomainPtr domain, const GuestWord *word, GError **error);

/* Has the domain start with @size bytes the next time. */
gboolean libvirt_define_memory(virDomainPtr domain, guint64 size, GError **error);

/* Returns: (transfer full): NULL with @error set. */
GuestSetupPlan *libvirt_define_setup(virDomainPtr domain, const GuestSetup *wanted, gboolean apply,
                                     GError **error);
