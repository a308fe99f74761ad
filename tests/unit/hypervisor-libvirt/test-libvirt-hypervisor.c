/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hypervisor on libvirt's own test driver: a libvirt within the process, with a domain
 * called "test" that can be started and stopped, and no QEMU. What it lacks (jobs, memory
 * devices, statistics) is tested on a real libvirtd.
 */
#include "hypervisor/libvirt/libvirt-hypervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libvirt/libvirt.h>

#include "hypervisor/libvirt/domain-metadata.h"
#include "hypervisor/libvirt/domain-word.h"
#include "hypervisor/libvirt/libvirt-guest.h"
#include "tests/fake/await.h"

#define URI "test:///default"
#define MIB (G_GUINT64_CONSTANT(1) << 20)

typedef struct {
    Hypervisor *hypervisor;
    Guest *guest; /* the only one, or NULL */
    guint removals;
    virConnectPtr connection; /* another administrator's */
    virDomainPtr domain;
} Fixture;

static void
on_guest_added(Hypervisor *hypervisor, Guest *guest, gpointer data)
{
    Fixture *fixture = data;

    assert_null(fixture->guest);
    fixture->guest = g_object_ref(guest);
}

static void
on_guest_removed(Hypervisor *hypervisor, Guest *guest, gpointer data)
{
    Fixture *fixture = data;

    assert_ptr_equal(fixture->guest, guest);
    g_clear_object(&fixture->guest);
    fixture->removals++;
}

static gboolean
has_guest(gpointer data)
{
    return ((Fixture *)data)->guest != NULL;
}

static gboolean
has_no_guest(gpointer data)
{
    return ((Fixture *)data)->guest == NULL;
}

static gboolean
has_searched(gpointer data)
{
    return !hypervisor_is_searching(((Fixture *)data)->hypervisor);
}

static void
start(Fixture *fixture)
{
    assert_true(hypervisor_start(fixture->hypervisor, NULL));
    await_condition(has_guest, fixture, "the guest");
}

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->hypervisor = libvirt_hypervisor_new(URI, NULL);
    g_signal_connect(fixture->hypervisor, "guest-added", G_CALLBACK(on_guest_added), fixture);
    g_signal_connect(fixture->hypervisor, "guest-removed", G_CALLBACK(on_guest_removed), fixture);
    /* As long as this is open all connections are to the same libvirt. */
    fixture->connection = virConnectOpen(URI);
    assert_non_null(fixture->connection);
    fixture->domain = virDomainLookupByName(fixture->connection, "test");
    assert_non_null(fixture->domain);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    g_clear_object(&fixture->guest);
    g_object_unref(fixture->hypervisor);
    await_ms(50); /* its connection is closed by a thread */
    virDomainFree(fixture->domain);
    virConnectClose(fixture->connection);
    g_free(fixture);
    return 0;
}

/*
 * Guests
 */

static void
test_a_running_domain_is_a_guest(void **state)
{
    Fixture *fixture = *state;
    char uuid[VIR_UUID_STRING_BUFLEN];

    assert_false(hypervisor_is_searching(fixture->hypervisor));
    assert_true(hypervisor_start(fixture->hypervisor, NULL));
    assert_true(hypervisor_is_searching(fixture->hypervisor));
    await_condition(has_searched, fixture, "the end of the search");
    assert_non_null(fixture->guest);
    virDomainGetUUIDString(fixture->domain, uuid);
    assert_string_equal(hypervisor_get_connection(fixture->hypervisor), "connected");
    assert_string_equal(guest_get_name(fixture->guest), "test");
    assert_string_equal(guest_get_lineage(fixture->guest), uuid);
    assert_true(g_str_has_prefix(guest_get_instance(fixture->guest), uuid));
    assert_int_equal(guest_get_state(fixture->guest), GUEST_STATE_RUNNING);
    assert_false(guest_continues(fixture->guest));
}

static void
test_each_run_is_another_guest(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *first = NULL;

    start(fixture);
    first = g_strdup(guest_get_instance(fixture->guest));
    assert_int_equal(virDomainDestroy(fixture->domain), 0);
    await_condition(has_no_guest, fixture, "the end of the guest");
    assert_int_equal(virDomainCreate(fixture->domain), 0);
    await_condition(has_guest, fixture, "the guest again");
    assert_string_not_equal(first, guest_get_instance(fixture->guest));
    assert_int_equal(fixture->removals, 1);
}

