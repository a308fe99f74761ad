/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/html-report.h"

#include "simulate/chart.h"
#include "size/size.h"

#define GIB ((double)SIZE_GIB)

struct _HtmlReport {
    const Simulation *simulation;
    GArray *sections;
};

typedef struct {
    char *rule;
    Outcome outcome;
    Timeline *timeline;
} Section;

/* Colours are told apart by people who see none as well: areas, lines and dashes. */
static const char head[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" "
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    "<title>memplug simulate</title>\n<style>\n"
    ":root { color-scheme: light dark; --page: #fbfbfa; --card: #fff; --text: #1d2330; --faint: "
    "#5d6678;\n"
    "  --line: #d9dde4; --demand: #b9cbe6; --demand-edge: #5b7fb5; --actual: #0b6e4f;\n"
    "  --level: #8a5a00; --starved: #c62828; }\n"
    "@media (prefers-color-scheme: dark) { :root { --page: #14171d; --card: #1c2028; --text: "
    "#e4e8ef;\n"
    "  --faint: #9aa4b5; --line: #333a47; --demand: #2f4668; --demand-edge: #7ea3d8; --actual: "
    "#4fd1a1;\n"
    "  --level: #e0a94a; --starved: #ff6b6b; } }\n"
    "body { margin: 0 auto; max-width: 1080px; padding: 24px 16px 64px; background: var(--page);\n"
    "  color: var(--text); font: 15px/1.5 system-ui, sans-serif; }\n"
    "h1 { font-size: 24px; margin: 0; } h2 { font-size: 19px; margin: 40px 0 4px; }\n"
    "h3 { font-size: 14px; margin: 0 0 4px; overflow-wrap: anywhere; }\n"
    "p { margin: 4px 0 12px; color: var(--faint); }\n"
    ".card { background: var(--card); border: 1px solid var(--line); border-radius: 8px;\n"
    "  padding: 12px 16px; margin: 12px 0; overflow-x: auto; }\n"
    ".guests { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(320px, "
    "1fr)); }\n"
    ".guests .card { margin: 0; }\n"
    "table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }\n"
    "th, td { padding: 6px 8px; font-size: 14px; text-align: right; white-space: nowrap; }\n"
    "th { font-weight: 600; color: var(--faint); border-bottom: 1px solid var(--line); }\n"
    "th:first-child, td:first-child { text-align: left; }\n"
    "tr + tr td { border-top: 1px solid var(--line); } td.bad { color: var(--starved); }\n"
    ".bar { display: inline-block; width: 60px; height: 8px; border-radius: 4px;\n"
    "  background: var(--line); vertical-align: middle; margin-left: 8px; }\n"
    ".bar i { display: block; height: 100%; border-radius: 4px; background: var(--actual); }\n"
    "svg { display: block; width: 100%; height: auto; } svg text { fill: var(--faint); font-size: "
    "12px; }\n"
    ".grid { stroke: var(--line); } .axis { stroke: var(--faint); }\n"
    ".demand { fill: var(--demand); stroke: var(--demand-edge); stroke-width: 1; }\n"
    ".actual { fill: none; stroke: var(--actual); stroke-width: 2; stroke-linejoin: round; }\n"
    ".level { stroke: var(--level); stroke-width: 1.5; stroke-dasharray: 6 4; }\n"
    ".starved { fill: var(--starved); }\n"
    ".legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0; padding: 0; list-style: "
    "none;\n"
    "  color: var(--faint); font-size: 13px; }\n"
    ".legend svg { display: inline-block; width: 22px; height: 10px; margin-right: 6px; }\n"
    "@media print { .card { break-inside: avoid; } }\n"
    "</style>\n</head>\n<body>\n<h1>memplug simulate</h1>\n";

static const char legend[] =
    "<ul class=\"legend\">"
    "<li><svg viewBox=\"0 0 22 10\"><rect class=\"demand\" width=\"22\" height=\"10\"/></svg>"
    "demand: what cannot be given up</li>"
    "<li><svg viewBox=\"0 0 22 10\"><path class=\"actual\" d=\"M0 5H22\"/></svg>"
    "lent: what they have</li>"
    "<li><svg viewBox=\"0 0 22 10\"><path class=\"level\" d=\"M0 5H22\"/></svg>budget</li>"
    "<li><svg viewBox=\"0 0 22 10\"><rect class=\"starved\" y=\"3\" width=\"22\" "
    "height=\"5\"/></svg>somebody starves</li></ul>\n";

static void
section_clear(gpointer data)
{
    Section *section = data;

    g_free(section->rule);
    timeline_free(section->timeline);
}

HtmlReport *
html_report_new(const Simulation *simulation)
{
    HtmlReport *report = g_new0(HtmlReport, 1);

    report->simulation = simulation;
    report->sections = g_array_new(FALSE, TRUE, sizeof(Section));
    g_array_set_clear_func(report->sections, section_clear);
    return report;
}

void
html_report_free(HtmlReport *report)
{
    if (!report)
        return;
    g_array_unref(report->sections);
    g_free(report);
}

void
html_report_add(HtmlReport *report, const char *rule, const Outcome *outcome, Timeline *timeline)
{
    const Section section = { g_strdup(rule), *outcome, timeline };

    g_array_append_val(report->sections, section);
}

static const Section *
section_of(const HtmlReport *report, guint i)
{
    return &g_array_index(report->sections, Section, i);
}

/*
 * The table
 */

static void
add_cell(GString *page, gboolean bad, const char *text)
{
    g_string_append_printf(page, "<td%s>%s</td>", bad ? " class=\"bad\"" : "", text);
}

static void
add_cell_take(GString *page, gboolean bad, char *text)
{
    add_cell(page, bad, text);
    g_free(text);
}

static void
add_mean(GString *page, const Outcome *outcome, double most)
{
    g_autofree char *size = size_format_rounded((guint64)outcome->lent_mean);
    double part = most > 0 ? MIN(1, outcome->lent_mean / most) : 0;

    g_string_append_printf(page,
                           "<td>%s<span class=\"bar\"><i style=\"width:%.0f%%\"></i></span></td>",
                           size, part * 100);
}

static void
add_row(GString *page, const Section *section, double most)
{
    const Outcome *outcome = &section->outcome;
    g_autofree char *rule = g_markup_escape_text(section->rule, -1);
    gboolean starves = outcome->starved_time_ratio > 0;

    g_string_append(page, "<tr>");
    add_cell(page, FALSE, rule);
    add_mean(page, outcome, most);
    add_cell_take(page, FALSE, size_format_rounded(outcome->lent_peak));
    add_cell_take(page, starves, g_strdup_printf("%.3f %%", outcome->starved_time_ratio * 100));
    add_cell_take(page, starves, g_strdup_printf("%.2f", outcome->starved_byte_seconds / GIB));
    add_cell_take(page, FALSE, g_strdup_printf("%.1f", outcome->squeezed_byte_seconds / GIB));
    add_cell_take(page, FALSE, size_format_rounded(outcome->churn_bytes));
    add_cell_take(page, FALSE, g_strdup_printf("%" G_GUINT64_FORMAT, outcome->steps));
    add_cell_take(page, FALSE, g_strdup_printf("%.4f", outcome->jain));
    g_string_append(page, "</tr>\n");
}

static void
add_table(GString *page, const HtmlReport *report)
{
    double most = 0;

    for (guint i = 0; i < report->sections->len; i++)
        most = MAX(most, section_of(report, i)->outcome.lent_mean);
    g_string_append(page, "<div class=\"card\"><table>\n<tr><th>Policy</th><th>Lent, mean</th>"
                          "<th>Lent, peak</th><th>Starved time</th><th>Starved GiB s</th>"
                          "<th>Squeezed GiB s</th><th>Churn</th><th>Steps</th>"
                          "<th>Jain</th></tr>\n");
    for (guint i = 0; i < report->sections->len; i++)
        add_row(page, section_of(report, i), most);
    g_string_append(page, "</table></div>\n");
}

/*
 * The charts
 */

static void
add_chart(GString *page, const TimelineTrack *track, const Chart *base)
{
    const ChartCurve curves[] = {
        { CHART_AREA, "demand", track->demand },
        { CHART_LINE, "actual", track->actual },
    };
    Chart chart = *base;

    chart.n_slots = TIMELINE_SLOTS;
    chart.curves = curves;
    chart.n_curves = G_N_ELEMENTS(curves);
    chart.marks = track->starved;
    chart_append(page, &chart);
}

static void
add_guests(GString *page, const HtmlReport *report, const Section *section)
{
    const Timeline *timeline = section->timeline;

    if (timeline->n_guests < 2)
        return;
    if (timeline->n_guests > timeline->n_tracks)
        g_string_append_printf(page, "<p>The first %u of %u guests:</p>\n", timeline->n_tracks,
                               timeline->n_guests);
    g_string_append(page, "<div class=\"guests\">\n");
    for (guint i = 0; i < timeline->n_tracks; i++) {
        const GuestSpec *guest = simulation_guest(report->simulation, i);
        g_autofree char *name = g_markup_escape_text(guest->name, -1);
        g_autofree char *label =
            g_strdup_printf("demand and memory of %s under %s", guest->name, section->rule);
        const Chart base = { .label = label,
                             .width = 340,
                             .height = 170,
                             .duration_s = section->outcome.duration_s,
                             .most = (double)guest->ceiling };

        g_string_append_printf(page, "<div class=\"card\"><h3>%s</h3>\n", name);
        add_chart(page, &timeline->tracks[i], &base);
        g_string_append(page, "</div>\n");
    }
    g_string_append(page, "</div>\n");
}

static void
add_section(GString *page, const HtmlReport *report, const Section *section)
{
    g_autofree char *rule = g_markup_escape_text(section->rule, -1);
    g_autofree char *label = g_strdup_printf("demand and memory of all guests under %s", rule);
    g_autofree char *mean = size_format_rounded((guint64)section->outcome.lent_mean);
    const Chart base = { .label = label,
                         .width = 1040,
                         .height = 300,
                         .duration_s = section->outcome.duration_s,
                         .level = (double)simulation_budget(report->simulation) };

    g_string_append_printf(page,
                           "<h2>%s</h2>\n<p>%s lent on average; a guest starves for %.3f %% "
                           "of its time.</p>\n<div class=\"card\">\n<h3>All guests "
                           "together</h3>\n",
                           rule, mean, section->outcome.starved_time_ratio * 100);
    add_chart(page, &section->timeline->sum, &base);
    g_string_append(page, legend);
    g_string_append(page, "</div>\n");
    add_guests(page, report, section);
}

static void
add_facts(GString *page, const HtmlReport *report)
{
    guint n = simulation_n_guests(report->simulation);
    double duration_s = (double)simulation_duration(report->simulation) / G_USEC_PER_SEC;
    g_autofree char *budget = size_format_rounded(simulation_budget(report->simulation));

    g_string_append_printf(page,
                           "<p>%u guest%s for %.0f s with a budget of %s. Curves are means over "
                           "%.3g s each; what starved in between is marked all the same.</p>\n",
                           n, n == 1 ? "" : "s", duration_s, budget, duration_s / TIMELINE_SLOTS);
}

char *
html_report_render(const HtmlReport *report)
{
    GString *page = g_string_new(head);

    add_facts(page, report);
    add_table(page, report);
    for (guint i = 0; i < report->sections->len; i++) {
        if (section_of(report, i)->timeline)
            add_section(page, report, section_of(report, i));
    }
    g_string_append(page, "</body>\n</html>\n");
    return g_string_free(page, FALSE);
}
