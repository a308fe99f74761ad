/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The common part is a fraction of 2^64, and the smallest that suffices is looked for by
 * halving. So one step of it changes no gift by more than one byte, which is what the
 * promises above rest on; and no product leaves 128 bits.
 */
#include "allocate/proportion.h"

typedef unsigned __int128 Wide;

#define WHOLE ((Wide)1 << 64)

/* Rounded up: the part of @spare that is @part / WHOLE. */
static guint64
part_of(guint64 spare, Wide part)
{
    return (guint64)((spare * part + (WHOLE - 1)) / WHOLE);
}

static Wide
given(const guint64 *spare, gsize n, Wide part)
{
    Wide sum = 0;

    for (gsize i = 0; i < n; i++)
        sum += part_of(spare[i], part);
    return sum;
}

void
proportion_give(const guint64 *spare, gsize n, Wide missing, guint64 *gives)
{
    Wide low = 0, high = WHOLE;

    while (low < high) {
        Wide middle = low + (high - low) / 2;

        if (given(spare, n, middle) >= missing)
            high = middle;
        else
            low = middle + 1;
    }
    for (gsize i = 0; i < n; i++)
        gives[i] = part_of(spare[i], low);
}
