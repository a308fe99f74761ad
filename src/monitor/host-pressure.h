/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's word that the host stalls for memory, at once: a trigger on /proc/pressure/memory
 * (the kernel's accounting/psi.rst), watched by the main loop.
 *
 * Who may not have one, or has no PSI, finds out by host_memory_stalled() whenever he looks.
 */
#pragma once

#include <glib.h>

typedef struct _HostPressure HostPressure;

/*
 * host_pressure_new:
 * @root: below which /proc is; "" for this host
 * @part: of the time, in which all tasks at once stall, from which on it is told
 * @callback: called on the main loop, before all else, at most once in a window of 1 or 2 s
 *
 * Returns: (transfer full) (nullable): NULL if the kernel grants no trigger.
 */
HostPressure *host_pressure_new(const char *root, double part, void (*callback)(gpointer data),
                                gpointer data);
void host_pressure_free(HostPressure *pressure);
