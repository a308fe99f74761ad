/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/simulate-outcome.h"

#include <stdio.h>

#include "cli/output.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "size/size.h"

#define GIB ((double)SIZE_GIB)

static const TableColumn columns[] = {
    { "Policy" },        { "Lent mean", TRUE }, { "Lent peak", TRUE }, { "GiB h", TRUE },
    { "Starved", TRUE }, { "GiB s", TRUE },     { "Squeezed", TRUE },  { "Churn", TRUE },
    { "Steps", TRUE },   { "Jain", TRUE },
};

/* "0", "0.04 %", "12.3 %". */
static char *
format_part(double part)
{
    return part > 0 ? g_strdup_printf(part < 0.0995 ? "%.3f %%" : "%.1f %%", part * 100)
                    : g_strdup("0");
}

static char *
format_gib(double bytes)
{
    return g_strdup_printf("%.2f", bytes / GIB);
}

static void
add_outcome(Table *table, const SimulateOutcome *row)
{
    const Outcome *outcome = &row->outcome;
    double hours = outcome->duration_s / 3600;

    table_add(table, row->name);
    table_add_take(table, size_format_rounded((guint64)outcome->lent_mean));
    table_add_take(table, size_format_rounded(outcome->lent_peak));
    table_add_take(table, format_gib(outcome->lent_mean * hours));
    table_add_take(table, format_part(outcome->starved_time_ratio));
    table_add_take(table, format_gib(outcome->starved_byte_seconds));
    table_add_take(table, format_gib(outcome->squeezed_byte_seconds));
    table_add_take(table, size_format_rounded(outcome->churn_bytes));
    table_add_take(table, g_strdup_printf("%" G_GUINT64_FORMAT, outcome->steps));
    table_add_take(table, g_strdup_printf("%.4f", outcome->jain));
}

static char *
format_duration(gint64 us)
{
    gint64 s = us / G_USEC_PER_SEC;

    if (s < 60)
        return g_strdup_printf("%.1f s", (double)us / G_USEC_PER_SEC);
    if (s < 3600)
        return g_strdup_printf("%d min %d s", (int)(s / 60), (int)(s % 60));
    if (s < 86400)
        return g_strdup_printf("%d h %d min", (int)(s / 3600), (int)(s / 60 % 60));
    return g_strdup_printf("%d d %d h", (int)(s / 86400), (int)(s / 3600 % 24));
}

static void
print_recording(const Recording *recording)
{
    printf("\nRecorded: %" G_GUINT64_FORMAT " decisions in %" G_GUINT64_FORMAT
           " cycles; taken once more, %" G_GUINT64_FORMAT " came out the same",
           recording->decisions, recording->cycles, recording->alike);
    if (recording->n_differences == 0) {
        puts(".");
        return;
    }
    printf(", %" G_GUINT64_FORMAT " otherwise:\n", recording->n_differences);
    for (guint i = 0; i < recording->differences->len; i++) {
        const RecordingDifference *row =
            &g_array_index(recording->differences, RecordingDifference, i);
        g_autofree char *guest = terminal_clean(row->guest);
        g_autofree char *requested = size_format_rounded(row->requested);
        g_autofree char *live = size_format_rounded(row->live);
        g_autofree char *replayed = size_format_rounded(row->replayed);

        printf("  %.3f s: %s, asked for %s: then %s, now %s\n",
               (double)row->time_us / G_USEC_PER_SEC, guest, requested, live, replayed);
    }
    if (recording->n_differences > recording->differences->len)
        puts("  ...");
}

void
simulate_outcome_print_table(const Simulation *simulation, const GArray *outcomes,
                             const Recording *recording)
{
    g_autoptr(Table) table = table_new(columns, G_N_ELEMENTS(columns));
    g_autofree char *duration = format_duration(simulation_duration(simulation));
    g_autofree char *budget = size_format_rounded(simulation_budget(simulation));
    guint n = simulation_n_guests(simulation);

    for (guint i = 0; i < outcomes->len; i++)
        add_outcome(table, &g_array_index(outcomes, SimulateOutcome, i));
    printf("%u guest%s, %s, budget %s\n\n", n, n == 1 ? "" : "s", duration, budget);
    table_print(table);
    if (recording)
        print_recording(recording);
}

