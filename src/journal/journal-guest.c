/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/journal-guest.h"

#include <math.h>

#include "journal/journal-text.h"

static const char *const pin_names[] = {
    [PLAN_PIN_NONE] = "none",         [PLAN_PIN_UNMANAGED] = "unmanaged",
    [PLAN_PIN_OBSTACLE] = "obstacle", [PLAN_PIN_HELD] = "held",
    [PLAN_PIN_FROZEN] = "frozen",     [PLAN_PIN_NO_SAMPLE] = "no-sample",
};

/* In the order of their bits. */
static const char *const limit_names[] = { "floor",  "ceiling", "pressed", "cool-down", "dead-band",
                                           "unseen", "step",    "grain",   "budget",    "donors" };
G_STATIC_ASSERT(LIMIT_DONORS == 1 << (G_N_ELEMENTS(limit_names) - 1));

const char *
journal_limit_name(Limit limit)
{
    guint bit = limit == 0 ? G_N_ELEMENTS(limit_names) : (guint)g_bit_nth_lsf(limit, -1);

    return bit < G_N_ELEMENTS(limit_names) ? limit_names[bit] : NULL;
}

guint
journal_limit_from_name(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(limit_names); i++) {
        if (g_str_equal(limit_names[i], name))
            return 1u << i;
    }
    return 0;
}

const char *
journal_pin_name(PlanPin pin)
{
    return pin_names[pin];
}

/*
 * The inputs
 */

typedef enum { SIZE, TIME, FLAG } InputKind;

/* All but the weight and the pin. */
static const struct {
    const char *key;
    gsize offset;
    InputKind kind;
} inputs[] = {
    { "actual", G_STRUCT_OFFSET(PlanGuest, actual), SIZE },
    { "requested", G_STRUCT_OFFSET(PlanGuest, requested), SIZE },
    { "floor", G_STRUCT_OFFSET(PlanGuest, floor), SIZE },
    { "ceiling", G_STRUCT_OFFSET(PlanGuest, ceiling), SIZE },
    { "grain", G_STRUCT_OFFSET(PlanGuest, grain), SIZE },
    { "grain_base", G_STRUCT_OFFSET(PlanGuest, grain_base), SIZE },
    { "knee", G_STRUCT_OFFSET(PlanGuest, knee), SIZE },
    { "coarse", G_STRUCT_OFFSET(PlanGuest, coarse), SIZE },
    { "grown_us", G_STRUCT_OFFSET(PlanGuest, grown_us), TIME },
    { "shrunk_us", G_STRUCT_OFFSET(PlanGuest, shrunk_us), TIME },
    { "asking", G_STRUCT_OFFSET(PlanGuest, asking), FLAG },
    { "urgent", G_STRUCT_OFFSET(PlanGuest, urgent), SIZE },
    { "burst", G_STRUCT_OFFSET(PlanGuest, burst), SIZE },
};

static guint64
size_of(const PlanGuest *plan, gsize i)
{
    return G_STRUCT_MEMBER(guint64, plan, inputs[i].offset);
}

static gint64
time_of(const PlanGuest *plan, gsize i)
{
    return G_STRUCT_MEMBER(gint64, plan, inputs[i].offset);
}

static gboolean
flag_of(const PlanGuest *plan, gsize i)
{
    return G_STRUCT_MEMBER(gboolean, plan, inputs[i].offset);
}

static void
add_input(GString *line, const PlanGuest *plan, const PlanGuest *before, gsize i)
{
    switch (inputs[i].kind) {
    case SIZE:
        if (!before || size_of(plan, i) != size_of(before, i))
            journal_text_add_unsigned(line, inputs[i].key, size_of(plan, i));
        return;
    case TIME:
        if (!before || time_of(plan, i) != time_of(before, i))
            journal_text_add_signed(line, inputs[i].key, time_of(plan, i));
        return;
    case FLAG:
        if (!before || !flag_of(plan, i) != !flag_of(before, i))
            journal_text_add_flag(line, inputs[i].key, flag_of(plan, i));
        return;
    }
}

void
journal_guest_add_inputs(GString *line, const PlanGuest *plan, const PlanGuest *before)
{
    for (gsize i = 0; i < G_N_ELEMENTS(inputs); i++)
        add_input(line, plan, before, i);
    if (!before || memcmp(&plan->weight, &before->weight, sizeof plan->weight) != 0)
        journal_text_add_real(line, "weight", plan->weight);
    if (!before || plan->pin != before->pin)
        journal_text_add_string(line, "pin", journal_pin_name(plan->pin));
}

static gboolean
read_input(JsonObject *object, PlanGuest *plan, gsize i)
{
    switch (inputs[i].kind) {
    case SIZE:
        return journal_text_get_unsigned(object, inputs[i].key,
                                         &G_STRUCT_MEMBER(guint64, plan, inputs[i].offset));
    case TIME:
        return journal_text_get_signed(object, inputs[i].key,
                                       &G_STRUCT_MEMBER(gint64, plan, inputs[i].offset));
    case FLAG:
        return journal_text_get_flag(object, inputs[i].key,
                                     &G_STRUCT_MEMBER(gboolean, plan, inputs[i].offset));
    }
    return FALSE;
}

static gboolean
read_pin(JsonObject *object, PlanPin *pin)
{
    const char *name = journal_text_get_string(object, "pin");

    if (!json_object_has_member(object, "pin"))
        return TRUE;
    for (gsize i = 0; name && i < G_N_ELEMENTS(pin_names); i++) {
        if (!g_str_equal(pin_names[i], name))
            continue;
        *pin = (PlanPin)i;
        return TRUE;
    }
    return FALSE;
}

gboolean
journal_guest_read_inputs(JsonObject *object, PlanGuest *plan)
{
    PlanGuest result = *plan;
    gboolean good = TRUE;

    for (gsize i = 0; i < G_N_ELEMENTS(inputs); i++)
        good &= read_input(object, &result, i);
    good &= journal_text_get_real(object, "weight", &result.weight) && result.weight > 0;
    good &= read_pin(object, &result.pin);
    good &= result.floor <= result.ceiling;
    if (good)
        *plan = result;
    return good;
}

/*
 * What a predictor remembers
 */

#define N_VALUES G_N_ELEMENTS(((PredictorState *)NULL)->values)

void
journal_guest_add_state(GString *line, const PredictorState *state)
{
    journal_text_append_key(line, "state");
    g_string_append_printf(line, "[%" G_GINT64_FORMAT, state->time_us);
    for (gsize i = 0; i < N_VALUES; i++) {
        g_string_append_c(line, ',');
        journal_text_append_real(line, state->values[i]);
    }
    g_string_append_c(line, ']');
}

gboolean
journal_guest_read_state(JsonArray *array, PredictorState *state)
{
    PredictorState result = *state;

    if (json_array_get_length(array) != N_VALUES + 1 ||
        !journal_text_element(array, 0, &result.time_us))
        return FALSE;
    for (guint i = 0; i < N_VALUES; i++) {
        JsonNode *node = json_array_get_element(array, i + 1);

        if (JSON_NODE_HOLDS_NULL(node))
            result.values[i] = (double)NAN;
        else if (JSON_NODE_HOLDS_VALUE(node))
            result.values[i] = json_node_get_double(node);
        else
            return FALSE;
    }
    *state = result;
    return TRUE;
}
