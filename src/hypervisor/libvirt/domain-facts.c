/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/domain-facts.h"

#include "hypervisor/libvirt/domain-memory.h"
#include "hypervisor/libvirt/domain-pci.h"
#include "hypervisor/libvirt/domain-setup.h"
#include "hypervisor/libvirt/domain-xml.h"
#include "size/size.h"

/* What libvirt takes for <hugepages/> alone is the host's default; on x86 that is this. */
#define HUGEPAGE_USUAL (2 * SIZE_MIB)

#define VFIO                                               \
    "/domain/devices/hostdev[@type='pci' or @type='mdev']" \
    "|/domain/devices/interface[@type='hostdev']"

/* Devices whose back end is outside of QEMU and maps the guest's memory, whoever runs the guest. */
#define VHOST                                                                              \
    "/domain/devices/interface[driver/@name='vhost' or @type='vhostuser' or @type='vdpa']" \
    "|/domain/devices/vsock|/domain/devices/filesystem[driver/@type='virtiofs']"           \
    "|/domain/devices/disk[@type='vhostuser' or @type='vhostvdpa']"                        \
    "|/domain/devices/hostdev[@type='scsi_host']"                                          \
    "|/domain/devices/video[driver/@name='vhostuser']"

/* With KVM libvirt serves these by the kernel's vhost-net unless told otherwise
 * (qemuInterfaceOpenVhostNet() in its src/qemu/qemu_interface.c). */
#define VHOST_BY_DEFAULT                                                         \
    "/domain[@type='kvm']/devices/interface[starts-with(model/@type, 'virtio')]" \
    "[not(driver/@name)][@type='network' or @type='bridge' or @type='direct' or @type='ethernet']"

static Fact
fact(gboolean yes)
{
    return yes ? FACT_YES : FACT_NO;
}

static Fact
exists(const DomainXml *xml, const char *path)
{
    return fact(domain_xml_find(xml, NULL, path) != NULL);
}

static guint
count(const DomainXml *xml, const char *path)
{
    g_autoptr(GPtrArray) nodes = domain_xml_find_all(xml, NULL, path);

    return nodes->len;
}

static void
read_identity(const DomainXml *xml, GuestFacts *facts)
{
    g_autofree char *type = domain_xml_text(xml, NULL, "/domain/@type");

    facts->kind = GUEST_FACTS_LIBVIRT;
    facts->name = domain_xml_text(xml, NULL, "/domain/name");
    facts->machine = domain_xml_text(xml, NULL, "/domain/os/type/@machine");
    facts->system =
        domain_xml_text(xml, NULL, "/domain/metadata/libosinfo:libosinfo/libosinfo:os/@id");
    facts->command_line = domain_xml_text(xml, NULL, "/domain/os/cmdline");
    facts->kvm = g_strcmp0(type, "kvm") == 0 ? FACT_YES : FACT_UNKNOWN;
    if (g_strcmp0(type, "qemu") == 0)
        facts->kvm = FACT_NO;
}

static gboolean
read_numbers(const DomainXml *xml, GuestFacts *facts, GError **error)
{
    guint64 vcpus = 1;
    guint64 period = 0;
    gint ports = domain_pci_free(xml);

    if (!domain_xml_number(xml, NULL, "/domain/vcpu", G_MAXUINT16, &vcpus, error) ||
        !domain_xml_number(xml, NULL, "/domain/vcpu/@current", G_MAXUINT16, &vcpus, error) ||
        !domain_xml_number(xml, NULL, "/domain/devices/memballoon/stats/@period", G_MAXINT, &period,
                           error))
        return FALSE;
    facts->vcpus = (guint)vcpus;
    facts->stats_period_s = (guint)period;
    facts->root_ports_free = (guint)MAX(ports, 0);
    facts->vfio = count(xml, VFIO);
    facts->vhost = count(xml, VHOST) + count(xml, VHOST_BY_DEFAULT);
    /* Beyond all sizes: none. */
    domain_xml_size(xml, NULL, "/domain/memtune/hard_limit", &facts->hard_limit, NULL);
    return TRUE;
}

static gboolean
read_backing(const DomainXml *xml, GuestFacts *facts, GError **error)
{
    if (domain_xml_find(xml, NULL, "/domain/memoryBacking/hugepages"))
        facts->hugepage = HUGEPAGE_USUAL;
    facts->shared = exists(xml, "/domain/memoryBacking/access[@mode='shared']"
                                "|/domain/cpu/numa/cell[@memAccess='shared']");
    facts->locked = exists(xml, "/domain/memoryBacking/locked");
    return domain_xml_size(xml, NULL, "/domain/memoryBacking/hugepages/page/@size",
                           &facts->hugepage, error);
}

static void
read_devices(const DomainXml *xml, GuestFacts *facts)
{
    facts->acpi = exists(xml, "/domain/features/acpi");
    facts->free_page_reporting =
        exists(xml, "/domain/devices/memballoon[@freePageReporting='on'][@model!='none']");
    facts->stats_channel = exists(xml, DOMAIN_SETUP_CHANNEL_PATH);
    facts->stats_channel_connected = exists(xml, DOMAIN_SETUP_CHANNEL_PATH "[@state='connected']");
}

GuestFacts *
domain_facts_read(const char *live_xml, const char *inactive_xml, GError **error)
{
    g_autoptr(DomainXml) xml = domain_xml_open(live_xml, "domain", error);
    g_autoptr(GuestFacts) facts = g_new0(GuestFacts, 1);

    if (!xml || !read_numbers(xml, facts, error) || !read_backing(xml, facts, error))
        return NULL;
    facts->memory = domain_memory_read(live_xml, error);
    if (!facts->memory)
        return NULL;
    read_identity(xml, facts);
    read_devices(xml, facts);
    facts->persistent = fact(inactive_xml != NULL);
    if (inactive_xml)
        domain_memory_read_given(inactive_xml, &facts->memory->given);
    return g_steal_pointer(&facts);
}
