/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a domain's XML does not say of its memory, kept from our own orders, from
 * events, and from its definition.
 */
#pragma once

#include "hypervisor/guest.h"
#include "hypervisor/libvirt/libvirt-events.h"

typedef struct {
    gint64 removal_us;     /* after which an unplug that got no answer counts as ended */
    gint64 acknowledge_us; /* after which a DIMM counts as taken by its guest, if the
                            * guest's word for it cannot be heard */
    gint64 lost_us;        /* for which memory that no device accounts for must be seen, until
                            * it counts as that of a device that libvirt does not know */
} LibvirtLedgerTuning;

typedef struct LibvirtLedger LibvirtLedger;

/* @tuning outlives it. */
LibvirtLedger *libvirt_ledger_new(const LibvirtLedgerTuning *tuning);
void libvirt_ledger_free(LibvirtLedger *ledger);

/* Before a step is ordered, ... */
void libvirt_ledger_order(LibvirtLedger *ledger, const MemoryStep *step, gint64 now);

/* ... when libvirt has taken it, @alias being that of the device that was made, ... */
void libvirt_ledger_ordered(LibvirtLedger *ledger, const MemoryStep *step, const char *alias,
                            gint64 now);

/* ... or if not. */
void libvirt_ledger_failed(LibvirtLedger *ledger, const MemoryStep *step);

/*
 * Takes note of @event and says in @told what it means for Guest's users; its strings
 * are borrowed from @event or static.
 * Returns: FALSE if it means nothing to them.
 */
gboolean libvirt_ledger_take_event(LibvirtLedger *ledger, const LibvirtEvent *event,
                                   GuestMemoryEvent *told);

/* Events went by unheard: what waits for one waits no longer. As after a restart of
 * memplug, DIMMs that are there count as taken, and an unplug is ordered anew. */
void libvirt_ledger_missed_events(LibvirtLedger *ledger);

/* The definition may say something else now. */
void libvirt_ledger_forget_given(LibvirtLedger *ledger);
gboolean libvirt_ledger_wants_given(const LibvirtLedger *ledger);
void libvirt_ledger_take_given(LibvirtLedger *ledger, guint64 given);

/* Returns: bytes of DIMMs that QEMU has and libvirt does not know. */
guint64 libvirt_ledger_get_lost(const LibvirtLedger *ledger);

/*
 * libvirt_ledger_complete:
 * @memory: as its XML says, to be completed
 * @balloon_known: else what the balloon held when it was known counts, if that ever was
 * @hears_ost: the guest's word for a DIMM can be heard
 */
void libvirt_ledger_complete(LibvirtLedger *ledger, GuestMemory *memory, gboolean balloon_known,
                             gboolean hears_ost, gint64 now);
