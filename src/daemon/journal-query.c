/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A decision's id is the time at which it was taken, and a file's name the time at which
 * it was begun: so the file to look into is known. It is decoded from its beginning, since
 * each line tells only what has changed. What came of a decision may stand in the next
 * file; it is followed there, too.
 *
 * Of "the latest" decision it is not known where it is: files are looked into from the
 * newest on, but no more than LOOK_MOST of them.
 */
#include "daemon/journal-query.h"

#include "daemon/journal-writer.h"
#include "journal/journal-decoder.h"
#include "journal/journal-file.h"
#include "journal/journal-guest.h"
#include "journal/journal-report.h"
#include "journal/journal-shrink.h"

/* A guest of which that many files say nothing has not been decided on for hours. */
#define LOOK_MOST 32

/* A decision's events: some steps; more than that is a guest that does not come to rest. */
#define EVENTS_MOST 64

/* What is looked for, and what was found of it. */
typedef struct {
    const char *guest;
    guint64 decision; /* 0: the latest */
    gboolean found;
    gboolean over; /* another has taken its place: the cycle's events belong to it still */
    gboolean done; /* there is no more to be said of it */
    GVariantDict *result;
    GVariantBuilder *events;
    guint n_events;
    const char *outcome;
} Search;

static void
search_begin(Search *search)
{
    search->found = TRUE;
    search->n_events = 0;
    search->outcome = "moving";
    g_variant_dict_unref(search->result);
    search->result = g_variant_dict_new(NULL);
    g_variant_builder_unref(search->events);
    search->events = g_variant_builder_new(G_VARIANT_TYPE("aa{sv}"));
}

/*
 * What a decision was made of
 */

static void
add_sample(GVariantDict *dict, const JournalGuest *guest, gint64 now)
{
    const Sample *sample = sample_ring_get(&guest->ring, 0);
    g_auto(GVariantDict) told = G_VARIANT_DICT_INIT(NULL);

    if (!sample)
        return;
    g_variant_dict_insert(&told, "age_us", "x", now - sample->time_us);
    g_variant_dict_insert(&told, "source", "s", sample_source_name(sample->source));
    g_variant_dict_insert(&told, "total", "t", sample->total);
    g_variant_dict_insert(&told, "free", "t", sample->free);
    g_variant_dict_insert(&told, "available", "t", sample->available);
    g_variant_dict_insert(&told, "cached", "t", sample->cached);
    g_variant_dict_insert_value(dict, "sample", g_variant_dict_end(&told));
}

static void
add_parts(GVariantDict *dict, const Forecast *forecast)
{
    GVariantBuilder parts;

    g_variant_builder_init(&parts, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < forecast->n_parts; i++) {
        g_auto(GVariantDict) part = G_VARIANT_DICT_INIT(NULL);

        g_variant_dict_insert(&part, "name", "s", forecast->parts[i].name);
        g_variant_dict_insert(&part, "bytes", "t", forecast->parts[i].bytes);
        g_variant_dict_insert(&part, "decided", "b", i == forecast->decisive);
        g_variant_builder_add_value(&parts, g_variant_dict_end(&part));
    }
    g_variant_dict_insert_value(dict, "parts", g_variant_builder_end(&parts));
}

static void
add_limits(GVariantDict *dict, guint limits)
{
    GVariantBuilder texts, names;

    g_variant_builder_init(&texts, G_VARIANT_TYPE("as"));
    g_variant_builder_init(&names, G_VARIANT_TYPE("as"));
    for (guint bit = 1; journal_limit_name((Limit)bit); bit <<= 1) {
        if (!(limits & bit))
            continue;
        g_variant_builder_add(&texts, "s", limit_describe((Limit)bit));
        g_variant_builder_add(&names, "s", journal_limit_name((Limit)bit));
    }
    g_variant_dict_insert_value(dict, "limits", g_variant_builder_end(&names));
    g_variant_dict_insert_value(dict, "limit_texts", g_variant_builder_end(&texts));
}

static void
add_inputs(GVariantDict *dict, const JournalDecoder *decoder, const JournalGuest *guest)
{
    const PlanGuest *plan = &guest->plan;
    const JournalSettings *settings = &decoder->settings;

    g_variant_dict_insert(dict, "policy", "s", settings->policy_name ? settings->policy_name : "");
    g_variant_dict_insert(dict, "predictor", "s", guest->predictor_name);
    g_variant_dict_insert(dict, "budget", "t", settings->plan.budget);
    g_variant_dict_insert(dict, "actual", "t", plan->actual);
    g_variant_dict_insert(dict, "floor", "t", plan->floor);
    g_variant_dict_insert(dict, "ceiling", "t", plan->ceiling);
    g_variant_dict_insert(dict, "weight", "d", plan->weight);
    g_variant_dict_insert(dict, "grain", "t", plan->grain);
    if (plan->asking || plan->urgent > 0)
        g_variant_dict_insert(dict, "asked_for", "t", plan->urgent);
    add_sample(dict, guest, decoder->now_us);
}

