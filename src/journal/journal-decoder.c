/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/journal-decoder.h"

#include <string.h>

#include "journal/journal-sample.h"
#include "journal/journal-text.h"

G_DEFINE_QUARK(memplug_journal_error_quark, journal_error)

JournalDecoder *
journal_decoder_new(void)
{
    JournalDecoder *decoder = g_new0(JournalDecoder, 1);

    decoder->guests = g_ptr_array_new_with_free_func(g_free);
    decoder->gone = g_ptr_array_new_with_free_func(g_free);
    decoder->numbers = g_hash_table_new(NULL, NULL);
    decoder->strings = g_string_chunk_new(4096);
    decoder->parser = json_parser_new();
    return decoder;
}

void
journal_decoder_free(JournalDecoder *decoder)
{
    if (!decoder)
        return;
    g_ptr_array_unref(decoder->guests);
    g_ptr_array_unref(decoder->gone);
    g_hash_table_unref(decoder->numbers);
    g_string_chunk_free(decoder->strings);
    g_object_unref(decoder->parser);
    g_free(decoder);
}

static JournalGuest *
find_number(const JournalDecoder *decoder, gint64 number)
{
    return number >= 0 && number <= G_MAXINT
               ? g_hash_table_lookup(decoder->numbers, GINT_TO_POINTER((gint)number))
               : NULL;
}

static gint64
later(gint64 time_us, gint64 by_us)
{
    return (gint64)((guint64)time_us + (guint64)by_us);
}

/*
 * The first line
 */

static gboolean
read_header(JournalDecoder *decoder, JsonObject *object, GError **error)
{
    gint64 version = json_object_get_int_member_with_default(object, "journal", 0);

    if (version > JOURNAL_VERSION) {
        g_set_error(error, JOURNAL_ERROR, JOURNAL_ERROR_VERSION,
                    "it is of version %" G_GINT64_FORMAT
                    " of the format, and this memplug reads up to %d",
                    version, JOURNAL_VERSION);
        return FALSE;
    }
    if (version < 1 || !journal_lines_read_header(object, decoder->strings, &decoder->header))
        return FALSE;
    g_ptr_array_set_size(decoder->guests, 0);
    g_ptr_array_set_size(decoder->gone, 0);
    g_hash_table_remove_all(decoder->numbers);
    journal_lines_start_settings(&decoder->settings);
    decoder->now_us = decoder->header.now_us;
    decoder->has_header = TRUE;
    return TRUE;
}

/*
 * Guests
 */

static gboolean
read_sample(JsonNode *node, guint version, gint64 now, gboolean amends, JournalGuest *guest)
{
    Sample sample;

    if (!journal_sample_read(node, version, guest->has_last ? &guest->last : NULL, now, &sample))
        return FALSE;
    if (amends)
        sample_ring_amend(&guest->ring, &sample);
    else
        sample_ring_push(&guest->ring, &sample);
    guest->last = sample;
    guest->has_last = TRUE;
    guest->n_new++;
    return TRUE;
}

static gboolean
read_samples(JsonObject *object, guint version, gint64 now, gboolean amends, JournalGuest *guest)
{
    JsonArray *array = journal_text_get_array(object, "samples");
    guint n = array ? json_array_get_length(array) : 0;

    for (guint i = 0; i < n; i++) {
        if (!read_sample(json_array_get_element(array, i), version, now, amends && i == 0, guest))
            return FALSE;
    }
    return TRUE;
}

static void
take_predictor(JournalDecoder *decoder, JsonObject *object, JournalGuest *guest)
{
    const char *name = journal_text_get_string(object, "predictor");
    const Predictor *known = name ? predictor_find(name) : NULL;

    if (!name)
        return;
    guest->predictor_name = g_string_chunk_insert_const(decoder->strings, name);
    guest->plan.predictor = known ? known : predictor_list()[0];
}

/* Another predictor than the one that remembered it cannot know what it means. */
static void
read_memory(JsonObject *object, JournalGuest *guest)
{
    if (!journal_guest_read_memory(object, &guest->plan, &guest->memory))
        guest->forgetful = TRUE;
    if (g_str_equal(guest->plan.predictor->name, guest->predictor_name))
        return;
    guest->plan.predictor->start(&guest->memory.state);
    guest->forgetful = TRUE;
}

static gboolean
fill_guest(JournalDecoder *decoder, JsonObject *object, JournalGuest *guest)
{
    const char *name = journal_text_get_string(object, "name");
    const char *instance = journal_text_get_string(object, "instance");
    gint64 since = 0;

    if (!name || !journal_lines_read_time(object, decoder->header.version, &since))
        return FALSE;
    guest->name = g_string_chunk_insert_const(decoder->strings, name);
    guest->instance = g_string_chunk_insert_const(decoder->strings, instance ? instance : name);
    guest->plan.weight = 1;
    guest->plan.predictor = predictor_list()[0];
    guest->predictor_name = guest->plan.predictor->name;
    take_predictor(decoder, object, guest);
    guest->plan.ring = &guest->ring;
    guest->plan.state = &guest->memory.state;
    guest->plan.predictor->start(&guest->memory.state);
    read_memory(object, guest);
    return journal_text_get_unsigned(object, "raw", &guest->plan.raw) &&
           journal_guest_read_inputs(object, decoder->header.version, &guest->plan) &&
           read_samples(object, decoder->header.version, later(decoder->now_us, since), FALSE,
                        guest);
}

