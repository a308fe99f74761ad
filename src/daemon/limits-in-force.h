/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The limits that hold for a guest: what administrators said of it, stacked,
 * filled up with what its devices can do, and never beyond that. Pure.
 */
#pragma once

#include "daemon/config.h"
#include "hotplug/recipe.h"

typedef struct {
    GuestLimits limits; /* all of them set */
    RecipeRange range;  /* what the devices can reach */
} LimitsInForce;

/*
 * limits_in_force:
 * @own: those kept where the guest is defined
 *
 * Without another word the floor is what the guest was given at boot, the
 * ceiling what its devices can reach, the weight 1, the mechanism auto.
 */
LimitsInForce limits_in_force(const Config *config, const char *name, const GuestLimits *own,
                              const GuestMemory *memory);

/* Returns: FALSE with @error set, saying what to do, if an administrator may not
 *   give the guest called @name @size bytes. */
gboolean limits_in_force_admit(const LimitsInForce *force, const char *name, guint64 size,
                               GError **error);
