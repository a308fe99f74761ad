/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/domain-metadata.h"

#include <string.h>

#include "hypervisor/libvirt/domain-xml.h"
#include "size/size.h"

static gboolean
refuse(GError **error, GuestLimitsError code, const char *reason)
{
    g_set_error_literal(error, GUEST_LIMITS_ERROR, (gint)code, reason);
    return FALSE;
}

/*
 * Reading
 */

/* Returns: (transfer full): @number with its unit, as guest_limits_set() wants it. */
static char *
join_unit(const char *number, const char *unit)
{
    g_autoptr(GError) error = NULL;
    guint64 bytes;

    if (unit)
        return g_strconcat(number, " ", unit, NULL);
    if (!size_parse(number, 0, &bytes, &error) &&
        g_error_matches(error, SIZE_ERROR, SIZE_ERROR_UNIT_MISSING))
        return g_strconcat(number, " KiB", NULL);
    return g_strdup(number);
}

static gboolean
read_limit(const DomainXml *xml, xmlNode *element, GuestLimits *limits, GError **error)
{
    const char *name = (const char *)element->name;
    gboolean is_size = strcmp(name, "floor") == 0 || strcmp(name, "ceiling") == 0;
    g_autofree char *text = domain_xml_text(xml, element, ".");
    g_autofree char *unit = domain_xml_text(xml, element, "@unit");
    g_autofree char *value = NULL;
    guint before = limits->set;

    value = is_size && text ? join_unit(text, unit) : g_strdup(text ? text : "");
    if (!guest_limits_set(limits, name, value, error))
        return FALSE;
    if (domain_xml_find(xml, element, "*"))
        return refuse(error, GUEST_LIMITS_ERROR_INVALID, "holds an element where a value belongs");
    if (domain_xml_find(xml, element, is_size ? "@*[name() != 'unit']" : "@*"))
        return refuse(error, GUEST_LIMITS_ERROR_UNKNOWN,
                      is_size ? "its only attribute is 'unit'" : "it has no attributes");
    if (limits->set == before)
        return refuse(error, GUEST_LIMITS_ERROR_INVALID, "said twice");
    return TRUE;
}

static gboolean
read_limits(const DomainXml *xml, GuestLimits *limits, GError **error)
{
    g_autoptr(GPtrArray) elements = domain_xml_find_all(xml, NULL, "/*/*");

    for (guint i = 0; i < elements->len; i++) {
        if (!read_limit(xml, elements->pdata[i], limits, error)) {
            const xmlNode *element = elements->pdata[i];

            g_prefix_error(error, "<%s>: ", (const char *)element->name);
            return FALSE;
        }
    }
    if (domain_xml_find(xml, NULL, "/*/text()[normalize-space()]"))
        return refuse(error, GUEST_LIMITS_ERROR_INVALID, "text outside of its elements");
    return guest_limits_check(limits, error);
}

gboolean
domain_metadata_read(const char *xml, const char *place, GuestLimits *limits, GError **error)
{
    g_autoptr(DomainXml) document = NULL;
    GuestLimits read = { 0 };

    if (xml && *xml != '\0') {
        document = domain_xml_open(xml, NULL, error);
        if (!document || !read_limits(document, &read, error)) {
            g_prefix_error(error, "%s: metadata " DOMAIN_METADATA_URI ": ", place);
            return FALSE;
        }
    }
    *limits = read;
    return TRUE;
}

/*
 * Writing: without white space between the elements, since libvirt then indents
 * them like the rest of its XML.
 */

static void
append_size(GString *text, const char *name, guint64 bytes)
{
    gboolean whole = bytes % SIZE_KIB == 0;

    g_string_append_printf(text, "<%s unit='%s'>%" G_GUINT64_FORMAT "</%s>", name,
                           whole ? "KiB" : "bytes", whole ? bytes / SIZE_KIB : bytes, name);
}

char *
domain_metadata_format(const GuestLimits *limits)
{
    g_autoptr(GString) text = g_string_new("<domain>");
    char weight[G_ASCII_DTOSTR_BUF_SIZE];

    if (limits->set == 0)
        return NULL;
    if (limits->set & GUEST_LIMIT_FLOOR)
        append_size(text, "floor", limits->floor);
    if (limits->set & GUEST_LIMIT_CEILING)
        append_size(text, "ceiling", limits->ceiling);
    if (limits->set & GUEST_LIMIT_WEIGHT)
        g_string_append_printf(text, "<weight>%s</weight>",
                               g_ascii_dtostr(weight, sizeof(weight), limits->weight));
    if (limits->set & GUEST_LIMIT_MECHANISM)
        g_string_append_printf(text, "<mechanism>%s</mechanism>",
                               mechanism_name(limits->mechanism));
    if (limits->set & GUEST_LIMIT_MANAGED)
        g_string_append_printf(text, "<managed>%s</managed>", limits->managed ? "yes" : "no");
    if (limits->set & GUEST_LIMIT_PREDICTOR)
        g_string_append_printf(text, "<predictor>%s</predictor>", limits->predictor);
    g_string_append(text, "</domain>");
    return g_string_free(g_steal_pointer(&text), FALSE);
}
