/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Most of what a journal could say is what it said a moment ago. So for each guest
 * there is a Slot with what was written of it last; a cycle writes the difference. What the
 * planner and its parts remember is written once, when the guest's line is: from there on it
 * follows from the samples and the times of the cycles, which is why these are exact and
 * complete. Where somebody else had a hand in it (the guest restarts, its agent answers),
 * which shows by its not being what it was after the last cycle, it is written again.
 *
 * What a decision brings about is not written either: whom it asks for more or less is asked for
 * that from then on, and was at that time.
 *
 * The inputs must be taken down before the planner has changed them (it pins guests, the
 * predictors remember), and what was decided comes after. Between the two, each guest's
 * changes wait as a piece of text; the outcome puts the pieces together.
 */
#include "journal/journal-encoder.h"

#include <string.h>

#include "journal/journal-guest.h"
#include "journal/journal-sample.h"
#include "journal/journal-text.h"

/* A demand that has moved by less of itself is no news: for whoever draws it. */
#define FORECAST_PART 32
/* It is told no more often, since nobody draws finer; ... */
#define FORECAST_LEAST_US (10 * G_USEC_PER_SEC)
/* ... and so often in any case, so that a gap is seen to be one. */
#define FORECAST_MOST_US (60 * G_USEC_PER_SEC)

typedef struct {
    guint number;
    PlanGuest inputs; /* as a reader has them; its pointers are not followed */
    JournalMemory memory;
    Sample sample;
    gboolean has_sample;
    gint64 before_us; /* the time of the sample before that; 0: there was none */
    Forecast parted;  /* the last of which the parts were told */
    guint64 demand;   /* as last told, ... */
    gint64 told_us;   /* ... and when; 0: never */
    guint seen;       /* the latest cycle that it had part in */
} Slot;

/* How a guest's samples begin where there is nothing before them. */
#define SAMPLES "\"samples\":["

/* Where a guest's changes are in JournalEncoder.pieces. */
typedef struct {
    Slot *slot; /* NULL: left out */
    gsize begin, end;
    gsize lone; /* where the one difference is that is all of it; 0: there is more */
} Piece;

struct _JournalEncoder {
    GHashTable *only;  /* (nullable): names */
    GHashTable *slots; /* instance -> Slot */
    guint next_number;
    JournalHeader header; /* its texts are not looked at */
    JournalSettings settings;
    gboolean has_settings;
    gint64 now;    /* of the latest cycle that was written */
    GArray *order; /* numbers: as a reader has it, if it is not that of the numbers */

    /* of the cycle under way */
    gboolean open;
    guint cycle; /* counts them */
    gint64 cycle_now;
    GString *lines;  /* that come before the cycle's */
    GString *pieces; /* members of guests */
    GArray *table;   /* Piece, one for each subject */
    GString *events; /* lines that come behind it */
};

JournalEncoder *
journal_encoder_new(const char *const *only)
{
    JournalEncoder *encoder = g_new0(JournalEncoder, 1);

    if (only) {
        encoder->only = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (; *only; only++)
            g_hash_table_add(encoder->only, g_strdup(*only));
    }
    encoder->slots = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    encoder->order = g_array_new(FALSE, FALSE, sizeof(guint));
    encoder->lines = g_string_new(NULL);
    encoder->pieces = g_string_new(NULL);
    encoder->table = g_array_new(FALSE, FALSE, sizeof(Piece));
    encoder->events = g_string_new(NULL);
    return encoder;
}

void
journal_encoder_free(JournalEncoder *encoder)
{
    if (!encoder)
        return;
    g_clear_pointer(&encoder->only, g_hash_table_unref);
    g_hash_table_unref(encoder->slots);
    g_array_unref(encoder->order);
    g_string_free(encoder->lines, TRUE);
    g_string_free(encoder->pieces, TRUE);
    g_array_unref(encoder->table);
    g_string_free(encoder->events, TRUE);
    g_free(encoder);
}

static gboolean
is_wanted(const JournalEncoder *encoder, const char *name)
{
    return !encoder->only || g_hash_table_contains(encoder->only, name);
}

void
journal_encoder_begin(JournalEncoder *encoder, const JournalHeader *header, GString *out)
{
    g_hash_table_remove_all(encoder->slots);
    g_array_set_size(encoder->order, 0);
    g_string_truncate(encoder->events, 0);
    encoder->next_number = 0;
    encoder->has_settings = FALSE;
    encoder->open = FALSE;
    encoder->header = *header;
    encoder->now = header->now_us;
    journal_lines_append_header(out, header);
}

