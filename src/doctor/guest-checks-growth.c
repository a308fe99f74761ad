/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a guest may be touched at all, and what it can grow by. */
#include "doctor/guest-check.h"
#include "size/size.h"

static Finding *
check_obstacle(const GuestCase *guest)
{
    if (!guest->facts->memory->obstacle)
        return NULL;
    return finding_new(FINDING_PROBLEM, "memplug leaves this guest as it is", NULL, "%s",
                       guest->facts->memory->obstacle);
}

/* 7.2 is what memplug is tested on; before 6.2 a refused unplug is not told. */
static Finding *
check_qemu(const GuestCase *guest)
{
    const char *version = guest->facts->version;

    if (!version)
        return NULL;
    if (guest_check_is_version(version, 7, 2))
        return finding_ok("QEMU is %s", version);
    return finding_new(FINDING_WARNING, "memplug is made for QEMU 7.2 and newer",
                       g_strdup("install a newer QEMU and restart the guest"), "QEMU is %s",
                       version);
}

/* 9.0 is what memplug is tested on, and the least that it is built with. */
static Finding *
check_libvirt(const GuestCase *guest)
{
    const char *version = guest->facts->libvirt;

    if (!version)
        return NULL;
    if (guest_check_is_version(version, 9, 0))
        return finding_ok("libvirt is %s", version);
    return finding_new(FINDING_WARNING,
                       "memplug is made for libvirt 9.0 and newer; before 7.9 there is no "
                       "virtio-mem",
                       g_strdup("install a newer libvirt; its guests need not be restarted"),
                       "libvirt is %s", version);
}

static Finding *
check_acceleration(const GuestCase *guest)
{
    if (guest->facts->kvm == FACT_UNKNOWN)
        return NULL;
    if (guest->facts->kvm == FACT_YES)
        return finding_ok("the guest runs on KVM");
    return finding_new(FINDING_WARNING, "it is many times slower, and so is all that it is asked",
                       guest_check_fix(guest, FALSE, "<domain type='kvm'>", "-accel kvm"),
                       "QEMU emulates the guest's processors (TCG)");
}

static Finding *
check_persistence(const GuestCase *guest)
{
    if (guest->facts->persistent != FACT_NO)
        return NULL;
    return finding_new(FINDING_ADVICE, "limits and set-up are lost when it ends",
                       g_strdup_printf("virsh dumpxml %s > %s.xml && virsh define %s.xml",
                                       guest->facts->name, guest->facts->name, guest->facts->name),
                       "the domain is transient");
}

/* What lets a guest grow: in XML a NUMA cell is needed besides ("At least one numa node
 * has to be configured when enabling memory hotplug", says libvirt). */
static char *
fix_maxmem(const GuestCase *guest)
{
    const GuestMemory *memory = guest->facts->memory;
    guint64 max = guest_check_sensible_max(guest);
    g_autofree char *cell = g_strdup_printf(
        "<cpu>  <!-- as it is, and in it: -->\n"
        "  <numa><cell id='0' cpus='0-%u' memory='%" GUEST_CHECK_MIB "' unit='MiB'/></numa>\n"
        "</cpu>",
        MAX(guest->facts->vcpus, 1) - 1, guest_check_mib(memory->boot));
    g_autofree char *xml = g_strdup_printf(
        "<maxMemory slots='16' unit='MiB'>%" GUEST_CHECK_MIB "</maxMemory>%s%s",
        guest_check_mib(max), memory->n_nodes == 0 ? "\n" : "", memory->n_nodes == 0 ? cell : "");
    g_autofree char *options =
        g_strdup_printf("-m %" GUEST_CHECK_MIB "M,slots=16,maxmem=%" GUEST_CHECK_MIB "M",
                        guest_check_mib(memory->boot), guest_check_mib(max));

    return guest_check_fix(guest, TRUE, xml, options);
}

static Finding *
check_maxmem(const GuestCase *guest)
{
    const GuestMemory *memory = guest->facts->memory;
    g_autofree char *boot = size_format_rounded(memory->boot);
    g_autofree char *max = size_format_rounded(memory->max);

    if (memory->max > memory->boot)
        return finding_ok("the guest booted with %s and may reach %s", boot, max);
    return finding_new(memory->has_balloon ? FINDING_WARNING : FINDING_PROBLEM,
                       memory->has_balloon ? "it can shrink, by its balloon, and never grow beyond"
                                           : "it can neither grow nor shrink",
                       fix_maxmem(guest), "the guest has no room above the %s that it booted with",
                       boot);
}

