/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the planner: who gives way to what is claimed for leases. */
#pragma once

#include "allocate/plan-table.h"

/* Returns: what a guest keeps when room is made (planner_keep()). */
guint64 plan_claims_keep(const GuestView *view, const LimitGuest *guest);

/*
 * Somebody waits for what is claimed, and guests still have it: the raw targets of those that
 * can spare something become what they are left when each gives the same part of it. For the
 * limits that is where damping ends.
 */
void plan_claims_make_room(const HostView *host, PlanTable *table);