/*
 * Samples
 */

/* Appends the @n latest samples of @ring to an array, the oldest first. */
static void
append_samples(GString *line, const SampleRing *ring, guint n, Slot *slot, gint64 now)
{
    journal_text_append_key(line, "samples");
    g_string_append_c(line, '[');
    for (guint age = n; age-- > 0;) {
        const Sample *sample = sample_ring_get(ring, age);

        journal_sample_append(line, sample, slot->has_sample ? &slot->sample : NULL, now);
        if (age > 0)
            g_string_append_c(line, ',');
        slot->sample = *sample;
        slot->has_sample = TRUE;
    }
    g_string_append_c(line, ']');
}

/* What became of the last sample that was written. */
typedef enum {
    LAST_THERE,
    LAST_AMENDED, /* a later one has taken its place */
    LAST_GONE,    /* with all before it */
} LastSample;

/* Returns: how many samples have come since the last one that was written. */
static guint
count_new(const SampleRing *ring, const Slot *slot, LastSample *last)
{
    const Sample *sample;
    guint n = 0;

    while ((sample = sample_ring_get(ring, n)) &&
           (!slot->has_sample || sample->time_us > slot->sample.time_us))
        n++;
    *last = LAST_THERE;
    if (n == 0 && slot->has_sample && sample && sample->time_us == slot->sample.time_us &&
        memcmp(sample, &slot->sample, sizeof *sample) != 0) {
        *last = LAST_AMENDED; /* within the same millisecond */
        return 1;
    }
    if (slot->has_sample && (!sample || sample->time_us != slot->sample.time_us))
        *last = n > 0 && slot->before_us != 0 && sample && sample->time_us == slot->before_us
                    ? LAST_AMENDED
                    : LAST_GONE;
    return n;
}

/* Of which a reader has all but those that have come. */
static void
note_before(Slot *slot, const SampleRing *ring)
{
    const Sample *before = sample_ring_get(ring, 1);

    slot->before_us = before ? before->time_us : 0;
}

/*
 * The inputs of one guest
 */

static Slot *
introduce(JournalEncoder *encoder, const JournalSubject *subject)
{
    const PlanGuest *plan = subject->plan;
    GString *line = encoder->lines;
    Slot *slot = g_new0(Slot, 1);

    slot->number = encoder->next_number++;
    g_string_append_c(line, '{');
    journal_text_add_unsigned(line, "guest", slot->number);
    journal_lines_add_time(line, encoder->cycle_now - encoder->now);
    journal_text_add_string(line, "name", subject->name);
    journal_text_add_string(line, "instance", subject->instance);
    journal_text_add_string(line, "predictor", plan->predictor->name);
    journal_guest_add_memory(line, plan, NULL);
    journal_text_add_unsigned(line, "raw", plan->raw);
    journal_guest_add_inputs(line, plan, NULL);
    append_samples(line, plan->ring, plan->ring->count, slot, encoder->cycle_now);
    note_before(slot, plan->ring);
    g_string_append(line, "}\n");
    g_hash_table_insert(encoder->slots, g_strdup(subject->instance), slot);
    return slot;
}

/* Returns: where the only difference is, if there is nothing else; 0 otherwise. */
static gsize
add_changes(JournalEncoder *encoder, const JournalSubject *subject, Slot *slot)
{
    const PlanGuest *plan = subject->plan;
    GString *piece = encoder->pieces;
    gsize begin = piece->len, at;
    LastSample last;
    guint n = count_new(plan->ring, slot, &last);

    if (plan->predictor != slot->inputs.predictor)
        journal_text_add_string(piece, "predictor", plan->predictor->name);
    journal_guest_add_memory(piece, plan, &slot->memory);
    if (last == LAST_GONE) {
        journal_text_add_flag(piece, "emptied", TRUE);
        slot->has_sample = FALSE; /* nothing is left that a sample could differ from */
    } else if (last == LAST_AMENDED) {
        journal_text_add_flag(piece, "amended", TRUE);
    }
    journal_guest_add_inputs(piece, plan, &slot->inputs);
    if (n == 0)
        return 0;
    at = piece->len;
    append_samples(piece, plan->ring, n, slot, encoder->cycle_now);
    note_before(slot, plan->ring);
    at += strlen(SAMPLES);
    return n == 1 && begin + strlen(SAMPLES) == at && piece->str[at] == '[' ? at : 0;
}