static void
take_decision(Search *search, const JournalDecoder *decoder, const JournalGuest *guest)
{
    const JournalDecision *decision = &guest->decision;
    GVariantDict *dict;

    search_begin(search);
    dict = search->result;
    g_variant_dict_insert(dict, "kind", "s", "policy");
    g_variant_dict_insert(dict, "guest", "s", guest->name);
    g_variant_dict_insert(dict, "decision", "t", decision->id);
    g_variant_dict_insert(dict, "time_us", "t",
                          (guint64)journal_decoder_wall(decoder, decoder->now_us));
    g_variant_dict_insert(dict, "from", "t", decision->from);
    g_variant_dict_insert(dict, "raw", "t", decision->raw);
    g_variant_dict_insert(dict, "target", "t", decision->target);
    g_variant_dict_insert(dict, "demand", "t", decision->forecast.demand);
    g_variant_dict_insert(dict, "need", "t", decision->forecast.need);
    g_variant_dict_insert(dict, "used", "t", decision->forecast.used);
    g_variant_dict_insert(dict, "pressed", "b", decision->forecast.pressed);
    g_variant_dict_insert(dict, "urgent", "b", decision->forecast.urgent);
    g_variant_dict_insert(dict, "reason", "s", decision->forecast.reason);
    add_parts(dict, &decision->forecast);
    add_limits(dict, decision->limits);
    add_inputs(dict, decoder, guest);
    if (decoder->header.dry_run) {
        search->outcome = "proposed";
        search->done = search->decision != 0;
    }
}

/* An administrator's word, which stands in the journal as an event. */
static void
take_word(Search *search, const JournalDecoder *decoder)
{
    const JournalEvent *event = &decoder->event;

    search_begin(search);
    g_variant_dict_insert(search->result, "kind", "s", "hand");
    g_variant_dict_insert(search->result, "guest", "s", event->guest);
    g_variant_dict_insert(search->result, "decision", "t", event->decision);
    g_variant_dict_insert(search->result, "time_us", "t",
                          (guint64)journal_decoder_wall(decoder, event->now_us));
    g_variant_dict_insert(search->result, "reason", "s", event->message);
}

/*
 * The search
 */

static guint64
decision_in_hand(const Search *search)
{
    guint64 decision = 0;

    if (search->found)
        g_variant_dict_lookup(search->result, "decision", "t", &decision);
    return decision;
}

static void
look_at_cycle(Search *search, const JournalDecoder *decoder)
{
    const JournalGuest *guest = journal_decoder_find(decoder, search->guest);

    search->done = search->over;
    if (search->done || !guest || !guest->decided)
        return;
    if (search->decision == 0 || guest->decision.id == search->decision) {
        take_decision(search, decoder, guest);
    } else if (search->found && guest->decision.id > search->decision) {
        /* Another one has taken its place before it was done. */
        g_variant_dict_insert(search->result, "next", "t", guest->decision.id);
        if (g_str_equal(search->outcome, "moving"))
            search->outcome = "superseded";
        search->over = TRUE;
    }
}

static void
add_pace(GVariantDict *dict, const char *when, const ShrinkPace *pace)
{
    const struct {
        const char *what;
        double value;
    } values[] = { { "stall_us", pace->stall_us },
                   { "refaults", pace->refaults },
                   { "swap_in", pace->swap_in } };

    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autofree char *key = g_strdup_printf("%s_%s", values[i].what, when);

        g_variant_dict_insert(dict, key, "d", values[i].value);
    }
}

/* What became of a step on trial, in figures; each a second where it is a pace. */
static GVariant *
shrink_variant(const ShrinkEnd *end)
{
    const ShrinkFigures *figures = &end->figures;
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&dict, "kind", "s", journal_shrink_kind_name(end->kind));
    g_variant_dict_insert(&dict, "outcome", "s", journal_shrink_outcome_name(end->outcome));
    g_variant_dict_insert(&dict, "reason", "s", end->reason ? end->reason : "");
    g_variant_dict_insert(&dict, "before", "t", end->before);
    g_variant_dict_insert(&dict, "after", "t", end->after);
    if (figures->margin > 0)
        g_variant_dict_insert(&dict, "margin", "t", figures->margin);
    if (figures->watched_us > 0) {
        g_variant_dict_insert(&dict, "watched_us", "x", figures->watched_us);
        g_variant_dict_insert(&dict, "available_before", "t", figures->available_before);
        g_variant_dict_insert(&dict, "available_after", "t", figures->available_after);
        add_pace(&dict, "before", &figures->before);
        add_pace(&dict, "after", &figures->after);
    }
    return g_variant_dict_end(&dict);
}