static Finding *
check_slots(const GuestCase *guest)
{
    const GuestMemory *memory = guest->facts->memory;
    guint unused = guest_memory_free_slots(memory);

    if (memory->max <= memory->boot)
        return NULL;
    if (unused > 0)
        return finding_ok("%u of %u DIMM slots are free", unused, memory->slots);
    if (guest_check_virtio_mem(guest))
        return finding_ok(memory->slots > 0 ? "all DIMM slots are taken; virtio-mem goes on"
                                            : "no DIMM slots; virtio-mem needs none");
    return finding_new(memory->slots > 0 ? FINDING_WARNING : FINDING_PROBLEM,
                       "each DIMM takes one, so nothing more can be plugged", fix_maxmem(guest),
                       memory->slots > 0 ? "all %u DIMM slots are taken"
                                         : "the guest has %u DIMM slots and no virtio-mem device",
                       memory->slots);
}

static Finding *
check_acpi(const GuestCase *guest)
{
    if (guest->facts->acpi != FACT_NO || guest_check_virtio_mem(guest))
        return NULL;
    return finding_new(
        FINDING_PROBLEM, "the guest does not learn of a DIMM without it",
        guest_check_fix(guest, FALSE, "<features><acpi/></features>", "-machine ...,acpi=on"),
        "the guest has no ACPI");
}

/* What a virtio-mem device of the sensible size looks like. */
static char *
fix_virtio_mem(const GuestCase *guest)
{
    const GuestFacts *facts = guest->facts;
    guint64 boot = facts->memory->boot;
    guint64 max = MAX(facts->memory->max, guest_check_sensible_max(guest));
    guint64 room = MAX(max - MIN(max, boot), MEMORY_DIMM_GRAIN);
    g_autofree char *xml = NULL;
    g_autofree char *options = NULL;

    /* It counts with all that it can provide against what the machine has room for. */
    if (facts->kind == GUEST_FACTS_LIBVIRT && facts->memory->max > boot &&
        facts->root_ports_free > 0)
        return g_strdup_printf("memplug plug %s --virtio-mem %" GUEST_CHECK_MIB "M --config",
                               facts->name, guest_check_mib(room));
    xml = g_strdup_printf("<memory model='virtio-mem'>\n"
                          "  <target>\n"
                          "    <size unit='MiB'>%" GUEST_CHECK_MIB "</size>\n"
                          "    <node>0</node>\n"
                          "    <block unit='MiB'>2</block>\n"
                          "    <requested unit='MiB'>0</requested>\n"
                          "  </target>\n"
                          "</memory>",
                          guest_check_mib(room));
    options = g_strdup_printf("-m %" GUEST_CHECK_MIB "M,slots=%u,maxmem=%" GUEST_CHECK_MIB "M\n"
                              "-object memory-backend-ram,id=vmem0,size=%" GUEST_CHECK_MIB
                              "M,reserve=off\n"
                              "-device virtio-mem-pci,id=vm0,memdev=vmem0,requested-size=0",
                              guest_check_mib(boot), facts->memory->slots,
                              guest_check_mib(boot + room), guest_check_mib(room));
    return guest_check_fix(guest, TRUE, xml, options);
}

static Finding *
check_virtio_mem(const GuestCase *guest)
{
    const MemoryDevice *device = guest_check_virtio_mem(guest);
    g_autofree char *max = device ? size_format_rounded(device->max) : NULL;
    g_autofree char *block = device ? size_format(device->block) : NULL;

    if (device)
        return finding_ok("a virtio-mem device provides up to %s in steps of %s", max, block);
    return finding_new(FINDING_ADVICE,
                       "without one the guest grows in DIMMs of 128 MiB and more, which must be "
                       "let go as a whole",
                       fix_virtio_mem(guest), "the guest has no virtio-mem device");
}

static Finding *
check_root_port(const GuestCase *guest)
{
    guint ports = guest->facts->root_ports_free;

    if (ports > 0)
        return finding_ok("%u PCI%s can take another device", ports,
                          ports == 1 ? " slot" : " slots");
    if (guest_check_virtio_mem(guest))
        return NULL;
    return finding_new(
        FINDING_ADVICE, "a virtio-mem device can be added to the running guest only where it fits",
        guest_check_fix(guest, TRUE, "<controller type='pci' model='pcie-root-port'/>",
                        "-device pcie-root-port,id=memplug-port,chassis=40"),
        "no PCI slot is free");
}

static Finding *
check_nodes(const GuestCase *guest)
{
    guint nodes = guest->facts->memory->n_nodes;

    return nodes > 1
               ? finding_ok("the guest has %u NUMA nodes; memplug keeps their proportions", nodes)
               : NULL;
}

const GuestCheck guest_checks_growth[] = {
    { "obstacle", check_obstacle },
    { "qemu", check_qemu },
    { "libvirt", check_libvirt },
    { "acceleration", check_acceleration },
    { "persistence", check_persistence },
    { "maxmem", check_maxmem },
    { "slots", check_slots },
    { "acpi", check_acpi },
    { "virtio-mem", check_virtio_mem },
    { "root-port", check_root_port },
    { "numa", check_nodes },
    { NULL },
};
