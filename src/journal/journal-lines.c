/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/journal-lines.h"

#include <math.h>
#include <string.h>

#include "journal/journal-guest.h"
#include "journal/journal-shrink.h"
#include "journal/journal-text.h"

/* Times since something are written in milliseconds. */
#define TIME_UNIT 1000

/* What a decision asks for must come out to the byte; mostly it is whole MiB. */
#define TARGET_UNIT 1024

/* What only explains need not: to the MiB. */
#define MIB 1048576.0

void
journal_lines_add_time(GString *line, gint64 time_us)
{
    journal_text_add_scaled(line, "t", time_us, TIME_UNIT);
}

gboolean
journal_lines_read_time(JsonObject *object, guint version, gint64 *time_us)
{
    return journal_text_get_scaled(object, "t", version == 1 ? 1 : TIME_UNIT, time_us);
}

/*
 * The first line
 */

void
journal_lines_append_header(GString *out, const JournalHeader *header)
{
    g_string_append_c(out, '{');
    journal_text_add_unsigned(out, "journal", JOURNAL_VERSION);
    journal_text_add_string(out, "memplug", header->program);
    journal_text_add_string(out, "uri", header->uri);
    journal_text_add_signed(out, "wall_us", header->wall_us);
    journal_text_add_signed(out, "now_us", header->now_us);
    journal_text_add_unsigned(out, "host_memory", header->host_memory);
    journal_text_add_flag(out, "dry_run", header->dry_run);
    g_string_append(out, "}\n");
}

static const char *
keep(GStringChunk *strings, const char *text)
{
    return g_string_chunk_insert_const(strings, text ? text : "");
}

gboolean
journal_lines_read_header(JsonObject *object, GStringChunk *strings, JournalHeader *header)
{
    JournalHeader result = { 0 };
    guint64 version = 0;

    if (!journal_text_get_unsigned(object, "journal", &version) || version < 1 ||
        version > JOURNAL_VERSION || !journal_text_get_signed(object, "wall_us", &result.wall_us) ||
        !journal_text_get_signed(object, "now_us", &result.now_us) ||
        !journal_text_get_unsigned(object, "host_memory", &result.host_memory) ||
        !journal_text_get_flag(object, "dry_run", &result.dry_run))
        return FALSE;
    result.version = (guint)version;
    result.program = keep(strings, journal_text_get_string(object, "memplug"));
    result.uri = keep(strings, journal_text_get_string(object, "uri"));
    *header = result;
    return TRUE;
}

/*
 * Settings
 */

static gboolean
same_tuning(const LimitTuning *s, const LimitTuning *t)
{
    return s->dead_band_min == t->dead_band_min && s->shrink_step_min == t->shrink_step_min &&
           s->cool_down_us == t->cool_down_us && !s->undamped == !t->undamped &&
           !(s->dead_band < t->dead_band) && !(s->dead_band > t->dead_band) &&
           !(s->shrink_step < t->shrink_step) && !(s->shrink_step > t->shrink_step);
}

/* All but policy, budget and what is claimed of it. */
static gboolean
same_configuration(const JournalSettings *a, const JournalSettings *b)
{
    return a->plan.host_total == b->plan.host_total && !a->plan.share == !b->plan.share &&
           a->plan.probe == b->plan.probe && a->interval_us == b->interval_us &&
           same_tuning(&a->plan.tuning, &b->plan.tuning);
}

gboolean
journal_lines_same_settings(const JournalSettings *a, const JournalSettings *b)
{
    return a->plan.policy == b->plan.policy && a->plan.budget == b->plan.budget &&
           a->plan.claimed == b->plan.claimed && same_configuration(a, b);
}

static void
add_tuning(GString *out, const LimitTuning *tuning)
{
    journal_text_add_real(out, "dead_band", tuning->dead_band);
    journal_text_add_unsigned(out, "dead_band_min", tuning->dead_band_min);
    journal_text_add_real(out, "shrink_step", tuning->shrink_step);
    journal_text_add_unsigned(out, "shrink_step_min", tuning->shrink_step_min);
    journal_text_add_signed(out, "cool_down_us", tuning->cool_down_us);
    journal_text_add_flag(out, "undamped", tuning->undamped);
}

gint64
journal_lines_wall(const JournalHeader *header, gint64 now_us)
{
    return (gint64)((guint64)now_us + ((guint64)header->wall_us - (guint64)header->now_us));
}