/* What an agent refused led to no decision; it is told with the one before. */
static gboolean
belongs(const Search *search, const JournalEvent *event)
{
    if (!search->found)
        return FALSE;
    return event->decision == decision_in_hand(search) ||
           (event->decision == 0 && event->shrink != NULL);
}

static void
look_at_event(Search *search, const JournalDecoder *decoder)
{
    const JournalEvent *event = &decoder->event;
    gboolean word = g_str_equal(event->kind, "held");
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    if (!g_str_equal(event->guest, search->guest))
        return;
    if (word && event->decision > 0 &&
        (search->decision == 0 || event->decision == search->decision))
        take_word(search, decoder);
    if (!belongs(search, event) || search->n_events >= EVENTS_MOST)
        return;
    search->n_events++;
    g_variant_dict_insert(&dict, "time_us", "t",
                          (guint64)journal_decoder_wall(decoder, event->now_us));
    g_variant_dict_insert(&dict, "kind", "s", event->kind);
    g_variant_dict_insert(&dict, "message", "s", event->message);
    if (event->shrink)
        g_variant_dict_insert_value(&dict, "shrink", shrink_variant(event->shrink));
    g_variant_builder_add_value(search->events, g_variant_dict_end(&dict));
    if (g_str_equal(event->kind, "settled") || g_str_equal(event->kind, "short"))
        search->outcome = g_str_equal(event->kind, "short") ? "short" : "settled";
}

/* A file that cannot be read to its end has said what it has to say. */
static void
look_into(Search *search, const char *path)
{
    g_autoptr(JournalFile) file = journal_file_open(path, NULL);
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();
    const char *line;
    gsize length;

    while (file && !search->done && (line = journal_file_next(file, &length, NULL))) {
        JournalLineKind kind;

        if (!journal_decoder_feed(decoder, line, (gssize)length, &kind, NULL))
            return;
        if (kind == JOURNAL_LINE_CYCLE)
            look_at_cycle(search, decoder);
        else if (kind == JOURNAL_LINE_EVENT)
            look_at_event(search, decoder);
    }
}

/* From the file that the decision must be in. */
static void
search_known(Search *search, char **paths, const char *prefix)
{
    guint n = g_strv_length(paths);
    guint at = n;

    while (at > 0 && (guint64)journal_writer_begun(paths[at - 1], prefix) > search->decision)
        at--;
    for (guint i = at > 0 ? at - 1 : 0; i < n && !search->done; i++) {
        look_into(search, paths[i]);
        /* Not where it must be: nowhere. What came of it stands in the next file at most. */
        if (!search->found || i > at)
            return;
    }
}

static void
search_latest(Search *search, char **paths)
{
    guint n = g_strv_length(paths);

    for (guint i = 0; i < MIN(n, LOOK_MOST) && !search->found; i++)
        look_into(search, paths[n - 1 - i]);
}

GVariant *
journal_query_explain(const char *folder, const char *prefix, const char *guest, guint64 decision,
                      GError **error)
{
    g_auto(GStrv) paths = journal_writer_list(folder, prefix);
    Search search = { .guest = guest, .decision = decision, .outcome = "" };
    GVariant *result = NULL;

    search.result = g_variant_dict_new(NULL);
    search.events = g_variant_builder_new(G_VARIANT_TYPE("aa{sv}"));
    if (decision > 0)
        search_known(&search, paths, prefix);
    else
        search_latest(&search, paths);
    if (search.found) {
        g_variant_dict_insert(search.result, "outcome", "s", search.outcome);
        g_variant_dict_insert_value(search.result, "events", g_variant_builder_end(search.events));
        result = g_variant_ref_sink(g_variant_dict_end(search.result));
    } else if (decision > 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "the journal has no decision %" G_GUINT64_FORMAT
                    " of it, or no longer; 'memplug events' tells the numbers of new ones",
                    decision);
    } else {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                            "the journal tells of no decision on it");
    }
    g_variant_dict_unref(search.result);
    g_variant_builder_unref(search.events);
    return result;
}

/*
 * History
 */

typedef struct {
    guint64 time_us; /* 0: nothing is known */
    guint64 actual, requested, demand, used;
} Point;

typedef struct {
    const char *guest;
    gint64 since_us, until_us;
    guint most;
    Point *points; /* one for each part of the time */
    Point latest;  /* a forecast holds until there is another */
} History;

