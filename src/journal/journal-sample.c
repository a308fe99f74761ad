/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/journal-sample.h"

#include <string.h>

#include "journal/journal-text.h"

#define KIB 1024

/* The columns of a difference, in their order: what changes most often comes first, so
 * that the zeros that are left out are many. @field: told only with it; 0: always. */
static const struct {
    const char *key;
    gsize offset;
    guint field;
    guint unit; /* of the difference, in bytes; a count has 1 */
} columns[] = {
    { "free", G_STRUCT_OFFSET(Sample, free), 0, KIB },
    { "available", G_STRUCT_OFFSET(Sample, available), 0, KIB },
    { "cached", G_STRUCT_OFFSET(Sample, cached), 0, KIB },
    { "total", G_STRUCT_OFFSET(Sample, total), 0, KIB },
    { "committed", G_STRUCT_OFFSET(Sample, committed), SAMPLE_COMMITTED, KIB },
    { "dirty", G_STRUCT_OFFSET(Sample, dirty), SAMPLE_DIRTY, KIB },
    { "shmem", G_STRUCT_OFFSET(Sample, shmem), SAMPLE_SHMEM, KIB },
    { "slab_reclaimable", G_STRUCT_OFFSET(Sample, slab_reclaimable), SAMPLE_SLAB, KIB },
    { "swap_in", G_STRUCT_OFFSET(Sample, swap_in), SAMPLE_SWAP, KIB },
    { "swap_out", G_STRUCT_OFFSET(Sample, swap_out), SAMPLE_SWAP, KIB },
    { "swap_free", G_STRUCT_OFFSET(Sample, swap_free), SAMPLE_SWAP_SIZE, KIB },
    { "swap_total", G_STRUCT_OFFSET(Sample, swap_total), SAMPLE_SWAP_SIZE, KIB },
    { "major_faults", G_STRUCT_OFFSET(Sample, major_faults), SAMPLE_FAULTS, 1 },
    { "alloc_stalls", G_STRUCT_OFFSET(Sample, alloc_stalls), SAMPLE_STALLS, 1 },
    { "oom_kills", G_STRUCT_OFFSET(Sample, oom_kills), 0, 1 },
    { "refaults_anon", G_STRUCT_OFFSET(Sample, refaults_anon), SAMPLE_REFAULTS, 1 },
    { "refaults_file", G_STRUCT_OFFSET(Sample, refaults_file), SAMPLE_REFAULTS, 1 },
    { "stall_some_us", G_STRUCT_OFFSET(Sample, stall_some_us), SAMPLE_PRESSURE, 1 },
    { "stall_full_us", G_STRUCT_OFFSET(Sample, stall_full_us), SAMPLE_PRESSURE, 1 },
    { "direct_scans", G_STRUCT_OFFSET(Sample, direct_scans), SAMPLE_SCANS, 1 },
    { "direct_steals", G_STRUCT_OFFSET(Sample, direct_steals), SAMPLE_SCANS, 1 },
};

#define N_COLUMNS G_N_ELEMENTS(columns)

static guint64
value_of(const Sample *sample, gsize column)
{
    return (guint64)journal_text_bounded(G_STRUCT_MEMBER(guint64, sample, columns[column].offset));
}

static void
set_value(Sample *sample, gsize column, guint64 value)
{
    G_STRUCT_MEMBER(guint64, sample, columns[column].offset) = value;
}

/*
 * Writing
 */

/* Returns: FALSE if they differ by what cannot be written so. */
static gboolean
differences(const Sample *sample, const Sample *before, gint64 *each, gsize *n)
{
    *n = 0;
    if (sample->source != before->source || sample->fields != before->fields)
        return FALSE;
    for (gsize i = 0; i < N_COLUMNS; i++) {
        gint64 difference = (gint64)(value_of(sample, i) - value_of(before, i));

        if (difference % columns[i].unit != 0)
            return FALSE;
        each[i] = difference / columns[i].unit;
        if (difference != 0)
            *n = i + 1;
    }
    return TRUE;
}

static void
append_whole(GString *line, const Sample *sample, gint64 now)
{
    g_string_append_c(line, '{');
    journal_text_add_signed(line, "age_us", now - sample->time_us);
    journal_text_add_string(line, "source", sample_source_name(sample->source));
    if (!(sample->fields & SAMPLE_AVAILABLE))
        journal_text_add_flag(line, "derived", TRUE);
    for (gsize i = 0; i < N_COLUMNS; i++) {
        if ((sample->fields & columns[i].field) == columns[i].field)
            journal_text_add_unsigned(line, columns[i].key, value_of(sample, i));
    }
    g_string_append_c(line, '}');
}

void
journal_sample_append(GString *line, const Sample *sample, const Sample *before, gint64 now)
{
    gint64 each[N_COLUMNS];
    gsize n;

    if (!before || !differences(sample, before, each, &n)) {
        append_whole(line, sample, now);
        return;
    }
    g_string_append_printf(line, "[%" G_GINT64_FORMAT, now - sample->time_us);
    for (gsize i = 0; i < n; i++)
        g_string_append_printf(line, ",%" G_GINT64_FORMAT, each[i]);
    g_string_append_c(line, ']');
}

/*
 * Reading
 */

static gboolean
read_whole(JsonObject *object, gint64 now, Sample *sample)
{
    const char *source = journal_text_get_string(object, "source");
    gboolean derived = FALSE;
    gint64 age_us = 0;

    memset(sample, 0, sizeof *sample);
    if (!journal_text_get_signed(object, "age_us", &age_us) ||
        !journal_text_get_flag(object, "derived", &derived))
        return FALSE;
    sample->time_us = (gint64)((guint64)now - (guint64)age_us);
    sample->fields = derived ? 0 : SAMPLE_AVAILABLE;
    if (g_strcmp0(source, sample_source_name(SAMPLE_SOURCE_AGENT)) == 0)
        sample->source = SAMPLE_SOURCE_AGENT;
    for (gsize i = 0; i < N_COLUMNS; i++) {
        guint64 value = 0;

        if (!json_object_has_member(object, columns[i].key))
            continue;
        if (!journal_text_get_unsigned(object, columns[i].key, &value))
            return FALSE;
        set_value(sample, i, value);
        sample->fields |= columns[i].field;
    }
    return TRUE;
}

static gboolean
read_difference(JsonArray *array, const Sample *before, gint64 now, Sample *sample)
{
    guint n = MIN(json_array_get_length(array), N_COLUMNS + 1);
    gint64 number;

    if (!journal_text_element(array, 0, &number))
        return FALSE;
    *sample = *before;
    sample->time_us = (gint64)((guint64)now - (guint64)number);
    for (guint i = 1; i < n; i++) {
        if (!journal_text_element(array, i, &number))
            return FALSE;
        /* Unsigned, so that what is nonsense cannot overflow. */
        set_value(sample, i - 1, value_of(sample, i - 1) + (guint64)number * columns[i - 1].unit);
    }
    return TRUE;
}

gboolean
journal_sample_read(JsonNode *node, const Sample *before, gint64 now, Sample *sample)
{
    gboolean read = FALSE;
    Sample result;

    if (JSON_NODE_HOLDS_OBJECT(node))
        read = read_whole(json_node_get_object(node), now, &result);
    else if (JSON_NODE_HOLDS_ARRAY(node) && before)
        read = read_difference(json_node_get_array(node), before, now, &result);
    if (read)
        *sample = result;
    return read;
}
