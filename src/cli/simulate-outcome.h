/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What came of a simulation: a table for people, JSON for programs.
 */
#pragma once

#include "simulate/recording.h"
#include "simulate/simulation.h"

typedef struct {
    const char *name; /* of the policy, or static-peak or static-mean */
    Outcome outcome;
} SimulateOutcome;

/* @outcomes: (element-type SimulateOutcome)
 * @recording: (nullable): what was played back, if it was recorded by memplugd */
void simulate_outcome_print_table(const Simulation *simulation, const GArray *outcomes,
                                  const Recording *recording);
void simulate_outcome_print_json(const Simulation *simulation, const SimulationSettings *settings,
                                 const GArray *outcomes, const Recording *recording);