static void
note_point(History *history, const JournalDecoder *decoder)
{
    const JournalGuest *guest = journal_decoder_find(decoder, history->guest);
    gint64 time_us = journal_decoder_wall(decoder, decoder->now_us);
    gdouble part;

    if (!guest)
        return;
    if (guest->told || guest->decided) {
        const Forecast *forecast = guest->decided ? &guest->decision.forecast : &guest->forecast;

        history->latest.demand = forecast->demand;
        history->latest.used = forecast->used;
    }
    if (time_us < history->since_us || time_us >= history->until_us)
        return;
    history->latest.time_us = (guint64)time_us;
    history->latest.actual = guest->plan.actual;
    history->latest.requested = guest->decided ? guest->decision.target : guest->plan.requested;
    part = (double)(time_us - history->since_us) / (double)(history->until_us - history->since_us) *
           history->most;
    history->points[MIN((guint)part, history->most - 1)] = history->latest;
}

static void
read_history(History *history, const char *path)
{
    g_autoptr(JournalFile) file = journal_file_open(path, NULL);
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();
    const char *line;
    gsize length;

    while (file && (line = journal_file_next(file, &length, NULL))) {
        JournalLineKind kind;

        if (!journal_decoder_feed(decoder, line, (gssize)length, &kind, NULL))
            return;
        if (kind == JOURNAL_LINE_CYCLE)
            note_point(history, decoder);
    }
}

GVariant *
journal_query_history(const char *folder, const char *prefix, const char *guest, gint64 since_us,
                      gint64 until_us, guint most)
{
    g_auto(GStrv) paths = journal_writer_list_span(folder, prefix, since_us, until_us);
    g_autofree Point *points = g_new0(Point, most);
    History history = { guest, since_us, until_us, most, points, { 0 } };
    GVariantBuilder all;

    for (guint i = 0; paths[i]; i++)
        read_history(&history, paths[i]);
    g_variant_builder_init(&all, G_VARIANT_TYPE("a(ttttt)"));
    for (guint i = 0; i < most; i++) {
        if (points[i].time_us > 0)
            g_variant_builder_add(&all, "(ttttt)", points[i].time_us, points[i].actual,
                                  points[i].requested, points[i].demand, points[i].used);
    }
    return g_variant_ref_sink(g_variant_builder_end(&all));
}

/*
 * Report
 */

static void
read_report(JournalReport *report, const char *path)
{
    g_autoptr(JournalFile) file = journal_file_open(path, NULL);
    g_autoptr(JournalDecoder) decoder = journal_decoder_new();
    const char *line;
    gsize length;

    while (file && (line = journal_file_next(file, &length, NULL))) {
        JournalLineKind kind;

        if (!journal_decoder_feed(decoder, line, (gssize)length, &kind, NULL))
            return;
        journal_report_line(report, decoder, kind);
    }
}

static guint64
mean(double area, gint64 us)
{
    return us > 0 ? (guint64)(area / (double)us) : 0;
}

static GVariant *
tell_account(const JournalAccount *account)
{
    const struct {
        const char *key;
        guint64 value;
    } values[] = {
        { "known_us", (guint64)account->known_us },
        { "actual_mean", mean(account->actual, account->known_us) },
        { "actual_peak", account->actual_peak },
        { "actual_least", MIN(account->actual_least, account->actual_peak) },
        { "requested_mean", mean(account->requested, account->known_us) },
        { "churn", account->churn },
        { "demand_mean", mean(account->demand, account->forecast_us) },
        { "demand_peak", account->demand_peak },
        { "used_mean", mean(account->used, account->forecast_us) },
        { "used_peak", account->used_peak },
        { "short_us", (guint64)account->short_us },
        { "lacked_mean", mean(account->lacked, account->known_us) },
        { "swap_in", account->swap_in },
        { "swap_out", account->swap_out },
        { "stall_some_us", account->stall_some_us },
        { "stall_full_us", account->stall_full_us },
        { "oom_kills", account->oom_kills },
        { "decisions", account->decisions },
        { "steps", account->steps },
        { "shorts", account->shorts },
        { "urgents", account->urgents },
    };
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&dict, "guest", "s", account->name);
    for (gsize i = 0; i < G_N_ELEMENTS(values); i++)
        g_variant_dict_insert(&dict, values[i].key, "t", values[i].value);
    return g_variant_dict_end(&dict);
}

GVariant *
journal_query_report(const char *folder, const char *prefix, const char *const *guests,
                     gint64 since_us, gint64 until_us)
{
    g_auto(GStrv) paths = journal_writer_list_span(folder, prefix, since_us, until_us);
    g_autoptr(JournalReport) report = journal_report_new(since_us, until_us);
    GVariantBuilder all;

    for (guint i = 0; paths[i]; i++)
        read_report(report, paths[i]);
    g_variant_builder_init(&all, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < report->accounts->len; i++) {
        const JournalAccount *account = report->accounts->pdata[i];

        if (account->known_us > 0 &&
            (!guests || !*guests || g_strv_contains(guests, account->name)))
            g_variant_builder_add_value(&all, tell_account(account));
    }
    return g_variant_ref_sink(g_variant_builder_end(&all));
}