void
journal_lines_append_settings(GString *out, const JournalSettings *settings,
                              const JournalSettings *before)
{
    const PlanSettings *plan = &settings->plan, *old = before ? &before->plan : NULL;

    g_string_append(out, "{\"settings\":{");
    if (!old || plan->policy != old->policy)
        journal_text_add_string(out, "policy", plan->policy->name);
    if (!old || plan->budget != old->budget)
        journal_text_add_unsigned(out, "budget", plan->budget);
    if (!old || plan->claimed != old->claimed)
        journal_text_add_unsigned(out, "claimed", plan->claimed);
    /* What an administrator changes is rare. */
    if (!old || !same_configuration(settings, before)) {
        journal_text_add_unsigned(out, "host_total", plan->host_total);
        journal_text_add_string(out, "probe", probe_mode_name(plan->probe));
        journal_text_add_flag(out, "share", plan->share);
        journal_text_add_signed(out, "interval_us", settings->interval_us);
        add_tuning(out, &plan->tuning);
    }
    journal_text_add_signed(out, "spoken_us", plan->spoken_us ? *plan->spoken_us : 0);
    g_string_append(out, "}}\n");
}

void
journal_lines_start_settings(JournalSettings *settings)
{
    *settings = (JournalSettings){ .plan.tuning = limit_tuning_default };
    probe_mode_parse("wanted", &settings->plan.probe);
}

gboolean
journal_lines_read_settings(JsonObject *object, GStringChunk *strings, JournalSettings *settings)
{
    const char *policy = journal_text_get_string(object, "policy");
    const char *probe = journal_text_get_string(object, "probe");
    JournalSettings result = *settings;
    LimitTuning *tuning = &result.plan.tuning;

    if ((!policy && !settings->policy_name) ||
        !journal_text_get_unsigned(object, "budget", &result.plan.budget) ||
        !journal_text_get_unsigned(object, "claimed", &result.plan.claimed) ||
        !journal_text_get_unsigned(object, "host_total", &result.plan.host_total) ||
        (probe && !probe_mode_parse(probe, &result.plan.probe)) ||
        !journal_text_get_flag(object, "share", &result.plan.share) ||
        !journal_text_get_signed(object, "spoken_us", &result.spoken_us) ||
        !journal_text_get_signed(object, "interval_us", &result.interval_us) ||
        !journal_text_get_real(object, "dead_band", &tuning->dead_band) ||
        !journal_text_get_unsigned(object, "dead_band_min", &tuning->dead_band_min) ||
        !journal_text_get_real(object, "shrink_step", &tuning->shrink_step) ||
        !journal_text_get_unsigned(object, "shrink_step_min", &tuning->shrink_step_min) ||
        !journal_text_get_signed(object, "cool_down_us", &tuning->cool_down_us) ||
        !journal_text_get_flag(object, "undamped", &tuning->undamped))
        return FALSE;
    if (policy) {
        result.policy_name = keep(strings, policy);
        result.plan.policy = policy_find(policy);
    }
    *settings = result;
    settings->plan.spoken_us = &settings->spoken_us;
    return TRUE;
}

/*
 * Events
 */

void
journal_lines_append_event(GString *out, const JournalEvent *event, gint64 before)
{
    g_string_append_c(out, '{');
    journal_text_add_string(out, "event", event->kind);
    journal_lines_add_time(out, event->now_us - before);
    if (*event->guest)
        journal_text_add_string(out, "guest", event->guest);
    if (event->decision > 0)
        journal_text_add_unsigned(out, "decision", event->decision);
    journal_text_add_string(out, "message", event->message);
    if (event->shrink)
        journal_shrink_add(out, event->shrink);
    g_string_append(out, "}\n");
}

gboolean
journal_lines_read_event(JsonObject *object, guint version, GStringChunk *strings, gint64 before,
                         ShrinkEnd *shrink, JournalEvent *event)
{
    const char *kind = journal_text_get_string(object, "event");
    JsonObject *figures = journal_text_get_object(object, "shrink");
    guint64 decision = 0;
    gint64 since = 0;

    if (!kind || !journal_lines_read_time(object, version, &since) ||
        !journal_text_get_unsigned(object, "decision", &decision) ||
        (figures && !journal_shrink_read(figures, strings, shrink)))
        return FALSE;
    *event = (JournalEvent){
        .kind = keep(strings, kind),
        .guest = keep(strings, journal_text_get_string(object, "guest")),
        .decision = decision,
        .message = keep(strings, journal_text_get_string(object, "message")),
        .now_us = (gint64)((guint64)before + (guint64)since),
        .shrink = figures ? shrink : NULL,
    };
    return TRUE;
}

/*
 * Sizes that explain
 */

static void
append_mib(GString *line, guint64 bytes)
{
    g_string_append_printf(line, "%.0f", (double)bytes / MIB);
}

