/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest's port of the stats channel. It blocks and is for a thread.
 */
#pragma once

#include <gio/gio.h>
#include <libvirt/libvirt.h>

#include "hypervisor/libvirt/domain-setup.h"

/* What is said of a domain without such a port. */
#define LIBVIRT_PORT_MISSING \
    "its domain has no channel " DOMAIN_SETUP_CHANNEL_NAME " ('memplug setup' adds it)"

/*
 * libvirt_port_open:
 *
 * Whether somebody in the guest has opened the port makes no difference. A domain that is being
 * migrated, saved or the like is left alone.
 *
 * Returns: (transfer full): a non-blocking stream, for libvirt_stream_new() or
 *   libvirt_stream_discard(); NULL with @error set: G_IO_ERROR_NOT_FOUND if the domain has no
 *   such port, _BUSY if others have it, or do something else with the domain.
 */
virStreamPtr libvirt_port_open(virDomainPtr domain, GError **error);
