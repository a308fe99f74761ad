/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "Did you mean": the known word that is nearest to a misspelt one.
 */
#pragma once

#include <glib.h>

/*
 * similar_find:
 * @word: as typed
 * @candidates: (array zero-terminated=1): what it may have meant
 *
 * Returns: (transfer none) (nullable): the candidate that takes the fewest
 *   edits (a letter more, less or other, two swapped), if those are few enough
 *   for a slip of the fingers: at most a third of the word, and at least one.
 */
const char *similar_find(const char *word, const char *const *candidates);
