/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/guest-limits.h"

#include <math.h>
#include <string.h>

#include "size/size.h"

G_DEFINE_QUARK(memplug_guest_limits_error_quark, guest_limits_error)

static const char *const mechanism_names[] = {
    [MECHANISM_AUTO] = "auto",
    [MECHANISM_DIMM] = "dimm",
    [MECHANISM_VIRTIO_MEM] = "virtio-mem",
    [MECHANISM_BALLOON] = "balloon",
};
G_STATIC_ASSERT(G_N_ELEMENTS(mechanism_names) == MECHANISM_BALLOON + 1);

const char *
mechanism_name(Mechanism mechanism)
{
    return mechanism_names[mechanism];
}

static gboolean
parse_bytes(const char *value, guint64 *bytes, GError **error)
{
    g_autoptr(GError) local = NULL;

    if (size_parse(value, 0, bytes, &local))
        return TRUE;
    g_set_error_literal(error, GUEST_LIMITS_ERROR, GUEST_LIMITS_ERROR_INVALID, local->message);
    return FALSE;
}

static gboolean
parse_floor(const char *value, GuestLimits *limits, GError **error)
{
    return parse_bytes(value, &limits->floor, error);
}

static gboolean
parse_ceiling(const char *value, GuestLimits *limits, GError **error)
{
    return parse_bytes(value, &limits->ceiling, error);
}

static gboolean
parse_weight(const char *value, GuestLimits *limits, GError **error)
{
    char *end = NULL;
    double weight = g_ascii_strtod(value, &end);

    if (end == value || *end != '\0' || !isfinite(weight) || weight <= 0 ||
        weight > GUEST_WEIGHT_MAX) {
        g_set_error(error, GUEST_LIMITS_ERROR, GUEST_LIMITS_ERROR_INVALID,
                    "'%s' is not a weight: a number above 0, at most %g; 1 is usual", value,
                    GUEST_WEIGHT_MAX);
        return FALSE;
    }
    limits->weight = weight;
    return TRUE;
}

static gboolean
parse_mechanism(const char *value, GuestLimits *limits, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(mechanism_names); i++) {
        if (g_str_equal(value, mechanism_names[i])) {
            limits->mechanism = i;
            return TRUE;
        }
    }
    g_set_error(error, GUEST_LIMITS_ERROR, GUEST_LIMITS_ERROR_INVALID,
                "'%s' is not a mechanism: auto, dimm, virtio-mem or balloon", value);
    return FALSE;
}

static gboolean
parse_managed(const char *value, GuestLimits *limits, GError **error)
{
    static const char *const yes[] = { "yes", "on", "true", "1", NULL };
    static const char *const no[] = { "no", "off", "false", "0", NULL };

    if (!g_strv_contains(yes, value) && !g_strv_contains(no, value)) {
        g_set_error(error, GUEST_LIMITS_ERROR, GUEST_LIMITS_ERROR_INVALID,
                    "'%s' is neither yes nor no", value);
        return FALSE;
    }
    limits->managed = g_strv_contains(yes, value);
    return TRUE;
}

/* Any name, since newer versions may know others. */
static gboolean
parse_predictor(const char *value, GuestLimits *limits, GError **error)
{
    gsize length = strspn(value, "abcdefghijklmnopqrstuvwxyz-");

    if (length == 0 || value[length] != '\0' || length >= GUEST_PREDICTOR_SIZE) {
        g_set_error(error, GUEST_LIMITS_ERROR, GUEST_LIMITS_ERROR_INVALID,
                    "'%s' is not the name of a predictor: write for example composite", value);
        return FALSE;
    }
    g_strlcpy(limits->predictor, value, GUEST_PREDICTOR_SIZE);
    return TRUE;
}

static char *
print_floor(const GuestLimits *limits)
{
    return size_format(limits->floor);
}

static char *
print_ceiling(const GuestLimits *limits)
{
    return size_format(limits->ceiling);
}

static char *
print_weight(const GuestLimits *limits)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    return g_strdup(g_ascii_dtostr(text, sizeof(text), limits->weight));
}

static char *
print_mechanism(const GuestLimits *limits)
{
    return g_strdup(mechanism_name(limits->mechanism));
}

static char *
print_managed(const GuestLimits *limits)
{
    return g_strdup(limits->managed ? "yes" : "no");
}

static char *
print_predictor(const GuestLimits *limits)
{
    return g_strdup(limits->predictor);
}

