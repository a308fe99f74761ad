/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What memory the host itself has: the proof that what guests gave is there, and what its
 * other users leave.
 *
 * Free memory says little, since the kernel fills what is free with caches; MemAvailable is
 * its own estimate of what can be had without swapping (the kernel's proc.rst). Two things
 * that bear on guests are not in it:
 *
 *   - ZFS keeps its cache (ARC) outside of the page cache and gives it back down to a minimum
 *     of its own (arcstats: size, c_min);
 *   - pools of huge pages are taken from the rest whether they are used or not, and serve only
 *     guests that are made for them.
 */
#pragma once

#include <glib.h>

typedef struct {
    guint64 total;     /* MemTotal */
    guint64 available; /* what can be had: MemAvailable and @arc */
    guint64 unused;    /* MemFree: used for nothing at all */
    guint64 cache;     /* page cache and buffers */
    guint64 arc;       /* what ZFS would give back of its cache; 0 without ZFS */
    guint64 huge;      /* in pools of huge pages of all sizes: not part of what can be had ... */
    guint64 huge_free; /* ... and of that, what no guest has taken */
} HostMemory;

/*
 * host_memory_read:
 * @root: below which /proc and /sys are; "" for this host
 * @memory: (out): untouched on failure
 *
 * Returns: FALSE with @error set if /proc/meminfo does not tell it.
 */
gboolean host_memory_read(const char *root, HostMemory *memory, GError **error);

/* Returns: for how long, µs since the boot, all tasks at once have stalled for memory ("full" in
 *   /proc/pressure/memory); 0 where the kernel does not tell. */
guint64 host_memory_stalled(const char *root);

/* Returns: the bytes of memory that @process has of the host's now, without those of files,
 *   which come back when they are needed; 0 if that is not known. */
guint64 host_memory_resident(const char *root, GPid process);

/* Returns: what tells @process from every other of its number before and after: when it was
 *   started, in the kernel's ticks; 0 if there is no such process. */
guint64 host_memory_process_id(const char *root, guint64 process);
