/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *   <controller type='pci' index='3' model='pcie-root-port'/>   is bus 3, for one device
 *   <address type='pci' bus='0x03' slot='0x00' .../>            is that device
 *
 * On i440fx everything sits in the 32 slots of bus 0, the first of which are the
 * host bridge's and the south bridge's.
 */
#include "hypervisor/libvirt/domain-pci.h"

#include <stdlib.h>

#define BUSES 256
#define SLOTS 32

/* Host bridge and PIIX3, which are in no XML. */
#define SLOTS_RESERVED 2

/* Kinds of devices that setup adds, without the place that libvirt gives them. */
#define UNPLACED                                                           \
    "/domain/devices/memory[@model='virtio-mem'][not(address)]"            \
    "|/domain/devices/memballoon[@model and @model!='none'][not(address)]" \
    "|/domain/devices/controller[@type='virtio-serial'][not(address)]"

#define NO_SERIAL_CONTROLLER \
    "/domain/devices[not(controller[@type='virtio-serial'])]/channel/target[@type='virtio']"

/* Returns: the number at @path, decimal or with 0x; -1 if it is not from 0 to @end - 1. */
static gint
number_at(const DomainXml *xml, xmlNode *node, const char *path, gint end)
{
    g_autofree char *text = domain_xml_text(xml, node, path);
    gint64 number = text ? g_ascii_strtoll(text, NULL, 0) : -1;

    return number >= 0 && number < end ? (gint)number : -1;
}

/* Marks in @used what @attribute of all PCI addresses at @path says. */
static void
mark(const DomainXml *xml, const char *path, const char *attribute, gboolean *used, gint end)
{
    g_autoptr(GPtrArray) addresses = domain_xml_find_all(xml, NULL, path);

    for (guint i = 0; i < addresses->len; i++) {
        gint number = number_at(xml, addresses->pdata[i], attribute, end);

        if (number >= 0)
            used[number] = TRUE;
    }
}

static gint
free_ports(const DomainXml *xml)
{
    g_autoptr(GPtrArray) ports = domain_xml_find_all(
        xml, NULL, "/domain/devices/controller[@type='pci'][@model='pcie-root-port']");
    gboolean used[BUSES] = { FALSE };
    gint n = 0;

    mark(xml, "/domain/devices/*/address[@type='pci']", "@bus", used, BUSES);
    for (guint i = 0; i < ports->len; i++) {
        gint index = number_at(xml, ports->pdata[i], "@index", BUSES);

        n += index >= 0 && !used[index];
    }
    return n;
}

static gint
free_slots(const DomainXml *xml)
{
    gboolean used[SLOTS] = { FALSE };
    gint n = 0;

    mark(xml, "/domain/devices/*/address[@type='pci'][@bus='0x00']", "@slot", used, SLOTS);
    for (gint i = SLOTS_RESERVED; i < SLOTS; i++)
        n += !used[i];
    return n;
}

gboolean
domain_pci_has_ports(const DomainXml *xml)
{
    return domain_xml_find(xml, NULL,
                           "/domain/devices/controller[@type='pci'][@model='pcie-root']") != NULL;
}

gint
domain_pci_free(const DomainXml *xml)
{
    g_autoptr(GPtrArray) unplaced = domain_xml_find_all(xml, NULL, UNPLACED);
    gint n = domain_pci_has_ports(xml) ? free_ports(xml) : free_slots(xml);

    return n - (gint)unplaced->len - (domain_xml_find(xml, NULL, NO_SERIAL_CONTROLLER) != NULL);
}

guint
domain_pci_new_index(const DomainXml *xml)
{
    gboolean used[BUSES] = { TRUE };
    guint index = 0;

    mark(xml, "/domain/devices/controller[@type='pci']", "@index", used, BUSES);
    mark(xml, "/domain/devices/*/address[@type='pci']", "@bus", used, BUSES);
    while (index < BUSES - 1 && used[index])
        index++;
    return index;
}
