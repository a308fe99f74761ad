/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests of libvirt: the running domains of a connect URI such as qemu:///system.
 */
#pragma once

#include "hypervisor/hypervisor.h"
#include "hypervisor/libvirt/libvirt-connection.h"
#include "hypervisor/libvirt/libvirt-guest.h"

#define TYPE_LIBVIRT_HYPERVISOR (libvirt_hypervisor_get_type())
G_DECLARE_FINAL_TYPE(LibvirtHypervisor, libvirt_hypervisor, MEMPLUG, LIBVIRT_HYPERVISOR, Hypervisor)

/* How long things are waited for. */
typedef struct {
    LibvirtConnectionTuning connection;
    LibvirtGuestTuning guest;
    guint visit_ms;  /* for a domain to tell what it is */
    guint relist_ms; /* between two looks at all domains, for events that were lost */
} LibvirtTuning;

/* Defaults, each with its reason in libvirt-hypervisor.c. */
extern const LibvirtTuning libvirt_tuning_default;

/*
 * libvirt_hypervisor_new:
 * @uri: a connect URI of libvirt
 *
 * Returns: (transfer full): the hypervisor, to be started; NULL with @error set if
 *   @uri is no URI.
 */
Hypervisor *libvirt_hypervisor_new(const char *uri, GError **error);

/* The same with @tuning, which must outlive it: for tests. */
Hypervisor *libvirt_hypervisor_new_tuned(const char *uri, const LibvirtTuning *tuning,
                                         GError **error);
