/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lines of a file of /proc or /sys, read anew from its open descriptor: no
 * opening, no allocation, files of any length. The kernel keeps its own buffer
 * for the file as long as it is open, so that it allocates nothing either.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is done with each line, without its end. Returns: whether to go on. */
typedef bool (*ProcLine)(void *into, char *line);

/*
 * Reads @fd from its beginning. A line beyond 4 KiB is handed over cut off.
 *
 * Returns: false if nothing could be read.
 */
bool proc_lines_read(int fd, ProcLine each, void *into);

/*
 * proc_lines_number:
 * @text: spaces, and then a decimal number
 * @number: (out): not touched on failure
 *
 * Returns: false if there is none, or one of 2^64-1 and more.
 */
bool proc_lines_number(const char *text, uint64_t *number);

/*
 * Reads the first line of the file at @path below the folder @at (AT_FDCWD for none)
 * into @text, cut off to @room with its terminator.
 *
 * Returns: whether there is any; else @text is "".
 */
bool proc_lines_first(int at, const char *path, char *text, size_t room);
