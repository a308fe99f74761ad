/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain that runs. It outlives connections to libvirt, and is as old as the
 * domain's run: a domain that is stopped and started again is another guest.
 */
#pragma once

#include "hypervisor/guest.h"
#include "hypervisor/libvirt/libvirt-ledger.h"
#include "hypervisor/libvirt/libvirt-line.h"
#include "hypervisor/libvirt/libvirt-rhythm.h"
#include "hypervisor/libvirt/libvirt-stream.h"

#define TYPE_LIBVIRT_GUEST (libvirt_guest_get_type())
G_DECLARE_FINAL_TYPE(LibvirtGuest, libvirt_guest, MEMPLUG, LIBVIRT_GUEST, Guest)

/* How long things are waited for. */
typedef struct {
    LibvirtLineTuning line;
    LibvirtLedgerTuning ledger;
    guint job_ms; /* between two questions whether a job still runs */
} LibvirtGuestTuning;

/*
 * libvirt_guest_new:
 * @workers: outlive the guest's being open
 * @tuning: outlives the guest
 */
LibvirtGuest *libvirt_guest_new(const LibvirtArrival *arrival, LibvirtWorkers *workers,
                                const LibvirtGuestTuning *tuning, const LibvirtTerms *terms);

/* The same run has been found again by a fresh connection. */
void libvirt_guest_revive(LibvirtGuest *guest, const LibvirtArrival *arrival,
                          const LibvirtTerms *terms);

/* There is a fresh connection, by which the guest will be revived or found to be over: its
 * handle must not be used any more. Its state stays as it was. */
void libvirt_guest_release(LibvirtGuest *guest);

/* There is no connection: the guest cannot be reached until it is revived. */
void libvirt_guest_lose(LibvirtGuest *guest);

/* It is over; all that is in flight ends with an error. */
void libvirt_guest_close(LibvirtGuest *guest);

/* Returns: (transfer none): the way to its domain. */
LibvirtLine *libvirt_guest_get_line(LibvirtGuest *guest);

/* Returns: the domain's id, the number of its run. */
unsigned libvirt_guest_get_id(LibvirtGuest *guest);

/* An event about its domain. Starting and stopping are not the guest's to see. */
void libvirt_guest_take_event(LibvirtGuest *guest, const LibvirtEvent *event);

/* Whether its vCPUs run, as the bulk statistics say. */
void libvirt_guest_take_running(LibvirtGuest *guest, gboolean running);

/* Returns: (transfer none): the collector's note of when to ask it. */
LibvirtRhythm *libvirt_guest_get_rhythm(LibvirtGuest *guest);

/* Returns: what else is being done with it, as far as was noticed. */
LibvirtJob libvirt_guest_get_job(LibvirtGuest *guest);

/* Whether its domain was seen to have no stats channel, and nothing speaks for one since: then
 * nobody need be asked. */
void libvirt_guest_miss_port(LibvirtGuest *guest);
gboolean libvirt_guest_lacks_port(LibvirtGuest *guest);

/* Its stats channel was opened: @stream ends, at the latest, with the guest's connection. */
void libvirt_guest_take_stream(LibvirtGuest *guest, LibvirtStream *stream);
