/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * setup: what reaches the daemon, and how its plan is shown.
 */
#include "tests/unit/cli/bus-fixture.h"

typedef struct {
    const char *after; /* the definition as it should be */
    gboolean restart;
    char *asked; /* owned: the options, as they came */
} Setup;

static gboolean
on_setup(BusGuest *guest, GDBusMethodInvocation *invocation, GVariant *options, gpointer data)
{
    static const char *const done[] = { "attached vmem0", NULL };
    static const char *const nothing[] = { NULL };
    Setup *setup = data;
    g_auto(GVariantDict) result = G_VARIANT_DICT_INIT(NULL);
    gboolean apply = FALSE;

    g_free(setup->asked);
    setup->asked = g_variant_print(options, FALSE);
    g_variant_lookup(options, "apply", "b", &apply);
    g_variant_dict_insert(&result, "before", "s", "<domain>\n  <name>web</name>\n</domain>\n");
    g_variant_dict_insert(&result, "after", "s", setup->after);
    g_variant_dict_insert(&result, "done", "^as", apply && setup->restart ? done : nothing);
    g_variant_dict_insert(&result, "restart", "b", setup->restart);
    bus_guest_complete_setup(guest, invocation, g_variant_dict_end(&result));
    return TRUE;
}

static const char changed[] = "<domain>\n  <name>web</name>\n  <maxMemory/>\n</domain>\n";

#define PLAN                     \
    "--- web, as it is\n"        \
    "+++ web, as it should be\n" \
    "@@ -1,3 +1,4 @@\n"          \
    " <domain>\n"                \
    "   <name>web</name>\n"      \
    "+  <maxMemory/>\n"          \
    " </domain>\n"

static void
connect(Setup *setup)
{
    g_signal_connect(bus_fixture.web, "handle-setup", G_CALLBACK(on_setup), setup);
}

static void
test_a_plan_is_a_diff(void **state)
{
    Setup setup = { changed, TRUE };

    connect(&setup);
    bus_fixture_assert_runs("setup web", PLAN "\nNothing has been changed; 'memplug setup web "
                                              "--apply' does it.\n");
    assert_string_equal(setup.asked, "{}");
    bus_fixture_assert_runs("setup web --max 4G --no-virtio-mem", PLAN);
    assert_string_equal(setup.asked, "{'max': <uint64 4294967296>, 'virtio-mem': <false>}");
    bus_fixture_assert_runs("setup web --max 4G --virtio-mem 1G", PLAN);
    assert_string_equal(setup.asked,
                        "{'max': <uint64 4294967296>, 'virtio-mem-max': <uint64 1073741824>}");
    g_free(setup.asked);
}

static void
test_it_is_applied(void **state)
{
    Setup setup = { changed, TRUE };

    connect(&setup);
    bus_fixture_assert_runs("setup web --apply", PLAN "web: done: attached vmem0\n"
                                                      "web: the rest holds from its next start\n");
    assert_string_equal(setup.asked, "{'apply': <true>}");
    setup.restart = FALSE;
    bus_fixture_assert_runs("setup web --apply", PLAN "web: nothing waits for a restart\n");
    g_free(setup.asked);
}

static void
test_nothing_is_to_be_changed(void **state)
{
    Setup setup = { "<domain>\n  <name>web</name>\n</domain>\n", FALSE };

    connect(&setup);
    bus_fixture_assert_runs("setup web", "web: nothing is to be changed\n");
    bus_fixture_assert_runs("setup web --apply", "web: nothing is to be changed\n");
    g_free(setup.asked);
}

static void
test_json(void **state)
{
    Setup setup = { changed, TRUE };
    g_autoptr(JsonNode) node = NULL;
    JsonObject *object;

    connect(&setup);
    node = bus_fixture_run_json("setup web --apply --json", 0);
    object = json_node_get_object(node);
    assert_string_equal(json_object_get_string_member(object, "guest"), "web");
    assert_true(json_object_get_boolean_member(object, "changes"));
    assert_true(json_object_get_boolean_member(object, "applied"));
    assert_true(json_object_get_boolean_member(object, "restart"));
    assert_string_equal(json_object_get_string_member(object, "after"), changed);
    assert_int_equal(json_array_get_length(json_object_get_array_member(object, "done")), 1);
    g_free(setup.asked);
}

static gboolean
refuse(BusGuest *guest, GDBusMethodInvocation *invocation, GVariant *options, gpointer data)
{
    g_dbus_method_invocation_return_error_literal(invocation, G_DBUS_ERROR,
                                                  G_DBUS_ERROR_ACCESS_DENIED,
                                                  "Setup takes org.memplug1.administer");
    return TRUE;
}

static void
test_a_refusal(void **state)
{
    g_signal_connect(bus_fixture.web, "handle-setup", G_CALLBACK(refuse), NULL);
    bus_fixture_assert_fails("setup web --apply", 1,
                             "error: access denied: web: Setup takes org.memplug1.administer\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BUS_FIXTURE_TEST(test_a_plan_is_a_diff),
        BUS_FIXTURE_TEST(test_it_is_applied),
        BUS_FIXTURE_TEST(test_nothing_is_to_be_changed),
        BUS_FIXTURE_TEST(test_json),
        BUS_FIXTURE_TEST(test_a_refusal),
    };

    return BUS_FIXTURE_RUN(tests);
}
