/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Charts of bytes over time, as SVG within an HTML page. Colours are classes, which the page's
 * style gives for light and dark.
 */
#pragma once

#include <glib.h>

typedef enum {
    CHART_AREA, /* filled down to 0 */
    CHART_LINE,
} ChartKind;

typedef struct {
    ChartKind kind;
    const char *style;    /* class */
    const double *values; /* bytes; as many as the chart has slots */
} ChartCurve;

typedef struct {
    const char *label; /* of the whole, for who cannot see it; plain text */
    guint width, height;
    guint n_slots; /* the time is cut into so many */
    double duration_s;
    double most; /* bytes: the top of the scale; 0: what the curves need */
    const ChartCurve *curves;
    guint n_curves;
    double level;        /* bytes: a line all through; 0: none */
    const double *marks; /* (nullable): 0 to 1 for each slot: how much of it is marked */
} Chart;

/* Appends @chart as an element <svg>. */
void chart_append(GString *page, const Chart *chart);
