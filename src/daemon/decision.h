/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A decision of the policy in words: from what to what, and why. Pure. */
#pragma once

#include "allocate/planner.h"

/*
 * decision_describe:
 * @plan: as the planner filled it in
 * @before: what the guest was asked for until now
 *
 * Returns: (transfer full): "256 MiB → 384 MiB: demand 371.2 MiB (growing); rounded
 *   to what its devices can reach, cut to the budget"
 */
char *decision_describe(const PlanGuest *plan, guint64 before);
