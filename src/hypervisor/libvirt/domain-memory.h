/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's memory as its domain's XML tells it.
 */
#pragma once

#include "hypervisor/guest-memory.h"

/*
 * domain_memory_read:
 * @live_xml: of the running domain
 *
 * What XML does not know is left to the caller: every DIMM is acknowledged, none
 * is being removed, the balloon was asked for what it holds, and @given is 0.
 * Devices other than DIMMs and virtio-mem (nvdimm, virtio-pmem, ...) are no memory
 * that can be given back, and are left out.
 *
 * Returns: (transfer full): NULL with @error (DOMAIN_XML_ERROR) set if the XML
 *   cannot be read or says what cannot be.
 */
GuestMemory *domain_memory_read(const char *live_xml, GError **error);

/*
 * domain_memory_read_given:
 * @inactive_xml: of the domain's definition
 * @given: (out): bytes that the guest has of its boot memory when it starts, as
 *   <currentMemory> has it; untouched if it says nothing
 *
 * Returns: whether the definition has the balloon hold some of the boot memory.
 */
gboolean domain_memory_read_given(const char *inactive_xml, guint64 *given);
