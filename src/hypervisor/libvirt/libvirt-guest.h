/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain that runs. It outlives connections to libvirt, and is as old as the
 * domain's run: a domain that is stopped and started again is another guest.
 */
#pragma once

#include "hypervisor/guest.h"
#include "hypervisor/libvirt/libvirt-events.h"
#include "hypervisor/libvirt/libvirt-look.h"
#include "hypervisor/libvirt/libvirt-workers.h"

#define TYPE_LIBVIRT_GUEST (libvirt_guest_get_type())
G_DECLARE_FINAL_TYPE(LibvirtGuest, libvirt_guest, MEMPLUG, LIBVIRT_GUEST, Guest)

/* How long things are waited for. */
typedef struct {
    guint look_ms;         /* for what libvirt knows by itself */
    guint act_ms;          /* for an order to be taken */
    guint define_ms;       /* for changes of a definition */
    guint job_ms;          /* between two questions whether a job still runs */
    gint64 removal_us;     /* after which an unplug that got no answer counts as ended */
    gint64 acknowledge_us; /* after which a DIMM counts as taken by its guest, if the
                            * guest's word for it cannot be heard */
} LibvirtGuestTuning;

/* What the connection is like at present. */
typedef struct {
    gboolean read_only;
    gboolean hears_ost; /* LIBVIRT_EVENT_OST comes */
} LibvirtTerms;

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

/* There is no connection: the guest cannot be reached until it is revived. */
void libvirt_guest_lose(LibvirtGuest *guest);

/* It is over; all that is in flight ends with an error. */
void libvirt_guest_close(LibvirtGuest *guest);

/* Returns: (transfer none) (nullable): its handle. */
virDomainPtr libvirt_guest_get_domain(LibvirtGuest *guest);

/* Returns: the domain's id, the number of its run. */
unsigned libvirt_guest_get_id(LibvirtGuest *guest);

/* An event about its domain. Starting and stopping are not the guest's to see. */
void libvirt_guest_take_event(LibvirtGuest *guest, const LibvirtEvent *event);

/* Whether its vCPUs run, as the bulk statistics say. */
void libvirt_guest_take_running(LibvirtGuest *guest, gboolean running);

/*
 * libvirt_guest_probe:
 * @ms: for how long a command must have been in its monitor to count as hanging there
 *
 * Finds out whether its QEMU hangs, by a call that does not wait for it.
 */
void libvirt_guest_probe(LibvirtGuest *guest, guint ms);

/* Returns: whether its QEMU hangs, as was found last. */
gboolean libvirt_guest_hangs(LibvirtGuest *guest);

/* Returns: whether something did not end in time, so that its QEMU may hang. */
gboolean libvirt_guest_is_suspect(LibvirtGuest *guest);
