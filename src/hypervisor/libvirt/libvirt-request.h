/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a LibvirtGuest has done in threads: each kind of request with its arguments,
 * as libvirt_workers_run_async() wants them.
 */
#pragma once

#include "hypervisor/guest.h"
#include "hypervisor/libvirt/libvirt-look.h"
#include "hypervisor/libvirt/libvirt-workers.h"

typedef struct {
    virDomainPtr domain; /* a reference */
    GPid pid;
    gboolean definition;
    MemoryStep step;
    char *device;       /* owned: behind step.device */
    guint64 lost;       /* bytes of DIMMs that libvirt does not know */
    GuestLimits limits; /* of the running guest */
    GuestLimits change;
    guint unset;
    guint scope;
    GuestWord word;
    guint64 size;
    guint period_s;
    GuestSetup setup;
    gboolean apply;
} LibvirtRequest;

/* Returns: (transfer full): a request about @domain, for one of the following to take. */
LibvirtRequest *libvirt_request_new(virDomainPtr domain);

/* What each takes besides the domain ─▶ and what it returns. */
extern const LibvirtWorkKind libvirt_request_arrival;  /* ─▶ LibvirtArrival */
extern const LibvirtWorkKind libvirt_request_look;     /* pid, definition ─▶ LibvirtLook */
extern const LibvirtWorkKind libvirt_request_job;      /* ─▶ GINT_TO_POINTER(LibvirtJob + 1) */
extern const LibvirtWorkKind libvirt_request_occupied; /* ─▶ guint *, ms */
extern const LibvirtWorkKind libvirt_request_metadata; /* ─▶ char *, empty for none */
extern const LibvirtWorkKind libvirt_request_facts;    /* pid ─▶ GuestFacts */
extern const LibvirtWorkKind libvirt_request_act; /* step, device, lost ─▶ char *, the alias of
                                                   * what was made, or empty */
extern const LibvirtWorkKind libvirt_request_period;  /* period_s ─▶ not NULL */
extern const LibvirtWorkKind libvirt_request_limits;  /* limits, change, unset,
                                                       * scope ─▶ not NULL */
extern const LibvirtWorkKind libvirt_request_word;    /* word ─▶ not NULL */
extern const LibvirtWorkKind libvirt_request_memory;  /* size ─▶ not NULL */
extern const LibvirtWorkKind libvirt_request_setup;   /* setup, apply ─▶ GuestSetupPlan */
extern const LibvirtWorkKind libvirt_request_channel; /* ─▶ virStreamPtr */
