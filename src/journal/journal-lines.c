/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/journal-lines.h"

#include <math.h>

#include "journal/journal-guest.h"
#include "journal/journal-text.h"

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

    if (!journal_text_get_signed(object, "wall_us", &result.wall_us) ||
        !journal_text_get_signed(object, "now_us", &result.now_us) ||
        !journal_text_get_unsigned(object, "host_memory", &result.host_memory) ||
        !journal_text_get_flag(object, "dry_run", &result.dry_run))
        return FALSE;
    result.program = keep(strings, journal_text_get_string(object, "memplug"));
    result.uri = keep(strings, journal_text_get_string(object, "uri"));
    *header = result;
    return TRUE;
}

/*
 * Settings
 */

gboolean
journal_lines_same_settings(const JournalSettings *a, const JournalSettings *b)
{
    const LimitTuning *s = &a->plan.tuning, *t = &b->plan.tuning;

    return a->plan.policy == b->plan.policy && a->plan.budget == b->plan.budget &&
           a->plan.host_total == b->plan.host_total && !a->plan.share == !b->plan.share &&
           a->plan.claimed == b->plan.claimed && a->plan.probe == b->plan.probe &&
           a->interval_us == b->interval_us && s->dead_band_min == t->dead_band_min &&
           s->shrink_step_min == t->shrink_step_min && s->cool_down_us == t->cool_down_us &&
           !s->undamped == !t->undamped && !(s->dead_band < t->dead_band) &&
           !(s->dead_band > t->dead_band) && !(s->shrink_step < t->shrink_step) &&
           !(s->shrink_step > t->shrink_step);
}

void
journal_lines_append_settings(GString *out, const JournalSettings *settings)
{
    const PlanSettings *plan = &settings->plan;
    const LimitTuning *tuning = &plan->tuning;

    g_string_append(out, "{\"settings\":{");
    journal_text_add_string(out, "policy", plan->policy->name);
    journal_text_add_unsigned(out, "budget", plan->budget);
    journal_text_add_unsigned(out, "claimed", plan->claimed);
    journal_text_add_unsigned(out, "host_total", plan->host_total);
    journal_text_add_string(out, "probe", probe_mode_name(plan->probe));
    journal_text_add_flag(out, "share", plan->share);
    journal_text_add_signed(out, "spoken_us", plan->spoken_us ? *plan->spoken_us : 0);
    journal_text_add_signed(out, "interval_us", settings->interval_us);
    journal_text_add_real(out, "dead_band", tuning->dead_band);
    journal_text_add_unsigned(out, "dead_band_min", tuning->dead_band_min);
    journal_text_add_real(out, "shrink_step", tuning->shrink_step);
    journal_text_add_unsigned(out, "shrink_step_min", tuning->shrink_step_min);
    journal_text_add_signed(out, "cool_down_us", tuning->cool_down_us);
    journal_text_add_flag(out, "undamped", tuning->undamped);
    g_string_append(out, "}}\n");
}

