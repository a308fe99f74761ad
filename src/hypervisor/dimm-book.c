/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/dimm-book.h"

/*
 * What an _OST of the guest is about (ACPI 6.4, table 6.57) and what it says
 * (tables 6.58 to 6.60). Linux reports DEVICE_CHECK when it has taken a DIMM or
 * not; EJECT_REQUEST with IN_PROGRESS when it begins to offline one, then again
 * if it gives up. When it succeeds, the DIMM is just gone.
 */
enum {
    OST_SOURCE_DEVICE_CHECK = 0x1,
    OST_SOURCE_EJECT_REQUEST = 0x3,
    OST_SOURCE_EJECT_PROCESSING = 0x103,
};

enum {
    OST_STATUS_SUCCESS = 0x00,
    OST_STATUS_EJECT_IN_PROGRESS = 0x84,
};

static const struct {
    gint64 status;
    const char *reason;
} eject_refusals[] = {
    { 0x01, "the guest could not let it go" },
    { 0x02, "the guest does not know how to let it go" },
    { 0x80, "the guest keeps it: the device is locked" },
    { 0x81, "the guest keeps it: the device is in use" },
    { 0x82, "the guest keeps it: the memory is in use" },
    { 0x83, "the guest keeps it: what depends on it is in use" },
};

struct DimmBook {
    gint64 removal_us;
    GHashTable *unacknowledged; /* id → when it was plugged, µs (gint64 *) */
    GHashTable *acknowledged;   /* ids, a set: reports whose orders may not be known yet */
    GHashTable *removing;       /* id → when it was asked for, µs (gint64 *) */
};

DimmBook *
dimm_book_new(gint64 removal_us)
{
    DimmBook *book = g_new0(DimmBook, 1);

    book->removal_us = removal_us;
    book->unacknowledged = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    book->acknowledged = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    book->removing = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return book;
}

void
dimm_book_free(DimmBook *book)
{
    if (!book)
        return;
    g_hash_table_unref(book->unacknowledged);
    g_hash_table_unref(book->acknowledged);
    g_hash_table_unref(book->removing);
    g_free(book);
}

static void
note(GHashTable *table, const char *id, gint64 now)
{
    g_hash_table_replace(table, g_strdup(id), g_memdup2(&now, sizeof(now)));
}

void
dimm_book_plug_ordered(DimmBook *book, const char *id, gint64 now)
{
    if (!g_hash_table_contains(book->acknowledged, id))
        note(book->unacknowledged, id, now);
}

void
dimm_book_unplug_ordered(DimmBook *book, const char *id, gint64 now)
{
    note(book->removing, id, now);
}

void
dimm_book_plug_failed(DimmBook *book, const char *id)
{
    g_hash_table_remove(book->unacknowledged, id);
}

void
dimm_book_unplug_failed(DimmBook *book, const char *id)
{
    g_hash_table_remove(book->removing, id);
}

void
dimm_book_kept(DimmBook *book, const char *id)
{
    g_hash_table_remove(book->removing, id);
}

void
dimm_book_gone(DimmBook *book, const char *id)
{
    g_hash_table_remove(book->unacknowledged, id);
    g_hash_table_remove(book->acknowledged, id);
    g_hash_table_remove(book->removing, id);
}

void
dimm_book_clear(DimmBook *book)
{
    g_hash_table_remove_all(book->unacknowledged);
    g_hash_table_remove_all(book->acknowledged);
    g_hash_table_remove_all(book->removing);
}

gint64
dimm_book_waits_since(const DimmBook *book, const char *id)
{
    const gint64 *since = g_hash_table_lookup(book->unacknowledged, id);

    return since ? *since : 0;
}

gboolean
dimm_book_is_removing(const DimmBook *book, const char *id, gint64 now)
{
    const gint64 *since = g_hash_table_lookup(book->removing, id);

    return since && now - *since < book->removal_us;
}

static gboolean
take_check(DimmBook *book, const char *id, gint64 status, GuestMemoryEvent *told)
{
    *told = (GuestMemoryEvent){ .kind = GUEST_MEMORY_EVENT_CHANGED, .device = id };
    if (status != OST_STATUS_SUCCESS) {
        told->reason = "the guest could not take it";
        return TRUE;
    }
    g_hash_table_remove(book->unacknowledged, id);
    g_hash_table_add(book->acknowledged, g_strdup(id));
    return TRUE;
}

gboolean
dimm_book_take_ost(DimmBook *book, const char *id, gint64 source, gint64 status,
                   GuestMemoryEvent *told)
{
    const char *reason = "the guest keeps it";

    if (source == OST_SOURCE_DEVICE_CHECK)
        return take_check(book, id, status, told);
    if ((source != OST_SOURCE_EJECT_REQUEST && source != OST_SOURCE_EJECT_PROCESSING) ||
        status == OST_STATUS_SUCCESS || status == OST_STATUS_EJECT_IN_PROGRESS)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(eject_refusals); i++) {
        if (eject_refusals[i].status == status)
            reason = eject_refusals[i].reason;
    }
    dimm_book_kept(book, id);
    *told = (GuestMemoryEvent){ GUEST_MEMORY_EVENT_UNPLUG_REFUSED, id, reason };
    return TRUE;
}
