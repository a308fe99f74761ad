/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/libvirt-rhythm.h"

/* The guest's second is not ours, and its timer is armed anew by each answer: a
 * quarter of a second early costs one question, late would cost as much of delay. */
#define FRESH_US (G_USEC_PER_SEC * 3 / 4)

/* After three periods without a word they count as stale (GuestMonitor). */
#define QUIET_AFTER_US (3 * G_USEC_PER_SEC)
#define QUIET_US       G_USEC_PER_SEC

void
libvirt_rhythm_answered(LibvirtRhythm *rhythm, guint64 last_update_s, gint64 now)
{
    gboolean first = rhythm->renewed_us == 0;

    if (first || last_update_s != rhythm->last_update_s) {
        rhythm->last_update_s = last_update_s;
        rhythm->renewed_us = now;
        /* How old the first is nobody knows. */
        rhythm->due_us = first ? 0 : now + FRESH_US;
    } else if (now - rhythm->renewed_us > QUIET_AFTER_US) {
        rhythm->due_us = now + QUIET_US;
    }
}

gboolean
libvirt_rhythm_is_due(const LibvirtRhythm *rhythm, gint64 now)
{
    return now >= rhythm->due_us;
}
