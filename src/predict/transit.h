/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory on its way out of a guest, which looks as if the guest used it.
 *
 * Linux takes memory out in two moves: it first sets it aside, so that it is no longer free
 * (page isolation: for a DIMM, or a block of virtio-mem, 128 MiB at once, and for as long as it
 * takes to move away what is in it), and only at the end counts it as gone. A sample from in
 * between has less available and no less in all: a guest that gives would look as if it grew,
 * and be spared what it was about to give.
 *
 * So much is known: what has been taken since the last quiet sample, and what of that has left
 * MemTotal. The rest may be used or set aside. As long as either can be, use is taken to be as it
 * last was; only what is more than that is growth for certain, and what is less is believed. So is
 * one that has next to nothing available: what is set aside was free, and left it room.
 *
 * That bears on samples of a shrink, and of a moment after it, only; and pressure, and what the
 * guest's agent asks for, are told by other signs. It holds as well for a balloon whose pages stay
 * in MemTotal, until overhead.h has found that out.
 */
#pragma once

#include "monitor/sample.h"

typedef struct {
    guint64 asked; /* in: bytes that the guest was asked to have; 0: not known */

    /* private */
    guint64 actual;    /* as last looked at, ... */
    guint64 lowest;    /* ... and that or what was asked for, whichever was less */
    gint64 changed_us; /* when @actual was last found changed, ... */
    gint64 shrunk_us;  /* ... and when a shrink was last found under way; 0: never */

    gint64 quiet_us;                   /* the last quiet sample's time, 0: there was none; ... */
    guint64 quiet_actual, quiet_total; /* ... what the guest had then, by the host and by that */
    guint64 used;                      /* as of the latest sample, as far as it is known */
} Transit;

/* Takes in that the guest has @actual bytes at @now, and @latest, its latest sample. */
void transit_look(Transit *transit, const Sample *latest, guint64 actual, gint64 now);

/* Returns: bytes used as of @sample, those set aside left out as far as that is possible: between
 *   sample_used() and less. It rises or stays when sample_used() rises. */
guint64 transit_used(const Transit *transit, const Sample *sample);
