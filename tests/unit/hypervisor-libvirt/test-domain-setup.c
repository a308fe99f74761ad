/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/domain-setup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/libvirt/domain-facts.h"
#include "hypervisor/libvirt/domain-xml.h"
#include "size/size.h"
#include "tests/unit/hypervisor-libvirt/domain-text.h"

#define SENSIBLE (4 * SIZE_GIB)

static const GuestSetup usual = { 0 };

static char *
plan(const char *definition, const GuestSetup *wanted)
{
    g_autoptr(GError) error = NULL;
    char *planned = domain_setup_plan(definition, wanted, SENSIBLE, &error);

    if (!planned)
        fail_msg("%s", error->message);
    return planned;
}

static char *
plan_domain(const char *name, const GuestSetup *wanted)
{
    g_autofree char *definition = domain_text(name);

    return plan(definition, wanted);
}

static GuestFacts *
facts_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    GuestFacts *facts = domain_facts_read(text, NULL, &error);

    if (!facts)
        fail_msg("%s", error->message);
    return facts;
}

/* Returns: (nullable): the text between @start, which is in @text, and @end. */
static char *
cut(const char *text, const char *start, const char *end)
{
    const char *from = strstr(text, start);
    const char *to = from ? strstr(from, end) : NULL;

    return to ? g_strndup(from, (gsize)(to - from) + strlen(end)) : NULL;
}

/* Takes @line, which was added, away again. */
static void
take_away(char **text, const char *line)
{
    char *without = domain_text_change(*text, line, "");

    g_free(*text);
    *text = without;
}

/* Every change, and not a byte more. */
static void
test_exactly_what_is_missing(void **state)
{
    g_autofree char *before = domain_text("plain");
    char *after = plan(before, &usual);
    g_autofree char *rest = NULL;

    take_away(&after, "  <maxMemory slots='16' unit='KiB'>4194304</maxMemory>\n");
    take_away(&after, "    <numa>\n"
                      "      <cell id='0' cpus='0-1' memory='262144' unit='KiB'/>\n"
                      "    </numa>\n");
    take_away(&after, "    <controller type='pci' index='4' model='pcie-root-port'/>\n");
    take_away(&after, "    <controller type='pci' index='5' model='pcie-root-port'/>\n");
    take_away(&after, "    <channel type='unix'>\n"
                      "      <target type='virtio' name='org.memplug.stats.0'/>\n"
                      "    </channel>\n");
    take_away(&after, " freePageReporting='on'");
    take_away(&after, "      <stats period='1'/>\n");
    take_away(&after, "    <memory model='virtio-mem'>\n"
                      "      <target>\n"
                      "        <size unit='KiB'>3932160</size>\n"
                      "        <node>0</node>\n"
                      "        <block unit='KiB'>2048</block>\n"
                      "        <requested unit='KiB'>0</requested>\n"
                      "      </target>\n"
                      "      <alias name='ua-memplug-vm0'/>\n"
                      "    </memory>\n");
    rest = domain_text_change(after, "<memory unit='KiB'>4194304<", "<memory unit='KiB'>262144<");
    g_free(after);
    after = domain_text_change(rest, "<cpu mode='maximum' check='none'>\n  </cpu>",
                               "<cpu mode='maximum' check='none'/>");
    assert_string_equal(after, before);
    g_free(after);
}

/* Also of what libvirt made of a plan. */
static void
test_nothing_to_do(void **state)
{
    static const char *const names[] = { "plain", "plain-defined", "numa", "pc", "room" };
    static const GuestSetup setups[] = { { 0 },
                                         { .max = 3 * SIZE_GIB + 1 },
                                         { .max = 100 * SIZE_MIB },
                                         { .no_virtio_mem = TRUE },
                                         { .max = 8 * SIZE_GIB, .no_virtio_mem = TRUE },
                                         { .max = 8 * SIZE_GIB, .virtio_mem = SIZE_GIB },
                                         { .virtio_mem = SIZE_GIB + 1 } };
    g_autofree char *defined = domain_text("plain-defined");
    g_autofree char *same = plan(defined, &usual);

    assert_string_equal(same, defined);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        for (guint j = 0; j < G_N_ELEMENTS(setups); j++) {
            g_autofree char *once = plan_domain(names[i], &setups[j]);
            g_autofree char *twice = plan(once, &setups[j]);

            assert_string_equal(twice, once);
        }
    }
}

