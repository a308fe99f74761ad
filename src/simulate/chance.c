/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/chance.h"

guint64
chance_next(Chance *chance)
{
    guint64 z = chance->state += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

Chance
chance_new(guint64 seed, guint64 stream)
{
    Chance of_seed = { seed }, of_stream = { stream };

    return (Chance){ chance_next(&of_seed) ^ (chance_next(&of_stream) << 1) };
}

double
chance_real(Chance *chance)
{
    return (double)(chance_next(chance) >> 11) * 0x1p-53;
}

double
chance_between(Chance *chance, double least, double most)
{
    return least + (most - least) * chance_real(chance);
}