static void
add_outcome_json(JsonBuilder *json, const SimulateOutcome *row)
{
    const Outcome *outcome = &row->outcome;

    json_builder_begin_object(json);
    output_add_text(json, "name", row->name);
    output_add_real(json, "lent_mean", outcome->lent_mean);
    output_add_size(json, "lent_peak", outcome->lent_peak);
    output_add_real(json, "lent_byte_seconds", outcome->lent_mean * outcome->duration_s);
    output_add_real(json, "starved_time_ratio", outcome->starved_time_ratio);
    output_add_real(json, "starved_byte_seconds", outcome->starved_byte_seconds);
    output_add_real(json, "squeezed_byte_seconds", outcome->squeezed_byte_seconds);
    output_add_size(json, "churn_bytes", outcome->churn_bytes);
    output_add_size(json, "steps", outcome->steps);
    output_add_size(json, "urgent_requests", outcome->requests);
    output_add_size(json, "cycles", outcome->cycles);
    output_add_real(json, "jain", outcome->jain);
    output_add_real(json, "worst_served", outcome->worst_served);
    json_builder_end_object(json);
}

static void
add_guest_json(JsonBuilder *json, const GuestSpec *guest)
{
    json_builder_begin_object(json);
    output_add_text(json, "name", guest->name);
    output_add_text(json, "trace", guest->trace->name);
    output_add_real(json, "shift_s", (double)guest->shift_us / G_USEC_PER_SEC);
    output_add_size(json, "floor", guest->floor);
    output_add_size(json, "ceiling", guest->ceiling);
    output_add_real(json, "weight", guest->weight);
    output_add_size(json, "peak", guest->trace->peak);
    output_add_size(json, "mean", guest->trace->mean);
    json_builder_end_object(json);
}

static void
add_recording_json(JsonBuilder *json, const Recording *recording)
{
    json_builder_set_member_name(json, "recorded");
    json_builder_begin_object(json);
    output_add_text(json, "policy", recording->policy ? recording->policy : "");
    output_add_size(json, "cycles", recording->cycles);
    output_add_size(json, "decisions", recording->decisions);
    output_add_size(json, "alike", recording->alike);
    output_add_size(json, "different", recording->n_differences);
    json_builder_set_member_name(json, "differences");
    json_builder_begin_array(json);
    for (guint i = 0; i < recording->differences->len; i++) {
        const RecordingDifference *row =
            &g_array_index(recording->differences, RecordingDifference, i);

        json_builder_begin_object(json);
        output_add_real(json, "time_s", (double)row->time_us / G_USEC_PER_SEC);
        output_add_text(json, "guest", row->guest);
        output_add_size(json, "requested", row->requested);
        output_add_size(json, "live", row->live);
        output_add_size(json, "replayed", row->replayed);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
}

void
simulate_outcome_print_json(const Simulation *simulation, const SimulationSettings *settings,
                            const GArray *outcomes, const Recording *recording)
{
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_object(json);
    output_add_real(json, "duration_s", (double)simulation_duration(simulation) / G_USEC_PER_SEC);
    output_add_size(json, "budget", simulation_budget(simulation));
    output_add_size(json, "seed", settings->seed);
    json_builder_set_member_name(json, "guests");
    json_builder_begin_array(json);
    for (guint i = 0; i < simulation_n_guests(simulation); i++)
        add_guest_json(json, simulation_guest(simulation, i));
    json_builder_end_array(json);
    json_builder_set_member_name(json, "policies");
    json_builder_begin_array(json);
    for (guint i = 0; i < outcomes->len; i++)
        add_outcome_json(json, &g_array_index(outcomes, SimulateOutcome, i));
    json_builder_end_array(json);
    if (recording)
        add_recording_json(json, recording);
    json_builder_end_object(json);
    output_print_json(json);
}
