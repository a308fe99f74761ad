/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU tells for a diagnosis: a real one, and fakes that tell what a real one rarely does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "hypervisor/qemu/qemu-describe.h"
#include "tests/fake/await.h"
#include "tests/fake/qmp-machine.h"
#include "tests/fake/real-qemu.h"

#define PATIENCE_MS 20000

static QmpClient *
connect_to(const char *path)
{
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;
    QmpClient *client;

    qmp_client_connect_async(path, PATIENCE_MS, NULL, await_callback, &await);
    client = qmp_client_connect_finish(await_result(&await), &error);
    if (!client)
        fail_msg("%s", error->message);
    return client;
}

static QemuMachine *
read_machine(QmpClient *client, const char *path)
{
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;
    QemuMachine *machine;

    qemu_machine_read_async(client, path, NULL, await_callback, &await);
    machine = qemu_machine_read_finish(client, await_result(&await), &error);
    if (!machine)
        fail_msg("%s", error->message);
    return machine;
}

static GuestFacts *
describe(QmpClient *client, const QemuMachine *machine, GError **error)
{
    g_auto(Await) await = { NULL };

    qemu_describe_async(client, machine, NULL, await_callback, &await);
    return qemu_describe_finish(client, await_result(&await), error);
}

static void
test_a_real_machine(void **state)
{
    static const char *const arguments[] = {
        "-accel",   "tcg",
        "-machine", "q35,memory-backend=boot",
        "-smp",     "3",
        "-m",       "256M,maxmem=1G,slots=2",
        "-object",  "memory-backend-memfd,id=boot,size=256M,share=on",
        "-device",  "pcie-root-port",
        "-device",  "virtio-balloon-pci,free-page-reporting=on",
        "-device",  "virtio-serial-pci",
        "-chardev", "null,id=other",
        "-device",  "virtserialport,chardev=other,name=org.qemu.guest_agent.0",
        "-chardev", "null,id=stats",
        "-device",  "virtserialport,id=port,chardev=stats,name=org.memplug.stats.0",
        NULL,
    };
    g_autofree char *folder = g_dir_make_tmp("memplug-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "g.qmp", NULL);
    g_autoptr(GError) error = NULL;
    RealQemu *qemu;
    g_autoptr(QmpClient) client = NULL;
    g_autoptr(QemuMachine) machine = NULL;
    g_autoptr(GuestFacts) facts = NULL;

    if (!real_qemu_is_available()) {
        print_message("skipped: qemu-system-x86_64 is not installed\n");
        skip();
    }
    qemu = real_qemu_new(path, arguments, &error);
    if (!qemu)
        fail_msg("%s", error->message);
    client = connect_to(path);
    machine = read_machine(client, path);
    facts = describe(client, machine, &error);
    real_qemu_free(qemu);
    g_unlink(path);
    g_rmdir(folder);

    assert_non_null(facts);
    assert_int_equal(facts->kind, GUEST_FACTS_QEMU);
    assert_true(g_str_has_prefix(facts->machine, "pc-q35-"));
    assert_true(g_ascii_isdigit(facts->version[0]));
    assert_int_equal(facts->kvm, FACT_NO);
    assert_int_equal(facts->acpi, FACT_YES);
    assert_int_equal(facts->vcpus, 3);
    assert_int_equal(facts->root_ports_free, 0); /* its firmware has not run */
    assert_int_equal(facts->free_page_reporting, FACT_YES);
    assert_int_equal(facts->stats_period_s, 0);
    assert_int_equal(facts->shared, FACT_YES);
    assert_int_equal(facts->hugepage, 0);
    assert_int_equal(facts->stats_channel, FACT_YES);
    assert_int_equal(facts->stats_channel_connected, FACT_NO);
    assert_int_equal(facts->vfio + facts->vhost, 0);
}

/*
 * Fakes
 */

typedef struct {
    FakeQmpServer *server;
    QmpClient *client;
    QemuMachine *machine;
} Fixture;

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    const char *path;

    fixture->server = fake_qmp_server_new(NULL);
    path = fake_qmp_server_get_path(fixture->server);
    fake_qmp_machine_stand(fixture->server);
    fixture->client = connect_to(path);
    fixture->machine = read_machine(fixture->client, path);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;

    qmp_client_close(fixture->client);
    g_object_unref(fixture->client);
    qemu_machine_free(fixture->machine);
    fake_qmp_server_free(fixture->server);
    await_quiet();
    g_free(fixture);
    return 0;
}

/* All that is asked. Each question that a test says nothing about is refused. */
static const char *const commands[] = { "query-kvm", "query-cpus-fast", "query-pci",
                                        "query-chardev" };
static const char *const properties[][2] = {
    { "/machine", "type" },
    { "/machine", "acpi" },
    { "/machine/peripheral/b", "free-page-reporting" },
    { "/machine/peripheral/b", "guest-stats-polling-interval" },
    { "/objects/pc.ram", "hugetlbsize" },
};

static char *
property_of(const char *path, const char *property)
{
    return g_strdup_printf("{'path': '%s', 'property': '%s'}", path, property);
}

static void
refuse_all(FakeQmpServer *server)
{
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        fake_qmp_server_stand_error(server, commands[i], NULL, "CommandNotFound", "no");
    for (gsize i = 0; i < G_N_ELEMENTS(properties); i++) {
        g_autofree char *arguments = property_of(properties[i][0], properties[i][1]);

        fake_qmp_server_stand_error(server, "qom-get", arguments, "GenericError", "no");
    }
}

