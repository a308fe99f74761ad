/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Examines a guest: a row of checks, each a pure function from what is known to
 * at most one finding. A fix is told in the words in which the guest is defined:
 * libvirt's XML, or options of QEMU.
 */
#pragma once

#include "doctor/finding.h"
#include "doctor/host-facts.h"

/* All that is known. */
typedef struct {
    const GuestFacts *facts;
    const HostFacts *host;
    guint64 total;       /* what the guest says its memory is (MemTotal); 0: it did not say */
    const char *release; /* (nullable): of its kernel, as its agent says */
    const char *trouble; /* (nullable): what is wrong with its statistics */
    guint64 missing;     /* of what it was plugged, what it has not put to use for a while */
    gboolean by_blocks;  /* its agent tells how its memory blocks are, and the following: */
    guint64 movable;     /* what is movable of what it uses, ... */
    guint64 kernel;      /* ... and what serves its kernel */
    gboolean spent;      /* of that next to nothing is free, while the other is plenty */
    guint64 ceiling;     /* the most that the policy may give it */
} GuestCase;

/* Returns: (transfer full) (element-type Finding): in the order of the checks; those
 *   that do not apply are left out. */
GPtrArray *guest_checks_run(const GuestCase *guest);
