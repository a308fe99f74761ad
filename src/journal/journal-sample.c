/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/journal-sample.h"

#include <string.h>

#include "journal/journal-text.h"

/* The unit of sizes in a difference: the least that a sample is rounded to. */
#define UNIT 65536

/* And that of its time, which is told by how much later than a second it came. */
#define TIME_UNIT 1000
#define PERIOD_US G_USEC_PER_SEC

/* The columns of a difference, in the order that the first version had them in. @field: told only
 * with it; 0: always. */
static const struct {
    const char *key;
    gsize offset;
    guint field;
    guint unit; /* of the difference, in bytes */
} columns[] = {
    { "free", G_STRUCT_OFFSET(Sample, free), 0, UNIT },
    { "available", G_STRUCT_OFFSET(Sample, available), 0, UNIT },
    { "cached", G_STRUCT_OFFSET(Sample, cached), 0, UNIT },
    { "total", G_STRUCT_OFFSET(Sample, total), 0, UNIT },
    { "committed", G_STRUCT_OFFSET(Sample, committed), SAMPLE_COMMITTED, UNIT },
    { "dirty", G_STRUCT_OFFSET(Sample, dirty), SAMPLE_DIRTY, UNIT },
    { "shmem", G_STRUCT_OFFSET(Sample, shmem), SAMPLE_SHMEM, UNIT },
    { "slab_reclaimable", G_STRUCT_OFFSET(Sample, slab_reclaimable), SAMPLE_SLAB, UNIT },
    { "swap_in", G_STRUCT_OFFSET(Sample, swap_in), SAMPLE_SWAP, UNIT },
    { "swap_out", G_STRUCT_OFFSET(Sample, swap_out), SAMPLE_SWAP, UNIT },
    { "swap_free", G_STRUCT_OFFSET(Sample, swap_free), SAMPLE_SWAP_SIZE, UNIT },
    { "swap_total", G_STRUCT_OFFSET(Sample, swap_total), SAMPLE_SWAP_SIZE, UNIT },
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

/* The first three, by their places in the table. */
enum { FREE, AVAILABLE, CACHED };

/* The order of the second version: what changes most often comes first, so that the zeros that
 * are left out at the end are many. */
static const guint8 order[] = { FREE, CACHED, AVAILABLE, 5,  4, 7, 12, 17, 18, 16, 8,
                                9,    10,     19,        20, 3, 6, 15, 13, 14, 11 };
G_STATIC_ASSERT(G_N_ELEMENTS(order) == N_COLUMNS);

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

/* What is free or page cache is available, for the most part: what is written of that is what
 * they do not tell. */
static guint64
foretold(const gint64 *differences)
{
    return (guint64)differences[FREE] + (guint64)differences[CACHED];
}

/* Returns: FALSE if they differ by what cannot be written so. */
static gboolean
find_differences(const Sample *sample, const Sample *before, gint64 *each)
{
    if (sample->source != before->source || sample->fields != before->fields)
        return FALSE;
    for (gsize i = 0; i < N_COLUMNS; i++)
        each[i] = (gint64)(value_of(sample, i) - value_of(before, i));
    each[AVAILABLE] = (gint64)((guint64)each[AVAILABLE] - foretold(each));
    for (gsize i = 0; i < N_COLUMNS; i++) {
        if (each[i] % columns[i].unit != 0 &&
            (each[i] >= JOURNAL_TEXT_FRACTION_MOST || each[i] <= -JOURNAL_TEXT_FRACTION_MOST))
            return FALSE;
    }
    return TRUE;
}

static void
append_difference(GString *line, const Sample *sample, const Sample *before, const gint64 *each)
{
    gsize n = N_COLUMNS;

    g_string_append_c(line, '[');
    journal_text_append_scaled(line, sample->time_us - before->time_us - PERIOD_US, TIME_UNIT);
    while (n > 0 && each[order[n - 1]] == 0)
        n--;
    for (gsize i = 0; i < n; i++) {
        g_string_append_c(line, ',');
        journal_text_append_scaled(line, each[order[i]], columns[order[i]].unit);
    }
    g_string_append_c(line, ']');
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

    if (before && find_differences(sample, before, each))
        append_difference(line, sample, before, each);
    else
        append_whole(line, sample, now);
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

/* As the first version wrote it: the sample's age, then KiB and counts. */
static gboolean
read_first_version(JsonArray *array, const Sample *before, gint64 now, Sample *sample)
{
    guint n = MIN(json_array_get_length(array), N_COLUMNS + 1);
    gint64 number;

    if (!journal_text_element(array, 0, &number))
        return FALSE;
    *sample = *before;
    sample->time_us = (gint64)((guint64)now - (guint64)number);
    for (guint i = 1; i < n; i++) {
        guint64 unit = columns[i - 1].unit == UNIT ? 1024 : 1;

        if (!journal_text_element(array, i, &number))
            return FALSE;
        /* Unsigned, so that what is nonsense cannot overflow. */
        set_value(sample, i - 1, value_of(sample, i - 1) + (guint64)number * unit);
    }
    return TRUE;
}

static gboolean
read_difference(JsonArray *array, const Sample *before, Sample *sample)
{
    guint n = MIN(json_array_get_length(array), N_COLUMNS + 1);
    gint64 each[N_COLUMNS] = { 0 }, since;

    if (!journal_text_element_scaled(array, 0, TIME_UNIT, &since))
        return FALSE;
    for (guint i = 1; i < n; i++) {
        gsize column = order[i - 1];

        if (!journal_text_element_scaled(array, i, columns[column].unit, &each[column]))
            return FALSE;
    }
    each[AVAILABLE] = (gint64)((guint64)each[AVAILABLE] + foretold(each));
    *sample = *before;
    sample->time_us = (gint64)((guint64)before->time_us + PERIOD_US + (guint64)since);
    for (gsize i = 0; i < N_COLUMNS; i++)
        set_value(sample, i, value_of(sample, i) + (guint64)each[i]);
    return TRUE;
}

gboolean
journal_sample_read(JsonNode *node, guint version, const Sample *before, gint64 now, Sample *sample)
{
    gboolean read = FALSE;
    Sample result;

    if (JSON_NODE_HOLDS_OBJECT(node))
        read = read_whole(json_node_get_object(node), now, &result);
    else if (JSON_NODE_HOLDS_ARRAY(node) && before && version == 1)
        read = read_first_version(json_node_get_array(node), before, now, &result);
    else if (JSON_NODE_HOLDS_ARRAY(node) && before)
        read = read_difference(json_node_get_array(node), before, &result);
    if (read)
        *sample = result;
    return read;
}
