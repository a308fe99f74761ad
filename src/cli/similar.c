/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/similar.h"

#include <string.h>

/* Words longer than this are not typed by hand; it bounds the work. */
#define LONGEST 64

static guint
least(guint a, guint b, guint c)
{
    return MIN(MIN(a, b), c);
}

/*
 * The optimal string alignment distance (Damerau 1964; Wagner and Fischer's
 * table, with a look two rows back for swapped neighbours), over bytes without
 * regard to ASCII case.
 */
static guint
distance(const char *a, const char *b)
{
    guint rows[3][LONGEST + 1];
    guint *before = rows[0], *above = rows[1], *row = rows[2];
    gsize n = strlen(b);

    for (gsize j = 0; j <= n; j++)
        above[j] = (guint)j;

    for (gsize i = 1; a[i - 1]; i++) {
        guint *spare = before;

        row[0] = (guint)i;
        for (gsize j = 1; j <= n; j++) {
            char from = g_ascii_tolower(a[i - 1]), to = g_ascii_tolower(b[j - 1]);

            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (from != to));
            if (i > 1 && j > 1 && from == g_ascii_tolower(b[j - 2]) &&
                to == g_ascii_tolower(a[i - 2]))
                row[j] = MIN(row[j], before[j - 2] + 1);
        }
        before = above;
        above = row;
        row = spare;
    }
    return above[n];
}

const char *
similar_find(const char *word, const char *const *candidates)
{
    gsize length = strlen(word);
    guint best = (guint)MAX(length / 3, 1) + 1;
    const char *found = NULL;

    if (length > LONGEST)
        return NULL;
    for (gsize i = 0; candidates[i]; i++) {
        guint edits;

        if (strlen(candidates[i]) > LONGEST)
            continue;
        edits = distance(word, candidates[i]);
        if (edits < best) {
            best = edits;
            found = candidates[i];
        }
    }
    return found;
}