static gboolean
is_paused(gpointer data)
{
    return guest_get_state(((Fixture *)data)->guest) == GUEST_STATE_PAUSED;
}

static gboolean
is_running(gpointer data)
{
    return guest_get_state(((Fixture *)data)->guest) == GUEST_STATE_RUNNING;
}

static void
test_a_guest_is_followed_when_it_pauses(void **state)
{
    Fixture *fixture = *state;

    start(fixture);
    assert_int_equal(virDomainSuspend(fixture->domain), 0);
    await_condition(is_paused, fixture, "the pause");
    assert_int_equal(virDomainResume(fixture->domain), 0);
    await_condition(is_running, fixture, "the pause's end");
}

static void
test_what_is_in_flight_ends_with_the_guest(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) observing = { NULL };
    g_auto(Await) late = { NULL };
    g_autoptr(Guest) guest = NULL;
    g_autoptr(GError) error = NULL;

    start(fixture);
    guest = g_object_ref(fixture->guest);
    assert_int_equal(virDomainDestroy(fixture->domain), 0);
    guest_observe_async(guest, NULL, await_callback, &observing);
    await_condition(has_no_guest, fixture, "the end of the guest");
    assert_int_equal(virDomainCreate(fixture->domain), 0);
    await_result(&observing);

    guest_observe_async(guest, NULL, await_callback, &late);
    assert_null(guest_observe_finish(guest, await_result(&late), &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CLOSED));
}

/*
 * Memory
 */

static GuestMemory *
observe(Fixture *fixture)
{
    g_auto(Await) observing = { NULL };
    g_autoptr(GError) error = NULL;
    GuestMemory *memory;

    guest_observe_async(fixture->guest, NULL, await_callback, &observing);
    memory = guest_observe_finish(fixture->guest, await_result(&observing), &error);
    if (!memory)
        fail_msg("%s", error->message);
    return memory;
}

static gboolean
act(Fixture *fixture, const MemoryStep *step, GError **error)
{
    g_auto(Await) acting = { NULL };

    guest_act_async(fixture->guest, step, NULL, await_callback, &acting);
    return guest_act_finish(fixture->guest, await_result(&acting), error);
}

static void
test_memory_is_observed_and_the_balloon_set(void **state)
{
    const MemoryStep step = { .kind = MEMORY_STEP_SET_BALLOON, .size = 64 * MIB };
    Fixture *fixture = *state;
    g_autoptr(GuestMemory) before = NULL;
    g_autoptr(GuestMemory) after = NULL;
    g_autoptr(GError) error = NULL;
    guint64 boot = (guint64)virDomainGetMaxMemory(fixture->domain) * 1024;

    assert_int_equal(virDomainSetMemory(fixture->domain, boot / 1024), 0);
    start(fixture);
    before = observe(fixture);
    assert_int_equal(before->boot, boot);
    assert_int_equal(guest_memory_actual(before), boot);
    assert_true(act(fixture, &step, &error));
    after = observe(fixture);
    assert_int_equal(guest_memory_actual(after), boot - 64 * MIB);
    assert_int_equal(after->balloon_requested, 64 * MIB);
    assert_int_equal(virDomainSetMemory(fixture->domain, boot / 1024), 0);
}

static void
test_what_libvirt_refuses_is_told_in_its_words(void **state)
{
    const MemoryStep too_much = { .kind = MEMORY_STEP_SET_BALLOON, .size = G_MAXUINT64 };
    const MemoryStep no_such = { .kind = MEMORY_STEP_UNPLUG_DIMM, .device = "ua-memplug-dimm0" };
    Fixture *fixture = *state;
    g_autoptr(GError) first = NULL;
    g_autoptr(GError) second = NULL;

    start(fixture);
    assert_false(act(fixture, &too_much, &first));
    assert_true(g_error_matches(first, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT));
    assert_false(act(fixture, &no_such, &second));
    assert_true(g_str_has_prefix(second->message, "cannot detach the DIMM: "));
}