static gboolean
read_guest(JournalDecoder *decoder, JsonObject *object)
{
    g_autofree JournalGuest *guest = g_new0(JournalGuest, 1);
    gint64 number = json_object_get_int_member_with_default(object, "guest", -1);

    if (number < 0 || number > G_MAXINT || find_number(decoder, number) ||
        !fill_guest(decoder, object, guest))
        return FALSE;
    guest->number = (guint)number;
    g_hash_table_insert(decoder->numbers, GINT_TO_POINTER((gint)number), guest);
    g_ptr_array_add(decoder->guests, g_steal_pointer(&guest));
    return TRUE;
}

/*
 * Cycles
 */

static gboolean
read_forecast(JsonObject *object, guint version, JournalGuest *guest)
{
    JsonArray *array = journal_text_get_array(object, "forecast");

    guest->told = array && journal_lines_read_forecast(array, version, &guest->forecast);
    return guest->told || !array;
}

static gboolean
read_decision(const JournalDecoder *decoder, JsonObject *object, JournalGuest *guest)
{
    JsonObject *decision = journal_text_get_object(object, "decision");

    guest->decided =
        decision && journal_lines_read_decision(
                        decision, decoder->header.version, decoder->strings, guest->plan.requested,
                        journal_decoder_wall(decoder, decoder->now_us), &guest->decision);
    return guest->decided || !decision;
}

static gboolean
read_changes(JournalDecoder *decoder, JsonObject *object, JournalGuest *guest)
{
    guint version = decoder->header.version;
    gboolean emptied = FALSE, amended = FALSE;

    if (!journal_text_get_flag(object, "emptied", &emptied) ||
        !journal_text_get_flag(object, "amended", &amended))
        return FALSE;
    take_predictor(decoder, object, guest);
    if (json_object_has_member(object, "state") || json_object_has_member(object, "trial") ||
        json_object_has_member(object, "probe"))
        read_memory(object, guest);
    if (emptied) {
        sample_ring_clear(&guest->ring);
        guest->has_last = FALSE;
    }
    return read_samples(object, version, decoder->now_us, amended, guest) &&
           journal_guest_read_inputs(object, version, &guest->plan) &&
           read_forecast(object, version, guest) && read_decision(decoder, object, guest);
}

/* A guest of which there is but one sample has it alone. */
static gboolean
read_change(JournalDecoder *decoder, JsonNode *node, JournalGuest *guest)
{
    if (JSON_NODE_HOLDS_ARRAY(node))
        return read_sample(node, decoder->header.version, decoder->now_us, FALSE, guest);
    return JSON_NODE_HOLDS_OBJECT(node) && read_changes(decoder, json_node_get_object(node), guest);
}

static gboolean
read_changed_guests(JournalDecoder *decoder, JsonObject *object)
{
    JsonObject *changed = journal_text_get_object(object, "guests");
    g_autoptr(GList) keys = changed ? json_object_get_members(changed) : NULL;

    for (GList *key = keys; key; key = key->next) {
        guint64 number;
        JournalGuest *guest = NULL;

        if (g_ascii_string_to_unsigned(key->data, 10, 0, G_MAXINT, &number, NULL))
            guest = find_number(decoder, (gint64)number);
        if (!guest || !read_change(decoder, json_object_get_member(changed, key->data), guest))
            return FALSE;
    }
    return TRUE;
}

static gboolean
read_gone(JournalDecoder *decoder, JsonObject *object)
{
    JsonArray *array = journal_text_get_array(object, "gone");
    guint n = array ? json_array_get_length(array) : 0;

    for (guint i = 0; i < n; i++) {
        gint64 number = -1;
        JournalGuest *guest =
            journal_text_element(array, i, &number) ? find_number(decoder, number) : NULL;
        guint at;

        if (!guest || !g_ptr_array_find(decoder->guests, guest, &at))
            return FALSE;
        g_hash_table_remove(decoder->numbers, GINT_TO_POINTER((gint)number));
        g_ptr_array_add(decoder->gone, g_ptr_array_steal_index(decoder->guests, at));
    }
    return TRUE;
}

/* Brings the guests into the order of the plan. */
static gboolean
read_order(JournalDecoder *decoder, JsonObject *object)
{
    JsonArray *array = journal_text_get_array(object, "order");
    guint n = array ? json_array_get_length(array) : 0;

    if (!array)
        return TRUE;
    if (n != decoder->guests->len)
        return FALSE;
    for (guint i = 0; i < n; i++) {
        gint64 number = -1;
        JournalGuest *guest =
            journal_text_element(array, i, &number) ? find_number(decoder, number) : NULL;
        guint at;

        /* Only those behind what is in place already: so nobody comes twice. */
        if (!guest || !g_ptr_array_find(decoder->guests, guest, &at) || at < i)
            return FALSE;
        decoder->guests->pdata[at] = decoder->guests->pdata[i];
        decoder->guests->pdata[i] = guest;
    }
    return TRUE;
}

