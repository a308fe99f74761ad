/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/journal-shrink.h"

#include <math.h>

#include "journal/journal-text.h"

#define KIB 1024
#define MS  1000

static const char *const kind_names[] = { [SHRINK_PLAIN] = "shrink", [SHRINK_PROBE] = "probe" };
G_STATIC_ASSERT(G_N_ELEMENTS(kind_names) == SHRINK_KINDS);

static const char *const outcome_names[] = {
    [SHRINK_OUTCOME_NONE] = "none",
    [SHRINK_OUTCOME_KEPT] = "kept",
    [SHRINK_OUTCOME_HURT] = "hurt",
    [SHRINK_OUTCOME_REFUSED] = "refused",
};
G_STATIC_ASSERT(G_N_ELEMENTS(outcome_names) == SHRINK_OUTCOME_REFUSED + 1);

const char *
journal_shrink_kind_name(ShrinkKind kind)
{
    return kind_names[kind];
}

const char *
journal_shrink_outcome_name(ShrinkOutcome outcome)
{
    return outcome_names[outcome];
}

/* Whole numbers a second are fine enough. */
static void
add_pace(GString *line, const char *key, const ShrinkPace *pace)
{
    journal_text_append_key(line, key);
    g_string_append_printf(line, "[%.0f,%.0f,%.0f]", pace->stall_us, pace->refaults,
                           pace->swap_in / KIB);
}

void
journal_shrink_add(GString *line, const ShrinkEnd *end)
{
    const ShrinkFigures *figures = &end->figures;

    journal_text_append_key(line, "shrink");
    g_string_append_c(line, '{');
    journal_text_add_string(line, "kind", kind_names[end->kind]);
    journal_text_add_string(line, "outcome", outcome_names[end->outcome]);
    if (end->reason)
        journal_text_add_string(line, "reason", end->reason);
    journal_text_add_scaled(line, "before", journal_text_bounded(end->before), KIB);
    journal_text_add_scaled(line, "after", journal_text_bounded(end->after), KIB);
    if (figures->margin > 0)
        journal_text_add_scaled(line, "margin", journal_text_bounded(figures->margin), KIB);
    if (figures->watched_us > 0) {
        journal_text_add_scaled(line, "watched", figures->watched_us, MS);
        journal_text_append_key(line, "available");
        g_string_append_c(line, '[');
        journal_text_append_scaled(line, journal_text_bounded(figures->available_before), KIB);
        g_string_append_c(line, ',');
        journal_text_append_scaled(line, journal_text_bounded(figures->available_after), KIB);
        g_string_append_c(line, ']');
        add_pace(line, "pace_before", &figures->before);
        add_pace(line, "pace_after", &figures->after);
    }
    g_string_append_c(line, '}');
}

/*
 * Reading
 */

/* Returns: the index of @name in @names; @n if it is not there. */
static guint
find_name(const char *const *names, guint n, const char *name)
{
    guint i = 0;

    while (i < n && g_strcmp0(names[i], name) != 0)
        i++;
    return i;
}

static gboolean
read_size(JsonObject *object, const char *key, guint64 *bytes)
{
    gint64 value = 0;

    if (!journal_text_get_scaled(object, key, KIB, &value) || value < 0)
        return FALSE;
    *bytes = (guint64)value;
    return TRUE;
}

static gboolean
read_pace(JsonObject *object, const char *key, ShrinkPace *pace)
{
    JsonArray *array = journal_text_get_array(object, key);
    gint64 stall, refaults, swap_in;

    if (!array)
        return TRUE;
    if (!journal_text_element(array, 0, &stall) || !journal_text_element(array, 1, &refaults) ||
        !journal_text_element(array, 2, &swap_in))
        return FALSE;
    *pace = (ShrinkPace){ (double)stall, (double)refaults, (double)swap_in * KIB };
    return TRUE;
}

static gboolean
read_available(JsonObject *object, ShrinkFigures *figures)
{
    JsonArray *array = journal_text_get_array(object, "available");
    gint64 before, after;

    if (!array)
        return TRUE;
    if (!journal_text_element_scaled(array, 0, KIB, &before) || before < 0 ||
        !journal_text_element_scaled(array, 1, KIB, &after) || after < 0)
        return FALSE;
    figures->available_before = (guint64)before;
    figures->available_after = (guint64)after;
    return TRUE;
}

gboolean
journal_shrink_read(JsonObject *object, GStringChunk *strings, ShrinkEnd *end)
{
    const char *reason = journal_text_get_string(object, "reason");
    guint kind = find_name(kind_names, SHRINK_KINDS, journal_text_get_string(object, "kind"));
    guint outcome = find_name(outcome_names, G_N_ELEMENTS(outcome_names),
                              journal_text_get_string(object, "outcome"));
    ShrinkEnd result = { .kind = (ShrinkKind)kind, .outcome = (ShrinkOutcome)outcome };

    if (kind == SHRINK_KINDS || outcome == G_N_ELEMENTS(outcome_names) ||
        !read_size(object, "before", &result.before) ||
        !read_size(object, "after", &result.after) ||
        !read_size(object, "margin", &result.figures.margin) ||
        !journal_text_get_scaled(object, "watched", MS, &result.figures.watched_us) ||
        !read_available(object, &result.figures) ||
        !read_pace(object, "pace_before", &result.figures.before) ||
        !read_pace(object, "pace_after", &result.figures.after))
        return FALSE;
    result.reason = reason ? g_string_chunk_insert_const(strings, reason) : NULL;
    *end = result;
    return TRUE;
}