static const struct {
    const char *key;
    GuestLimitField field;
    gboolean (*parse)(const char *value, GuestLimits *limits, GError **error);
    char *(*print)(const GuestLimits *limits);
} fields[] = {
    { "floor", GUEST_LIMIT_FLOOR, parse_floor, print_floor },
    { "ceiling", GUEST_LIMIT_CEILING, parse_ceiling, print_ceiling },
    { "weight", GUEST_LIMIT_WEIGHT, parse_weight, print_weight },
    { "mechanism", GUEST_LIMIT_MECHANISM, parse_mechanism, print_mechanism },
    { "managed", GUEST_LIMIT_MANAGED, parse_managed, print_managed },
    { "predictor", GUEST_LIMIT_PREDICTOR, parse_predictor, print_predictor },
};

gboolean
guest_limits_set(GuestLimits *limits, const char *key, const char *value, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (!g_str_equal(key, fields[i].key))
            continue;
        if (!fields[i].parse(value, limits, error))
            return FALSE;
        limits->set |= fields[i].field;
        return TRUE;
    }
    g_set_error(error, GUEST_LIMITS_ERROR, GUEST_LIMITS_ERROR_UNKNOWN,
                "unknown key; known are floor, ceiling, weight, mechanism, managed and predictor");
    return FALSE;
}

gboolean
guest_limits_check(const GuestLimits *limits, GError **error)
{
    const guint both = GUEST_LIMIT_FLOOR | GUEST_LIMIT_CEILING;

    if ((limits->set & both) == both && limits->floor > limits->ceiling) {
        g_autofree char *floor = size_format(limits->floor);
        g_autofree char *ceiling = size_format(limits->ceiling);

        g_set_error(error, GUEST_LIMITS_ERROR, GUEST_LIMITS_ERROR_INVALID,
                    "the floor of %s is above the ceiling of %s", floor, ceiling);
        return FALSE;
    }
    return TRUE;
}

gboolean
guest_limits_load(GKeyFile *file, const char *group, const char *place, GuestLimits *limits,
                  GError **error)
{
    g_auto(GStrv) keys = g_key_file_get_keys(file, group, NULL, error);
    GuestLimits loaded = { 0 };

    if (!keys) {
        g_prefix_error(error, "%s: ", place);
        return FALSE;
    }
    for (guint i = 0; keys[i]; i++) {
        g_autofree char *value = g_key_file_get_string(file, group, keys[i], error);

        if (!value || !guest_limits_set(&loaded, keys[i], g_strstrip(value), error)) {
            g_prefix_error(error, "%s: [%s] %s: ", place, group, keys[i]);
            return FALSE;
        }
    }
    if (!guest_limits_check(&loaded, error)) {
        g_prefix_error(error, "%s: [%s]: ", place, group);
        return FALSE;
    }
    *limits = loaded;
    return TRUE;
}

void
guest_limits_store(const GuestLimits *limits, GKeyFile *file, const char *group)
{
    for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (limits->set & fields[i].field) {
            g_autofree char *value = fields[i].print(limits);

            g_key_file_set_string(file, group, fields[i].key, value);
        } else {
            g_key_file_remove_key(file, group, fields[i].key, NULL);
        }
    }
}

GuestLimits
guest_limits_overlay(const GuestLimits *base, const GuestLimits *over)
{
    GuestLimits result = *base;

    if (over->set & GUEST_LIMIT_FLOOR)
        result.floor = over->floor;
    if (over->set & GUEST_LIMIT_CEILING)
        result.ceiling = over->ceiling;
    if (over->set & GUEST_LIMIT_WEIGHT)
        result.weight = over->weight;
    if (over->set & GUEST_LIMIT_MECHANISM)
        result.mechanism = over->mechanism;
    if (over->set & GUEST_LIMIT_MANAGED)
        result.managed = over->managed;
    if (over->set & GUEST_LIMIT_PREDICTOR)
        memcpy(result.predictor, over->predictor, GUEST_PREDICTOR_SIZE);
    result.set |= over->set;
    return result;
}

GuestLimits
guest_limits_change(const GuestLimits *base, const GuestLimits *change, guint unset)
{
    GuestLimits changed = guest_limits_overlay(base, change);

    changed.set &= ~unset;
    return changed;
}

gboolean
guest_limits_equal(const GuestLimits *a, const GuestLimits *b)
{
    if (a->set != b->set)
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_autofree char *left = fields[i].print(a);
        g_autofree char *right = fields[i].print(b);

        if ((a->set & fields[i].field) && !g_str_equal(left, right))
            return FALSE;
    }
    return TRUE;
}
