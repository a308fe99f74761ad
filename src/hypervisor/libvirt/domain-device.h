/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The XML of memory devices, to attach them and to resize them.
 */
#pragma once

#include "hypervisor/libvirt/domain-xml.h"

/* libvirt's alias of a device is QEMU's id of it. */
#define DOMAIN_DEVICE_DIMM       "dimm"
#define DOMAIN_DEVICE_VIRTIO_MEM "vm"

/*
 * domain_device_dimm:
 * @size: bytes
 * @node: NUMA node of the guest; -1: the domain has none
 * @slot: in which; -1: libvirt takes the first that it knows to be free
 * @alias: as of domain_device_new_alias()
 *
 * libvirt gives it the kind of memory that the domain's <memoryBacking> says.
 * Returns: (transfer full): the element to attach.
 */
char *domain_device_dimm(guint64 size, gint node, gint slot, const char *alias);

/*
 * domain_device_virtio_mem:
 * @max: bytes that it can provide, a multiple of @block; at first it provides none
 *
 * Returns: (transfer full): the element to attach.
 */
char *domain_device_virtio_mem(guint64 max, guint64 block, gint node, const char *alias);

/*
 * domain_device_with_requested:
 * @live_xml: of the running domain
 * @alias: of a virtio-mem device of it
 * @requested: bytes that it shall provide
 *
 * Returns: (transfer full): the device's own element with no more than that changed,
 *   for virDomainUpdateDeviceFlags(), which matches the rest; NULL with @error
 *   (DOMAIN_XML_ERROR) if there is no such device.
 */
char *domain_device_with_requested(const char *live_xml, const char *alias, guint64 requested,
                                   GError **error);

/*
 * domain_device_find:
 *
 * Returns: (transfer full): the element of the memory device @alias as it stands in
 *   @live_xml, to detach it; NULL with @error (DOMAIN_XML_ERROR) if there is none.
 */
char *domain_device_find(const char *live_xml, const char *alias, GError **error);

/*
 * domain_device_new_alias:
 * @kind: DOMAIN_DEVICE_DIMM or DOMAIN_DEVICE_VIRTIO_MEM
 * @number: (inout): from which to look; that of the alias, which ends in it
 *
 * Returns: (transfer full): an alias that no device of the domain has. XML that
 *   cannot be read has no device.
 */
char *domain_device_new_alias(const char *live_xml, const char *kind, guint *number);

/* The same of a document that is open already. */
char *domain_device_next_alias(const DomainXml *xml, const char *kind, guint *number);
