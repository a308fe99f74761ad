/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DIMMs that the guest has not acknowledged, or is about to let go, are in the DimmBook.
 * The acknowledgement is a word of ACPI (_OST) that may not be heard; then the guest
 * is given some time.
 *
 * What the balloon was asked to hold is remembered from our own orders, until the
 * balloon moves although it had reached it: then somebody else has asked.
 */
#include "hypervisor/libvirt/libvirt-ledger.h"

#include "hypervisor/dimm-book.h"

#define NOBODY_KNOWS G_MAXUINT64

struct LibvirtLedger {
    const LibvirtLedgerTuning *tuning;
    DimmBook *dimms;
    guint64 balloon_asked;    /* to hold; NOBODY_KNOWS */
    gboolean balloon_reached; /* it has held that since */
    guint64 ballooned;        /* held when last seen; NOBODY_KNOWS */
    gboolean given_known;
    guint64 given;
};

LibvirtLedger *
libvirt_ledger_new(const LibvirtLedgerTuning *tuning)
{
    LibvirtLedger *ledger = g_new0(LibvirtLedger, 1);

    ledger->tuning = tuning;
    ledger->dimms = dimm_book_new(tuning->removal_us);
    ledger->balloon_asked = NOBODY_KNOWS;
    ledger->ballooned = NOBODY_KNOWS;
    return ledger;
}

void
libvirt_ledger_free(LibvirtLedger *ledger)
{
    if (!ledger)
        return;
    dimm_book_free(ledger->dimms);
    g_free(ledger);
}

/*
 * Orders
 */

void
libvirt_ledger_order(LibvirtLedger *ledger, const MemoryStep *step, gint64 now)
{
    /* Its outcome may come before libvirt's reply. */
    if (step->kind == MEMORY_STEP_UNPLUG_DIMM)
        dimm_book_unplug_ordered(ledger->dimms, step->device, now);
}

void
libvirt_ledger_ordered(LibvirtLedger *ledger, const MemoryStep *step, const char *alias, gint64 now)
{
    if (step->kind == MEMORY_STEP_PLUG_DIMM) {
        dimm_book_plug_ordered(ledger->dimms, alias, now);
    } else if (step->kind == MEMORY_STEP_SET_BALLOON) {
        ledger->balloon_asked = step->size;
        ledger->balloon_reached = FALSE;
    }
}

void
libvirt_ledger_failed(LibvirtLedger *ledger, const MemoryStep *step)
{
    if (step->kind == MEMORY_STEP_UNPLUG_DIMM)
        dimm_book_unplug_failed(ledger->dimms, step->device);
}

/*
 * Events
 */

static gboolean
tell(GuestMemoryEvent *told, GuestMemoryEventKind kind, const char *device, const char *reason)
{
    *told = (GuestMemoryEvent){ kind, device, reason };
    return TRUE;
}

gboolean
libvirt_ledger_take_event(LibvirtLedger *ledger, const LibvirtEvent *event, GuestMemoryEvent *told)
{
    switch (event->kind) {
    case LIBVIRT_EVENT_REBOOT:
        dimm_book_clear(ledger->dimms);
        ledger->balloon_reached = FALSE; /* QEMU remembers what was asked, the guest begins anew */
        return tell(told, GUEST_MEMORY_EVENT_RESET, NULL, NULL);
    case LIBVIRT_EVENT_SIZE_CHANGED:
    case LIBVIRT_EVENT_DEVICE_ADDED:
        return tell(told, GUEST_MEMORY_EVENT_CHANGED, event->text, NULL);
    case LIBVIRT_EVENT_AGENT: /* a guest that has come up may do what it refused */
        return tell(told, GUEST_MEMORY_EVENT_CHANGED, NULL, NULL);
    case LIBVIRT_EVENT_DEVICE_REMOVED:
        dimm_book_gone(ledger->dimms, event->text);
        return tell(told, GUEST_MEMORY_EVENT_UNPLUGGED, event->text, NULL);
    case LIBVIRT_EVENT_DEVICE_KEPT:
        dimm_book_kept(ledger->dimms, event->text);
        return tell(told, GUEST_MEMORY_EVENT_UNPLUG_REFUSED, event->text, "the guest keeps it");
    case LIBVIRT_EVENT_OST:
        return dimm_book_take_ost(ledger->dimms, event->text, event->number, event->detail, told);
    case LIBVIRT_EVENT_LIFECYCLE:
    case LIBVIRT_EVENT_JOB_GOES_ON:
    case LIBVIRT_EVENT_JOB_ENDED:
    case LIBVIRT_EVENT_METADATA:
        return FALSE;
    }
    g_return_val_if_reached(FALSE);
}

void
libvirt_ledger_missed_events(LibvirtLedger *ledger)
{
    dimm_book_clear(ledger->dimms);
}

/*
 * What the guest was given
 */

void
libvirt_ledger_forget_given(LibvirtLedger *ledger)
{
    ledger->given_known = FALSE;
}

gboolean
libvirt_ledger_wants_given(const LibvirtLedger *ledger)
{
    return !ledger->given_known;
}

void
libvirt_ledger_take_given(LibvirtLedger *ledger, guint64 given)
{
    ledger->given_known = TRUE;
    ledger->given = given;
}

/*
 * All together
 */

static gboolean
is_acknowledged(LibvirtLedger *ledger, const char *id, gboolean hears_ost, gint64 now)
{
    gint64 since = dimm_book_waits_since(ledger->dimms, id);

    return since == 0 || (!hears_ost && now - since >= ledger->tuning->acknowledge_us);
}

void
libvirt_ledger_complete(LibvirtLedger *ledger, GuestMemory *memory, gboolean balloon_known,
                        gboolean hears_ost, gint64 now)
{
    if (balloon_known)
        ledger->ballooned = memory->ballooned;
    else if (ledger->ballooned != NOBODY_KNOWS)
        memory->ballooned = memory->balloon_requested = ledger->ballooned;
    for (guint i = 0; i < memory->n_devices; i++) {
        MemoryDevice *device = &memory->devices[i];

        if (device->kind != MEMORY_DEVICE_DIMM || !device->id)
            continue;
        device->acknowledged = is_acknowledged(ledger, device->id, hears_ost, now);
        device->removing = dimm_book_is_removing(ledger->dimms, device->id, now);
    }

    if (memory->ballooned == ledger->balloon_asked)
        ledger->balloon_reached = TRUE;
    else if (ledger->balloon_reached)
        ledger->balloon_asked = NOBODY_KNOWS;
    if (ledger->balloon_asked != NOBODY_KNOWS)
        memory->balloon_requested = ledger->balloon_asked;
    memory->given = ledger->given;
}
