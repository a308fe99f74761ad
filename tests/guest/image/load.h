/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the programs that load a guest have in common.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LOAD_PAGE ((size_t)4096)

/* A quarter of @page becomes noise and the rest stays zero, so zram compresses it to roughly a
 * quarter, like the pages of common programs. */
void load_fill_page(char *page);

/* On a clock that never runs backwards. */
int64_t load_now_ns(void);

/* The harness' shell is exempt from the OOM killer, and its children inherit that; a program
 * that uses memory must not. */
void load_join_the_mortals(const char *name);

/* Returns: bytes, in whole pages, of a number with an optional K, M or G; @end is set behind it. */
size_t load_parse_size(const char *text, char **end);
