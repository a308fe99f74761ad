/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When a guest's balloon statistics are worth asking for: a guest renews them once
 * a second, and each question is a command to its QEMU. Pure.
 *
 *   fresh: it has just told something new ─▶ again when the next can be there, ...
 *   due:   ... then with each collection, until it tells something new
 *   quiet: it has long told nothing new: paused, without a driver, ... ─▶ once a second
 */
#pragma once

#include <glib.h>

typedef struct {
    guint64 last_update_s; /* as the guest told it last */
    gint64 renewed_us;     /* when that changed */
    gint64 due_us;
} LibvirtRhythm;

/* A guest has answered; all zero before the first time.
 * @last_update_s: BalloonStats.last_update_s */
void libvirt_rhythm_answered(LibvirtRhythm *rhythm, guint64 last_update_s, gint64 now);

/* Returns: whether it is worth asking now. */
gboolean libvirt_rhythm_is_due(const LibvirtRhythm *rhythm, gint64 now);