static void
take_down(JournalEncoder *encoder, const JournalSubject *subject)
{
    Piece piece = { 0 };

    if (is_wanted(encoder, subject->name)) {
        g_string_append_c(encoder->pieces, '{');
        piece.begin = encoder->pieces->len;
        piece.slot = g_hash_table_lookup(encoder->slots, subject->instance);
        if (!piece.slot)
            piece.slot = introduce(encoder, subject);
        else
            piece.lone = add_changes(encoder, subject, piece.slot);
        piece.end = encoder->pieces->len;
        piece.slot->inputs = *subject->plan;
        piece.slot->seen = encoder->cycle;
    }
    g_array_append_val(encoder->table, piece);
}

void
journal_encoder_inputs(JournalEncoder *encoder, const JournalSubject *subjects, gsize n_subjects,
                       gint64 now)
{
    encoder->open = TRUE;
    encoder->cycle++;
    encoder->cycle_now = now;
    g_string_truncate(encoder->lines, 0);
    g_string_truncate(encoder->pieces, 0);
    g_array_set_size(encoder->table, 0);
    for (gsize i = 0; i < n_subjects; i++)
        take_down(encoder, &subjects[i]);
}

void
journal_encoder_settings(JournalEncoder *encoder, const JournalSettings *settings)
{
    const JournalSettings *before = encoder->has_settings ? &encoder->settings : NULL;

    if (before && journal_lines_same_settings(before, settings))
        return;
    journal_lines_append_settings(encoder->lines, settings, before);
    encoder->settings = *settings;
    encoder->has_settings = TRUE;
}

/*
 * The outcome
 */

static gboolean
is_news(const Slot *slot, guint64 demand, gint64 now)
{
    guint64 moved = demand > slot->demand ? demand - slot->demand : slot->demand - demand;

    if (slot->told_us == 0)
        return TRUE;
    return now - slot->told_us >=
           (moved > slot->demand / FORECAST_PART ? FORECAST_LEAST_US : FORECAST_MOST_US);
}

/* What follows from the decision that is written, for a reader. */
static void
follow(const JournalEncoder *encoder, const JournalSubject *subject, PlanGuest *inputs)
{
    if (!subject->decided || encoder->header.dry_run)
        return;
    if (subject->plan->target > inputs->requested)
        inputs->grown_us = encoder->cycle_now;
    else
        inputs->shrunk_us = encoder->cycle_now;
    inputs->requested = subject->plan->target;
}

/* Whether the parts of @forecast are told by those of @told: each as near as makes no odds. */
static gboolean
has_same_parts(const Forecast *told, const Forecast *forecast)
{
    if (told->n_parts != forecast->n_parts || told->decisive != forecast->decisive)
        return FALSE;
    for (guint i = 0; i < told->n_parts; i++) {
        guint64 a = told->parts[i].bytes, b = forecast->parts[i].bytes;

        if (told->parts[i].name != forecast->parts[i].name || (a == 0) != (b == 0) ||
            MAX(a, b) - MIN(a, b) > a / FORECAST_PART)
            return FALSE;
    }
    return TRUE;
}

static void
add_decision(const JournalEncoder *encoder, const JournalSubject *subject, Slot *slot, GString *out)
{
    const PlanGuest *plan = subject->plan;
    JournalDecision decision = { .id = subject->decision,
                                 .from = subject->requested,
                                 .raw = plan->raw,
                                 .target = plan->target,
                                 .limits = plan->limits,
                                 .forecast = plan->forecast };

    if (has_same_parts(&slot->parted, &plan->forecast))
        decision.forecast.n_parts = 0;
    else
        slot->parted = plan->forecast;
    journal_lines_add_decision(out, &decision, slot->inputs.requested,
                               journal_lines_wall(&encoder->header, encoder->cycle_now));
}

