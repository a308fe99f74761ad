/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/domain-config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/libvirt/domain-memory.h"
#include "hypervisor/libvirt/domain-xml.h"
#include "size/size.h"
#include "tests/unit/hypervisor-libvirt/domain-text.h"

static char *
with_memory(const char *definition, guint64 size)
{
    g_autoptr(GError) error = NULL;
    char *text = domain_config_with_memory(definition, size, &error);

    if (!text)
        fail_msg("%s", error->message);
    return text;
}

static void
assert_refused(const char *definition, guint64 size, const char *reason)
{
    g_autoptr(GError) error = NULL;

    assert_null(domain_config_with_memory(definition, size, &error));
    assert_true(g_error_matches(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_REFUSED));
    if (!strstr(error->message, reason))
        fail_msg("'%s' does not say '%s'", error->message, reason);
}

static guint64
current_of(const char *definition)
{
    g_autoptr(DomainXml) xml = domain_xml_open(definition, "domain", NULL);
    guint64 current = 0;

    assert_true(domain_xml_size(xml, NULL, "/domain/currentMemory", &current, NULL));
    return current;
}

/* With how much libvirt starts this definition, as it was measured: see domain-config.c. */
static guint64
started_with(const char *definition)
{
    g_autoptr(GuestMemory) memory = domain_memory_read(definition, NULL);
    guint64 size = MIN(current_of(definition), memory->boot + guest_memory_dimms(memory));

    for (guint i = 0; i < memory->n_devices; i++)
        size += memory->devices[i].requested;
    return size;
}

static void
test_balloon_below_boot(void **state)
{
    g_autofree char *definition = domain_text("plain");
    g_autofree char *smaller = with_memory(definition, 200 * SIZE_MIB);
    g_autofree char *expected = domain_text_with("plain", "<currentMemory unit='KiB'>262144",
                                                 "<currentMemory unit='KiB'>204800");
    g_autofree char *whole = with_memory(smaller, 256 * SIZE_MIB);

    assert_string_equal(smaller, expected);
    assert_string_equal(whole, definition);
}

static void
test_virtio_mem_above_boot(void **state)
{
    g_autofree char *definition = domain_text("plain-defined");
    g_autofree char *larger = with_memory(definition, 562 * SIZE_MIB);
    g_autoptr(GuestMemory) memory = domain_memory_read(larger, NULL);

    assert_int_equal(memory->devices[0].requested, 306 * SIZE_MIB);
    assert_int_equal(current_of(larger), 562 * SIZE_MIB);
}

/* Nodes get memory in the proportion in which their devices are. */
static void
test_two_nodes(void **state)
{
    g_autofree char *definition = domain_text("numa");
    g_autofree char *larger = with_memory(definition, (384 + 601) * SIZE_MIB);
    g_autoptr(GuestMemory) memory = domain_memory_read(larger, NULL);

    assert_int_equal(memory->devices[0].requested, 402 * SIZE_MIB);
    assert_int_equal(memory->devices[1].requested, 200 * SIZE_MIB);
    assert_int_equal(current_of(larger), 986 * SIZE_MIB);
}

static void
test_what_is_refused(void **state)
{
    g_autofree char *plain = domain_text("plain");
    g_autofree char *numa = domain_text("numa");
    g_autofree char *no_balloon = domain_text("pc");

    assert_refused(plain, 256 * SIZE_MIB + 1, "at most 256 MiB");
    assert_refused(numa, 3 * SIZE_GIB + SIZE_MIB, "at most 3 GiB, not 3073 MiB");
    assert_refused(plain, 0, "without memory");
    assert_refused(no_balloon, 255 * SIZE_MIB, "no balloon");
}

static void
test_broken_definitions(void **state)
{
    g_autoptr(GError) error = NULL;

    assert_null(domain_config_with_memory("<domain>", SIZE_GIB, &error));
    assert_true(g_error_matches(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MALFORMED));
}

/* Any size from nothing to the highest is reached to within a block of each node, never
 * missed; and doing it again changes nothing. */
static void
test_any_size_is_reached(void **state)
{
    g_autofree char *definition = domain_text("numa");
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    for (guint i = 0; i < 2000; i++) {
        guint64 size = (guint64)(g_rand_double(rand) * 3.0 * (double)SIZE_GIB) + 1;
        g_autofree char *changed = with_memory(definition, size);
        g_autofree char *again = with_memory(changed, size);
        guint64 is = started_with(changed);

        assert_true(is >= size);
        assert_true(is - size < (size > 384 * SIZE_MIB ? 2 * SIZE_MIB : SIZE_KIB));
        assert_string_equal(changed, again);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_balloon_below_boot), cmocka_unit_test(test_virtio_mem_above_boot),
        cmocka_unit_test(test_two_nodes),          cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_broken_definitions), cmocka_unit_test(test_any_size_is_reached),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