static void
test_planned_guest_reaches_its_max(void **state)
{
    const GuestSetup wanted = { .max = 6 * SIZE_GIB };
    static const char *const names[] = { "plain", "plain-defined", "numa", "pc", "room" };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *planned = plan_domain(names[i], &wanted);
        g_autoptr(GuestFacts) facts = facts_of(planned);
        guint64 reach = facts->memory->boot;

        for (guint j = 0; j < facts->memory->n_devices; j++)
            reach += facts->memory->devices[j].max;
        assert_int_equal(reach, 6 * SIZE_GIB);
        assert_int_equal(facts->memory->max, 6 * SIZE_GIB);
        assert_true(facts->memory->slots > 0);
        assert_true(facts->memory->has_balloon);
        assert_int_equal(facts->stats_period_s, 1);
        assert_int_equal(facts->free_page_reporting, FACT_YES);
        assert_int_equal(facts->stats_channel, FACT_YES);
        assert_true(facts->root_ports_free >= 1);
    }
}

/* What is larger or was chosen by somebody stays. */
static void
test_existing_values_stay(void **state)
{
    g_autofree char *max =
        domain_text_with("plain-defined", "<maxMemory slots='16' unit='KiB'>4194304",
                         "<maxMemory slots='24' unit='KiB'>16777216");
    g_autofree char *period = domain_text_change(max, "<stats period='1'/>", "<stats period='7'/>");
    const GuestSetup smaller = { .max = 2 * SIZE_GIB };
    g_autofree char *same = plan(period, &usual);
    g_autofree char *still_same = plan(period, &smaller);

    assert_string_equal(same, period);
    assert_string_equal(still_same, period);
}

static void
test_without_virtio_mem(void **state)
{
    const GuestSetup wanted = { .no_virtio_mem = TRUE };
    g_autofree char *planned = plan_domain("plain", &wanted);
    g_autoptr(GuestFacts) facts = facts_of(planned);

    assert_int_equal(facts->memory->n_devices, 0);
    assert_int_equal(facts->memory->max, SENSIBLE);
    assert_int_equal(facts->memory->slots, 16);
}

/* The guest can reach as much; what virtio-mem does not take has room for DIMMs. */
static void
test_room_for_dimms(void **state)
{
    const GuestSetup wanted = { .max = 6 * SIZE_GIB, .virtio_mem = 4 * SIZE_GIB };
    static const char *const names[] = { "plain", "numa", "pc" };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *planned = plan_domain(names[i], &wanted);
        g_autoptr(GuestFacts) facts = facts_of(planned);
        guint64 virtio_mem = 0;

        for (guint j = 0; j < facts->memory->n_devices; j++)
            virtio_mem += facts->memory->devices[j].max;
        assert_int_equal(virtio_mem, 4 * SIZE_GIB);
        assert_int_equal(facts->memory->max, 6 * SIZE_GIB);
        assert_true(facts->memory->slots > 0);
    }
}

/* Larger than the sensible value already: nothing is made of memory it cannot be given. */
static void
test_a_guest_that_is_large_enough(void **state)
{
    const GuestSetup wanted = { .max = 128 * SIZE_MIB };
    g_autofree char *planned = plan_domain("plain", &wanted);

    assert_null(strstr(planned, "maxMemory"));
    assert_null(strstr(planned, "<numa>"));
    assert_null(strstr(planned, "virtio-mem"));
    assert_non_null(strstr(planned, "org.memplug.stats.0"));
}

