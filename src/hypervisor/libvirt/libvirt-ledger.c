/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DIMMs that the guest has not acknowledged, or is about to let go, are in the DimmBook.
 * The acknowledgement is a word of ACPI (_OST) that may not be heard; then the guest
 * is given some time.
 *
 * What the balloon was asked to hold is remembered from our own orders, until the
 * balloon moves although it had reached it: then somebody else has asked.
 *
 * A libvirtd that was killed between QEMU's device_add and its own note of a DIMM never
 * learns of it; QEMU's balloon does count it. While libvirt itself attaches or detaches one,
 * its figures differ likewise for a moment. So what is beyond the known devices counts as
 * a lost DIMM when it has stayed the same for a while. From then on it is a device
 * without a name, with which nothing can be done until the guest ends; taken for one of
 * ours, since it is no administrator's word.
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
    guint64 beyond;           /* the devices, when last seen, ... */
    gint64 beyond_us;         /* ... so since then */
    guint64 lost;
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
 * Lost DIMMs
 */

guint64
libvirt_ledger_get_lost(const LibvirtLedger *ledger)
{
    return ledger->lost;
}

static void
note_beyond(LibvirtLedger *ledger, guint64 beyond, gint64 now)
{
    if (beyond != ledger->beyond)
        ledger->beyond_us = now;
    ledger->beyond = beyond;
    if (beyond > ledger->lost && beyond % MEMORY_DIMM_GRAIN == 0 &&
        now - ledger->beyond_us >= ledger->tuning->lost_us)
        ledger->lost = beyond;
}

/* The balloon counts it, so what that holds is more by as much. */
static void
add_lost(const LibvirtLedger *ledger, GuestMemory *memory, gboolean balloon_known)
{
    const MemoryDevice lost = {
        .kind = MEMORY_DEVICE_DIMM, .ours = TRUE, .size = ledger->lost, .acknowledged = TRUE
    };

    if (lost.size == 0)
        return;
    memory->devices = g_renew(MemoryDevice, memory->devices, memory->n_devices + 1);
    memory->devices[memory->n_devices++] = lost;
    if (balloon_known)
        memory->ballooned += lost.size - MIN(lost.size, memory->beyond);
    memory->balloon_requested = memory->ballooned;
    memory->beyond -= MIN(lost.size, memory->beyond);
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
        note_beyond(ledger, memory->beyond, now);
    add_lost(ledger, memory, balloon_known);
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
