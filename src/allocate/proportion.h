/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Giving up in proportion: who can spare more gives more, and everybody gives the same part
 * of what he can spare.
 *
 * The counterpart of the water level (policies/water-level.h), for memory that nobody uses:
 * of that, weights say nothing, and the guest that has most of it is not the one to keep it.
 */
#pragma once

#include <glib.h>

/*
 * proportion_give:
 * @spare: (array length=n): bytes that each can spare
 * @missing: bytes that are wanted of all together
 * @gives: (out) (array length=n): bytes that each gives
 *
 * The gifts sum to at least @missing, and to less than @missing + @n; if all that can be
 * spared is not enough, everybody gives all of it.
 *
 * Whoever can spare a byte less never gives more for it, and nobody else gives less then.
 * If one can spare a byte more and a byte more is missing, the one gives at most a byte more,
 * and nobody else less. Those who can spare equally much give equally much.
 *
 * O(n), 65 times; no allocation.
 */
void proportion_give(const guint64 *spare, gsize n, unsigned __int128 missing, guint64 *gives);
