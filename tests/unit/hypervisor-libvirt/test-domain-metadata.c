/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/domain-metadata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/libvirt/domain-xml.h"
#include "size/size.h"

#define ALL                                                                                 \
    (GUEST_LIMIT_FLOOR | GUEST_LIMIT_CEILING | GUEST_LIMIT_WEIGHT | GUEST_LIMIT_MECHANISM | \
     GUEST_LIMIT_MANAGED | GUEST_LIMIT_PREDICTOR)

static GuestLimits
read_xml(const char *xml)
{
    g_autoptr(GError) error = NULL;
    GuestLimits limits = { 0 };

    if (!domain_metadata_read(xml, "web", &limits, &error))
        fail_msg("%s: %s", xml, error->message);
    return limits;
}

/* The message names the domain, the element, and the reason. */
static void
assert_refuses(const char *xml, const char *element, const char *reason)
{
    g_autoptr(GError) error = NULL;
    GuestLimits limits = { .set = GUEST_LIMIT_WEIGHT, .weight = 7 };

    if (domain_metadata_read(xml, "web", &limits, &error))
        fail_msg("%s was taken", xml);
    assert_non_null(error);
    if (!g_str_has_prefix(error->message, "web: ") || !strstr(error->message, element) ||
        !strstr(error->message, reason))
        fail_msg("'%s' does not say '%s' and '%s'", error->message, element, reason);
    assert_int_equal(limits.set, GUEST_LIMIT_WEIGHT);
    assert_true(limits.weight == 7.0);
}

static void
test_nothing_is_set(void **state)
{
    static const char *const texts[] = { NULL, "", "<domain/>",
                                         "<limits>\n  <!-- none -->\n</limits>" };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        assert_int_equal(read_xml(texts[i]).set, 0);
}

static void
test_everything_is_set(void **state)
{
    GuestLimits limits = read_xml("<domain>\n"
                                  "  <floor>256M</floor>\n"
                                  "  <ceiling unit='MiB'>2048</ceiling>\n"
                                  "  <weight> 2.5 </weight>\n"
                                  "  <mechanism>virtio-mem</mechanism>\n"
                                  "  <managed>no</managed>\n"
                                  "  <predictor>working-set</predictor>\n"
                                  "</domain>");

    assert_int_equal(limits.set, ALL);
    assert_int_equal(limits.floor, 256 * SIZE_MIB);
    assert_int_equal(limits.ceiling, 2 * SIZE_GIB);
    assert_true(limits.weight == 2.5);
    assert_int_equal(limits.mechanism, MECHANISM_VIRTIO_MEM);
    assert_false(limits.managed);
    assert_string_equal(limits.predictor, "working-set");
}

static void
test_with_a_prefix(void **state)
{
    GuestLimits limits = read_xml("<memplug:domain xmlns:memplug='" DOMAIN_METADATA_URI "'>"
                                  "<memplug:weight>3</memplug:weight></memplug:domain>");

    assert_int_equal(limits.set, GUEST_LIMIT_WEIGHT);
    assert_true(limits.weight == 3.0);
}

/* As people write them, and as libvirt does. */
static void
test_sizes(void **state)
{
    static const struct {
        const char *element;
        guint64 bytes;
    } rows[] = {
        { "<floor>524288</floor>", 512 * SIZE_MIB },
        { "<floor unit='KiB'>524288</floor>", 512 * SIZE_MIB },
        { "<floor unit='GiB'>1</floor>", SIZE_GIB },
        { "<floor unit='bytes'>4096</floor>", 4096 },
        { "<floor unit='MB'>3</floor>", 3000000 },
        { "<floor>2GiB</floor>", 2 * SIZE_GIB },
        { "<floor> 1.5 G </floor>", 1536 * SIZE_MIB },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *xml = g_strconcat("<d>", rows[i].element, "</d>", NULL);
        GuestLimits limits = read_xml(xml);

        assert_int_equal(limits.set, GUEST_LIMIT_FLOOR);
        assert_int_equal(limits.floor, rows[i].bytes);
    }
}