static void
test_each_node_gets_its_share(void **state)
{
    g_autofree char *definition = domain_text("numa");
    const GuestSetup wanted = { .max = 6 * SIZE_GIB };
    g_autofree char *planned = plan(definition, &wanted);
    g_autoptr(GuestFacts) facts = facts_of(planned);
    const MemoryDevice *devices = facts->memory->devices;

    /* Our own devices grow; 256 and 128 MiB at boot. */
    assert_int_equal(facts->memory->n_devices, 2);
    assert_in_range(devices[0].max - 2 * devices[1].max, 0, 8 * SIZE_MIB);
}

static void
test_blocks_of_large_pages(void **state)
{
    g_autofree char *definition =
        domain_text_with("plain", "<vcpu placement",
                         "<memoryBacking><hugepages><page size='1' unit='GiB'/></hugepages>"
                         "</memoryBacking><vcpu placement");
    g_autofree char *planned = plan(definition, &usual);
    g_autoptr(GuestFacts) facts = facts_of(planned);

    assert_int_equal(facts->memory->devices[0].block, SIZE_GIB);
    assert_int_equal(facts->memory->devices[0].max, 4 * SIZE_GIB);
}

static void
test_balloon_of_model_none(void **state)
{
    g_autofree char *planned = plan_domain("pc", &usual);
    g_autofree char *balloon = cut(planned, "<memballoon", "</memballoon>");

    assert_string_equal(balloon, "<memballoon model='virtio' freePageReporting='on'>\n"
                                 "      <stats period='1'/>\n"
                                 "    </memballoon>");
}

static void
test_deflate_is_not_touched(void **state)
{
    g_autofree char *planned = plan_domain("numa", &usual);

    assert_non_null(strstr(planned, "autodeflate='on'"));
}

static void
assert_refused(const char *old, const char *new, const char *reason)
{
    g_autofree char *definition = domain_text_with("plain", old, new);
    g_autoptr(GError) error = NULL;

    assert_null(domain_setup_plan(definition, &usual, SENSIBLE, &error));
    assert_true(g_error_matches(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_REFUSED));
    if (!strstr(error->message, reason))
        fail_msg("'%s' does not say '%s'", error->message, reason);
}

static void
test_who_is_refused(void **state)
{
    assert_refused("machine='pc-q35-7.2'", "machine='microvm'", "microvm");
    assert_refused("machine='pc-q35-7.2'", "machine='pcx'", "pcx");
    assert_refused("arch='x86_64'", "arch='s390x'", "s390x");
    assert_refused("<acpi/>", "", "<acpi/>");
    assert_refused("http://debian.org/debian/12", "http://microsoft.com/win/11", "not Linux");
}

static void
test_broken_definitions(void **state)
{
    g_autoptr(GError) error = NULL;

    assert_null(domain_setup_plan("<domain>", &usual, SENSIBLE, &error));
    assert_true(g_error_matches(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MALFORMED));
}

/*
 * Changes to the running domain
 */

static GPtrArray *
live(const char *live_xml, const char *planned, gboolean *rest)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *changes = domain_setup_live(live_xml, planned, rest, &error);

    if (!changes)
        fail_msg("%s", error->message);
    return changes;
}

/* A domain with <maxMemory>, a serial controller and a free port can take all of it. */
static void
test_live_all(void **state)
{
    const GuestSetup wanted = { 0 };
    g_autofree char *text = domain_text("room");
    g_autofree char *planned = plan(text, &wanted);
    g_autofree char *without_report = domain_text_change(planned, " freePageReporting='on'", "");
    g_autoptr(GPtrArray) changes = NULL;
    gboolean rest = FALSE;
    const DomainChange *change;

    changes = live(text, without_report, &rest);
    assert_int_equal(changes->len, 3);
    change = changes->pdata[0];
    assert_int_equal(change->kind, DOMAIN_CHANGE_STATS_PERIOD);
    assert_int_equal(change->period_s, 1);
    change = changes->pdata[1];
    assert_int_equal(change->kind, DOMAIN_CHANGE_ATTACH_DEVICE);
    assert_string_equal(change->device, DOMAIN_SETUP_CHANNEL);
    change = changes->pdata[2];
    assert_int_equal(change->kind, DOMAIN_CHANGE_ATTACH_DEVICE);
    assert_non_null(strstr(change->device, "<alias name='ua-memplug-vm0'/>"));
    assert_non_null(strstr(change->device, "<size unit='KiB'>1835008</size>"));
    assert_string_equal(change->words,
                        "attach a virtio-mem device of up to 1792 MiB as ua-memplug-vm0");
    /* The port that replaces the one now taken. */
    assert_true(rest);
}

