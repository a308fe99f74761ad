/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The places of a domain that can take one more PCI device.
 */
#pragma once

#include "hypervisor/libvirt/domain-xml.h"

/* Returns: whether its devices sit in ports, as on q35, and not in the slots of one bus. */
gboolean domain_pci_has_ports(const DomainXml *xml);

/*
 * domain_pci_free:
 *
 * Counted are the root ports without a device, or the free slots of i440fx's bus, less
 * the devices of a definition that libvirt has not given a place yet, as far as they
 * are of a kind that memplug adds.
 * Returns: how many; less than 0 if libvirt will have to add ports.
 */
gint domain_pci_free(const DomainXml *xml);

/* Returns: the least index that no PCI controller of the domain has. */
guint domain_pci_new_index(const DomainXml *xml);
