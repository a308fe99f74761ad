/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What differs between two texts, line by line, in the form of diff -u. Pure.
 */
#pragma once

#include <glib.h>

/* Lines a text may have. A domain's definition has a few hundred. */
#define DIFFERENCE_MAX_LINES 4000

/*
 * difference:
 * @before_name, @after_name: how the texts are called at the head
 *
 * The fewest lines that were taken out or put in, each group with three lines around it.
 * A last line without an end counts as one with it.
 *
 * Returns: (transfer full): empty if nothing differs. Texts of more than
 *   DIFFERENCE_MAX_LINES lines are not compared: all of the one is taken out, and all of
 *   the other put in.
 */
char *difference(const char *before, const char *after, const char *before_name,
                 const char *after_name);
