/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Traces from files, plain or compressed by gzip (whatever they are called).
 */
#pragma once

#include <gio/gio.h>

#include "simulate/trace.h"

/*
 * trace_file_load:
 * @path: of a trace as CSV
 *
 * Returns: (transfer full): the trace, called as the file without its folder and endings;
 *   NULL with @error set, which names the place.
 */
Trace *trace_file_load(const char *path, GError **error);
