/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happened in a run, as CSV from which its outcome can be worked out again:
 *
 *     time,guest,demand,requested,actual,cached,steps,policy
 *     12.250000,web,734003200,805306368,805306368,104857600,3,balance
 *
 * A line tells how a guest is from that time (in seconds) on: requested, actual and steps
 * (device actions ordered so far) stay until the guest's next line; demand (what it uses) and
 * cached (the page cache that it would have with plenty of memory) are a straight line to what that
 * says. A guest starves where demand is above actual. The lines of a guest are in order of
 * time, and so is the file but for lines that belong to the same cycle of another guest.
 */
#pragma once

#include "simulate/world.h"

typedef struct _Series Series;

/* Returns: (transfer full): NULL with @error set if @path cannot be written. */
Series *series_open(const char *path, GError **error);

/* Writes @rows of a run of @policy; @guests: whose names are written. What goes wrong is told
 *   by series_close(). */
void series_add(Series *series, const char *policy, const GuestSpec *guests, const WorldRow *rows,
                gsize n_rows);

/* Frees @series. Returns: FALSE with @error set if not all of it could be written. */
gboolean series_close(Series *series, GError **error);
