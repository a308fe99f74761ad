/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How short of memory the host itself is, whoever takes it, and what guests are to do about it.
 *
 *     available
 *        │  well        the budget holds
 *   soft ┼────────────  soft: guests give back what they can spare without being hurt
 *   hard ┼────────────  hard: they give what they have beyond their floors, who is hurt least first
 *   emer-┼────────────  emergency: everything above all floors, at once
 *   gency
 *
 * A level is entered as soon as less is available than its mark, and left when there is a
 * quarter of the mark more than it for a while: a host near a mark does not go to and fro, and
 * what guests have given is not lent out again before its other users have had time to take it.
 * Where others stall for memory (the kernel's PSI, for all tasks at once) below the soft mark,
 * the next worse level is entered.
 *
 * Whatever the level, guests may have together what they have now and what is available beyond
 * the soft mark: so they stop growing before the host is short, and other users of its memory
 * push them back, and get out of their way again.
 *
 * Pure.
 */
#pragma once

#include <glib.h>

typedef enum {
    HOST_LEVEL_WELL,
    HOST_LEVEL_SOFT,
    HOST_LEVEL_HARD,
    HOST_LEVEL_EMERGENCY,
} HostLevel;

/* Returns: "well", "soft", "hard" or "emergency". */
const char *host_level_name(HostLevel level);

/* Bytes available below which a level is entered; soft >= hard >= emergency. 0: never. */
typedef struct {
    guint64 soft, hard, emergency;
} HostMarks;

/* What is so now. */
typedef struct {
    guint64 available;  /* HostMemory.available */
    guint64 stalled_us; /* PSI: "full ... total=" of memory; a counter */
    gboolean stalling;  /* the kernel says by itself that others stall, since the last look */
} HostLook;

typedef struct {
    HostLevel level;

    /* private */
    gint64 calm_us; /* since when the level could be left; 0: it could not */
    gint64 looked_us;
    guint64 stalled_us;
} HostState;

/* What guests may have. */
typedef struct {
    guint64 budget; /* bytes that may not be exceeded */
    guint64 spare;  /* of it, bytes that guests shall give up as far as it does not hurt them */
} HostAllowance;

/* A host that stays well above a mark for so long is beyond it. */
#define HOST_LEVEL_CALM_US (5 * (gint64)G_USEC_PER_SEC)

/* All tasks at once stalled for so much of the time since the last look: more than the reclaim
 * of a host that is merely full of page cache makes them (systemd-oomd kills at 60 %). */
#define HOST_LEVEL_STALL 0.1

/* Returns: the level as of @now, which @state has from then on. */
HostLevel host_level_look(HostState *state, const HostMarks *marks, const HostLook *look,
                          gint64 now);

/*
 * host_level_allow:
 * @level: as host_level_look() returned it
 * @budget: bytes that guests may have on a host that is well
 * @has: bytes that they have now
 * @floors: the sum of their floors, and of what others have that do not follow
 *
 * Returns: what they may have; never less than their floors.
 */
HostAllowance host_level_allow(HostLevel level, const HostMarks *marks, const HostLook *look,
                               guint64 budget, guint64 has, guint64 floors);
