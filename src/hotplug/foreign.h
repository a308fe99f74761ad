/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Somebody else's hand on a guest's memory: from the observation before, the one
 * now and what memplug ordered itself, tells what only another could have asked
 * for (virsh, a second monitor, a script). That is an administrator's word and
 * wants to be respected, not mended.
 *
 * No I/O and no clock: it is told what happens and remembers it.
 */
#pragma once

#include "hypervisor/guest-memory.h"

typedef struct _ForeignWatch ForeignWatch;

typedef enum {
    FOREIGN_NONE,      /* all that is new is explained */
    FOREIGN_UNDER_WAY, /* the balloon moves, not at memplug's order: until it has come to
                        * rest it must not be sent elsewhere */
    FOREIGN_BY_START,  /* it has come to rest where the guest's start sent it */
    FOREIGN_CHANGED,   /* somebody else asked for another size */
} ForeignKind;

typedef struct {
    ForeignKind kind;
    gboolean movable; /* only the balloon differs, which a guest can move by itself too */
    char *what;       /* owned; FOREIGN_CHANGED: "virtio-mem vm0 512 MiB → 256 MiB", else NULL */
} Foreign;

void foreign_clear(Foreign *foreign);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Foreign, foreign_clear)

/* @rest_us: a balloon that has not moved for so long has come to rest */
ForeignWatch *foreign_watch_new(gint64 rest_us);
void foreign_watch_free(ForeignWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ForeignWatch, foreign_watch_free)

/* The guest restarts. What is observed next is taken as it is, and the balloon may
 * empty and fill again to where it was sent before. */
void foreign_watch_restarted(ForeignWatch *watch);

/* Takes the latest observation as it is: a person has just said through memplug
 * what the guest shall have. */
void foreign_watch_accept(ForeignWatch *watch);

/* @step is about to leave for the hypervisor; copied. */
void foreign_watch_ordered(ForeignWatch *watch, const MemoryStep *step);

/* The order last told of has ended. @taken: FALSE if it failed or nobody answered in time: it
 * may be carried out later all the same. */
void foreign_watch_answered(ForeignWatch *watch, gboolean taken);

/*
 * foreign_watch_judge:
 * @memory: as just observed, after all orders that were told of have ended
 * @now: monotonic
 *
 * Returns: (transfer full): what somebody else has done since the call before;
 *   nothing the first time.
 */
Foreign foreign_watch_judge(ForeignWatch *watch, const GuestMemory *memory, gint64 now);