static gboolean
read_mib(JsonArray *array, guint index, guint64 *bytes)
{
    JsonNode *node =
        index < json_array_get_length(array) ? json_array_get_element(array, index) : NULL;
    double mib;

    if (!node || !JSON_NODE_HOLDS_VALUE(node) ||
        (json_node_get_value_type(node) != G_TYPE_INT64 &&
         json_node_get_value_type(node) != G_TYPE_DOUBLE))
        return FALSE;
    mib = json_node_get_double(node);
    if (!(mib >= 0 && mib < (double)(G_GINT64_CONSTANT(1) << 42)))
        return FALSE;
    *bytes = (guint64)round(mib * MIB);
    return TRUE;
}

void
journal_lines_add_forecast(GString *line, const Forecast *forecast)
{
    journal_text_append_key(line, "forecast");
    g_string_append_c(line, '[');
    append_mib(line, forecast->demand);
    g_string_append_c(line, ',');
    append_mib(line, forecast->need);
    g_string_append_c(line, ',');
    append_mib(line, forecast->used);
    g_string_append_c(line, ']');
}

/* In bytes. */
static gboolean
read_first_forecast(JsonArray *array, Forecast *forecast)
{
    gint64 demand, need, used;

    if (!journal_text_element(array, 0, &demand) || !journal_text_element(array, 1, &need) ||
        !journal_text_element(array, 2, &used) || demand < 0 || need < 0 || used < 0)
        return FALSE;
    forecast->demand = (guint64)demand;
    forecast->need = (guint64)need;
    forecast->used = (guint64)used;
    return TRUE;
}

gboolean
journal_lines_read_forecast(JsonArray *array, guint version, Forecast *forecast)
{
    Forecast result = *forecast;

    result.valid = TRUE;
    if (version == 1 ? !read_first_forecast(array, &result)
                     : !read_mib(array, 0, &result.demand) || !read_mib(array, 1, &result.need) ||
                           !read_mib(array, 2, &result.used))
        return FALSE;
    *forecast = result;
    return TRUE;
}

/*
 * Decisions
 */

static void
add_parts(GString *line, const Forecast *forecast)
{
    const char *separator = "";

    journal_text_append_key(line, "parts");
    g_string_append_c(line, '[');
    for (guint i = 0; i < forecast->n_parts; i++) {
        if (forecast->parts[i].bytes == 0)
            continue; /* it had nothing to say */
        g_string_append_printf(line, "%s[", separator);
        separator = ",";
        journal_text_append_string(line, forecast->parts[i].name);
        g_string_append_c(line, ',');
        append_mib(line, forecast->parts[i].bytes);
        g_string_append(line, i == forecast->decisive ? ",1]" : "]");
    }
    g_string_append_c(line, ']');
}

static void
add_limits(GString *line, guint limits)
{
    const char *separator = "";

    journal_text_append_key(line, "limits");
    g_string_append_c(line, '[');
    for (guint bit = 1; bit != 0 && bit <= limits; bit <<= 1) {
        if (!(limits & bit) || !journal_limit_name(bit))
            continue;
        g_string_append(line, separator);
        journal_text_append_string(line, journal_limit_name(bit));
        separator = ",";
    }
    g_string_append_c(line, ']');
}

void
journal_lines_add_decision(GString *line, const JournalDecision *decision, guint64 requested,
                           gint64 wall_us)
{
    const Forecast *forecast = &decision->forecast;

    journal_text_append_key(line, "decision");
    g_string_append_c(line, '{');
    if (decision->id > 0)
        journal_text_add_scaled(line, "id", (gint64)(decision->id - (guint64)wall_us), TIME_UNIT);
    if (decision->from != requested)
        journal_text_add_scaled(line, "from", journal_text_bounded(decision->from), TARGET_UNIT);
    journal_text_add_scaled(line, "target", journal_text_bounded(decision->target), TARGET_UNIT);
    if (decision->raw != forecast->demand) {
        journal_text_append_key(line, "raw");
        append_mib(line, decision->raw);
    }
    if (decision->limits)
        add_limits(line, decision->limits);
    journal_lines_add_forecast(line, forecast);
    if (fabs(forecast->slope) >= MIB)
        journal_text_add_signed(line, "slope", (gint64)round(forecast->slope / MIB));
    if (forecast->pressed)
        journal_text_add_flag(line, "pressed", TRUE);
    if (forecast->urgent)
        journal_text_add_flag(line, "urgent", TRUE);
    journal_text_add_string(line, "reason", forecast->reason ? forecast->reason : "");
    if (forecast->n_parts > 0)
        add_parts(line, forecast);
    g_string_append_c(line, '}');
}

/* One of the first version is an object, later ones are arrays. */
static gboolean
read_part(JsonNode *node, GStringChunk *strings, ForecastPart *part, gboolean *decided)
{
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    JsonArray *array = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    JsonNode *name;

    if (object) {
        part->name = keep(strings, journal_text_get_string(object, "name"));
        return journal_text_get_unsigned(object, "bytes", &part->bytes) &&
               journal_text_get_flag(object, "decided", decided);
    }
    if (!array || !read_mib(array, 1, &part->bytes))
        return FALSE;
    name = json_array_get_element(array, 0);
    if (!JSON_NODE_HOLDS_VALUE(name) || json_node_get_value_type(name) != G_TYPE_STRING)
        return FALSE;
    part->name = keep(strings, json_node_get_string(name));
    *decided = json_array_get_length(array) > 2;
    return TRUE;
}

