/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A single step that a person chose, from the call until it is answered: it waits
 * for its turn, is issued, and ends when the guest has followed or refused.
 */
#pragma once

#include <gio/gio.h>

#include "hypervisor/guest-memory.h"

typedef struct {
    GTask *task; /* of the caller; NULL: there is no order */
    MemoryStep step;
    char *device; /* owned: behind step.device */
    gboolean issued;
    gboolean counted;   /* the target has its effect in it */
    gboolean overtaken; /* the target was set when it was on its way already, by somebody
                         * who saw what there was: it counts no more, either way */
} HandOrder;

/* @task: (transfer full): answered by hand_order_answer(); @step: copied */
void hand_order_begin(HandOrder *order, GTask *task, const MemoryStep *step);

/* Returns: whether there is an order that waits for its turn. */
gboolean hand_order_is_due(const HandOrder *order);

/* Returns: @target with the order carried out: more by the DIMM that is plugged, less
 *   by the one that is unplugged; @target itself if that is counted in it already. */
guint64 hand_order_count(HandOrder *order, guint64 target);

/* Returns: @target without the order, if that is counted in it. */
guint64 hand_order_discount(HandOrder *order, guint64 target);

/* The target was set anew by somebody who knows nothing of the order. */
void hand_order_overtake(HandOrder *order);

/* Answers the caller. @reason: (nullable): why it failed; NULL if it was carried out. */
void hand_order_answer(HandOrder *order, const char *reason);
