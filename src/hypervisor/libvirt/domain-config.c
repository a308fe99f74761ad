/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * When libvirt starts a domain, virtio-mem devices are plugged as far as their
 * <requested> says, and the balloon is told to leave <currentMemory> of boot
 * memory and DIMMs (measured with libvirt 9.0: QEMU does not count virtio-mem
 * there, and takes more than there is as everything). So a guest starts with
 *
 *   min(<currentMemory>, boot + DIMMs) + the sum of <requested>
 *
 * What @size has above boot + DIMMs is requested, in whole blocks, and
 * <currentMemory> then says what the running domain will show; below them
 * <currentMemory> is @size itself.
 */
#include "hypervisor/libvirt/domain-config.h"

#include "hypervisor/libvirt/domain-memory.h"
#include "hypervisor/libvirt/domain-xml.h"
#include "size/size.h"

typedef unsigned __int128 Wide;

static guint64
round_up(guint64 value, guint64 grain)
{
    return (value + grain - 1) / grain * grain;
}

/* Boot memory and DIMMs: what the balloon can hold of. */
static guint64
fixed_of(const GuestMemory *memory)
{
    return memory->boot + guest_memory_dimms(memory);
}

/* What @device can provide, in whole blocks; nothing if it is no virtio-mem. */
static guint64
range_of(const MemoryDevice *device)
{
    return device->kind == MEMORY_DEVICE_VIRTIO_MEM ? device->max - device->max % device->block : 0;
}

static guint64
range_of_all(const GuestMemory *memory)
{
    guint64 range = 0;

    for (guint i = 0; i < memory->n_devices; i++)
        range += range_of(&memory->devices[i]);
    return range;
}

static gboolean
check(const GuestMemory *memory, guint64 size, GError **error)
{
    g_autofree char *fixed = size_format(fixed_of(memory));
    g_autofree char *highest = size_format(fixed_of(memory) + range_of_all(memory));
    g_autofree char *wanted = size_format(size);

    if (size > fixed_of(memory) + range_of_all(memory))
        g_set_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_REFUSED,
                    "its definition can hold at most %s, not %s", highest, wanted);
    else if (size == 0)
        g_set_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_REFUSED,
                    "no guest starts without memory");
    else if (size < fixed_of(memory) && !memory->has_balloon)
        g_set_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_REFUSED,
                    "it starts with %s, and has no balloon that could hold some of it", fixed);
    else
        return TRUE;
    return FALSE;
}

/* Requests @wanted bytes of all devices, of each by its share of what all can provide.
 * Returns: the sum of what is requested. */
static guint64
request(const DomainXml *xml, const GuestMemory *memory, guint64 wanted)
{
    g_autoptr(GPtrArray) targets =
        domain_xml_find_all(xml, NULL, "/domain/devices/memory[@model='virtio-mem']/target");
    guint64 range = range_of_all(memory);
    guint64 left = wanted;
    guint64 requested = 0;
    guint target = 0;

    for (guint i = 0; i < memory->n_devices; i++) {
        const MemoryDevice *device = &memory->devices[i];
        guint64 share;

        if (device->kind != MEMORY_DEVICE_VIRTIO_MEM)
            continue;
        share = range > 0 ? (guint64)((Wide)left * range_of(device) / range) : 0;
        share = round_up(share, device->block);
        domain_xml_set_size(xml, targets->pdata[target++], "requested", share);
        range -= range_of(device);
        left -= MIN(left, share);
        requested += share;
    }
    return requested;
}

char *
domain_config_with_memory(const char *inactive_xml, guint64 size, GError **error)
{
    g_autoptr(DomainXml) xml = domain_xml_open(inactive_xml, "domain", error);
    g_autoptr(GuestMemory) memory = xml ? domain_memory_read(inactive_xml, error) : NULL;
    guint64 fixed;
    guint64 requested;
    guint64 current;

    if (!memory || !check(memory, size, error))
        return NULL;
    fixed = fixed_of(memory);
    requested = request(xml, memory, size - MIN(size, fixed));
    current = size < fixed ? round_up(size, SIZE_KIB) : fixed + requested;
    domain_xml_set_size(xml, domain_xml_root(xml), "currentMemory", current);
    return domain_xml_print(xml);
}