static gboolean
read_parts(JsonArray *array, GStringChunk *strings, Forecast *forecast)
{
    guint n = MIN(json_array_get_length(array), FORECAST_PARTS_MAX);

    for (guint i = 0; i < n; i++) {
        gboolean decided = FALSE;

        if (!read_part(json_array_get_element(array, i), strings, &forecast->parts[i], &decided))
            return FALSE;
        if (decided)
            forecast->decisive = i;
    }
    forecast->n_parts = n;
    return TRUE;
}

/* Limits that a later version has are passed over. */
static guint
read_limits(JsonArray *array)
{
    guint limits = 0;

    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);

        if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING)
            limits |= journal_limit_from_name(json_node_get_string(node));
    }
    return limits;
}

/* What the first version wrote otherwise: all of it in full, in bytes. */
static gboolean
read_first_sizes(JsonObject *object, JournalDecision *decision)
{
    Forecast *forecast = &decision->forecast;

    /* A slope that is no number is null: not a number here either. */
    if (!json_object_has_member(object, "slope") || !json_object_get_null_member(object, "slope")) {
        if (!journal_text_get_real(object, "slope", &forecast->slope))
            return FALSE;
    }
    return journal_text_get_unsigned(object, "id", &decision->id) &&
           journal_text_get_unsigned(object, "from", &decision->from) &&
           journal_text_get_unsigned(object, "raw", &decision->raw) &&
           journal_text_get_unsigned(object, "target", &decision->target) &&
           journal_text_get_unsigned(object, "demand", &forecast->demand) &&
           journal_text_get_unsigned(object, "need", &forecast->need) &&
           journal_text_get_unsigned(object, "used", &forecast->used);
}

static gboolean
read_sizes(JsonObject *object, guint version, guint64 requested, gint64 wall_us,
           JournalDecision *decision)
{
    gint64 from = journal_text_bounded(requested), target = -1, id = 0;
    JsonArray *forecast = journal_text_get_array(object, "forecast");
    double raw_mib = -1, slope_mib = 0;

    if (!journal_text_get_scaled(object, "id", TIME_UNIT, &id) ||
        !journal_text_get_scaled(object, "from", TARGET_UNIT, &from) || from < 0 ||
        !journal_text_get_scaled(object, "target", TARGET_UNIT, &target) || target < 0 ||
        !journal_text_get_real(object, "raw", &raw_mib) ||
        !journal_text_get_real(object, "slope", &slope_mib) || !forecast ||
        !journal_lines_read_forecast(forecast, version, &decision->forecast))
        return FALSE;
    if (json_object_has_member(object, "id"))
        decision->id = (guint64)wall_us + (guint64)id;
    decision->from = (guint64)from;
    decision->target = (guint64)target;
    decision->raw = raw_mib >= 0 && raw_mib < (double)(G_GINT64_CONSTANT(1) << 42)
                        ? (guint64)round(raw_mib * MIB)
                        : decision->forecast.demand;
    decision->forecast.slope = slope_mib * MIB;
    return TRUE;
}

static void
keep_parts(const Forecast *before, Forecast *forecast)
{
    memcpy(forecast->parts, before->parts, sizeof forecast->parts);
    forecast->n_parts = before->n_parts;
    forecast->decisive = before->decisive;
}

gboolean
journal_lines_read_decision(JsonObject *object, guint version, GStringChunk *strings,
                            guint64 requested, gint64 wall_us, JournalDecision *decision)
{
    JsonArray *limits = journal_text_get_array(object, "limits");
    JsonArray *parts = journal_text_get_array(object, "parts");
    JournalDecision result = { .forecast.valid = TRUE };
    Forecast *forecast = &result.forecast;

    /* Parts that are not told are those of the decision before. */
    if (version > 1)
        keep_parts(&decision->forecast, forecast);
    if (version == 1 ? !read_first_sizes(object, &result)
                     : !read_sizes(object, version, requested, wall_us, &result))
        return FALSE;
    if (!journal_text_get_flag(object, "pressed", &forecast->pressed) ||
        !journal_text_get_flag(object, "urgent", &forecast->urgent) ||
        (parts && !read_parts(parts, strings, forecast)))
        return FALSE;
    forecast->reason = keep(strings, journal_text_get_string(object, "reason"));
    result.limits = limits ? read_limits(limits) : 0;
    *decision = result;
    return TRUE;
}