static void
test_what_is_refused(void **state)
{
    assert_refuses("<d><flor>1G</flor></d>", "<flor>", "known are floor");
    assert_refuses("<d><floor>much</floor></d>", "<floor>", "'much");
    assert_refuses("<d><floor/></d>", "<floor>", "not a size");
    assert_refuses("<d><floor>-1</floor></d>", "<floor>", "-1");
    assert_refuses("<d><floor unit='MiB'>512M</floor></d>", "<floor>", "512M MiB");
    assert_refuses("<d><floor unit='furlong'>1</floor></d>", "<floor>", "furlong");
    assert_refuses("<d><floor unit='TiB'>99999999999</floor></d>", "<floor>", "99999999999");
    assert_refuses("<d><floor kind='soft'>1G</floor></d>", "<floor>", "'unit'");
    assert_refuses("<d><ceiling><x/></ceiling></d>", "<ceiling>", "");
    assert_refuses("<d><ceiling>1G<x/></ceiling></d>", "<ceiling>", "element");
    assert_refuses("<d><weight>0</weight></d>", "<weight>", "not a weight");
    assert_refuses("<d><weight>heavy</weight></d>", "<weight>", "'heavy'");
    assert_refuses("<d><weight unit='kg'>1</weight></d>", "<weight>", "attributes");
    assert_refuses("<d><mechanism>magic</mechanism></d>", "<mechanism>", "'magic'");
    assert_refuses("<d><predictor>The best</predictor></d>", "<predictor>", "'The best'");
    assert_refuses("<d><managed>perhaps</managed></d>", "<managed>", "'perhaps'");
    assert_refuses("<d><weight>1</weight><weight>2</weight></d>", "<weight>", "twice");
    assert_refuses("<d>1G</d>", DOMAIN_METADATA_URI, "text outside");
    assert_refuses("<d><floor>2G</floor><ceiling>1G</ceiling></d>", "floor", "above the ceiling");
    assert_refuses("<d><floor>1G</floor>", DOMAIN_METADATA_URI, "not XML");
}

static void
test_format(void **state)
{
    const GuestLimits limits = { .set = ALL,
                                 .floor = 256 * SIZE_MIB,
                                 .ceiling = 1001,
                                 .weight = 0.5,
                                 .mechanism = MECHANISM_DIMM,
                                 .managed = TRUE,
                                 .predictor = "season" };
    const GuestLimits none = { .floor = SIZE_GIB };
    g_autofree char *text = domain_metadata_format(&limits);

    assert_string_equal(text, "<domain><floor unit='KiB'>262144</floor>"
                              "<ceiling unit='bytes'>1001</ceiling><weight>0.5</weight>"
                              "<mechanism>dimm</mechanism><managed>yes</managed>"
                              "<predictor>season</predictor></domain>");
    assert_null(domain_metadata_format(&none));
}

/* Whatever is set, what was written is read back. */
static void
test_round_trip(void **state)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    for (guint i = 0; i < 20000; i++) {
        GuestLimits limits = {
            .set = g_rand_int(rand) & ALL,
            .floor = (guint64)g_rand_int(rand) << g_rand_int_range(rand, 0, 20),
            .weight = g_rand_double_range(rand, 1e-9, GUEST_WEIGHT_MAX),
            .mechanism = (Mechanism)g_rand_int_range(rand, 0, MECHANISM_BALLOON + 1),
            .managed = g_rand_boolean(rand),
            .predictor = "percentile",
        };
        g_autofree char *text = NULL;
        GuestLimits back;

        limits.ceiling = limits.floor + g_rand_int(rand);
        text = domain_metadata_format(&limits);
        back = read_xml(text);
        assert_true(guest_limits_equal(&limits, &back));
        assert_true(!(limits.set & GUEST_LIMIT_FLOOR) || limits.floor == back.floor);
        assert_true(!(limits.set & GUEST_LIMIT_WEIGHT) || limits.weight == back.weight);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_set),  cmocka_unit_test(test_everything_is_set),
        cmocka_unit_test(test_with_a_prefix),   cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_what_is_refused), cmocka_unit_test(test_format),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