static void
test_collecting_ends_whatever_the_driver_knows(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) none = { NULL };
    g_auto(Await) one = { NULL };

    hypervisor_collect_async(fixture->hypervisor, 10000, NULL, await_callback, &none);
    assert_true(hypervisor_collect_finish(fixture->hypervisor, await_result(&none), NULL));
    start(fixture);
    hypervisor_collect_async(fixture->hypervisor, 10000, NULL, await_callback, &one);
    assert_true(hypervisor_collect_finish(fixture->hypervisor, await_result(&one), NULL));
}

/*
 * Limits
 */

static void
write_metadata(Fixture *fixture, const char *xml)
{
    assert_int_equal(virDomainSetMetadata(fixture->domain, VIR_DOMAIN_METADATA_ELEMENT, xml,
                                          DOMAIN_METADATA_KEY, DOMAIN_METADATA_URI,
                                          VIR_DOMAIN_AFFECT_LIVE),
                     0);
}

static gboolean
has_floor(gpointer data)
{
    return (guest_get_limits(((Fixture *)data)->guest)->set & GUEST_LIMIT_FLOOR) != 0;
}

static gboolean
has_weight(gpointer data)
{
    return guest_get_limits(((Fixture *)data)->guest)->set == GUEST_LIMIT_WEIGHT;
}

/* Waits until all that events so far have brought about is done: events come in their
 * order, and so do the looks at a domain. */
static void
await_events(Fixture *fixture)
{
    g_autoptr(GuestMemory) memory = NULL;

    assert_int_equal(virDomainSuspend(fixture->domain), 0);
    await_condition(is_paused, fixture, "the pause");
    memory = observe(fixture);
    assert_int_equal(virDomainResume(fixture->domain), 0);
    await_condition(is_running, fixture, "the pause's end");
}

static void
test_limits_follow_the_metadata(void **state)
{
    Fixture *fixture = *state;

    write_metadata(fixture, "<domain><weight>3</weight></domain>");
    start(fixture);
    assert_true(has_weight(fixture));
    write_metadata(fixture, "<domain><floor>100M</floor></domain>");
    await_condition(has_floor, fixture, "the changed limits");
    assert_int_equal(guest_get_limits(fixture->guest)->floor, 100 * MIB);

    /* A bad value is told of, and what held before holds on. */
    g_test_expect_message("memplugd", G_LOG_LEVEL_WARNING, "*test*floor*limits stay*");
    write_metadata(fixture, "<domain><floor>much</floor></domain>");
    await_events(fixture);
    g_test_assert_expected_messages();
    assert_int_equal(guest_get_limits(fixture->guest)->floor, 100 * MIB);
    write_metadata(fixture, NULL);
}

static void
test_limits_are_kept_in_the_metadata(void **state)
{
    const GuestLimits limits = { .set = GUEST_LIMIT_FLOOR, .floor = 100 * MIB };
    const GuestLimits none = { 0 };
    Fixture *fixture = *state;
    g_auto(Await) storing = { NULL };
    g_auto(Await) removing = { NULL };
    char *xml;

    start(fixture);
    guest_change_limits_async(fixture->guest, &limits, 0, GUEST_SCOPE_ALL, NULL, await_callback,
                              &storing);
    assert_true(guest_change_limits_finish(fixture->guest, await_result(&storing), NULL));
    assert_true(guest_limits_equal(guest_get_limits(fixture->guest), &limits));
    for (guint i = 0; i < 2; i++) {
        GuestLimits kept = { 0 };

        xml =
            virDomainGetMetadata(fixture->domain, VIR_DOMAIN_METADATA_ELEMENT, DOMAIN_METADATA_URI,
                                 i == 0 ? VIR_DOMAIN_AFFECT_LIVE : VIR_DOMAIN_AFFECT_CONFIG);
        assert_non_null(xml);
        assert_true(domain_metadata_read(xml, "test", &kept, NULL));
        assert_true(guest_limits_equal(&kept, &limits));
        free(xml);
    }

    guest_change_limits_async(fixture->guest, &none, GUEST_LIMIT_FLOOR, GUEST_SCOPE_ALL, NULL,
                              await_callback, &removing);
    assert_true(guest_change_limits_finish(fixture->guest, await_result(&removing), NULL));
    assert_null(virDomainGetMetadata(fixture->domain, VIR_DOMAIN_METADATA_ELEMENT,
                                     DOMAIN_METADATA_URI, VIR_DOMAIN_AFFECT_CONFIG));
}

