/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may help or hinder memplug with a guest, as its hypervisor tells it: the
 * ground on which a diagnosis is made. A plain struct, so that the checks are
 * pure. What is not known says so; nothing is guessed.
 */
#pragma once

#include "hypervisor/guest-memory.h"

typedef enum {
    FACT_UNKNOWN,
    FACT_NO,
    FACT_YES,
} Fact;

/* Who keeps the guest's definition, and so in which words a fix is told. */
typedef enum {
    GUEST_FACTS_QEMU,    /* a command line of QEMU */
    GUEST_FACTS_LIBVIRT, /* a domain's XML */
} GuestFactsKind;

typedef struct {
    GuestFactsKind kind;
    char *name;         /* owned, as all strings here; NULL: not known */
    char *machine;      /* "pc-q35-7.2" */
    char *version;      /* of QEMU: "7.2.22" */
    char *libvirt;      /* version of libvirtd: "9.0.0"; NULL: none, or not known */
    char *system;       /* the guest's operating system, as libosinfo names it */
    char *command_line; /* of its kernel, where the host gives that; NULL: not known */
    Fact persistent;    /* its definition outlives it */
    Fact kvm;           /* else QEMU emulates its processors */
    guint vcpus;

    GuestMemory *memory; /* owned; NULL: it could not be observed */

    guint root_ports_free; /* PCIe ports, or slots, that can take one more device */
    Fact acpi;

    guint stats_period_s; /* of the balloon's statistics; 0: none are asked for */
    Fact free_page_reporting;

    Fact stats_channel;           /* there is a port org.memplug.stats.0 ... */
    Fact stats_channel_connected; /* ... and an agent in the guest has opened it */

    guint64 hugepage; /* bytes of the pages that back its memory; 0: usual ones */
    Fact shared;      /* its memory is shared with other processes */
    Fact locked; /* its memory is locked: nothing that it gives back is swapped or lazily taken */
    guint vfio;  /* physical devices */
    guint vhost; /* devices served by vhost or vhost-user: they bound the memory slots */

    guint64 hard_limit;   /* memtune's; 0: none */
    guint64 cgroup_limit; /* the least of the memory control groups around QEMU; 0: none */
} GuestFacts;

/* Frees @facts with what it owns. NULL is allowed. */
void guest_facts_free(GuestFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestFacts, guest_facts_free)
