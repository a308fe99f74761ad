/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/domain-xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "size/size.h"
#include "tests/unit/hypervisor-libvirt/domain-text.h"

#define UNTOUCHED 4711

static const char *const all[] = { "balloon", "dimms",         "numa", "pc",
                                   "plain",   "plain-defined", "room" };

static DomainXml *
open_text(const char *text)
{
    g_autoptr(GError) error = NULL;
    DomainXml *xml = domain_xml_open(text, NULL, &error);

    if (!xml)
        fail_msg("%s: %s", text, error->message);
    return xml;
}

static void
assert_malformed(const char *text, const char *root, const char *reason)
{
    g_autoptr(GError) error = NULL;

    assert_null(domain_xml_open(text, root, &error));
    assert_true(g_error_matches(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MALFORMED));
    if (!strstr(error->message, reason))
        fail_msg("'%s' does not say '%s'", error->message, reason);
}

static void
test_what_is_no_document(void **state)
{
    g_autofree char *deep = g_strnfill(3 * 300, ' ');

    for (guint i = 0; i < 300; i++)
        memcpy(deep + (gsize)3 * i, "<a>", 3);
    assert_malformed("", NULL, "not XML");
    assert_malformed("domain", NULL, "not XML");
    assert_malformed("<domain>", NULL, "not XML: line 1");
    assert_malformed("<domain>\n<a></b></domain>", NULL, "line 2");
    assert_malformed("<domain>\xff</domain>", NULL, "not XML");
    assert_malformed("<network/>", "domain", "<network> where <domain> belongs");
    assert_malformed(deep, NULL, "not XML");
}

static void
test_no_entities(void **state)
{
    assert_malformed("<!DOCTYPE domain [<!ENTITY a 'x'>]><domain>&a;</domain>", NULL,
                     "document type");
    assert_malformed("<!DOCTYPE domain SYSTEM 'file:///etc/passwd'><domain/>", NULL,
                     "document type");
    assert_malformed("<domain>&a;</domain>", NULL, "not XML");
}

static void
test_a_bound(void **state)
{
    g_autofree char *space = g_strnfill(DOMAIN_XML_MAX, ' ');
    g_autofree char *larger = g_strconcat("<domain/>", space, NULL);
    g_autofree char *just = g_strndup(larger, DOMAIN_XML_MAX);

    domain_xml_free(open_text(just));
    assert_malformed(larger, NULL, "more than 1 MiB");
}

static void
test_text(void **state)
{
    g_autoptr(DomainXml) xml = open_text("<a b=' x '><c>\n one </c><c>two</c><d> </d></a>");
    g_autoptr(GPtrArray) both = domain_xml_find_all(xml, NULL, "/a/c|/a/d");
    g_autofree char *attribute = domain_xml_text(xml, NULL, "/a/@b");
    g_autofree char *first = domain_xml_text(xml, NULL, "/a/c");
    g_autofree char *empty = domain_xml_text(xml, NULL, "/a/d");
    g_autofree char *missing = domain_xml_text(xml, NULL, "/a/e");

    assert_string_equal(attribute, "x");
    assert_string_equal(first, "one");
    assert_null(empty);
    assert_null(missing);
    assert_int_equal(both->len, 3);
    assert_true(domain_xml_says(xml, both->pdata[1], ".", "two"));
    assert_false(domain_xml_says(xml, both->pdata[1], "..", "two"));
}