/* What a decision brought about: the first version told it. */
static void
follow(const JournalDecoder *decoder, JournalGuest *guest)
{
    PlanGuest *plan = &guest->plan;

    if (!guest->decided || decoder->header.dry_run || decoder->header.version == 1)
        return;
    if (guest->decision.target > plan->requested)
        plan->grown_us = decoder->now_us;
    else
        plan->shrunk_us = decoder->now_us;
    plan->requested = guest->decision.target;
}

static gboolean
read_cycle(JournalDecoder *decoder, JsonObject *object)
{
    gint64 since = 0;

    if (!journal_lines_read_time(object, decoder->header.version, &since))
        return FALSE;
    for (guint i = 0; i < decoder->guests->len; i++)
        follow(decoder, decoder->guests->pdata[i]);
    decoder->now_us = later(decoder->now_us, since);
    g_ptr_array_set_size(decoder->gone, 0);
    for (guint i = 0; i < decoder->guests->len; i++) {
        JournalGuest *guest = decoder->guests->pdata[i];

        /* Those of a guest's own line are as new as those of the cycle behind it. */
        if (guest->seen)
            guest->n_new = 0;
        guest->seen = TRUE;
        guest->told = guest->decided = FALSE;
    }
    return read_gone(decoder, object) && read_order(decoder, object) &&
           read_changed_guests(decoder, object);
}

/*
 * Lines
 */

static JournalLineKind
kind_of(JsonObject *object)
{
    static const struct {
        const char *key;
        JournalLineKind kind;
    } kinds[] = {
        { "journal", JOURNAL_LINE_HEADER },
        { "settings", JOURNAL_LINE_SETTINGS },
        /* An event names its guest, too, and both tell a time. */
        { "event", JOURNAL_LINE_EVENT },
        { "guest", JOURNAL_LINE_GUEST },
        { "t", JOURNAL_LINE_CYCLE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (json_object_has_member(object, kinds[i].key))
            return kinds[i].kind;
    }
    return JOURNAL_LINE_UNKNOWN;
}

static gboolean
read_line(JournalDecoder *decoder, JsonObject *object, JournalLineKind kind, GError **error)
{
    JsonObject *settings;

    if (kind != JOURNAL_LINE_HEADER && !decoder->has_header)
        return FALSE;
    switch (kind) {
    case JOURNAL_LINE_HEADER:
        return read_header(decoder, object, error);
    case JOURNAL_LINE_SETTINGS:
        settings = journal_text_get_object(object, "settings");
        return settings &&
               journal_lines_read_settings(settings, decoder->strings, &decoder->settings);
    case JOURNAL_LINE_GUEST:
        return read_guest(decoder, object);
    case JOURNAL_LINE_CYCLE:
        return read_cycle(decoder, object);
    case JOURNAL_LINE_EVENT:
        return journal_lines_read_event(object, decoder->header.version, decoder->strings,
                                        decoder->now_us, &decoder->shrink, &decoder->event);
    case JOURNAL_LINE_UNKNOWN:
        return TRUE;
    }
    return FALSE;
}

gboolean
journal_decoder_feed(JournalDecoder *decoder, const char *line, gssize length,
                     JournalLineKind *kind, GError **error)
{
    g_autoptr(GError) local = NULL;
    JsonNode *root;

    if (json_parser_load_from_data(decoder->parser, line, length, &local) &&
        (root = json_parser_get_root(decoder->parser)) && JSON_NODE_HOLDS_OBJECT(root)) {
        JournalLineKind found = kind_of(json_node_get_object(root));

        if (read_line(decoder, json_node_get_object(root), found, &local)) {
            *kind = found;
            return TRUE;
        }
    }
    if (local && local->domain == JOURNAL_ERROR)
        g_propagate_error(error, g_steal_pointer(&local));
    else
        g_set_error(error, JOURNAL_ERROR, JOURNAL_ERROR_SYNTAX, "no line of a journal%s%s",
                    local                 ? ": "
                    : decoder->has_header ? ""
                                          : ": there is no first line before it",
                    local ? local->message : "");
    return FALSE;
}

JournalGuest *
journal_decoder_find(const JournalDecoder *decoder, const char *name)
{
    for (guint i = 0; i < decoder->guests->len; i++) {
        JournalGuest *guest = decoder->guests->pdata[i];

        if (g_str_equal(guest->name, name))
            return guest;
    }
    return NULL;
}

gint64
journal_decoder_wall(const JournalDecoder *decoder, gint64 now_us)
{
    return journal_lines_wall(&decoder->header, now_us);
}
