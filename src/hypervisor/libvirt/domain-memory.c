/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *   <maxMemory slots='8'>   max, slots
 *   <memory>                boot + every device at its full size
 *   <currentMemory>         boot + DIMMs + virtio-mem's <current> - balloon
 *   <numa><cell memory=>    the nodes; their sum is the boot memory
 *   <devices><memory>       the devices; their ids are the aliases
 *
 * That <currentMemory> counts virtio-mem as it stands, but no more of it than
 * the guest has taken, was measured with libvirt 9.0. A domain without cells
 * has no memory devices before libvirt 10; what it boots with is then <memory>
 * less the devices.
 */
#include "hypervisor/libvirt/domain-memory.h"

#include <string.h>

#include "hypervisor/libvirt/domain-xml.h"
#include "size/size.h"

/* ACPI has 256 slots, and a machine far fewer places for virtio-mem. */
#define DEVICES_MAX 1024
#define SLOTS_MAX   256

/* See domain_memory_cap() in the header. */
#define OVERHEAD_QEMU       (64 * SIZE_MIB)
#define OVERHEAD_VCPU       (8 * SIZE_MIB)
#define PAGE_TABLE_SHARE    512
#define OVERHEAD_VCPUS_MAX  4096
#define OVERHEAD_VIDEOS_MAX 16

/* The systems of osinfo-db that are not of the family linux, by the beginning of
 * their ids. All others, and those that nobody knows, are taken for Linux. */
static const char *const other_systems[] = {
    "http://apple.com/",    "http://dragonflybsd.org/",      "http://freebsd.org/",
    "http://haiku-os.org/", "http://microsoft.com/",         "http://netbsd.org/",
    "http://novell.com/",   "http://openbsd.org/",           "http://oracle.com/solaris/",
    "http://sun.com/",      "http://guix.gnu.org/guix/hurd",
};

static gboolean
refuse(GError **error, const char *what)
{
    g_set_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_VALUE, "%s", what);
    return FALSE;
}

static gboolean
read_device(const DomainXml *xml, xmlNode *node, MemoryDevice *device, GError **error)
{
    guint64 cell = 0;
    guint64 current = 0;

    device->id = domain_xml_text(xml, node, "alias/@name");
    device->ours = device->id && g_str_has_prefix(device->id, MEMORY_DEVICE_LIBVIRT_ID_PREFIX);
    if (!domain_xml_number(xml, node, "target/node", G_MAXUINT16, &cell, error) ||
        !domain_xml_size(xml, node, "target/size", &device->size, error))
        return FALSE;
    device->node = (guint)cell;
    device->acknowledged = TRUE;
    if (domain_xml_says(xml, node, "@model", "dimm"))
        return TRUE;

    device->kind = MEMORY_DEVICE_VIRTIO_MEM;
    device->max = device->size;
    if (!domain_xml_size(xml, node, "target/current", &current, error) ||
        !domain_xml_size(xml, node, "target/requested", &device->requested, error) ||
        !domain_xml_size(xml, node, "target/block", &device->block, error))
        return FALSE;
    device->size = current;
    if (device->block == 0 || device->size > device->max || device->requested > device->max)
        return refuse(error, "<memory model='virtio-mem'> cannot be as it is told");
    return TRUE;
}

