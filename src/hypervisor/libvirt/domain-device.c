/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/domain-device.h"

#include "hypervisor/guest-memory.h"
#include "hypervisor/libvirt/domain-xml.h"
#include "size/size.h"

static void
append_size(GString *text, const char *name, guint64 bytes)
{
    g_string_append_printf(text, "    <%s unit='KiB'>%" G_GUINT64_FORMAT "</%s>\n", name,
                           bytes / SIZE_KIB, name);
}

static void
append_node(GString *text, gint node)
{
    if (node >= 0)
        g_string_append_printf(text, "    <node>%d</node>\n", node);
}

static char *
end(GString *text, gint slot, const char *alias)
{
    g_autofree char *name = g_markup_escape_text(alias, -1);

    g_string_append_printf(text, "  </target>\n  <alias name='%s'/>\n", name);
    if (slot >= 0)
        g_string_append_printf(text, "  <address type='dimm' slot='%d'/>\n", slot);
    g_string_append(text, "</memory>");
    return g_string_free(text, FALSE);
}

char *
domain_device_dimm(guint64 size, gint node, gint slot, const char *alias)
{
    GString *text = g_string_new("<memory model='dimm'>\n  <target>\n");

    append_size(text, "size", size);
    append_node(text, node);
    return end(text, slot, alias);
}

char *
domain_device_virtio_mem(guint64 max, guint64 block, gint node, const char *alias)
{
    GString *text = g_string_new("<memory model='virtio-mem'>\n  <target>\n");

    append_size(text, "size", max);
    append_node(text, node);
    append_size(text, "block", block);
    append_size(text, "requested", 0);
    return end(text, -1, alias);
}

/* Returns: (nullable): the element of the memory device @alias; NULL with @error if none is. */
static xmlNode *
find(const DomainXml *xml, const char *alias, GError **error)
{
    g_autoptr(GPtrArray) devices = domain_xml_find_all(xml, NULL, "/domain/devices/memory");

    for (guint i = 0; i < devices->len; i++) {
        if (domain_xml_says(xml, devices->pdata[i], "alias/@name", alias))
            return devices->pdata[i];
    }
    g_set_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MISSING, "no memory device '%s'", alias);
    return NULL;
}

char *
domain_device_find(const char *live_xml, const char *alias, GError **error)
{
    g_autoptr(DomainXml) xml = domain_xml_open(live_xml, "domain", error);
    xmlNode *device = xml ? find(xml, alias, error) : NULL;

    return device ? domain_xml_print_node(device) : NULL;
}

char *
domain_device_with_requested(const char *live_xml, const char *alias, guint64 requested,
                             GError **error)
{
    g_autoptr(DomainXml) xml = domain_xml_open(live_xml, "domain", error);
    xmlNode *device = xml ? find(xml, alias, error) : NULL;

    if (!device)
        return NULL;
    if (!domain_xml_says(xml, device, "@model", "virtio-mem")) {
        g_set_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_REFUSED,
                    "'%s' is no virtio-mem device", alias);
        return NULL;
    }
    domain_xml_set_size(xml, domain_xml_find(xml, device, "target"), "requested", requested);
    return domain_xml_print_node(device);
}

char *
domain_device_next_alias(const DomainXml *xml, const char *kind, guint *number)
{
    g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) names = domain_xml_find_all(xml, NULL, "/domain/devices/*/alias/@name");

    for (guint i = 0; i < names->len; i++) {
        char *name = domain_xml_text(xml, names->pdata[i], ".");

        if (name)
            g_hash_table_add(taken, name);
    }
    for (;; ++*number) {
        g_autofree char *alias =
            g_strdup_printf(MEMORY_DEVICE_LIBVIRT_ID_PREFIX "%s%u", kind, *number);

        if (!g_hash_table_contains(taken, alias))
            return g_steal_pointer(&alias);
    }
}

char *
domain_device_new_alias(const char *live_xml, const char *kind, guint *number)
{
    g_autoptr(DomainXml) xml = domain_xml_open(live_xml, "domain", NULL);

    return xml ? domain_device_next_alias(xml, kind, number)
               : g_strdup_printf(MEMORY_DEVICE_LIBVIRT_ID_PREFIX "%s%u", kind, *number);
}
