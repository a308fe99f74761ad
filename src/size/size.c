/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "size/size.h"

#include <string.h>

G_DEFINE_QUARK(memplug_size_error_quark, size_error)

static const struct {
    const char *suffix;
    guint64 bytes;
} suffixes[] = {
    { "b", 1 },        { "byte", 1 },       { "bytes", 1 },
    { "k", SIZE_KIB }, { "kib", SIZE_KIB }, { "kb", 1000 },
    { "m", SIZE_MIB }, { "mib", SIZE_MIB }, { "mb", 1000 * 1000 },
    { "g", SIZE_GIB }, { "gib", SIZE_GIB }, { "gb", 1000 * 1000 * 1000 },
    { "t", SIZE_TIB }, { "tib", SIZE_TIB }, { "tb", G_GUINT64_CONSTANT(1000) * 1000 * 1000 * 1000 },
};

static guint64
suffix_bytes(const char *suffix)
{
    for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        if (g_ascii_strcasecmp(suffix, suffixes[i].suffix) == 0)
            return suffixes[i].bytes;
    }
    return 0;
}

/*
 * Digits, with at most one fraction: @whole and @billionths of the unit. Nine
 * decimals are the most: a GiB has no finer whole byte than that tells apart.
 * Returns the first character behind the number, or NULL.
 */
static const char *
parse_number(const char *text, guint64 *whole, guint64 *billionths, gboolean *overflow)
{
    char *end = NULL;
    guint64 scale = 100000000;

    if (!g_ascii_isdigit(*text))
        return NULL;

    *whole = 0;
    *billionths = 0;
    *overflow = FALSE;
    for (end = (char *)text; g_ascii_isdigit(*end); end++) {
        if (!g_uint64_checked_mul(whole, *whole, 10) ||
            !g_uint64_checked_add(whole, *whole, (guint64)(*end - '0')))
            *overflow = TRUE;
    }
    if (*end != '.')
        return end;

    if (!g_ascii_isdigit(end[1]))
        return NULL;
    for (end++; g_ascii_isdigit(*end); end++, scale /= 10) {
        if (scale == 0 && *end != '0')
            *overflow = TRUE;
        *billionths += scale * (guint64)(*end - '0');
    }
    return end;
}

gboolean
size_parse(const char *text, guint64 default_unit, guint64 *bytes, GError **error)
{
    const guint64 billion = 1000000000;
    g_autofree char *trimmed = g_strstrip(g_strdup(text));
    guint64 whole, billionths, unit, fraction, result;
    gboolean overflow;
    const char *suffix;

    suffix = parse_number(trimmed, &whole, &billionths, &overflow);
    if (!suffix) {
        g_set_error(error, SIZE_ERROR, SIZE_ERROR_INVALID,
                    "'%s' is not a size; write for example 512M or 2GiB", text);
        return FALSE;
    }
    while (g_ascii_isspace(*suffix))
        suffix++;

    unit = *suffix == '\0' ? default_unit : suffix_bytes(suffix);
    if (unit == 0 && *suffix == '\0') {
        g_set_error(error, SIZE_ERROR, SIZE_ERROR_UNIT_MISSING,
                    "'%s' has no unit; write for example %sM or %sGiB", text, trimmed, trimmed);
        return FALSE;
    }
    if (unit == 0) {
        g_set_error(error, SIZE_ERROR, SIZE_ERROR_INVALID,
                    "'%s' is not a size: unknown unit '%s'; use K, M, G or T", text, suffix);
        return FALSE;
    }

    /* unit < 2^41 and billionths < 2^30, so their product can overflow: scale
     * through 128 bits rather than round. */
    fraction = (guint64)((__uint128_t)unit * billionths / billion);
    if ((__uint128_t)unit * billionths % billion != 0)
        overflow = TRUE;
    if (overflow || !g_uint64_checked_mul(&result, whole, unit) ||
        !g_uint64_checked_add(&result, result, fraction)) {
        g_set_error(error, SIZE_ERROR, SIZE_ERROR_RANGE,
                    "'%s' is not a whole number of bytes below 16 EiB", text);
        return FALSE;
    }

    *bytes = result;
    return TRUE;
}

static const struct {
    const char *name;
    guint64 bytes;
} units[] = {
    { "TiB", SIZE_TIB },
    { "GiB", SIZE_GIB },
    { "MiB", SIZE_MIB },
    { "KiB", SIZE_KIB },
};

char *
size_format(guint64 bytes)
{
    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        if (bytes >= units[i].bytes && bytes % units[i].bytes == 0)
            return g_strdup_printf("%" G_GUINT64_FORMAT " %s", bytes / units[i].bytes,
                                   units[i].name);
    }
    if (bytes == 0)
        return g_strdup("0 MiB");
    return g_strdup_printf("%" G_GUINT64_FORMAT " byte%s", bytes, bytes == 1 ? "" : "s");
}

static guint64
to_tenths(guint64 bytes, guint64 unit)
{
    return (guint64)(((__uint128_t)bytes * 10 + unit / 2) / unit);
}

char *
size_format_rounded(guint64 bytes)
{
    gsize unit = 2; /* MiB */
    guint64 tenths;

    /* Round before choosing the unit, else one byte less than 1 GiB is 1024.0 MiB. */
    while (unit > 0 && to_tenths(bytes, units[unit].bytes) >= 10240)
        unit--;
    if (bytes % units[unit].bytes == 0)
        return g_strdup_printf("%" G_GUINT64_FORMAT " %s", bytes / units[unit].bytes,
                               units[unit].name);
    tenths = to_tenths(bytes, units[unit].bytes);
    /* Not "%.1f": that would follow the locale. */
    return g_strdup_printf("%" G_GUINT64_FORMAT ".%u %s", tenths / 10, (guint)(tenths % 10),
                           units[unit].name);
}
