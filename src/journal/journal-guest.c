/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/journal-guest.h"

#include <string.h>

#include "journal/journal-text.h"

static const char *const pin_names[] = {
    [PLAN_PIN_NONE] = "none",         [PLAN_PIN_UNMANAGED] = "unmanaged",
    [PLAN_PIN_OBSTACLE] = "obstacle", [PLAN_PIN_HELD] = "held",
    [PLAN_PIN_FROZEN] = "frozen",     [PLAN_PIN_NO_SAMPLE] = "no-sample",
};

/* In the order of their bits. */
static const char *const limit_names[] = { "floor",     "ceiling", "pressed",     "cool-down",
                                           "dead-band", "trial",   "step",        "grain",
                                           "budget",    "donors",  "kernel-zone", "forced" };
G_STATIC_ASSERT(LIMIT_FORCED == 1 << (G_N_ELEMENTS(limit_names) - 1));

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

/* In bytes, that sizes are told in; in the first version 1. */
#define SIZE_UNIT 1024

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
    { "answers", G_STRUCT_OFFSET(PlanGuest, answers), FLAG },
    { "stuck", G_STRUCT_OFFSET(PlanGuest, stuck), FLAG },
    { "most", G_STRUCT_OFFSET(PlanGuest, most), SIZE },
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
            journal_text_add_scaled(line, inputs[i].key, journal_text_bounded(size_of(plan, i)),
                                    SIZE_UNIT);
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
read_size(JsonObject *object, const char *key, guint unit, guint64 *bytes)
{
    gint64 value = journal_text_bounded(*bytes);

    if (!json_object_has_member(object, key))
        return TRUE;
    if (!journal_text_get_scaled(object, key, unit, &value) || value < 0)
        return FALSE;
    *bytes = (guint64)value;
    return TRUE;
}

static gboolean
read_input(JsonObject *object, guint version, PlanGuest *plan, gsize i)
{
    switch (inputs[i].kind) {
    case SIZE:
        return read_size(object, inputs[i].key, version == 1 ? 1 : SIZE_UNIT,
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
journal_guest_read_inputs(JsonObject *object, guint version, PlanGuest *plan)
{
    PlanGuest result = *plan;
    gboolean good = TRUE;

    for (gsize i = 0; i < G_N_ELEMENTS(inputs); i++)
        good &= read_input(object, version, &result, i);
    good &= journal_text_get_real(object, "weight", &result.weight) && result.weight > 0;
    good &= read_pin(object, &result.pin);
    good &= result.floor <= result.ceiling;
    if (good)
        *plan = result;
    return good;
}

/*
 * What is remembered
 */

void
journal_guest_remember(const PlanGuest *plan, JournalMemory *memory)
{
    memcpy(&memory->state, plan->state, sizeof memory->state);
    if (plan->trial)
        memcpy(&memory->trial, plan->trial, sizeof memory->trial);
    if (plan->probe)
        memcpy(&memory->probe, plan->probe, sizeof memory->probe);
}

static void
add_part(GString *line, const char *key, gconstpointer now, gconstpointer before, gsize size)
{
    if (now && (!before || memcmp(now, before, size) != 0))
        journal_text_add_bytes(line, key, now, before, size);
}

void
journal_guest_add_memory(GString *line, const PlanGuest *plan, const JournalMemory *before)
{
    add_part(line, "state", plan->state, before ? &before->state : NULL, sizeof *plan->state);
    add_part(line, "trial", plan->trial, before ? &before->trial : NULL, sizeof *plan->trial);
    add_part(line, "probe", plan->probe, before ? &before->probe : NULL, sizeof *plan->probe);
}

/* What is used as an index, or points somewhere: a file may hold anything. */
static gboolean
make_sane(ShrinkTrial *trial)
{
    trial->reason = NULL;
    trial->pressed_by = NULL;
    memset(trial->notices, 0, sizeof trial->notices);
    return trial->state <= SHRINK_TRIAL_UNDOING && trial->kind < SHRINK_KINDS &&
           trial->wanted < SHRINK_KINDS && trial->ended_kind < SHRINK_KINDS &&
           trial->outcome <= SHRINK_OUTCOME_REFUSED;
}

gboolean
journal_guest_read_memory(JsonObject *object, PlanGuest *plan, JournalMemory *memory)
{
    gboolean good = TRUE;

    if (json_object_has_member(object, "state") &&
        (!journal_text_get_bytes(object, "state", &memory->state, sizeof memory->state) ||
         !predictor_state_is_sane(&memory->state))) {
        plan->predictor->start(&memory->state);
        good = FALSE;
    }
    if (json_object_has_member(object, "trial")) {
        plan->trial = &memory->trial;
        if (!journal_text_get_bytes(object, "trial", &memory->trial, sizeof memory->trial) ||
            !make_sane(&memory->trial)) {
            shrink_trial_start(&memory->trial);
            good = FALSE;
        }
    }
    if (json_object_has_member(object, "probe")) {
        plan->probe = &memory->probe;
        if (!journal_text_get_bytes(object, "probe", &memory->probe, sizeof memory->probe)) {
            probe_start(&memory->probe);
            good = FALSE;
        }
    }
    return good;
}
