/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of the host bears on the memory of its guests, as the kernel tells it.
 */
#pragma once

#include "hypervisor/guest-facts.h"

/* The huge pages of one size. */
typedef struct {
    guint64 page; /* bytes of one of them; the following count such pages */
    guint64 total;
    guint64 free;
    guint64 surplus; /* how many more the kernel may make when they are asked for */
} HugepagePool;

typedef struct {
    guint64 memory; /* bytes that the kernel manages (MemTotal); 0: not known */
    guint64 swap;   /* bytes of swap */
    guint64 swap_free;
    Fact zswap;   /* swap is compressed in memory before it goes to disk */
    guint64 zram; /* bytes of compressed devices in memory */

    int overcommit;       /* vm.overcommit_memory: 0, 1, 2; -1: not known */
    guint64 commit_limit; /* with overcommit 2: bytes that may be promised ... */
    guint64 committed;    /* ... and that have been */
    HugepagePool *pools;  /* owned */
    guint n_pools;
    char *transparent;   /* owned: "always", "madvise" or "never"; NULL: not known */
    Fact ksm;            /* same pages are merged */
    Fact psi;            /* /proc/pressure is there */
    guint cgroup;        /* version of control groups: 1 or 2; 0: not known */
    char *kernel;        /* owned: its release; NULL: not known */
    Fact kvm;            /* it can run guests on KVM */
    guint vhost_regions; /* memory regions that vhost takes; 0: it is not loaded */
} HostFacts;

/*
 * host_facts_read:
 * @root: below which /proc and /sys are; "" for this host
 *
 * Returns: (transfer full): what could not be read says so.
 */
HostFacts *host_facts_read(const char *root);

/* Frees @facts with what it owns. NULL is allowed. */
void host_facts_free(HostFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostFacts, host_facts_free)

/* Returns: (nullable): the pool of pages of @page bytes. */
const HugepagePool *host_facts_find_pool(const HostFacts *facts, guint64 page);
