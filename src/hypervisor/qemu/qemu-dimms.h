/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What QEMU cannot be asked about a guest's DIMMs, kept from orders and events:
 * which the guest has not acknowledged yet, and which it was asked to let go.
 *
 *   plugged ─▶ (unacknowledged) ──ACPI_DEVICE_OST, 0──▶ acknowledged
 *                                                          │ unplug ordered
 *               the guest refuses, or no answer in time    ▼
 *                          acknowledged ◀───────────── removing ──DEVICE_DELETED──▶ gone
 *
 * A DIMM that is not in the book is acknowledged and stays. The book is empty
 * when memplug starts and when the guest restarts, since a restarted guest finds
 * its DIMMs in place.
 */
#pragma once

#include <glib.h>

#include "hypervisor/guest.h"
#include "qmp/qmp-memory-event.h"

typedef struct QemuDimms QemuDimms;

/* @removal_us: after which an unplug without an answer counts as ended */
QemuDimms *qemu_dimms_new(gint64 removal_us);
void qemu_dimms_free(QemuDimms *dimms);

/* To be called before the order leaves, since its outcome may come before its reply. */
void qemu_dimms_plug_ordered(QemuDimms *dimms, const char *id);
void qemu_dimms_unplug_ordered(QemuDimms *dimms, const char *id, gint64 now);

/* QEMU did not take the order. */
void qemu_dimms_plug_failed(QemuDimms *dimms, const char *id);
void qemu_dimms_unplug_failed(QemuDimms *dimms, const char *id);

gboolean qemu_dimms_is_acknowledged(const QemuDimms *dimms, const char *id);
gboolean qemu_dimms_is_removing(const QemuDimms *dimms, const char *id, gint64 now);

/*
 * Takes note of @event and says in @told what it means for Guest's users; its
 * strings are borrowed from @event or static.
 * Returns: FALSE if it means nothing to them.
 */
gboolean qemu_dimms_take_event(QemuDimms *dimms, const QmpMemoryEvent *event,
                               GuestMemoryEvent *told);