gboolean
journal_lines_read_settings(JsonObject *object, GStringChunk *strings, JournalSettings *settings)
{
    const char *policy = journal_text_get_string(object, "policy");
    const char *probe = journal_text_get_string(object, "probe");
    JournalSettings result = { .plan.tuning = limit_tuning_default };
    LimitTuning *tuning = &result.plan.tuning;

    if (!policy || !journal_text_get_unsigned(object, "budget", &result.plan.budget) ||
        !journal_text_get_unsigned(object, "claimed", &result.plan.claimed) ||
        !journal_text_get_unsigned(object, "host_total", &result.plan.host_total) ||
        !probe_mode_parse(probe ? probe : "wanted", &result.plan.probe) ||
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
    result.policy_name = keep(strings, policy);
    result.plan.policy = policy_find(policy);
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
    journal_text_add_signed(out, "t", event->now_us - before);
    if (*event->guest)
        journal_text_add_string(out, "guest", event->guest);
    if (event->decision > 0)
        journal_text_add_unsigned(out, "decision", event->decision);
    journal_text_add_string(out, "message", event->message);
    g_string_append(out, "}\n");
}

gboolean
journal_lines_read_event(JsonObject *object, GStringChunk *strings, gint64 before,
                         JournalEvent *event)
{
    const char *kind = journal_text_get_string(object, "event");
    guint64 decision = 0;
    gint64 since = 0;

    if (!kind || !journal_text_get_signed(object, "t", &since) ||
        !journal_text_get_unsigned(object, "decision", &decision))
        return FALSE;
    *event = (JournalEvent){
        .kind = keep(strings, kind),
        .guest = keep(strings, journal_text_get_string(object, "guest")),
        .decision = decision,
        .message = keep(strings, journal_text_get_string(object, "message")),
        .now_us = (gint64)((guint64)before + (guint64)since),
    };
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
        g_string_append(line, separator);
        separator = ",";
        g_string_append_c(line, '{');
        journal_text_add_string(line, "name", forecast->parts[i].name);
        journal_text_add_unsigned(line, "bytes", forecast->parts[i].bytes);
        if (i == forecast->decisive)
            journal_text_add_flag(line, "decided", TRUE);
        g_string_append_c(line, '}');
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
journal_lines_add_decision(GString *line, const JournalDecision *decision)
{
    const Forecast *forecast = &decision->forecast;

    journal_text_append_key(line, "decision");
    g_string_append_c(line, '{');
    if (decision->id > 0)
        journal_text_add_unsigned(line, "id", decision->id);
    journal_text_add_unsigned(line, "from", decision->from);
    journal_text_add_unsigned(line, "raw", decision->raw);
    journal_text_add_unsigned(line, "target", decision->target);
    add_limits(line, decision->limits);
    journal_text_add_unsigned(line, "demand", forecast->demand);
    journal_text_add_unsigned(line, "need", forecast->need);
    journal_text_add_unsigned(line, "used", forecast->used);
    journal_text_add_real(line, "slope", round(forecast->slope));
    journal_text_add_flag(line, "pressed", forecast->pressed);
    journal_text_add_flag(line, "urgent", forecast->urgent);
    journal_text_add_string(line, "reason", forecast->reason ? forecast->reason : "");
    if (forecast->n_parts > 0)
        add_parts(line, forecast);
    g_string_append_c(line, '}');
}

static gboolean
read_parts(JsonArray *array, GStringChunk *strings, Forecast *forecast)
{
    guint n = MIN(json_array_get_length(array), FORECAST_PARTS_MAX);

    for (guint i = 0; i < n; i++) {
        JsonNode *node = json_array_get_element(array, i);
        ForecastPart *part = &forecast->parts[i];
        gboolean decided = FALSE;

        if (!JSON_NODE_HOLDS_OBJECT(node) ||
            !journal_text_get_unsigned(json_node_get_object(node), "bytes", &part->bytes) ||
            !journal_text_get_flag(json_node_get_object(node), "decided", &decided))
            return FALSE;
        part->name = keep(strings, journal_text_get_string(json_node_get_object(node), "name"));
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

gboolean
journal_lines_read_decision(JsonObject *object, GStringChunk *strings, JournalDecision *decision)
{
    JsonArray *limits = journal_text_get_array(object, "limits");
    JsonArray *parts = journal_text_get_array(object, "parts");
    JournalDecision result = { .forecast.valid = TRUE };
    Forecast *forecast = &result.forecast;

    /* A slope that is no number is null: not a number here either. */
    if (!json_object_has_member(object, "slope") || !json_object_get_null_member(object, "slope")) {
        if (!journal_text_get_real(object, "slope", &forecast->slope))
            return FALSE;
    }
    if (!journal_text_get_unsigned(object, "id", &result.id) ||
        !journal_text_get_unsigned(object, "from", &result.from) ||
        !journal_text_get_unsigned(object, "raw", &result.raw) ||
        !journal_text_get_unsigned(object, "target", &result.target) ||
        !journal_text_get_unsigned(object, "demand", &forecast->demand) ||
        !journal_text_get_unsigned(object, "need", &forecast->need) ||
        !journal_text_get_unsigned(object, "used", &forecast->used) ||
        !journal_text_get_flag(object, "pressed", &forecast->pressed) ||
        !journal_text_get_flag(object, "urgent", &forecast->urgent) ||
        (parts && !read_parts(parts, strings, forecast)))
        return FALSE;
    forecast->reason = keep(strings, journal_text_get_string(object, "reason"));
    result.limits = limits ? read_limits(limits) : 0;
    *decision = result;
    return TRUE;
}
