/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest had to put into swap of late and has not had back: so much more it would use if it
 * had the memory.
 *
 * What is used never exceeds what a guest has, so one that lacks half of what it works with
 * looks like one that is just full, and would be helped step by step, each of which takes a
 * guest that thrashes seconds (simulate/device-model.c has the figures). Its swap tells how
 * much it is: not all that is there, of which most may never be wanted again, but what went
 * there lately and has not come back. It is forgotten when nothing of it is read: then it is
 * not missed.
 */
#pragma once

#include "monitor/sample.h"

typedef struct {
    double bytes;
    gint64 time_us; /* of the latest sample that was taken in; 0: none */
} SwapDebt;

/* Takes in what @ring holds that was not seen yet. Returns: bytes. */
double swap_debt_track(SwapDebt *debt, const SampleRing *ring);