static gboolean
has_word(gpointer data)
{
    return guest_get_word(((Fixture *)data)->guest)->decision == 7;
}

/* Nothing of it is left in what the domain is started from. */
static void
test_a_word_is_kept_in_the_running_domain(void **state)
{
    const GuestWord word = { 100 * MIB, 7 };
    Fixture *fixture = *state;
    GuestWord kept;
    char *xml;

    start(fixture);
    assert_int_equal(guest_get_word(fixture->guest)->decision, 0);
    guest_keep_word(fixture->guest, &word);
    await_condition(has_word, fixture, "the word to be kept");
    xml = virDomainGetMetadata(fixture->domain, VIR_DOMAIN_METADATA_ELEMENT, DOMAIN_WORD_URI,
                               VIR_DOMAIN_AFFECT_LIVE);
    assert_non_null(xml);
    assert_true(domain_word_read(xml, &kept, NULL));
    assert_int_equal(kept.held, 100 * MIB);
    free(xml);
    assert_null(virDomainGetMetadata(fixture->domain, VIR_DOMAIN_METADATA_ELEMENT, DOMAIN_WORD_URI,
                                     VIR_DOMAIN_AFFECT_CONFIG));
}

/*
 * Connecting
 */

static void
test_what_is_no_uri_is_refused(void **state)
{
    g_autoptr(GError) error = NULL;

    assert_null(libvirt_hypervisor_new("no uri", &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT));
}

static gboolean
has_failed(gpointer hypervisor)
{
    return g_strrstr(hypervisor_get_connection(hypervisor), "/nowhere/") != NULL;
}

static void
test_a_connection_that_fails_says_why(void **state)
{
    g_autoptr(Hypervisor) hypervisor =
        libvirt_hypervisor_new("qemu+unix:///system?socket=/nowhere/sock", NULL);

    g_test_expect_message("memplugd", G_LOG_LEVEL_WARNING, "*Failed to connect*/nowhere/sock*");
    assert_true(hypervisor_start(hypervisor, NULL));
    assert_string_equal(hypervisor_get_connection(hypervisor), "connecting");
    await_condition(has_failed, hypervisor, "the reason of the failure");
    assert_false(hypervisor_is_searching(hypervisor));
    g_test_assert_expected_messages();
}

static void
test_a_domain_without_a_channel_says_so(void **state)
{
    Fixture *fixture = *state;

    start(fixture);
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        g_auto(Await) opening = { NULL };

        assert_int_equal(libvirt_guest_lacks_port(MEMPLUG_LIBVIRT_GUEST(fixture->guest)), i > 0);
        guest_open_channel_async(fixture->guest, NULL, await_callback, &opening);
        assert_null(guest_open_channel_finish(fixture->guest, await_result(&opening), &error));
        assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND));
        assert_non_null(strstr(error->message, "'memplug setup' adds it"));
    }
    guest_memory_free(observe(fixture));
    assert_false(libvirt_guest_lacks_port(MEMPLUG_LIBVIRT_GUEST(fixture->guest)));
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_running_domain_is_a_guest),
        CASE(test_each_run_is_another_guest),
        CASE(test_a_guest_is_followed_when_it_pauses),
        CASE(test_what_is_in_flight_ends_with_the_guest),
        CASE(test_memory_is_observed_and_the_balloon_set),
        CASE(test_what_libvirt_refuses_is_told_in_its_words),
        CASE(test_collecting_ends_whatever_the_driver_knows),
        CASE(test_limits_follow_the_metadata),
        CASE(test_limits_are_kept_in_the_metadata),
        CASE(test_a_word_is_kept_in_the_running_domain),
        CASE(test_a_domain_without_a_channel_says_so),
        cmocka_unit_test(test_what_is_no_uri_is_refused),
        cmocka_unit_test(test_a_connection_that_fails_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