static gboolean
read_devices(const DomainXml *xml, GuestMemory *memory, GError **error)
{
    g_autoptr(GPtrArray) nodes = domain_xml_find_all(
        xml, NULL, "/domain/devices/memory[@model='dimm' or @model='virtio-mem']");

    if (nodes->len > DEVICES_MAX)
        return refuse(error, "more memory devices than a machine can have");
    memory->devices = g_new0(MemoryDevice, nodes->len);
    for (guint i = 0; i < nodes->len; i++) {
        memory->n_devices++;
        if (!read_device(xml, nodes->pdata[i], &memory->devices[i], error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
read_nodes(const DomainXml *xml, GuestMemory *memory, GError **error)
{
    g_autoptr(GPtrArray) cells = domain_xml_find_all(xml, NULL, "/domain/cpu/numa/cell");

    if (cells->len > DEVICES_MAX)
        return refuse(error, "more NUMA cells than a machine can have");
    memory->nodes = g_new0(MemoryNode, cells->len);
    memory->n_nodes = cells->len;
    for (guint i = 0; i < cells->len; i++) {
        guint64 id = i;

        if (!domain_xml_number(xml, cells->pdata[i], "@id", G_MAXUINT16, &id, error) ||
            !domain_xml_size(xml, cells->pdata[i], "@memory", &memory->nodes[i].boot, error))
            return FALSE;
        memory->nodes[i].id = (guint)id;
        memory->boot += memory->nodes[i].boot;
    }
    return TRUE;
}

/* <memory> less what its devices are of it. */
static gboolean
read_boot_without_cells(const DomainXml *xml, guint64 *boot, GError **error)
{
    g_autoptr(GPtrArray) devices = domain_xml_find_all(xml, NULL, "/domain/devices/memory");
    guint64 total = 0;
    guint64 plugged = 0;

    if (devices->len > DEVICES_MAX)
        return refuse(error, "more memory devices than a machine can have");
    if (!domain_xml_size(xml, NULL, "/domain/memory", &total, error))
        return FALSE;
    for (guint i = 0; i < devices->len; i++) {
        guint64 size = 0;

        if (!domain_xml_size(xml, devices->pdata[i], "target/size", &size, error))
            return FALSE;
        plugged += size;
    }
    *boot = total - MIN(total, plugged);
    return TRUE;
}

static gboolean
read_boot(const DomainXml *xml, GuestMemory *memory, GError **error)
{
    guint64 slots = 0;

    if (!read_nodes(xml, memory, error) ||
        (memory->n_nodes == 0 && !read_boot_without_cells(xml, &memory->boot, error)))
        return FALSE;
    if (memory->boot == 0)
        return refuse(error, "a domain without memory");
    memory->max = memory->boot;
    if (!domain_xml_size(xml, NULL, "/domain/maxMemory", &memory->max, error) ||
        !domain_xml_number(xml, NULL, "/domain/maxMemory/@slots", G_MAXUINT, &slots, error))
        return FALSE;
    if (memory->max < memory->boot)
        return refuse(error, "<maxMemory> is less than the memory at boot");
    memory->slots = (guint)MIN(slots, SLOTS_MAX);
    return TRUE;
}

/*
 * The balloon
 */

/* QEMU lets the balloon of a guest be, whatever it is told, when something else counts on all
 * of the guest's memory to stay where it is: VFIO, or the encryption of SEV (ram_block_discard_
 * disable() in its hw/vfio and target/i386/sev.c). */
#define PINNED                                             \
    "/domain/devices/hostdev[@type='pci' or @type='mdev']" \
    "|/domain/devices/interface[@type='hostdev']|/domain/launchSecurity[starts-with(@type,'sev')]"

static gboolean
read_balloon(const DomainXml *xml, GuestMemory *memory, GError **error)
{
    const char *path = "/domain/devices/memballoon[@model and @model!='none']";
    xmlNode *balloon = domain_xml_find(xml, NULL, path);
    guint64 plugged = memory->boot;
    guint64 current = G_MAXUINT64;

    /* Where virtio-mem is in it, libvirt may have reckoned it below 0. */
    if (!domain_xml_size(xml, NULL, "/domain/currentMemory", &current,
                         guest_memory_has_virtio_mem(memory) ? NULL : error) &&
        !guest_memory_has_virtio_mem(memory))
        return FALSE;
    if (!balloon || domain_xml_find(xml, NULL, PINNED))
        return TRUE;
    for (guint i = 0; i < memory->n_devices; i++)
        plugged += memory->devices[i].size;
    memory->has_balloon = TRUE;
    memory->balloon_drifts = domain_xml_says(xml, balloon, "@autodeflate", "on");
    memory->ballooned = plugged - MIN(plugged, current);
    memory->beyond = current == G_MAXUINT64 ? 0 : current - MIN(plugged, current);
    memory->balloon_requested = memory->ballooned;
    return TRUE;
}

/*
 * What the world around the guest says
 */

static gboolean
read_overhead(const DomainXml *xml, guint64 *overhead, GError **error)
{
    g_autoptr(GPtrArray) videos = domain_xml_find_all(xml, NULL, "/domain/devices/video/model");
    guint64 vcpus = 1;

    if (!domain_xml_number(xml, NULL, "/domain/vcpu", OVERHEAD_VCPUS_MAX, &vcpus, error))
        return FALSE;
    *overhead = OVERHEAD_QEMU + vcpus * OVERHEAD_VCPU;
    for (guint i = 0; i < MIN(videos->len, OVERHEAD_VIDEOS_MAX); i++) {
        guint64 vram_kib = 0;
        guint64 ram_kib = 0;

        if (!domain_xml_number(xml, videos->pdata[i], "@vram", G_MAXUINT, &vram_kib, error) ||
            !domain_xml_number(xml, videos->pdata[i], "@ram", G_MAXUINT, &ram_kib, error))
            return FALSE;
        *overhead += (vram_kib + ram_kib) * SIZE_KIB;
    }
    return TRUE;
}

static gboolean
cap_under(const DomainXml *xml, guint64 limit, guint64 *cap, GError **error)
{
    guint64 overhead;
    guint64 left;

    if (!read_overhead(xml, &overhead, error))
        return FALSE;
    left = limit - MIN(overhead, limit / 2);
    left -= left / (PAGE_TABLE_SHARE + 1);
    *cap =
        domain_xml_find(xml, NULL, "/domain/memoryBacking/hugepages") ? 0 : left - left % SIZE_MIB;
    return TRUE;
}

static gboolean
read_cap(const DomainXml *xml, GuestMemory *memory, GError **error)
{
    guint64 limit = 0;

    /* libvirt's way to say "none" is a limit beyond all sizes. */
    if (!domain_xml_size(xml, NULL, "/domain/memtune/hard_limit", &limit, NULL) || limit == 0)
        return TRUE;
    if (!cap_under(xml, limit, &memory->cap, error))
        return FALSE;
    if (memory->cap > 0)
        memory->cap_reason = g_strdup("the domain's memtune hard_limit");
    return TRUE;
}

static void
read_obstacle(const DomainXml *xml, GuestMemory *memory)
{
    g_autofree char *system =
        domain_xml_text(xml, NULL, "/domain/metadata/libosinfo:libosinfo/libosinfo:os/@id");

    for (guint i = 0; system && i < G_N_ELEMENTS(other_systems); i++) {
        if (!g_str_has_prefix(system, other_systems[i]))
            continue;
        memory->obstacle = g_strdup_printf("its operating system is not Linux (%s)", system);
        return;
    }
}

GuestMemory *
domain_memory_read(const char *live_xml, GError **error)
{
    g_autoptr(DomainXml) xml = domain_xml_open(live_xml, "domain", error);
    g_autoptr(GuestMemory) memory = g_new0(GuestMemory, 1);

    if (!xml || !read_boot(xml, memory, error) || !read_devices(xml, memory, error) ||
        !read_balloon(xml, memory, error) || !read_cap(xml, memory, error))
        return NULL;
    read_obstacle(xml, memory);
    return g_steal_pointer(&memory);
}

gboolean
domain_memory_read_given(const char *inactive_xml, guint64 *given)
{
    g_autoptr(DomainXml) xml = domain_xml_open(inactive_xml, "domain", NULL);
    g_autoptr(GuestMemory) memory = g_new0(GuestMemory, 1);
    guint64 current = 0;

    if (!xml || !read_boot(xml, memory, NULL) || !read_balloon(xml, memory, NULL) ||
        !memory->has_balloon ||
        !domain_xml_size(xml, NULL, "/domain/currentMemory", &current, NULL))
        return FALSE;
    if (current == 0 || current >= memory->boot)
        return FALSE;
    *given = current;
    return TRUE;
}

gboolean
domain_memory_cap(const char *live_xml, guint64 limit, guint64 *cap, GError **error)
{
    g_autoptr(DomainXml) xml = domain_xml_open(live_xml, "domain", error);

    return xml && cap_under(xml, limit, cap, error);
}

gboolean
domain_memory_need(const char *text, DomainNeed *need, GError **error)
{
    g_autoptr(DomainXml) xml = domain_xml_open(text, "domain", error);
    g_autofree char *name = xml ? domain_xml_text(xml, NULL, "/domain/name") : NULL;
    g_autoptr(GuestMemory) memory = g_new0(GuestMemory, 1);
    guint64 bytes, overhead;

    if (!xml || !read_boot(xml, memory, error) || !read_devices(xml, memory, error) ||
        !read_overhead(xml, &overhead, error))
        return FALSE;
    if (!name) {
        g_set_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MISSING, "a domain without a name");
        return FALSE;
    }
    bytes = memory->boot;
    for (guint i = 0; i < memory->n_devices; i++) {
        const MemoryDevice *device = &memory->devices[i];

        bytes += device->kind == MEMORY_DEVICE_DIMM ? device->size : device->requested;
    }
    *need = (DomainNeed){ .name = g_steal_pointer(&name),
                          .memory = bytes,
                          .overhead = overhead + bytes / PAGE_TABLE_SHARE };
    return TRUE;
}
