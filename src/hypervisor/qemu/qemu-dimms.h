/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What QEMU's events say of a guest's memory, entered into its DimmBook.
 */
#pragma once

#include "hypervisor/dimm-book.h"
#include "qmp/qmp-memory-event.h"

/*
 * Takes note of @event and says in @told what it means for Guest's users; its
 * strings are borrowed from @event or static.
 * Returns: FALSE if it means nothing to them.
 */
gboolean qemu_dimms_take_event(DimmBook *book, const QmpMemoryEvent *event, GuestMemoryEvent *told);
