/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/domain-device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/libvirt/domain-memory.h"
#include "size/size.h"
#include "tests/unit/hypervisor-libvirt/domain-text.h"

static void
test_dimm(void **state)
{
    g_autofree char *on_node = domain_device_dimm(128 * SIZE_MIB, 1, 2, "ua-memplug-dimm3");
    g_autofree char *anywhere = domain_device_dimm(SIZE_GIB, -1, -1, "a<b");

    assert_string_equal(on_node, "<memory model='dimm'>\n"
                                 "  <target>\n"
                                 "    <size unit='KiB'>131072</size>\n"
                                 "    <node>1</node>\n"
                                 "  </target>\n"
                                 "  <alias name='ua-memplug-dimm3'/>\n"
                                 "  <address type='dimm' slot='2'/>\n"
                                 "</memory>");
    assert_string_equal(anywhere, "<memory model='dimm'>\n"
                                  "  <target>\n"
                                  "    <size unit='KiB'>1048576</size>\n"
                                  "  </target>\n"
                                  "  <alias name='a&lt;b'/>\n"
                                  "</memory>");
}

static void
test_virtio_mem(void **state)
{
    g_autofree char *device = domain_device_virtio_mem(SIZE_GIB, 2 * SIZE_MIB, 0, "ua-memplug-vm0");

    assert_string_equal(device, "<memory model='virtio-mem'>\n"
                                "  <target>\n"
                                "    <size unit='KiB'>1048576</size>\n"
                                "    <node>0</node>\n"
                                "    <block unit='KiB'>2048</block>\n"
                                "    <requested unit='KiB'>0</requested>\n"
                                "  </target>\n"
                                "  <alias name='ua-memplug-vm0'/>\n"
                                "</memory>");
}

/* What was attached is what is found again in the domain. */
static void
test_made_devices_are_read_back(void **state)
{
    g_autofree char *dimm = domain_device_dimm(256 * SIZE_MIB, 0, -1, "ua-memplug-dimm0");
    g_autofree char *mem = domain_device_virtio_mem(SIZE_GIB, 4 * SIZE_MIB, 0, "ua-memplug-vm0");
    g_autofree char *new = g_strconcat(dimm, mem, "</devices>", NULL);
    g_autofree char *text = domain_text_with("room", "</devices>", new);
    g_autoptr(GuestMemory) memory = domain_memory_read(text, NULL);

    assert_int_equal(memory->n_devices, 2);
    assert_true(memory->devices[0].ours);
    assert_int_equal(memory->devices[0].kind, MEMORY_DEVICE_DIMM);
    assert_int_equal(memory->devices[0].size, 256 * SIZE_MIB);
    assert_string_equal(memory->devices[1].id, "ua-memplug-vm0");
    assert_int_equal(memory->devices[1].max, SIZE_GIB);
    assert_int_equal(memory->devices[1].size, 0);
    assert_int_equal(memory->devices[1].block, 4 * SIZE_MIB);
}

/* libvirt takes an update only if nothing but <requested> differs. */
static void
test_requested(void **state)
{
    g_autofree char *text = domain_text("balloon");
    g_autofree char *element =
        domain_device_with_requested(text, "virtiomem0", 300 * SIZE_MIB, NULL);
    const char *there = strstr(text, "<memory model='virtio-mem'>");
    g_autofree char *before = g_strndup(there, (gsize)(strstr(there, "</memory>") - there) + 9);
    g_autofree char *expected =
        domain_text_change(before, "<requested unit='KiB'>262144", "<requested unit='KiB'>307200");

    assert_string_equal(element, expected);
}

static void
test_requested_of_others(void **state)
{
    g_autofree char *text = domain_text("dimms");
    g_autoptr(GError) missing = NULL;
    g_autoptr(GError) dimm = NULL;
    g_autoptr(GError) broken = NULL;

    assert_null(domain_device_with_requested(text, "virtiomem0", 0, &missing));
    assert_true(g_error_matches(missing, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MISSING));
    assert_null(domain_device_with_requested(text, "ua-memplug-dimm0", 0, &dimm));
    assert_true(g_error_matches(dimm, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_REFUSED));
    assert_null(domain_device_with_requested("<domain>", "virtiomem0", 0, &broken));
    assert_true(g_error_matches(broken, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MALFORMED));
}

static void
test_find(void **state)
{
    g_autofree char *text = domain_text("dimms");
    g_autofree char *element = domain_device_find(text, "ua-memplug-dimm0", NULL);
    g_autoptr(GError) error = NULL;

    assert_non_null(strstr(text, element));
    assert_true(g_str_has_prefix(element, "<memory model='dimm'>"));
    assert_true(g_str_has_suffix(element, "</memory>"));
    /* There is an alias of that name, but not of memory. */
    assert_null(domain_device_find(text, "balloon0", &error));
    assert_true(g_error_matches(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MISSING));
}

static void
test_new_alias(void **state)
{
    g_autofree char *text = domain_text("dimms");
    g_autofree char *two =
        domain_text_with("dimms", "<alias name='balloon0'/>", "<alias name='ua-memplug-dimm2'/>");
    guint second_number = 0, gap_number = 0, third_number = 2, first_number = 0, unread_number = 0;
    g_autofree char *second = domain_device_new_alias(text, DOMAIN_DEVICE_DIMM, &second_number);
    g_autofree char *gap = domain_device_new_alias(two, DOMAIN_DEVICE_DIMM, &gap_number);
    g_autofree char *third = domain_device_new_alias(two, DOMAIN_DEVICE_DIMM, &third_number);
    g_autofree char *first = domain_device_new_alias(text, DOMAIN_DEVICE_VIRTIO_MEM, &first_number);
    g_autofree char *unread = domain_device_new_alias("", DOMAIN_DEVICE_DIMM, &unread_number);

    assert_string_equal(second, "ua-memplug-dimm1");
    assert_int_equal(second_number, 1);
    assert_string_equal(gap, "ua-memplug-dimm1");
    assert_string_equal(third, "ua-memplug-dimm3"); /* of those from 2 on */
    assert_int_equal(third_number, 3);
    assert_string_equal(first, "ua-memplug-vm0");
    assert_string_equal(unread, "ua-memplug-dimm0");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dimm),
        cmocka_unit_test(test_virtio_mem),
        cmocka_unit_test(test_made_devices_are_read_back),
        cmocka_unit_test(test_requested),
        cmocka_unit_test(test_requested_of_others),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_new_alias),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
