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

/* What a domain takes of its host when it starts. */
typedef struct {
    char *name;       /* owned */
    guint64 memory;   /* bytes: what it boots with, its DIMMs, and what its virtio-mem devices
                       * are asked for; its balloon is empty at first */
    guint64 overhead; /* bytes that QEMU needs for itself, at most, as for domain_memory_cap() */
} DomainNeed;

/*
 * domain_memory_need:
 * @xml: of a domain that is about to start
 * @need: (out): untouched on failure
 *
 * Returns: FALSE with @error (DOMAIN_XML_ERROR) set.
 */
gboolean domain_memory_need(const char *xml, DomainNeed *need, GError **error);

/*
 * domain_memory_cap:
 * @live_xml: of the running domain
 * @limit: bytes that all of QEMU may use, by a memory control group's limit
 * @cap: (out): whole MiB that the guest may have under it, in bytes; 0: as much as it likes,
 *   since huge pages back it, which such a limit does not count (the kernel's cgroup-v2.rst,
 *   "HugeTLB"); untouched on failure
 *
 * What QEMU needs for itself is taken as KubeVirt's GetMemoryOverhead() does,
 * 8 MiB for each vCPU, the video RAM, and page tables of 1/512 of the guest's
 * memory (8 bytes for each page of 4 KiB), beside a fixed part: KubeVirt has 30 MiB
 * for QEMU, 8 MiB for an I/O thread and more for the processes around it; here it is
 * 64 MiB, since a QEMU 7.2 with few devices, and without KVM, was measured at 60 MiB
 * beside its guest's memory. It is never more than half of @limit. domain_memory_read() does the
 * same for <memtune><hard_limit>.
 *
 * Returns: FALSE with @error (DOMAIN_XML_ERROR) set.
 */
gboolean domain_memory_cap(const char *live_xml, guint64 limit, guint64 *cap, GError **error);
