/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/chart.h"

#define KIB ((double)(1 << 10))
#define MIB ((double)(1 << 20))
#define GIB ((double)(1 << 30))

/* Room around the curves: for the sizes at the left, the times below. */
#define LEFT   64
#define RIGHT  12
#define TOP    8
#define BOTTOM 26

#define MARK_HEIGHT 5

/* So many at most; in a narrow chart there is room for fewer. */
#define SIZE_TICKS 5
#define TICK_WIDTH 90

/* Times that people like to read. */
static const struct {
    double step_s;
    double unit_s;
    const char *unit;
} time_steps[] = {
    { 1, 1, "s" },          { 2, 1, "s" },          { 5, 1, "s" },           { 10, 1, "s" },
    { 20, 1, "s" },         { 60, 60, "min" },      { 120, 60, "min" },      { 300, 60, "min" },
    { 600, 60, "min" },     { 1200, 60, "min" },    { 3600, 3600, "h" },     { 7200, 3600, "h" },
    { 10800, 3600, "h" },   { 21600, 3600, "h" },   { 43200, 3600, "h" },    { 86400, 86400, "d" },
    { 172800, 86400, "d" }, { 604800, 86400, "d" }, { 2419200, 86400, "d" },
};

typedef struct {
    GString *page;
    const Chart *chart;
    double most; /* bytes at the top */
    double step; /* between two of the sizes at the left */
} Drawing;

static double
plot_width(const Chart *chart)
{
    return chart->width - LEFT - RIGHT;
}

static double
x_of(const Drawing *drawing, double time_s)
{
    return LEFT + plot_width(drawing->chart) * time_s / drawing->chart->duration_s;
}

static double
y_of(const Drawing *drawing, double bytes)
{
    double height = drawing->chart->height - TOP - BOTTOM;

    return TOP + height * (1 - MIN(bytes, drawing->most) / drawing->most);
}

static void
add_number(GString *page, double number)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append(page, g_ascii_formatd(text, sizeof(text), "%.1f", number));
}

static void
add_attribute(GString *page, const char *name, double number)
{
    g_string_append_printf(page, " %s=\"", name);
    add_number(page, number);
    g_string_append_c(page, '"');
}

static void
add_line(GString *page, const char *style, double x1, double y1, double x2, double y2)
{
    g_string_append_printf(page, "<line class=\"%s\"", style);
    add_attribute(page, "x1", x1);
    add_attribute(page, "y1", y1);
    add_attribute(page, "x2", x2);
    add_attribute(page, "y2", y2);
    g_string_append(page, "/>\n");
}

static void
add_text(GString *page, const char *anchor, double x, double y, const char *text)
{
    g_string_append_printf(page, "<text text-anchor=\"%s\"", anchor);
    add_attribute(page, "x", x);
    add_attribute(page, "y", y);
    g_string_append_printf(page, ">%s</text>\n", text);
}

/* The largest of what is drawn. */
static double
highest(const Chart *chart)
{
    double most = MAX(chart->most, chart->level);

    for (guint i = 0; i < chart->n_curves && chart->most <= 0; i++) {
        for (guint slot = 0; slot < chart->n_slots; slot++)
            most = MAX(most, chart->curves[i].values[slot]);
    }
    return MAX(most, MIB);
}

/* Steps are powers of two, so that the sizes are round. */
static void
choose_scale(Drawing *drawing)
{
    double most = highest(drawing->chart), steps;

    drawing->step = MIB;
    while (most / drawing->step > SIZE_TICKS)
        drawing->step *= 2;
    steps = (double)(guint64)(most / drawing->step);
    if (steps * drawing->step < most)
        steps++;
    drawing->most = steps * drawing->step;
}

static char *
format_size(double bytes)
{
    if (bytes >= 1024 * GIB)
        return g_strdup_printf("%.4g TiB", bytes / GIB / 1024);
    return bytes >= GIB ? g_strdup_printf("%.4g GiB", bytes / GIB)
                        : g_strdup_printf("%.4g MiB", bytes / MIB);
}

