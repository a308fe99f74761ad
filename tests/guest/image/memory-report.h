/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the guest sees of its memory, as one line of JSON. All amounts are bytes.
 *
 *   total, free, available, swap_total, swap_free   /proc/meminfo
 *   swap_in_pages, swap_out_pages, oom_kills        /proc/vmstat, since boot
 *   psi_some_us, psi_full_us                        /proc/pressure/memory, since boot
 *   online_policy, auto_online                      the kernel's onlining policy
 *   zones      name -> bytes managed by the allocator; empty zones are left out
 *   blocks     the memory blocks: id, state, zone ("none" while offline; in 6.1 and
 *              6.12 an online block's valid_zones is the one zone it is in)
 *
 * A number that the kernel does not have is -1.
 */
#pragma once

#include <stddef.h>

/*
 * memory_report_write:
 *
 * Writes the report, with its line end, into @text, without allocating.
 *
 * Returns: its length, or 0 if @size is too small for it.
 */
size_t memory_report_write(char *text, size_t size);
