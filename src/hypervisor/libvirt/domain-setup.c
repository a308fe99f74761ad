/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Each step looks for one thing, adds it where it is missing, and says whether it
 * did. So a plan applied to itself changes nothing, also after libvirt has given
 * the new devices their places: what is counted as free by then is the rest.
 *
 * How far the guest shall reach (`goal`) is what is wanted, else the <maxMemory>
 * that is there, else a sensible value; the part of it that no device provides yet
 * goes to virtio-mem, shared among the nodes as their boot memory is, unless less is
 * wanted of that kind: what is left then has room for DIMMs.
 */
#include "hypervisor/libvirt/domain-setup.h"

#include <string.h>

#include "hypervisor/guest-memory.h"
#include "hypervisor/libvirt/domain-device.h"
#include "hypervisor/libvirt/domain-memory.h"
#include "hypervisor/libvirt/domain-pci.h"
#include "hypervisor/libvirt/domain-xml.h"
#include "size/size.h"

/* With DIMMs that double in size this is from 128 MiB to far beyond any host. */
#define SLOTS 16

/* virtio-mem's usual block; pages that are larger set a larger one. */
#define BLOCK (2 * SIZE_MIB)

/* At least so many ports shall be free, for what is plugged by hand later. */
#define FREE_PORTS 1

#define BALLOON "/domain/devices/memballoon"

typedef unsigned __int128 Wide;

typedef struct {
    const DomainXml *xml;
    const GuestMemory *memory; /* as it was before */
    guint64 goal;
    guint64 virtio_mem; /* at most so much by virtio-mem */
} Setup;

/* Machine types of x86-64 whose memory can grow, by the beginning of their names. */
static const char *const machines[] = { "pc-q35-", "q35", "pc-i440fx-", "pc" };

static gboolean
is_known_machine(const char *machine)
{
    for (guint i = 0; i < G_N_ELEMENTS(machines); i++) {
        gboolean whole = !g_str_has_suffix(machines[i], "-");

        if (whole ? g_strcmp0(machine, machines[i]) == 0
                  : machine && g_str_has_prefix(machine, machines[i]))
            return TRUE;
    }
    return FALSE;
}

static gboolean
check(const DomainXml *xml, const GuestMemory *memory, GError **error)
{
    g_autofree char *arch = domain_xml_text(xml, NULL, "/domain/os/type/@arch");
    g_autofree char *machine = domain_xml_text(xml, NULL, "/domain/os/type/@machine");

    if (memory->obstacle)
        g_set_error_literal(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_REFUSED, memory->obstacle);
    else if (g_strcmp0(arch, "x86_64") != 0)
        g_set_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_REFUSED,
                    "its architecture is %s; memplug knows x86_64", arch ? arch : "not told");
    else if (!is_known_machine(machine))
        g_set_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_REFUSED,
                    "its machine type is %s; memplug knows q35 and pc (i440fx)",
                    machine ? machine : "not told");
    else if (!domain_xml_find(xml, NULL, "/domain/features/acpi"))
        g_set_error_literal(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_REFUSED,
                            "it has no <acpi/>, by which a guest learns of new memory");
    else
        return TRUE;
    return FALSE;
}

/* What the guest can reach by the devices it has. */
static guint64
reach_of(const GuestMemory *memory)
{
    guint64 reach = memory->boot + guest_memory_dimms(memory);

    for (guint i = 0; i < memory->n_devices; i++)
        reach += memory->devices[i].max;
    return reach;
}

/* A block is at least one page of what backs the guest's memory. */
static guint64
block_of(const DomainXml *xml)
{
    guint64 page = 0;

    domain_xml_size(xml, NULL, "/domain/memoryBacking/hugepages/page/@size", &page, NULL);
    return MAX(page, BLOCK);
}

/* Boot memory and devices, and whole blocks from there on; but a <maxMemory> that is there
 * already is taken as it is. */
static guint64
goal_of(const DomainXml *xml, const GuestMemory *memory, guint64 wanted, guint64 sensible)
{
    guint64 goal = MIN(wanted > 0 ? wanted : sensible, DOMAIN_XML_SIZE_MAX);
    guint64 reach = reach_of(memory);
    guint64 block = block_of(xml);

    if (wanted == 0 && memory->max > memory->boot)
        return guest_memory_has_virtio_mem(memory) ? reach : memory->max;
    return goal > reach ? reach + (goal - reach + block - 1) / block * block : reach;
}

/* Returns: (nullable): the element before which one belongs that shall follow the last @path. */
static xmlNode *
after_last(const DomainXml *xml, const char *path)
{
    g_autoptr(GPtrArray) nodes = domain_xml_find_all(xml, NULL, path);

    return nodes->len > 0
               ? domain_xml_find(xml, nodes->pdata[nodes->len - 1], "following-sibling::*[1]")
               : NULL;
}