static void
stand_property(FakeQmpServer *server, const char *path, const char *property, const char *value)
{
    g_autofree char *arguments = property_of(path, property);

    fake_qmp_server_stand(server, "qom-get", arguments, value);
}

static void
test_what_is_refused_is_unknown(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GuestFacts) facts = NULL;

    refuse_all(fixture->server);
    facts = describe(fixture->client, fixture->machine, NULL);
    assert_non_null(facts);
    assert_int_equal(facts->kvm, FACT_UNKNOWN);
    assert_int_equal(facts->acpi, FACT_UNKNOWN);
    assert_int_equal(facts->free_page_reporting, FACT_UNKNOWN);
    assert_int_equal(facts->shared, FACT_NO); /* the machine's standing answer */
    assert_int_equal(facts->stats_channel, FACT_NO);
    assert_null(facts->machine);
}

static void
test_nonsense_is_unknown(void **state)
{
    static const char *const nonsense[] = { "{}", "[]", "[[], 3, {'devices': 'x'}]", "'x'", "-1" };
    Fixture *fixture = *state;

    for (gsize i = 0; i < G_N_ELEMENTS(nonsense); i++) {
        g_autoptr(GuestFacts) facts = NULL;

        for (gsize j = 0; j < G_N_ELEMENTS(commands); j++)
            fake_qmp_server_stand(fixture->server, commands[j], NULL, nonsense[i]);
        for (gsize j = 0; j < G_N_ELEMENTS(properties); j++)
            stand_property(fixture->server, properties[j][0], properties[j][1], nonsense[i]);
        fake_qmp_server_stand(fixture->server, "qom-list", "{'path': '/machine/peripheral'}",
                              nonsense[i]);
        facts = describe(fixture->client, fixture->machine, NULL);
        assert_non_null(facts);
        assert_int_equal(facts->kvm, FACT_UNKNOWN);
        assert_int_equal(facts->free_page_reporting, FACT_UNKNOWN);
        assert_int_equal(facts->stats_period_s, 0);
        assert_int_equal(facts->root_ports_free, 0);
    }
}

static void
test_devices_are_counted(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GuestFacts) facts = NULL;

    refuse_all(fixture->server);
    fake_qmp_server_stand(fixture->server, "qom-list", "{'path': '/machine/peripheral'}",
                          "[{'name': 'gpu', 'type': 'child<vfio-pci>'},"
                          " {'name': 'fs', 'type': 'child<vhost-user-fs-pci>'},"
                          " {'name': 'vsock', 'type': 'child<vhost-vsock-pci>'},"
                          " {'name': 'p', 'type': 'child<virtserialport>'}]");
    stand_property(fixture->server, "/machine/peripheral/p", "name", "'org.memplug.stats.0'");
    stand_property(fixture->server, "/machine/peripheral/p", "chardev", "'c'");
    fake_qmp_server_stand(fixture->server, "query-chardev", NULL,
                          "[{'label': 'd', 'frontend-open': false},"
                          " {'label': 'c', 'frontend-open': true}]");
    facts = describe(fixture->client, fixture->machine, NULL);
    assert_int_equal(facts->vfio, 1);
    assert_int_equal(facts->vhost, 2);
    assert_int_equal(facts->stats_channel, FACT_YES);
    assert_int_equal(facts->stats_channel_connected, FACT_YES);
}

static void
test_slots_of_a_conventional_bus_are_free(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GuestFacts) facts = NULL;

    refuse_all(fixture->server);
    stand_property(fixture->server, "/machine", "type", "'pc-i440fx-7.2-machine'");
    fake_qmp_server_stand(fixture->server, "query-pci", NULL,
                          "[{'bus': 0, 'devices': [{'slot': 0}, {'slot': 1}, {'slot': 1},"
                          " {'slot': 4}]}]");
    facts = describe(fixture->client, fixture->machine, NULL);
    assert_string_equal(facts->machine, "pc-i440fx-7.2");
    assert_int_equal(facts->root_ports_free, 29);
}

static void
test_bridges_with_nothing_behind_them_are_free(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GuestFacts) facts = NULL;

    refuse_all(fixture->server);
    stand_property(fixture->server, "/machine", "type", "'pc-q35-7.2-machine'");
    fake_qmp_server_stand(
        fixture->server, "query-pci", NULL,
        "[{'bus': 0, 'devices': [{'slot': 0},"
        " {'slot': 1, 'pci_bridge': {'bus': {'secondary': 1}, 'devices': [{'slot': 0}]}},"
        " {'slot': 2, 'pci_bridge': {'bus': {'secondary': 2}, 'devices': []}},"
        " {'slot': 3, 'pci_bridge': {'bus': {'secondary': 3}}}]}]");
    facts = describe(fixture->client, fixture->machine, NULL);
    assert_int_equal(facts->root_ports_free, 2);
}

static void
test_a_lost_connection_is_an_error(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    refuse_all(fixture->server);
    fake_qmp_server_expect_then_close(fixture->server, "query-kvm", NULL);
    assert_null(describe(fixture->client, fixture->machine, &error));
    assert_non_null(error);
}

#define WITH_A_FAKE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_real_machine),
        WITH_A_FAKE(test_what_is_refused_is_unknown),
        WITH_A_FAKE(test_nonsense_is_unknown),
        WITH_A_FAKE(test_devices_are_counted),
        WITH_A_FAKE(test_slots_of_a_conventional_bus_are_free),
        WITH_A_FAKE(test_bridges_with_nothing_behind_them_are_free),
        WITH_A_FAKE(test_a_lost_connection_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