/* Appends what is new of one guest. */
static void
append_guest(JournalEncoder *encoder, const JournalSubject *subject, const Piece *piece,
             GString *out)
{
    const PlanGuest *plan = subject->plan;
    Slot *slot = piece->slot;
    gboolean forecast = plan->forecast.valid && !subject->decided &&
                        is_news(slot, plan->forecast.demand, encoder->cycle_now);

    if (piece->end == piece->begin && !forecast && !subject->decided)
        return;
    if (out->str[out->len - 1] != '{')
        g_string_append_c(out, ',');
    g_string_append_printf(out, "\"%u\":", slot->number);
    if (piece->lone > 0 && !forecast && !subject->decided) {
        g_string_append_len(out, encoder->pieces->str + piece->lone,
                            (gssize)(piece->end - piece->lone - 1));
        return;
    }
    g_string_append_c(out, '{');
    g_string_append_len(out, encoder->pieces->str + piece->begin,
                        (gssize)(piece->end - piece->begin));
    if (forecast)
        journal_lines_add_forecast(out, &plan->forecast);
    if (subject->decided)
        add_decision(encoder, subject, slot, out);
    if (forecast || subject->decided) {
        slot->demand = plan->forecast.demand;
        slot->told_us = encoder->cycle_now;
    }
    g_string_append_c(out, '}');
}

/* Those that had no part in this cycle. */
static void
add_gone(JournalEncoder *encoder, GString *out)
{
    const char *separator = "";
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, encoder->slots);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Slot *slot = value;

        if (slot->seen == encoder->cycle)
            continue;
        if (!*separator) {
            journal_text_append_key(out, "gone");
            g_string_append_c(out, '[');
        }
        g_string_append_printf(out, "%s%u", separator, slot->number);
        separator = ",";
        g_hash_table_iter_remove(&iter);
    }
    if (*separator)
        g_string_append_c(out, ']');
}

static gboolean
same_order(GArray *a, GArray *b)
{
    return a->len == b->len &&
           (a->len == 0 || memcmp(a->data, b->data, a->len * sizeof(guint)) == 0);
}

/* Guests are numbered as they come, so that their order rarely needs a word. */
static void
add_order(JournalEncoder *encoder, GString *out)
{
    g_autoptr(GArray) order = g_array_new(FALSE, FALSE, sizeof(guint));
    gboolean ascends = TRUE;

    for (guint i = 0; i < encoder->table->len; i++) {
        const Slot *slot = g_array_index(encoder->table, Piece, i).slot;

        if (!slot)
            continue;
        ascends = ascends &&
                  (order->len == 0 || slot->number > g_array_index(order, guint, order->len - 1));
        g_array_append_val(order, slot->number);
    }
    if (ascends ? encoder->order->len == 0 : same_order(order, encoder->order))
        return;
    journal_text_append_key(out, "order");
    for (guint i = 0; i < order->len; i++)
        g_string_append_printf(out, "%c%u", i == 0 ? '[' : ',', g_array_index(order, guint, i));
    g_string_append(out, order->len == 0 ? "[]" : "]");
    g_array_set_size(encoder->order, 0);
    if (!ascends)
        g_array_append_vals(encoder->order, order->data, order->len);
}

void
journal_encoder_outcome(JournalEncoder *encoder, const JournalSubject *subjects, gsize n_subjects,
                        GString *out)
{
    gsize begin;

    /* A file that was begun in the midst of a cycle has nothing of it. */
    if (!encoder->open)
        return;
    g_return_if_fail(n_subjects == encoder->table->len);
    g_string_append_len(out, encoder->lines->str, (gssize)encoder->lines->len);
    g_string_append_c(out, '{');
    journal_lines_add_time(out, encoder->cycle_now - encoder->now);

    begin = out->len;
    g_string_append(out, ",\"guests\":{");
    for (gsize i = 0; i < n_subjects; i++) {
        const Piece *piece = &g_array_index(encoder->table, Piece, i);

        if (!piece->slot)
            continue;
        append_guest(encoder, &subjects[i], piece, out);
        journal_guest_remember(subjects[i].plan, &piece->slot->memory);
        follow(encoder, &subjects[i], &piece->slot->inputs);
    }
    if (out->str[out->len - 1] == '{')
        g_string_truncate(out, begin);
    else
        g_string_append_c(out, '}');

    add_gone(encoder, out);
    add_order(encoder, out);
    g_string_append(out, "}\n");
    g_string_append_len(out, encoder->events->str, (gssize)encoder->events->len);
    g_string_truncate(encoder->events, 0);
    encoder->now = encoder->cycle_now;
    encoder->open = FALSE;
}

void
journal_encoder_event(JournalEncoder *encoder, const JournalEvent *event, GString *out)
{
    if (*event->guest && !is_wanted(encoder, event->guest))
        return;
    if (encoder->open)
        journal_lines_append_event(encoder->events, event, encoder->cycle_now);
    else
        journal_lines_append_event(out, event, encoder->now);
}
