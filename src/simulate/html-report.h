/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The outcome of a simulation as one HTML page with charts. Nothing is taken from elsewhere: no
 * script, no font, no picture; whatever a trace is called, it is text.
 */
#pragma once

#include "simulate/simulation.h"
#include "simulate/timeline.h"

typedef struct _HtmlReport HtmlReport;

/* @simulation is to outlive it. */
HtmlReport *html_report_new(const Simulation *simulation);
void html_report_free(HtmlReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HtmlReport, html_report_free)

/*
 * html_report_add:
 * @rule: as simulation_run() takes it
 * @timeline: (transfer full) (nullable): ended; without it the rule is in the table only
 */
void html_report_add(HtmlReport *report, const char *rule, const Outcome *outcome,
                     Timeline *timeline);

/* Returns: (transfer full): the page. */
char *html_report_render(const HtmlReport *report);
