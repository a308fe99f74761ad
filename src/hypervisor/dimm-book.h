/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What no hypervisor can be asked about a guest's DIMMs, kept from orders and events:
 * which the guest has not acknowledged yet, and which it was asked to let go.
 *
 *   plugged ─▶ (unacknowledged) ──ACPI _OST, 0──▶ acknowledged
 *                                                   │ unplug ordered
 *        the guest refuses, or no answer in time    ▼
 *                       acknowledged ◀───────── removing ──▶ gone
 *
 * A DIMM that is not in the book is acknowledged and stays. The book is empty
 * when memplug starts and when the guest restarts, since a restarted guest finds
 * its DIMMs in place.
 */
#pragma once

#include "hypervisor/guest.h"

typedef struct DimmBook DimmBook;

/* @removal_us: after which an unplug without an answer counts as ended */
DimmBook *dimm_book_new(gint64 removal_us);
void dimm_book_free(DimmBook *book);

/* Best before the order leaves, since its outcome may come before its reply; an
 * acknowledgement that came first is not forgotten, though. */
void dimm_book_plug_ordered(DimmBook *book, const char *id, gint64 now);
void dimm_book_unplug_ordered(DimmBook *book, const char *id, gint64 now);

/* The order was not taken. */
void dimm_book_plug_failed(DimmBook *book, const char *id);
void dimm_book_unplug_failed(DimmBook *book, const char *id);

/* The guest keeps the DIMM that it was asked to let go. */
void dimm_book_kept(DimmBook *book, const char *id);
void dimm_book_gone(DimmBook *book, const char *id);

/* The guest restarts. */
void dimm_book_clear(DimmBook *book);

/* Returns: when the DIMM was plugged if it is not acknowledged, 0 if it is. */
gint64 dimm_book_waits_since(const DimmBook *book, const char *id);
gboolean dimm_book_is_removing(const DimmBook *book, const char *id, gint64 now);

/*
 * dimm_book_take_ost:
 * @id: the DIMM that the guest's firmware interface reports about
 * @source, @status: of the report (ACPI 6.4, section 6.3.5)
 * @told: (out): what it means for Guest's users; borrows @id
 *
 * Returns: FALSE if it means nothing to them.
 */
gboolean dimm_book_take_ost(DimmBook *book, const char *id, gint64 source, gint64 status,
                            GuestMemoryEvent *told);