static void
test_numbers(void **state)
{
    g_autoptr(DomainXml) xml =
        open_text("<a n='7' minus='-1' none=' ' word='x' many='99999999999999999999'/>");
    static const char *const bad[] = { "/a/@minus", "/a/@word", "/a/@many" };
    guint64 value = UNTOUCHED;

    assert_true(domain_xml_number(xml, NULL, "/a/@none", 9, &value, NULL));
    assert_true(domain_xml_number(xml, NULL, "/a/@missing", 9, &value, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        assert_false(domain_xml_number(xml, NULL, bad[i], G_MAXUINT64, &value, &error));
        assert_true(g_error_matches(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_VALUE));
        assert_non_null(strstr(error->message, "<a>: "));
    }
    assert_false(domain_xml_number(xml, NULL, "/a/@n", 6, &value, NULL));
    assert_int_equal(value, UNTOUCHED);
    assert_true(domain_xml_number(xml, NULL, "/a/@n", 7, &value, NULL));
    assert_int_equal(value, 7);
}

static void
assert_size(const char *element, guint64 expected)
{
    g_autoptr(DomainXml) xml = open_text(element);
    guint64 bytes = UNTOUCHED;

    assert_true(domain_xml_size(xml, NULL, "/s", &bytes, NULL));
    assert_int_equal(bytes, expected);
}

static void
assert_no_size(const char *element)
{
    g_autoptr(DomainXml) xml = open_text(element);
    g_autoptr(GError) error = NULL;
    guint64 bytes = UNTOUCHED;

    if (domain_xml_size(xml, NULL, "/s", &bytes, &error))
        fail_msg("%s was taken as %" G_GUINT64_FORMAT, element, bytes);
    assert_true(g_error_matches(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_VALUE));
    assert_non_null(strstr(error->message, "<s>: "));
    assert_int_equal(bytes, UNTOUCHED);
}

/* The units of virScaleInteger(), which libvirt documents at <memory>. */
static void
test_sizes(void **state)
{
    assert_size("<s>512</s>", 512 * SIZE_KIB);
    assert_size("<s unit='KiB'>512</s>", 512 * SIZE_KIB);
    assert_size("<s unit='k'>512</s>", 512 * SIZE_KIB);
    assert_size("<s unit='KB'>512</s>", 512000);
    assert_size("<s unit='b'>512</s>", 512);
    assert_size("<s unit='bytes'>512</s>", 512);
    assert_size("<s unit='MiB'> 3 </s>", 3 * SIZE_MIB);
    assert_size("<s unit='M'>3</s>", 3 * SIZE_MIB);
    assert_size("<s unit='MB'>3</s>", 3000000);
    assert_size("<s unit='G'>3</s>", 3 * SIZE_GIB);
    assert_size("<s unit='TiB'>3</s>", 3 * SIZE_TIB);
    assert_size("<s unit='TiB'>4096</s>", DOMAIN_XML_SIZE_MAX);
    assert_size("<s/>", UNTOUCHED);

    assert_no_size("<s unit='TiB'>4097</s>");
    assert_no_size("<s>9007199254740991</s>");
    assert_no_size("<s unit='TiB'>18446744073709551615</s>");
    assert_no_size("<s unit='furlong'>1</s>");
    assert_no_size("<s unit='MiB'>512M</s>");
    assert_no_size("<s>-1</s>");
    assert_no_size("<s>much</s>");
}

static void
test_size_of_an_attribute(void **state)
{
    g_autoptr(DomainXml) xml = open_text("<s memory='3' unit='GiB'/>");
    guint64 bytes = 0;

    assert_true(domain_xml_size(xml, NULL, "/s/@memory", &bytes, NULL));
    assert_int_equal(bytes, 3 * SIZE_GIB);
}

static void
test_prints_as_libvirt(void **state)
{
    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        g_autofree char *text = domain_text(all[i]);
        g_autoptr(DomainXml) xml = open_text(text);
        g_autofree char *printed = domain_xml_print(xml);

        assert_string_equal(printed, text);
    }
}

static void
test_prints_what_it_read(void **state)
{
    static const char *const texts[] = {
        "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
        "  <title>a &lt;b&gt; &amp; &apos;c&apos; &quot;d&quot;&#13;</title>\n"
        "  <d a='1&#10;2&#9;3'/>\n"
        "  <!-- kept -->\n"
        "  <qemu:commandline>\n"
        "    <qemu:arg value='-foo'/>\n"
        "  </qemu:commandline>\n"
        "</domain>\n",
        "<domain>\n  <metadata>\n    <a:b xmlns:a=\"urn:a\" c=\"d\">it's</a:b>\n  </metadata>\n"
        "</domain>\n",
    };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(DomainXml) xml = open_text(texts[i]);
        g_autofree char *printed = domain_xml_print(xml);

        assert_string_equal(printed, texts[i]);
    }
}

static void
test_added_elements_are_indented(void **state)
{
    g_autoptr(DomainXml) xml =
        open_text("<domain>\n  <devices>\n    <a/>\n  </devices>\n  <b/>\n</domain>");
    xmlNode *devices = domain_xml_find(xml, NULL, "/domain/devices");
    g_autofree char *printed = NULL;

    domain_xml_add(xml, devices, NULL, "<last>\n  <x/>\n</last>");
    domain_xml_add(xml, devices, domain_xml_find(xml, devices, "a"), "<first/>");
    domain_xml_add(xml, domain_xml_find(xml, NULL, "/domain/b"), NULL, "<inner/>");
    domain_xml_set_size(xml, domain_xml_root(xml), "memory", 3 * SIZE_MIB);
    domain_xml_set_size(xml, domain_xml_root(xml), "memory", 2 * SIZE_MIB);
    printed = domain_xml_print(xml);
    assert_string_equal(printed, "<domain>\n"
                                 "  <devices>\n"
                                 "    <first/>\n"
                                 "    <a/>\n"
                                 "    <last>\n"
                                 "      <x/>\n"
                                 "    </last>\n"
                                 "  </devices>\n"
                                 "  <b>\n"
                                 "    <inner/>\n"
                                 "  </b>\n"
                                 "  <memory unit='KiB'>2048</memory>\n"
                                 "</domain>\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_document),
        cmocka_unit_test(test_no_entities),
        cmocka_unit_test(test_a_bound),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_size_of_an_attribute),
        cmocka_unit_test(test_prints_as_libvirt),
        cmocka_unit_test(test_prints_what_it_read),
        cmocka_unit_test(test_added_elements_are_indented),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