static xmlNode *
devices_of(const DomainXml *xml)
{
    xmlNode *devices = domain_xml_find(xml, NULL, "/domain/devices");

    return devices ? devices : domain_xml_add(xml, domain_xml_root(xml), NULL, "<devices/>");
}

/*
 * Steps. Each returns whether it changed something.
 */

static gboolean
add_max(const Setup *setup)
{
    const GuestMemory *memory = setup->memory;
    xmlNode *max = domain_xml_find(setup->xml, NULL, "/domain/maxMemory");
    g_autofree char *slots = g_strdup_printf("%u", MAX(memory->slots, SLOTS));
    gboolean larger = setup->goal > memory->max;
    gboolean more = memory->slots == 0 && MAX(setup->goal, memory->max) > memory->boot &&
                    (larger || !guest_memory_has_virtio_mem(memory));

    if (!larger && !more)
        return FALSE;
    if (!max)
        max = domain_xml_add(setup->xml, domain_xml_root(setup->xml),
                             domain_xml_find(setup->xml, NULL, "/domain/memory"), "<maxMemory/>");
    if (more)
        xmlSetProp(max, BAD_CAST "slots", BAD_CAST slots);
    if (larger)
        domain_xml_set_size(setup->xml, domain_xml_root(setup->xml), "maxMemory", setup->goal);
    return TRUE;
}

/* One cell of all vCPUs and all boot memory: libvirt before version 10 refuses memory
 * devices without. What kind of CPU it is stays as it was. */
static gboolean
add_cell(const Setup *setup)
{
    const DomainXml *xml = setup->xml;
    xmlNode *cpu = domain_xml_find(xml, NULL, "/domain/cpu");
    xmlNode *numa;
    g_autofree char *cpus = NULL;
    g_autofree char *cell = NULL;
    guint64 vcpus = 1;

    if (setup->memory->n_nodes > 0 || MAX(setup->goal, setup->memory->max) <= setup->memory->boot)
        return FALSE;
    domain_xml_number(xml, NULL, "/domain/vcpu", G_MAXUINT16, &vcpus, NULL);
    cpus = vcpus > 1 ? g_strdup_printf("0-%" G_GUINT64_FORMAT, vcpus - 1) : g_strdup("0");
    cell = g_strdup_printf("<cell id='0' cpus='%s' memory='%" G_GUINT64_FORMAT "' unit='KiB'/>",
                           cpus, setup->memory->boot / SIZE_KIB);
    if (!cpu)
        cpu = domain_xml_add(xml, domain_xml_root(xml),
                             domain_xml_find(xml, NULL, "/domain/clock|/domain/devices"), "<cpu/>");
    numa = domain_xml_find(xml, cpu, "numa");
    if (!numa)
        numa = domain_xml_add(xml, cpu, NULL, "<numa/>");
    domain_xml_add(xml, numa, NULL, cell);
    return TRUE;
}

/* Returns: (nullable): the <target> of our virtio-mem device in node @node. */
static xmlNode *
our_target(const DomainXml *xml, guint node)
{
    g_autofree char *path = g_strdup_printf(
        "/domain/devices/memory[@model='virtio-mem'][starts-with(alias/@name, '%s')]/target"
        "[number(node) = %u]",
        MEMORY_DEVICE_LIBVIRT_ID_PREFIX, node);

    return domain_xml_find(xml, NULL, path);
}

static void
add_range(const DomainXml *xml, guint node, guint64 range, guint64 block)
{
    xmlNode *target = our_target(xml, node);
    guint number = 0;
    g_autofree char *alias = domain_device_next_alias(xml, DOMAIN_DEVICE_VIRTIO_MEM, &number);
    g_autofree char *device = domain_device_virtio_mem(range, block, (gint)node, alias);
    guint64 size = 0;

    if (!target) {
        domain_xml_add(xml, devices_of(xml), NULL, device);
        return;
    }
    domain_xml_size(xml, target, "size", &size, NULL);
    domain_xml_set_size(xml, target, "size", size + range);
}

/* How much more virtio-mem devices may be able to hold than they are now. */
static guint64
virtio_mem_lacking(const Setup *setup, guint64 reach)
{
    const GuestMemory *memory = setup->memory;
    guint64 there = 0;

    for (guint i = 0; i < memory->n_devices; i++)
        if (memory->devices[i].kind == MEMORY_DEVICE_VIRTIO_MEM)
            there += memory->devices[i].max;
    return MIN(setup->goal - reach, setup->virtio_mem - MIN(there, setup->virtio_mem));
}

