/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looking at a domain. All of these block and are for a thread; they take neither
 * the domain's job nor its monitor, except where it says so.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "hypervisor/guest-facts.h"

/* What else is being done with a domain, during which it is left alone. */
typedef enum {
    LIBVIRT_JOB_NONE,
    LIBVIRT_JOB_MIGRATION,
    LIBVIRT_JOB_OTHER, /* it is saved, dumped, a snapshot is made, ... */
} LibvirtJob;

/* Returns: static text for people: "it is being migrated". For a job there is. */
const char *libvirt_job_describe(LibvirtJob job);

/* A domain that memplug comes to know. */
typedef struct {
    virDomainPtr domain; /* a reference */
    char *instance;      /* Guest's */
    GPid pid;            /* 0: not known */
    gboolean continues;
    gboolean running; /* its vCPUs are */
    char *metadata;   /* (nullable): its limits */
    char *word;       /* (nullable): domain-word.h's */
} LibvirtArrival;

/* Returns: (transfer full): NULL with @error set; G_IO_ERROR_NOT_FOUND if it does not run. */
LibvirtArrival *libvirt_look_arrival(virDomainPtr domain, GError **error);
void libvirt_arrival_free(LibvirtArrival *arrival);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibvirtArrival, libvirt_arrival_free)

typedef struct {
    GuestMemory *memory;    /* owned; as of domain_memory_read(), with cap */
    gboolean balloon_known; /* else a command was in the way, and what it holds may be wrong */
    LibvirtJob job;
} LibvirtLook;

/*
 * libvirt_look_memory:
 * @pid: of its QEMU, or 0
 * @definition: read the definition as well, for the memory's @given
 *
 * Returns: (transfer full): NULL with @error set.
 */
LibvirtLook *libvirt_look_memory(virDomainPtr domain, GPid pid, gboolean definition,
                                 GError **error);
void libvirt_look_free(LibvirtLook *look);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibvirtLook, libvirt_look_free)

/* Waits for the domain's job if a command is at work. Returns: FALSE with @error set. */
gboolean libvirt_look_job(virDomainPtr domain, LibvirtJob *job, GError **error);

/*
 * libvirt_look_metadata:
 * @uri: which of its metadata
 * @metadata: (out) (nullable): what it has of that
 *
 * Returns: FALSE with @error set.
 */
gboolean libvirt_look_metadata(virDomainPtr domain, const char *uri, virDomainModificationImpact of,
                               char **metadata, GError **error);

/*
 * libvirt_look_definition:
 * @secrets: with passwords, which a definition loses that is written back without
 *
 * Returns: (transfer full) (nullable): the XML of its definition; NULL with @error
 *   set, or without if it has none.
 */
char *libvirt_look_definition(virDomainPtr domain, gboolean secrets, GError **error);

/* Returns: (transfer full): NULL with @error set. */
GuestFacts *libvirt_look_facts(virDomainPtr domain, GPid pid, GError **error);

/*
 * libvirt_look_occupied:
 * @ms: (out): for how long a command has been in the domain's monitor without an
 *   answer; 0: none is, G_MAXUINT: the monitor is broken
 *
 * Returns: FALSE with @error set.
 */
gboolean libvirt_look_occupied(virDomainPtr domain, guint *ms, GError **error);
