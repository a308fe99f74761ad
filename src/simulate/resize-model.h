/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The loop that brings a guest to its target, as hotplug/resize-loop does it with a real one:
 * observe, ask the recipe, order its step, wait for it; what does not follow goes into
 * the book of troubles and is worked around. Recipe, patience and book are the real ones.
 */
#pragma once

#include "hotplug/follow.h"
#include "hotplug/trouble.h"
#include "simulate/device-model.h"

typedef struct {
    DeviceModel devices;
    Mechanism mechanism;
    RecipeRange range;
    guint64 target;
    TroubleBook *troubles; /* NULL until there is one */
    FollowWait wait;
    gint64 wake_us; /* when to look although nothing moves; G_MAXINT64: never */
    guint64 steps;  /* ordered so far */
} ResizeModel;

/* @devices: (transfer full) */
void resize_model_init(ResizeModel *model, const DeviceModel *devices, Mechanism mechanism);
void resize_model_clear(ResizeModel *model);

/* Asks for @target. @available: bytes that the guest has left */
void resize_model_set_target(ResizeModel *model, guint64 target, guint64 available, gint64 now);

/* Returns: when there is something to do; G_MAXINT64: never. */
gint64 resize_model_next(const ResizeModel *model);

/* Does what is due at @now. Returns: whether the guest came to rest by it. */
gboolean resize_model_run(ResizeModel *model, guint64 available, gint64 now);
