/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as what libvirt says of a domain: every reader must come to an end, with a result that
 * makes sense or an error; what is printed must be read back the same, and what is planned must
 * be a definition again. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "hypervisor/libvirt/domain-config.h"
#include "hypervisor/libvirt/domain-device.h"
#include "hypervisor/libvirt/domain-facts.h"
#include "hypervisor/libvirt/domain-memory.h"
#include "hypervisor/libvirt/domain-metadata.h"
#include "hypervisor/libvirt/domain-setup.h"
#include "hypervisor/libvirt/domain-xml.h"

#define SENSIBLE (G_GUINT64_CONSTANT(4) << 30)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Exactly one of both. */
static void
assert_answer(gboolean result, const GError *error)
{
    g_assert_true(result == (error == NULL));
}

static void
read_metadata(const char *text)
{
    g_autoptr(GError) error = NULL;
    GuestLimits limits = { 0 };
    GuestLimits back = { 0 };

    gboolean read = domain_metadata_read(text, "guest", &limits, &error);
    assert_answer(read, error);
    g_autofree char *again = domain_metadata_format(&limits);
    g_assert_true(domain_metadata_read(again, "guest", &back, NULL));
    g_assert_true(guest_limits_equal(&limits, &back));
}

static void
print_again(const char *text)
{
    g_autoptr(DomainXml) xml = domain_xml_open(text, NULL, NULL);
    if (xml == NULL)
        return;
    g_autofree char *printed = domain_xml_print(xml);
    g_autoptr(DomainXml) same = domain_xml_open(printed, NULL, NULL);
    if (same == NULL) /* escapes can make it larger than what is taken */
        return;
    g_autofree char *again = domain_xml_print(same);
    g_assert_cmpstr(printed, ==, again);
}

static void
read_domain(const char *text)
{
    g_autoptr(GError) no_memory = NULL;
    g_autoptr(GError) no_facts = NULL;
    g_autoptr(GuestMemory) memory = domain_memory_read(text, &no_memory);
    g_autoptr(GuestFacts) facts = domain_facts_read(text, text, &no_facts);
    guint64 given = 0;

    assert_answer(memory != NULL, no_memory);
    assert_answer(facts != NULL, no_facts);
    if (memory == NULL)
        return;
    g_assert_cmpuint(memory->boot, <=, memory->max);
    g_assert_true(memory->ballooned == 0 || memory->has_balloon);
    g_assert_true(!domain_memory_read_given(text, &given) || given < memory->boot);
    for (guint i = 0; i < memory->n_devices; i++) {
        const MemoryDevice *device = &memory->devices[i];
        if (device->id != NULL)
            g_free(domain_device_with_requested(text, device->id, 0, NULL));
    }
    g_free(domain_device_new_alias(text, DOMAIN_DEVICE_DIMM, &(guint){ 0 }));
}

static void
change_domain(const char *text)
{
    const GuestSetup wanted = { 0 };
    g_autoptr(GError) no_plan = NULL;
    g_autoptr(GError) no_config = NULL;
    g_autofree char *planned = domain_setup_plan(text, &wanted, SENSIBLE, &no_plan);
    g_autofree char *started = domain_config_with_memory(text, SENSIBLE, &no_config);

    assert_answer(planned != NULL, no_plan);
    assert_answer(started != NULL, no_config);
    if (planned == NULL || strlen(planned) > DOMAIN_XML_MAX)
        return;
    g_autofree char *again = domain_setup_plan(planned, &wanted, SENSIBLE, NULL);
    g_assert_nonnull(again);
    g_autoptr(GPtrArray) changes = domain_setup_live(text, planned, NULL, NULL);
    g_assert_nonnull(changes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);

    read_metadata(text);
    print_again(text);
    read_domain(text);
    change_domain(text);
    return 0;
}