static gboolean
add_virtio_mem(const Setup *setup)
{
    static const MemoryNode whole = { .id = 0, .boot = 1 };
    const GuestMemory *memory = setup->memory;
    const MemoryNode *nodes = memory->n_nodes > 0 ? memory->nodes : &whole;
    guint64 block = block_of(setup->xml);
    guint64 reach = reach_of(memory);
    guint64 left = virtio_mem_lacking(setup, reach) / block;
    guint64 boot = memory->n_nodes > 0 ? memory->boot : whole.boot;
    gboolean changed = left > 0;

    for (guint i = 0; left > 0 && i < MAX(memory->n_nodes, 1); i++) {
        guint64 share = (guint64)((Wide)left * nodes[i].boot / MAX(boot, 1));

        if (share > 0)
            add_range(setup->xml, nodes[i].id, share * block, block);
        left -= share;
        boot -= nodes[i].boot;
        reach += share * block;
    }
    /* libvirt would count the same. */
    if (changed)
        domain_xml_set_size(setup->xml, domain_xml_root(setup->xml), "memory", reach);
    return changed;
}

static gboolean
set_attribute(xmlNode *element, const char *name, const char *value)
{
    xmlChar *old = xmlGetNoNsProp(element, BAD_CAST name);
    gboolean same = old && strcmp((const char *)old, value) == 0;

    xmlFree(old);
    if (!same)
        xmlSetProp(element, BAD_CAST name, BAD_CAST value);
    return !same;
}

static gboolean
add_balloon(const Setup *setup)
{
    const DomainXml *xml = setup->xml;
    xmlNode *balloon = domain_xml_find(xml, NULL, BALLOON);
    xmlNode *stats;
    gboolean changed = FALSE;

    if (!balloon)
        balloon = domain_xml_add(xml, devices_of(xml), NULL, "<memballoon/>");
    if (!domain_xml_find(xml, NULL, DOMAIN_SETUP_BALLOON_PATH))
        changed |= set_attribute(balloon, "model", "virtio");
    changed |= set_attribute(balloon, "freePageReporting", "on");
    stats = domain_xml_find(xml, balloon, "stats");
    if (!stats)
        stats = domain_xml_add(xml, balloon, domain_xml_find(xml, balloon, "*"), "<stats/>");
    if (!domain_xml_find(xml, stats, "@period[. != '0']"))
        changed |= set_attribute(stats, "period", "1");
    return changed;
}

static gboolean
add_channel(const Setup *setup)
{
    const DomainXml *xml = setup->xml;

    if (domain_xml_find(xml, NULL, DOMAIN_SETUP_CHANNEL_PATH))
        return FALSE;
    domain_xml_add(xml, devices_of(xml),
                   after_last(xml, "/domain/devices/*[self::channel or self::console or "
                                   "self::serial or self::controller]"),
                   DOMAIN_SETUP_CHANNEL);
    return TRUE;
}

/* The last step: what was added before needs ports, too. */
static gboolean
add_ports(const Setup *setup)
{
    const DomainXml *xml = setup->xml;
    gint missing = domain_pci_has_ports(xml) ? FREE_PORTS - domain_pci_free(xml) : 0;

    for (gint i = 0; i < missing; i++) {
        g_autofree char *port =
            g_strdup_printf("<controller type='pci' index='%u' model='pcie-root-port'/>",
                            domain_pci_new_index(xml));

        domain_xml_add(xml, devices_of(xml),
                       after_last(xml, "/domain/devices/controller[@type='pci']"), port);
    }
    return missing > 0;
}

char *
domain_setup_plan(const char *inactive_xml, const GuestSetup *wanted, guint64 sensible_max,
                  GError **error)
{
    static gboolean (*const steps[])(const Setup *setup) = {
        add_max, add_cell, add_virtio_mem, add_balloon, add_channel, add_ports,
    };
    g_autoptr(DomainXml) xml = domain_xml_open(inactive_xml, "domain", error);
    g_autoptr(GuestMemory) memory = xml ? domain_memory_read(inactive_xml, error) : NULL;
    Setup setup = { .xml = xml, .memory = memory, .virtio_mem = G_MAXUINT64 };
    gboolean changed = FALSE;

    if (!memory || !check(xml, memory, error))
        return NULL;
    if (wanted->no_virtio_mem || wanted->virtio_mem > 0)
        setup.virtio_mem = wanted->no_virtio_mem ? 0 : wanted->virtio_mem;
    setup.goal = goal_of(xml, memory, wanted->max, sensible_max);
    for (guint i = 0; i < G_N_ELEMENTS(steps); i++)
        changed |= steps[i](&setup);
    return changed ? domain_xml_print(xml) : g_strdup(inactive_xml);
}
