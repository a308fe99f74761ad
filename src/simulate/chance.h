/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Chance that is the same every time: numbers that follow from a seed alone, on every
 * machine. (GRand would do, but is 2.5 KiB a guest.) The generator is splitmix64
 * (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
 */
#pragma once

#include <glib.h>

typedef struct {
    guint64 state;
} Chance;

/* @stream: chances of the same seed and another stream have nothing in common */
Chance chance_new(guint64 seed, guint64 stream);

/* Returns: any number. */
guint64 chance_next(Chance *chance);

/* Returns: a number from 0 up to, but not, 1. */
double chance_real(Chance *chance);

/* Returns: a number from @least up to, but not, @most. */
double chance_between(Chance *chance, double least, double most);
