/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much memory the kernel lets a process have: the limits of the control groups
 * around it. Beyond them it is killed, and the guest that it runs.
 */
#pragma once

#include <glib.h>

/* Returns: bytes: the least limit of the memory control groups around @pid, of both
 *   versions of control groups; 0 if there is none, or it cannot be read. */
guint64 process_limit_memory(GPid pid);

/*
 * process_limit_memory_in:
 * @root: where "proc" and "sys" are looked for; "/" in earnest
 *
 * The same, for tests.
 */
guint64 process_limit_memory_in(const char *root, GPid pid);
