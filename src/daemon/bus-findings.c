/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/bus-findings.h"

#include "doctor/finding.h"

GVariant *
bus_findings_variant(const GPtrArray *findings)
{
    GVariantBuilder all;

    g_variant_builder_init(&all, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < findings->len; i++) {
        const Finding *finding = findings->pdata[i];
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        g_variant_dict_insert(&dict, "check", "s", finding->check);
        g_variant_dict_insert(&dict, "level", "s", finding_level_name(finding->level));
        g_variant_dict_insert(&dict, "finding", "s", finding->text);
        g_variant_dict_insert(&dict, "reason", "s", finding->reason);
        g_variant_dict_insert(&dict, "fix", "s", finding->fix);
        g_variant_builder_add_value(&all, g_variant_dict_end(&dict));
    }
    return g_variant_builder_end(&all);
}
