/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cut in proportion: what makes targets fit a budget for rules that have no answer
 * of their own to that.
 */
#pragma once

#include "policies/policy.h"

/*
 * proportion_cut:
 * @budget: bytes that the targets may sum to
 * @targets: (inout) (array length=n_guests): brought within [floor, ceiling] of each guest
 *   first; if they sum to more than @budget then, each guest keeps the same part of what it
 *   was to have above its floor, and its floor in any case
 *
 * With one factor for all, the proportions stay (the rule of xapi's squeezed).
 */
void proportion_cut(guint64 budget, const GuestView *guests, gsize n_guests, guint64 *targets);