static void
draw_sizes(const Drawing *drawing)
{
    const Chart *chart = drawing->chart;

    for (double bytes = 0; bytes <= drawing->most; bytes += drawing->step) {
        g_autofree char *text = bytes > 0 ? format_size(bytes) : g_strdup("0");
        double y = y_of(drawing, bytes);

        add_line(drawing->page, "grid", LEFT, y, chart->width - RIGHT, y);
        add_text(drawing->page, "end", LEFT - 6, y + 4, text);
    }
}

static void
draw_times(const Drawing *drawing)
{
    const Chart *chart = drawing->chart;
    double ticks = plot_width(chart) / TICK_WIDTH;
    gsize i = 0;

    while (i + 1 < G_N_ELEMENTS(time_steps) && chart->duration_s / time_steps[i].step_s > ticks)
        i++;
    for (double at = 0; at <= chart->duration_s; at += time_steps[i].step_s) {
        g_autofree char *text =
            g_strdup_printf("%.4g %s", at / time_steps[i].unit_s, time_steps[i].unit);
        double x = x_of(drawing, at);

        add_line(drawing->page, "axis", x, chart->height - BOTTOM, x, chart->height - BOTTOM + 4);
        add_text(drawing->page, at > 0 ? "middle" : "start", x, chart->height - 8,
                 at > 0 ? text : "0");
        if (chart->duration_s / time_steps[i].step_s > 1000)
            break; /* a run of many years */
    }
    add_line(drawing->page, "axis", LEFT, chart->height - BOTTOM, chart->width - RIGHT,
             chart->height - BOTTOM);
}

static void
add_point(const Drawing *drawing, char command, double x, double bytes)
{
    g_string_append_c(drawing->page, command);
    add_number(drawing->page, x);
    g_string_append_c(drawing->page, ' ');
    add_number(drawing->page, y_of(drawing, bytes));
}

static void
draw_curve(const Drawing *drawing, const ChartCurve *curve)
{
    const Chart *chart = drawing->chart;
    double slot_s = chart->duration_s / chart->n_slots;

    g_string_append_printf(drawing->page, "<path class=\"%s\" d=\"", curve->style);
    if (curve->kind == CHART_AREA)
        add_point(drawing, 'M', x_of(drawing, 0), 0);
    for (guint slot = 0; slot < chart->n_slots; slot++)
        add_point(drawing, slot == 0 && curve->kind == CHART_LINE ? 'M' : 'L',
                  x_of(drawing, (slot + 0.5) * slot_s), curve->values[slot]);
    if (curve->kind == CHART_AREA) {
        add_point(drawing, 'L', x_of(drawing, chart->duration_s), 0);
        g_string_append_c(drawing->page, 'Z');
    }
    g_string_append(drawing->page, "\"/>\n");
}

/* However short, what is marked is seen. */
static void
draw_marks(const Drawing *drawing)
{
    const Chart *chart = drawing->chart;
    double slot_s = chart->duration_s / chart->n_slots;

    for (guint slot = 0; chart->marks && slot < chart->n_slots; slot++) {
        if (chart->marks[slot] <= 0)
            continue;
        g_string_append(drawing->page, "<rect class=\"starved\"");
        add_attribute(drawing->page, "x", x_of(drawing, slot * slot_s));
        add_attribute(drawing->page, "y", chart->height - BOTTOM - MARK_HEIGHT);
        add_attribute(drawing->page, "width", MAX(1.5, plot_width(chart) / chart->n_slots));
        add_attribute(drawing->page, "height", MARK_HEIGHT);
        g_string_append(drawing->page, "/>\n");
    }
}

void
chart_append(GString *page, const Chart *chart)
{
    Drawing drawing = { .page = page, .chart = chart };
    g_autofree char *label = g_markup_escape_text(chart->label, -1);

    choose_scale(&drawing);
    g_string_append_printf(page, "<svg viewBox=\"0 0 %u %u\" role=\"img\" aria-label=\"%s\">\n",
                           chart->width, chart->height, label);
    draw_sizes(&drawing);
    for (guint i = 0; i < chart->n_curves; i++)
        draw_curve(&drawing, &chart->curves[i]);
    if (chart->level > 0)
        add_line(page, "level", LEFT, y_of(&drawing, chart->level), chart->width - RIGHT,
                 y_of(&drawing, chart->level));
    draw_marks(&drawing);
    draw_times(&drawing);
    g_string_append(page, "</svg>\n");
}
