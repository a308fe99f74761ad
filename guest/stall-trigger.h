/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The second net: the kernel tells when tasks waited for memory. It comes too late
 * to spare the guest the stall, but sees what no forecast did.
 */
#pragma once

/*
 * stall_trigger_open:
 * @root: "", or a folder that has another /proc
 *
 * Asks to be told of 50 ms of waiting within half a second; where the agent may not (that
 * takes CAP_SYS_RESOURCE), of 200 ms within 2 s, which any user may from Linux 6.4 on.
 *
 * Returns: a descriptor that polls POLLPRI then; or -1, and errno is set: the kernel
 *   has no PSI, or the agent is not let.
 */
int stall_trigger_open(const char *root);
