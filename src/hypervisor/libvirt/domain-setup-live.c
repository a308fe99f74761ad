/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Of a plan, what a running domain can take: it looks at the same things as the
 * plan's steps, in the running domain, and sets aside what it cannot have now.
 */
#include "hypervisor/guest-memory.h"
#include "hypervisor/libvirt/domain-device.h"
#include "hypervisor/libvirt/domain-memory.h"
#include "hypervisor/libvirt/domain-pci.h"
#include "hypervisor/libvirt/domain-setup.h"
#include "hypervisor/libvirt/domain-xml.h"
#include "size/size.h"

#define REPORTING  "/domain/devices/memballoon[@freePageReporting='on']"
#define STATS      "/domain/devices/memballoon[@model!='none']/stats/@period"
#define ROOT_PORTS "/domain/devices/controller[@model='pcie-root-port']"

typedef struct {
    const DomainXml *live;
    const DomainXml *planned;
    const GuestMemory *live_memory;
    const GuestMemory *planned_memory;
    gint ports;        /* that are still free */
    guint64 room;      /* of <maxMemory>, that no device has */
    GPtrArray *result; /* DomainChange */
    gboolean rest;
} Comparison;

static void
domain_change_free(DomainChange *change)
{
    g_free(change->device);
    g_free(change->words);
    g_free(change);
}

/* @device and @words are transfer full. */
static void
attach(Comparison *comparison, char *device, char *words)
{
    DomainChange *change = g_new0(DomainChange, 1);

    change->kind = DOMAIN_CHANGE_ATTACH_DEVICE;
    change->device = device;
    change->words = words;
    g_ptr_array_add(comparison->result, change);
}

static gboolean
live_has(const Comparison *comparison, const char *path)
{
    return domain_xml_find(comparison->live, NULL, path) != NULL;
}

static gboolean
planned_has(const Comparison *comparison, const char *path)
{
    return domain_xml_find(comparison->planned, NULL, path) != NULL;
}

static void
compare_stats(Comparison *comparison)
{
    DomainChange *change;
    guint64 planned = 0;
    guint64 live = 0;

    domain_xml_number(comparison->planned, NULL, STATS, G_MAXINT, &planned, NULL);
    domain_xml_number(comparison->live, NULL, STATS, G_MAXINT, &live, NULL);
    if (planned == 0 || live > 0 || !live_has(comparison, DOMAIN_SETUP_BALLOON_PATH))
        return;
    change = g_new0(DomainChange, 1);
    change->kind = DOMAIN_CHANGE_STATS_PERIOD;
    change->period_s = (guint)planned;
    change->words = g_strdup_printf("ask the balloon for statistics every %u s", change->period_s);
    g_ptr_array_add(comparison->result, change);
}

/* A port of the guest's needs the controller that all of them share, and that one libvirt
 * does not plug into a running domain. */
static void
compare_channel(Comparison *comparison)
{
    if (!planned_has(comparison, DOMAIN_SETUP_CHANNEL_PATH) ||
        live_has(comparison, DOMAIN_SETUP_CHANNEL_PATH))
        return;
    if (live_has(comparison, "/domain/devices/controller[@type='virtio-serial']"))
        attach(comparison, g_strdup(DOMAIN_SETUP_CHANNEL),
               g_strdup("attach the port org.memplug.stats.0"));
    else
        comparison->rest = TRUE;
}

static void
compare_virtio_mem(Comparison *comparison, const MemoryDevice *planned)
{
    const MemoryDevice *live = guest_memory_find(comparison->live_memory, planned->id);
    g_autofree char *size = size_format(planned->max);

    if (live) {
        comparison->rest |= live->max < planned->max;
        return;
    }
    if (comparison->ports < 1 || comparison->room < planned->max ||
        comparison->live_memory->n_nodes == 0) {
        comparison->rest = TRUE;
        return;
    }
    comparison->ports--;
    comparison->room -= planned->max;
    attach(comparison,
           domain_device_virtio_mem(planned->max, planned->block, (gint)planned->node, planned->id),
           g_strdup_printf("attach a virtio-mem device of up to %s as %s", size, planned->id));
}

static guint
count(const DomainXml *xml, const char *path)
{
    g_autoptr(GPtrArray) nodes = domain_xml_find_all(xml, NULL, path);

    return nodes->len;
}

/* What is fixed when QEMU starts. */
static void
compare_fixed(Comparison *comparison)
{
    const GuestMemory *live = comparison->live_memory;
    const GuestMemory *planned = comparison->planned_memory;

    comparison->rest |=
        live->max < planned->max || live->slots < planned->slots ||
        live->n_nodes < planned->n_nodes ||
        (planned_has(comparison, DOMAIN_SETUP_BALLOON_PATH) &&
         !live_has(comparison, DOMAIN_SETUP_BALLOON_PATH)) ||
        (planned_has(comparison, REPORTING) && !live_has(comparison, REPORTING)) ||
        count(comparison->live, ROOT_PORTS) < count(comparison->planned, ROOT_PORTS);
}

static guint64
room_of(const GuestMemory *memory)
{
    guint64 taken = memory->boot + guest_memory_dimms(memory);

    for (guint i = 0; i < memory->n_devices; i++)
        taken += memory->devices[i].max;
    return memory->max - MIN(memory->max, taken);
}

GPtrArray *
domain_setup_live(const char *live_xml, const char *planned_xml, gboolean *rest, GError **error)
{
    g_autoptr(GPtrArray) changes =
        g_ptr_array_new_with_free_func((GDestroyNotify)domain_change_free);
    g_autoptr(DomainXml) live = domain_xml_open(live_xml, "domain", error);
    g_autoptr(DomainXml) planned = live ? domain_xml_open(planned_xml, "domain", error) : NULL;
    g_autoptr(GuestMemory) has = planned ? domain_memory_read(live_xml, error) : NULL;
    g_autoptr(GuestMemory) wants = has ? domain_memory_read(planned_xml, error) : NULL;
    Comparison comparison = { .live = live,
                              .planned = planned,
                              .live_memory = has,
                              .planned_memory = wants,
                              .result = changes };

    if (!wants)
        return NULL;
    comparison.ports = domain_pci_free(live);
    comparison.room = room_of(has);
    compare_stats(&comparison);
    compare_channel(&comparison);
    for (guint i = 0; i < wants->n_devices; i++) {
        if (wants->devices[i].kind == MEMORY_DEVICE_VIRTIO_MEM && wants->devices[i].ours)
            compare_virtio_mem(&comparison, &wants->devices[i]);
    }
    compare_fixed(&comparison);
    if (rest)
        *rest = comparison.rest;
    return g_steal_pointer(&changes);
}
