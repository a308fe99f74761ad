/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/guest/harness/test-machine.h"
#include "tests/libvirt/harness/test-domain.h"

#define KIB            G_GUINT64_CONSTANT(1024)
#define MIB            (KIB * KIB)
#define DEFAULT_MEMORY (256 * MIB)
#define DEFAULT_MAXMEM (4096 * MIB)
#define DEFAULT_SLOTS  8

static guint64
or_default(guint64 value, guint64 fallback)
{
    return value != 0 ? value : fallback;
}

static void
add_size(GString *xml, const char *element, guint64 bytes)
{
    g_string_append_printf(xml, "<%s unit='KiB'>%" G_GUINT64_FORMAT "</%s>", element, bytes / KIB,
                           element);
}

/* <memory> is what all devices could hold; libvirt takes boot memory from the cells. */
static void
add_memory(GString *xml, const TestDomainOptions *options)
{
    guint64 memory = or_default(options->memory, DEFAULT_MEMORY);
    add_size(xml, "memory", memory + options->virtio_mem);
    add_size(xml, "currentMemory",
             or_default(options->current, memory) + options->virtio_mem_requested);
    if (!options->no_max_memory)
        g_string_append_printf(xml,
                               "<maxMemory slots='%u' unit='KiB'>%" G_GUINT64_FORMAT "</maxMemory>",
                               (guint)or_default(options->slots, DEFAULT_SLOTS),
                               or_default(options->max_memory, DEFAULT_MAXMEM) / KIB);
    if (options->hard_limit != 0) {
        g_string_append(xml, "<memtune>");
        add_size(xml, "hard_limit", options->hard_limit);
        g_string_append(xml, "</memtune>");
    }
}

/* A processor a node: libvirt wants one in each cell, and one cell for <maxMemory>. */
static void
add_processors(GString *xml, const TestDomainOptions *options)
{
    guint cells = (guint)or_default(options->cells, 1);
    guint64 memory = or_default(options->memory, DEFAULT_MEMORY);
    g_string_append_printf(xml, "<vcpu>%u</vcpu><cpu mode='maximum'>", cells);
    if (!options->no_max_memory) {
        g_string_append(xml, "<numa>");
        for (guint i = 0; i < cells; i++)
            g_string_append_printf(
                xml, "<cell id='%u' cpus='%u' memory='%" G_GUINT64_FORMAT "' unit='KiB'/>", i, i,
                memory / cells / KIB);
        g_string_append(xml, "</numa>");
    }
    g_string_append(xml, "</cpu>");
}

static void
add_boot(GString *xml, const TestDomainOptions *options, const char *image)
{
    g_string_append(xml, "<os><type arch='x86_64' machine='q35'>hvm</type>");
    if (!options->no_kernel)
        g_string_append_printf(xml,
                               "<kernel>%s/vmlinuz</kernel><initrd>%s/initrd</initrd>"
                               "<cmdline>" TEST_MACHINE_APPEND "</cmdline>",
                               image, image);
    g_string_append(xml, "</os><features><acpi/></features>"
                         "<on_reboot>destroy</on_reboot><on_crash>destroy</on_crash>");
}

static void
add_virtio_mem(GString *xml, const TestDomainOptions *options)
{
    g_string_append(xml, "<memory model='virtio-mem'><target>");
    add_size(xml, "size", options->virtio_mem);
    g_string_append(xml, "<node>0</node>");
    add_size(xml, "block", 2 * MIB);
    add_size(xml, "requested", options->virtio_mem_requested);
    g_string_append(xml, "</target></memory>");
}

/* libvirt puts the domain's own devices on the ports that are there, and keeps none free. */
static void
add_root_ports(GString *xml, const TestDomainOptions *options)
{
    guint used = (options->no_balloon ? 0 : 1) + (options->virtio_mem != 0 ? 1 : 0);
    for (guint i = 0; i < options->root_ports + used; i++)
        g_string_append(xml, "<controller type='pci' model='pcie-root-port'/>");
}

static void
add_devices(GString *xml, const TestDomainOptions *options, const char *console,
            const char *control)
{
    g_string_append(xml, "<devices><controller type='usb' model='none'/>");
    if (options->root_ports > 0)
        add_root_ports(xml, options);
    if (!options->no_kernel)
        g_string_append_printf(xml,
                               "<serial type='file'><source path='%s' append='on'/>"
                               "<target port='0'/></serial>"
                               "<serial type='unix'><source mode='connect' path='%s'/>"
                               "<target port='1'/></serial>",
                               console, control);
    if (options->no_balloon)
        g_string_append(xml, "<memballoon model='none'/>");
    else
        g_string_append(xml, "<memballoon model='virtio'><stats period='1'/></memballoon>");
    if (options->virtio_mem != 0)
        add_virtio_mem(xml, options);
    g_string_append_printf(xml, "%s</devices>", options->devices ? options->devices : "");
}

char *
test_domain_xml(const TestDomainOptions *options, const char *image, const char *console,
                const char *control)
{
    GString *xml = g_string_new(NULL);
    g_string_append_printf(xml, "<domain type='%s'><name>%s</name>",
                           test_machine_has_kvm() ? "kvm" : "qemu",
                           options->name ? options->name : "domain");
    if (options->metadata != NULL)
        g_string_append_printf(xml, "<metadata>%s</metadata>", options->metadata);
    add_memory(xml, options);
    add_processors(xml, options);
    add_boot(xml, options, image);
    add_devices(xml, options, console, control);
    g_string_append(xml, "</domain>\n");
    return g_string_free(xml, FALSE);
}