/* A domain as it was before: only its statistics can be had now. */
static void
test_live_little(void **state)
{
    g_autofree char *text = domain_text("plain");
    g_autofree char *planned = plan(text, &usual);
    gboolean rest = FALSE;
    g_autoptr(GPtrArray) changes = live(text, planned, &rest);
    const DomainChange *change = changes->pdata[0];

    assert_int_equal(changes->len, 1);
    assert_int_equal(change->kind, DOMAIN_CHANGE_STATS_PERIOD);
    assert_true(rest);
}

static void
test_live_nothing(void **state)
{
    g_autofree char *text = domain_text("plain-defined");
    gboolean rest = TRUE;
    g_autoptr(GPtrArray) changes = live(text, text, &rest);

    assert_int_equal(changes->len, 0);
    assert_false(rest);
}

static void
test_live_without_a_port(void **state)
{
    g_autofree char *text = domain_text_with(
        "room", "</devices>",
        "<rng model='virtio'><address type='pci' domain='0x0000' bus='0x04' slot='0x00' "
        "function='0x0'/></rng></devices>");
    g_autofree char *planned = plan(text, &usual);
    gboolean rest = FALSE;
    g_autoptr(GPtrArray) changes = live(text, planned, &rest);

    assert_int_equal(changes->len, 2);
    assert_true(rest);
}

static void
test_live_without_room(void **state)
{
    g_autofree char *definition = domain_text("room");
    g_autofree char *text = domain_text_with("room", "<maxMemory slots='8' unit='KiB'>2097152<",
                                             "<maxMemory slots='8' unit='KiB'>2095104<");
    g_autofree char *planned = plan(definition, &usual);
    gboolean rest = FALSE;
    g_autoptr(GPtrArray) changes = live(text, planned, &rest);

    assert_int_equal(changes->len, 2);
    assert_true(rest);
}

static void
test_live_broken(void **state)
{
    g_autofree char *text = domain_text("room");
    g_autoptr(GError) left = NULL;
    g_autoptr(GError) right = NULL;

    assert_null(domain_setup_live("", text, NULL, &left));
    assert_non_null(left);
    assert_null(domain_setup_live(text, "", NULL, &right));
    assert_non_null(right);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exactly_what_is_missing),
        cmocka_unit_test(test_nothing_to_do),
        cmocka_unit_test(test_planned_guest_reaches_its_max),
        cmocka_unit_test(test_existing_values_stay),
        cmocka_unit_test(test_without_virtio_mem),
        cmocka_unit_test(test_room_for_dimms),
        cmocka_unit_test(test_a_guest_that_is_large_enough),
        cmocka_unit_test(test_each_node_gets_its_share),
        cmocka_unit_test(test_blocks_of_large_pages),
        cmocka_unit_test(test_balloon_of_model_none),
        cmocka_unit_test(test_deflate_is_not_touched),
        cmocka_unit_test(test_who_is_refused),
        cmocka_unit_test(test_broken_definitions),
        cmocka_unit_test(test_live_all),
        cmocka_unit_test(test_live_little),
        cmocka_unit_test(test_live_nothing),
        cmocka_unit_test(test_live_without_a_port),
        cmocka_unit_test(test_live_without_room),
        cmocka_unit_test(test_live_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
