/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/value.h"

#include <math.h>

#include "simulate/simulation.h"
#include "size/size.h"

static gboolean
refuse(GError **error, const char *text, const char *wanted)
{
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "'%s' is not %s", text, wanted);
    return FALSE;
}

static gboolean
parse_text(const char *text, Value *value, GError **error)
{
    return *text != '\0' || refuse(error, text, "a name: it is empty");
}

static gboolean
parse_count(const char *text, Value *value, GError **error)
{
    return g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT32, &value->number, NULL) ||
           refuse(error, text, "a whole number above 0");
}

static gboolean
parse_decision(const char *text, Value *value, GError **error)
{
    return g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT64, &value->number, NULL) ||
           refuse(error, text, "a decision's number, as 'memplug events --json' prints it");
}

static gboolean
parse_seed(const char *text, Value *value, GError **error)
{
    return g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &value->number, NULL) ||
           refuse(error, text, "a whole number");
}

static gboolean
parse_real(const char *text, Value *value, GError **error)
{
    char *end = NULL;

    value->real = g_ascii_strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value->real) || value->real <= 0.0)
        return refuse(error, text, "a number above 0");
    return TRUE;
}

static gboolean
parse_size(const char *text, Value *value, GError **error)
{
    if (!size_parse(text, SIZE_KIB, &value->number, error))
        return FALSE;
    return value->number > 0 || refuse(error, text, "a size above 0");
}

static gboolean
parse_limit(const char *text, Value *value, GError **error)
{
    if (g_str_equal(text, "default")) {
        value->number = 0;
        return TRUE;
    }
    return parse_size(text, value, error);
}

static gboolean
parse_on_off(const char *text, Value *value, GError **error)
{
    value->number = g_str_equal(text, "on");
    return value->number || g_str_equal(text, "off") || refuse(error, text, "'on' or 'off'");
}

static const char *const buses[] = { "system", "session", NULL };
static const char *const limits[] = { "default", NULL };
static const char *const mechanisms[] = { "auto", "dimm", "virtio-mem", "balloon", NULL };
static const char *const on_off[] = { "on", "off", NULL };

static gboolean
parse_mechanism(const char *text, Value *value, GError **error)
{
    return g_strv_contains(mechanisms, text) ||
           refuse(error, text, "a mechanism: auto, dimm, virtio-mem or balloon");
}

static gboolean
parse_one_of(const char *text, const char *what, const char *const *names, GError **error)
{
    g_autofree char *known = NULL;

    if (g_strv_contains(names, text))
        return TRUE;
    known = g_strjoinv(", ", (char **)names);
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "unknown %s '%s'; known: %s", what,
                text, known);
    return FALSE;
}

static gboolean
parse_policy(const char *text, Value *value, GError **error)
{
    return parse_one_of(text, "policy", simulation_policies(), error);
}

static gboolean
parse_predictor(const char *text, Value *value, GError **error)
{
    return parse_one_of(text, "predictor", simulation_predictors(), error);
}

/* The predictors, and "default". */
static const char *const *
own_predictors(void)
{
    static const char **names;

    if (!names) {
        g_autoptr(GPtrArray) list = g_ptr_array_new();

        for (const char *const *name = simulation_predictors(); *name; name++)
            g_ptr_array_add(list, (gpointer)*name);
        g_ptr_array_add(list, (gpointer)limits[0]);
        g_ptr_array_add(list, NULL);
        names = (const char **)g_ptr_array_steal(list, NULL);
    }
    return names;
}

static gboolean
parse_own_predictor(const char *text, Value *value, GError **error)
{
    return parse_one_of(text, "predictor", own_predictors(), error);
}

static const struct {
    gboolean (*parse)(const char *text, Value *value, GError **error);
    const char *const *choices;
    const char *const *(*get_choices)(void); /* where they are no constants */
} kinds[] = {
    [VALUE_TEXT] = { parse_text },
    [VALUE_BUS] = { parse_text, buses },
    [VALUE_COMMAND] = { parse_text },
    [VALUE_COUNT] = { parse_count },
    [VALUE_DECISION] = { parse_decision },
    [VALUE_DEVICE] = { parse_text },
    [VALUE_FILE] = { parse_text },
    [VALUE_GUEST] = { parse_text },
    [VALUE_LEASE] = { parse_count },
    [VALUE_LIMIT] = { parse_limit, limits },
    [VALUE_MECHANISM] = { parse_mechanism, mechanisms },
    [VALUE_ON_OFF] = { parse_on_off, on_off },
    [VALUE_POLICY] = { parse_policy, .get_choices = simulation_policies },
    [VALUE_OWN_PREDICTOR] = { parse_own_predictor, .get_choices = own_predictors },
    [VALUE_PREDICTOR] = { parse_predictor, .get_choices = simulation_predictors },
    [VALUE_SECONDS] = { parse_real },
    [VALUE_SEED] = { parse_seed },
    [VALUE_SIZE] = { parse_size },
    [VALUE_WEIGHT] = { parse_real },
};

gboolean
value_parse(ValueKind kind, const char *text, Value *value, GError **error)
{
    Value parsed = { .text = text };

    if (!kinds[kind].parse(text, &parsed, error))
        return FALSE;
    *value = parsed;
    return TRUE;
}

const char *const *
value_choices(ValueKind kind)
{
    return kinds[kind].get_choices ? kinds[kind].get_choices() : kinds[kind].choices;
}
