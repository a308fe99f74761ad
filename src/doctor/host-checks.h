/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Examines the host: a row of checks, each a pure function from what is known to
 * at most one finding.
 */
#pragma once

#include "doctor/finding.h"
#include "doctor/host-facts.h"

/* All that is known. */
typedef struct {
    const HostFacts *facts;
    const char *connection; /* as hypervisor_get_connection() says */
    const char *uri;
    guint64 budget; /* what all guests together may have */
} HostCase;

/* Returns: (transfer full) (element-type Finding): in the order of the checks; those
 *   that do not apply are left out. */
GPtrArray *host_checks_run(const HostCase *host);
