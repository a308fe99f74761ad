/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The limits that hold for a guest: what administrators said of it, stacked,
 * filled up with what its devices can do, and never beyond that. Pure.
 */
#pragma once

#include "daemon/config.h"
#include "hotplug/recipe.h"

typedef struct {
    GuestLimits limits;         /* all of them set */
    const Predictor *predictor; /* the one that they name; the default one if there is none */
    RecipeRange range;          /* what the devices can reach */
    guint64 cap;      /* with more than this the guest would be killed, ...; 0: no such limit */
    char *cap_reason; /* ... by this; owned */
    char *obstacle;   /* why its memory cannot be changed at all; owned; NULL: it can */
} LimitsInForce;

/* Frees what @force owns and makes it empty. */
void limits_in_force_clear(LimitsInForce *force);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LimitsInForce, limits_in_force_clear)

/*
 * limits_in_force:
 * @own: those kept where the guest is defined
 *
 * Without another word the floor is what the guest was given at boot, the
 * ceiling what its devices can reach, the weight 1, the mechanism auto, the predictor that of
 * [policy]. The ceiling is
 * at most the cap, rounded down to what the devices can make.
 *
 * Returns: (transfer full)
 */
LimitsInForce limits_in_force(const Config *config, const char *name, const GuestLimits *own,
                              const GuestMemory *memory);

/* Returns: FALSE with @error set, saying what to do, if an administrator may not
 *   give the guest called @name @size bytes. */
gboolean limits_in_force_admit(const LimitsInForce *force, const char *name, guint64 size,
                               GError **error);
