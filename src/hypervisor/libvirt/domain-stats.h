/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The typed parameters of virDomainListGetStats().
 */
#pragma once

#include <libvirt/libvirt.h>

#include "hypervisor/balloon-stats.h"

/*
 * domain_stats_read:
 * @params: of VIR_DOMAIN_STATS_BALLOON and others
 * @stats: (out): what is not among @params is BALLOON_STAT_MISSING; untouched if
 *   nothing is
 *
 * Returns: FALSE if the guest's own statistics are not among @params, as of a
 *   domain that was skipped for it was busy, or one without a balloon.
 */
gboolean domain_stats_read(const virTypedParameter *params, int n, BalloonStats *stats);

/*
 * domain_stats_state:
 * @state: (out): a virDomainState
 * @reason: (out): as virDomainGetState() has it; 0 if it is not told
 *
 * Returns: FALSE, and nothing touched, if VIR_DOMAIN_STATS_STATE is not among @params.
 */
gboolean domain_stats_state(const virTypedParameter *params, int n, int *state, int *reason);
