/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/dict.h"

guint64
dict_number(GVariant *dict, const char *key)
{
    guint64 number = 0;

    g_variant_lookup(dict, key, "t", &number);
    return number;
}

gboolean
dict_flag(GVariant *dict, const char *key)
{
    gboolean flag = FALSE;

    g_variant_lookup(dict, key, "b", &flag);
    return flag;
}

const char *
dict_text(GVariant *dict, const char *key)
{
    const char *text = "";

    g_variant_lookup(dict, key, "&s", &text);
    return text;
}
