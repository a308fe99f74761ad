/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest whose QEMU is a scripted monitor: what is asked, in which order, and what is made of
 * the answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "hypervisor/qemu/qemu-guest.h"
#include "qmp/qmp-error.h"
#include "tests/fake/await.h"
#include "tests/fake/qmp-machine.h"

#define MIB     (G_GUINT64_CONSTANT(1) << 20)
#define LONG_MS 600000

static const QemuTuning patient = {
    .timeout_ms = LONG_MS,
    .removal_us = 600 * G_USEC_PER_SEC,
    .sweep_us = 600 * G_USEC_PER_SEC,
};

/* Gives up soon, for tests in which QEMU hangs. */
static const QemuTuning hasty = {
    .timeout_ms = 50,
    .removal_us = 0,
    .sweep_us = 0,
};

typedef struct {
    FakeQmpServer *server;
    QmpClient *client;
    QemuMachine *machine; /* until there is a guest */
    QemuGuest *guest;
    GString *told; /* "KIND device reason\n" for each memory event */
    GArray *stats; /* BalloonStats */
} Fixture;

static void
on_memory_event(Guest *guest, const GuestMemoryEvent *event, gpointer user_data)
{
    static const char *const kinds[] = { "CHANGED", "UNPLUGGED", "REFUSED", "RESET" };
    Fixture *fixture = user_data;

    g_string_append_printf(fixture->told, "%s %s %s\n", kinds[event->kind],
                           event->device ? event->device : "-",
                           event->reason ? event->reason : "-");
}

static void
on_stats(Guest *guest, const BalloonStats *stats, gpointer user_data)
{
    g_array_append_vals(((Fixture *)user_data)->stats, stats, 1);
}

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->server = fake_qmp_server_new(NULL);
    fixture->told = g_string_new(NULL);
    fixture->stats = g_array_new(FALSE, FALSE, sizeof(BalloonStats));
    fake_qmp_machine_stand(fixture->server);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;

    if (fixture->guest)
        g_signal_handlers_disconnect_by_data(fixture->guest, fixture);
    if (fixture->client)
        qmp_client_close(fixture->client);
    await_quiet();
    g_clear_object(&fixture->guest);
    g_clear_object(&fixture->client);
    qemu_machine_free(fixture->machine);
    fake_qmp_server_free(fixture->server);
    await_quiet();
    g_string_free(fixture->told, TRUE);
    g_array_unref(fixture->stats);
    g_free(fixture);
    return 0;
}

/* Returns: NULL, or why the machine cannot be read. */
static char *
try_read_machine(Fixture *fixture, const QemuTuning *tuning)
{
    const char *path = fake_qmp_server_get_path(fixture->server);
    g_auto(Await) connected = { NULL };
    g_auto(Await) read = { NULL };
    g_autoptr(GError) error = NULL;

    qmp_client_connect_async(path, LONG_MS, NULL, await_callback, &connected);
    fixture->client = qmp_client_connect_finish(await_result(&connected), NULL);
    assert_non_null(fixture->client);
    qmp_client_set_timeout(fixture->client, tuning->timeout_ms);
    qemu_machine_read_async(fixture->client, path, NULL, await_callback, &read);
    fixture->machine = qemu_machine_read_finish(fixture->client, await_result(&read), &error);
    return error ? g_strdup(error->message) : NULL;
}

static void
read_machine(Fixture *fixture)
{
    g_autofree char *error = try_read_machine(fixture, &patient);

    assert_null(error);
}

static void
start_guest(Fixture *fixture, const QemuTuning *tuning)
{
    g_autofree char *error = try_read_machine(fixture, tuning);

    assert_null(error);
    fixture->guest =
        qemu_guest_new("g", fixture->client, g_steal_pointer(&fixture->machine),
                       qemu_limits_new("/nonexistent/g.conf"), "/nonexistent/g.stats", tuning);
    g_signal_connect(fixture->guest, "memory-event", G_CALLBACK(on_memory_event), fixture);
    g_signal_connect(fixture->guest, "stats", G_CALLBACK(on_stats), fixture);
}

static int
setup_guest(void **state)
{
    setup(state);
    start_guest(*state, &patient);
    return 0;
}

static int
setup_hasty_guest(void **state)
{
    setup(state);
    start_guest(*state, &hasty);
    return 0;
}

static GuestMemory *
try_observe(Fixture *fixture, GError **error)
{
    g_auto(Await) await = { NULL };

    guest_observe_async(MEMPLUG_GUEST(fixture->guest), NULL, await_callback, &await);
    return guest_observe_finish(MEMPLUG_GUEST(fixture->guest), await_result(&await), error);
}

static GuestMemory *
observe(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    GuestMemory *memory = try_observe(fixture, &error);

    if (!memory)
        fail_msg("%s", error->message);
    return memory;
}

static void
observe_only(Fixture *fixture)
{
    guest_memory_free(observe(fixture));
}

static gboolean
try_act(Fixture *fixture, const MemoryStep *step, GError **error)
{
    g_auto(Await) await = { NULL };

    guest_act_async(MEMPLUG_GUEST(fixture->guest), step, NULL, await_callback, &await);
    return guest_act_finish(MEMPLUG_GUEST(fixture->guest), await_result(&await), error);
}

static void
act(Fixture *fixture, MemoryStepKind kind, const char *device, guint64 size)
{
    const MemoryStep step = { .kind = kind, .device = device, .size = size };
    g_autoptr(GError) error = NULL;

    if (!try_act(fixture, &step, &error))
        fail_msg("%s", error->message);
}

static void
collect(Fixture *fixture)
{
    g_auto(Await) await = { NULL };

    qemu_guest_collect_async(fixture->guest, await_callback, &await);
    qemu_guest_collect_finish(fixture->guest, await_result(&await));
}

static GuestState
state_of(Fixture *fixture)
{
    return guest_get_state(MEMPLUG_GUEST(fixture->guest));
}

typedef struct {
    FakeQmpServer *server;
    const char *command;
    guint count;
} Count;

static gboolean
has_come(gpointer data)
{
    const Count *count = data;

    return fake_qmp_server_count(count->server, count->command) >= count->count;
}

static void
await_command(Fixture *fixture, const char *command, guint count)
{
    Count wanted = { fixture->server, command, count };

    await_condition(has_come, &wanted, command);
    await_quiet();
}

static gboolean
has_told(gpointer data)
{
    return ((Fixture *)data)->told->len > 0;
}

/* Has QEMU send an event and returns what the guest's users are told. */
static void
send_and_expect(Fixture *fixture, const char *name, const char *data, const char *told)
{
    g_string_truncate(fixture->told, 0);
    fake_qmp_server_send_event(fixture->server, name, data);
    await_condition(has_told, fixture, name);
    assert_string_equal(fixture->told->str, told);
}

#define DIMM(id, backend, size)                                                               \
    "{'type': 'dimm', 'data': {'id': '" id "', 'memdev': '/objects/" backend "', 'addr': 1, " \
    "'size': " size ", 'slot': 0, 'node': 0, 'hotplugged': true, 'hotpluggable': true}}"
#define VIRTIO_MEM(id, size, requested)                                                       \
    "{'type': 'virtio-mem', 'data': {" id "'memdev': '/objects/v', 'memaddr': 1, 'node': 1, " \
    "'size': " size ", 'requested-size': " requested ", 'max-size': 1073741824, "             \
    "'block-size': 2097152}}"

/*
 * The machine
 */

static void
test_machine(void **state)
{
    Fixture *fixture = *state;

    read_machine(fixture);
    assert_true(fixture->machine->memory.size == 256 * MIB);
    assert_true(fixture->machine->memory.max == 4096 * MIB);
    assert_int_equal(fixture->machine->memory.slots, 4);
    assert_string_equal(fixture->machine->balloon, "/machine/peripheral/b");
    assert_string_equal(qmp_memory_backend_get_qom_type(fixture->machine->kind),
                        "memory-backend-ram");
    assert_true(fixture->machine->running);
}

/* It tells runs apart and has only the characters that are promised. */
static void
test_instance(void **state)
{
    Fixture *fixture = *state;

    read_machine(fixture);
    g_autofree char *first = g_strdup(fixture->machine->instance);

    assert_int_equal(strspn(first, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._@:-"), strlen(first));
    g_autofree char *pid = g_strdup_printf("%d-", getpid());

    assert_true(g_str_has_prefix(first, pid));

    /* The same run, seen again. */
    g_clear_object(&fixture->client);
    g_clear_pointer(&fixture->machine, qemu_machine_free);
    await_quiet();
    read_machine(fixture);
    assert_string_equal(fixture->machine->instance, first);
}

static void
test_machine_without_balloon(void **state)
{
    Fixture *fixture = *state;

    fake_qmp_server_stand(fixture->server, "qom-list", "{'path': '/machine/peripheral'}", "[]");
    start_guest(fixture, &patient);
    g_autoptr(GuestMemory) memory = observe(fixture);

    assert_false(memory->has_balloon);
    assert_int_equal(memory->ballooned, 0);
    collect(fixture);
    assert_int_equal(fixture->stats->len, 0);
    guest_set_stats_period(MEMPLUG_GUEST(fixture->guest), 1); /* nothing to be set */
}

/* With NUMA no backend is "the" one: the first that is no device's and not ours. */
static void
test_machine_with_numa(void **state)
{
    Fixture *fixture = *state;

    fake_qmp_server_stand(fixture->server, "qom-get",
                          "{'path': '/machine', 'property': 'memory-backend'}", "''");
    fake_qmp_server_stand(fixture->server, "query-memdev", NULL,
                          "[{'id': 'ram-node1', 'size': 5}, {'id': 'ram-node0', 'size': 5}, "
                          "{'size': 1}, {'id': 'dimm-a', 'size': 5}, {'id': 'memplug-x', "
                          "'size': 5}]");
    fake_qmp_server_stand(fixture->server, "query-memory-devices", NULL,
                          "[" DIMM("d", "dimm-a", "5") "]");
    fake_qmp_server_stand(fixture->server, "qom-list", "{'path': '/objects/ram-node0'}", "[]");
    fake_qmp_server_stand(fixture->server, "qom-get",
                          "{'path': '/objects/ram-node0', 'property': 'type'}",
                          "'memory-backend-memfd'");
    read_machine(fixture);
    assert_string_equal(qmp_memory_backend_get_qom_type(fixture->machine->kind),
                        "memory-backend-memfd");
}

static void
test_machine_without_kind(void **state)
{
    const MemoryStep step = { .kind = MEMORY_STEP_PLUG_DIMM, .size = 128 * MIB };
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    fake_qmp_server_stand(fixture->server, "qom-get",
                          "{'path': '/objects/pc.ram', 'property': 'type'}",
                          "'memory-backend-epc'");
    start_guest(fixture, &patient);
    assert_false(try_act(fixture, &step, &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED));
    assert_non_null(strstr(error->message, "memory-backend-epc"));
    assert_int_equal(fake_qmp_server_count(fixture->server, "object-add"), 0);
}

/* Reads a machine whose boot memory is in the file or folder @path. */
static void
read_file_machine(Fixture *fixture, const char *path)
{
    g_autofree char *value = g_strdup_printf("'%s'", path);

    fake_qmp_server_stand(fixture->server, "qom-get",
                          "{'path': '/objects/pc.ram', 'property': 'type'}",
                          "'memory-backend-file'");
    fake_qmp_server_stand(fixture->server, "qom-list", "{'path': '/objects/pc.ram'}",
                          "[{'name': 'mem-path', 'type': 'string'}]");
    fake_qmp_server_stand(fixture->server, "qom-get",
                          "{'path': '/objects/pc.ram', 'property': 'mem-path'}", value);
    read_machine(fixture);
}

static void
test_file_machine(void **state)
{
    Fixture *fixture = *state;
    const char *file = fake_qmp_server_get_path(fixture->server); /* any file serves */
    g_autofree char *folder = g_path_get_dirname(file);

    /* The same file must not be mapped twice, so its folder is taken instead. */
    read_file_machine(fixture, file);
    assert_string_equal(qmp_memory_backend_get_path(fixture->machine->kind), folder);

    g_clear_object(&fixture->client);
    g_clear_pointer(&fixture->machine, qemu_machine_free);
    await_quiet();
    read_file_machine(fixture, folder);
    assert_string_equal(qmp_memory_backend_get_path(fixture->machine->kind), folder);
}

static void
test_file_machine_out_of_sight(void **state)
{
    static const char *const paths[] = { "/nonexistent/ram", "relative/ram" };
    Fixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        read_file_machine(fixture, paths[i]);
        assert_null(fixture->machine->kind);
        assert_non_null(fixture->machine->no_kind);
        g_clear_object(&fixture->client);
        g_clear_pointer(&fixture->machine, qemu_machine_free);
        await_quiet();
    }
}

static void
test_machine_that_lies(void **state)
{
    static const char *const sizes[] = {
        "{'size': 268435456, 'max-size': 9223372036854775807, 'slots': 4}",
        "{'size': 18446744073709551615}",
        "{'size': 'much'}",
        "[]",
    };
    Fixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        fake_qmp_server_stand(fixture->server, "qom-get",
                              "{'path': '/machine', 'property': 'memory'}", sizes[i]);
        g_autofree char *error = try_read_machine(fixture, &patient);

        assert_non_null(error);
        g_clear_object(&fixture->client);
        await_quiet();
    }
}

/*
 * Observing
 */

static void
test_observe(void **state)
{
    Fixture *fixture = *state;

    fake_qmp_server_stand(
        fixture->server, "query-memory-devices", NULL,
        "[" DIMM("memplug-dimm0", "memplug-dimm0-memory", "134217728") ", " DIMM(
            "other", "b1",
            "268435456") ", " VIRTIO_MEM("'id': 'vm0', ", "4194304",
                                         "8388608") ", "
                                                    "{'type': 'nvdimm', 'data': {}}]");
    fake_qmp_server_stand(fixture->server, "query-balloon", NULL, "{'actual': 536870912}");
    g_autoptr(GuestMemory) memory = observe(fixture);

    assert_true(memory->boot == 256 * MIB);
    assert_true(memory->max == 4096 * MIB);
    assert_int_equal(memory->slots, 4);
    assert_true(memory->has_balloon);
    assert_true(memory->ballooned == 128 * MIB); /* of 640 MiB; virtio-mem does not count */
    assert_true(memory->balloon_requested == 128 * MIB);
    assert_int_equal(memory->n_devices, 3);

    const MemoryDevice *ours = guest_memory_find(memory, "memplug-dimm0");
    const MemoryDevice *other = guest_memory_find(memory, "other");
    const MemoryDevice *virtio_mem = guest_memory_find(memory, "vm0");

    assert_int_equal(ours->kind, MEMORY_DEVICE_DIMM);
    assert_true(ours->ours && ours->acknowledged && !ours->removing);
    assert_true(ours->size == 128 * MIB);
    assert_false(other->ours);
    assert_int_equal(virtio_mem->kind, MEMORY_DEVICE_VIRTIO_MEM);
    assert_true(virtio_mem->size == 4 * MIB);
    assert_true(virtio_mem->requested == 8 * MIB);
    assert_true(virtio_mem->max == 1024 * MIB);
    assert_true(virtio_mem->block == 2 * MIB);
    assert_int_equal(virtio_mem->node, 1);
}

/* A DIMM that goes between the two looks is not taken for memory in the balloon. */
static void
test_observe_while_a_dimm_goes(void **state)
{
    Fixture *fixture = *state;

    fake_qmp_server_expect(fixture->server, "query-memory-devices", NULL,
                           "[" DIMM("memplug-dimm0", "memplug-dimm0-memory", "134217728") "]");
    fake_qmp_server_expect(fixture->server, "query-balloon", NULL, "{'actual': 268435456}");
    fake_qmp_server_with_event(fixture->server, TRUE, "DEVICE_DELETED",
                               "{'device': 'memplug-dimm0', "
                               "'path': '/machine/peripheral/memplug-dimm0'}");
    fake_qmp_server_stand(fixture->server, "query-memory-devices", NULL, "[]");
    fake_qmp_server_stand(fixture->server, "query-balloon", NULL, "{'actual': 268435456}");
    g_autoptr(GuestMemory) memory = observe(fixture);

    assert_int_equal(memory->n_devices, 0);
    assert_true(memory->ballooned == 0);
}

static void
test_observe_device_without_id(void **state)
{
    const char *path = "/machine/peripheral-anon/device[1]";
    Fixture *fixture = *state;

    fake_qmp_server_stand(fixture->server, "query-memory-devices", NULL,
                          "[" VIRTIO_MEM("", "0", "0") "]");
    fake_qmp_server_stand(fixture->server, "qom-list", "{'path': '/machine/peripheral-anon'}",
                          "[{'name': 'device[0]', 'type': 'child<virtio-mem-pci>'}, "
                          "{'name': 'device[1]', 'type': 'child<virtio-mem-pci>'}]");
    fake_qmp_server_stand(fixture->server, "qom-get",
                          "{'path': '/machine/peripheral-anon/device[0]', 'property': 'memdev'}",
                          "'/objects/u'");
    fake_qmp_server_stand(fixture->server, "qom-get",
                          "{'path': '/machine/peripheral-anon/device[1]', 'property': 'memdev'}",
                          "'/objects/v'");
    g_autoptr(GuestMemory) memory = observe(fixture);
    guint asked = fake_qmp_server_count(fixture->server, "qom-get");

    assert_string_equal(memory->devices[0].id, path);
    g_autoptr(GuestMemory) again = observe(fixture);

    assert_string_equal(again->devices[0].id, path);
    assert_int_equal(fake_qmp_server_count(fixture->server, "qom-get"), asked); /* remembered */

    fake_qmp_server_expect(fixture->server, "qom-set",
                           "{'path': '/machine/peripheral-anon/device[1]', "
                           "'property': 'requested-size', 'value': 2097152}",
                           "{}");
    act(fixture, MEMORY_STEP_RESIZE_VIRTIO_MEM, path, 2 * MIB);
}

static void
test_observe_lies(void **state)
{
    static const char *const devices[] = {
        "[" DIMM("d", "b", "9223372036854775807") "]",
        "[" DIMM("d", "b", "-1") "]",
        "[" VIRTIO_MEM("'id': 'v', ", "2147483648", "0") "]", /* more than max */
        "[" VIRTIO_MEM("'id': 'v', ", "0", "2147483648") "]", /* the same */
        "[{'type': 'virtio-mem', 'data': {'id': 'v', 'memdev': '/objects/v', 'memaddr': 1, "
        "'node': 0, 'size': 0, 'requested-size': 0, 'max-size': 0, 'block-size': 0}}]",
        "[{'type': 'virtio-mem', 'data': {'id': 'v', 'memdev': '/objects/v', 'memaddr': 1, "
        "'node': -3, 'size': 0, 'requested-size': 0, 'max-size': 0, 'block-size': 1}}]",
        "{}",
        "[[]]",
    };
    Fixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(devices); i++) {
        g_autoptr(GError) error = NULL;

        fake_qmp_server_stand(fixture->server, "query-memory-devices", NULL, devices[i]);
        assert_null(try_observe(fixture, &error));
        if (!g_error_matches(error, QMP_ERROR, QMP_ERROR_REPLY))
            fail_msg("%s: %s", devices[i], error->message);
    }
    assert_int_equal(state_of(fixture), GUEST_STATE_RUNNING);
}

/* A balloon device that was taken away is no error. */
static void
test_observe_lost_balloon(void **state)
{
    Fixture *fixture = *state;

    fake_qmp_server_stand_error(fixture->server, "query-balloon", NULL, "DeviceNotActive", "gone");
    g_autoptr(GuestMemory) memory = observe(fixture);

    assert_false(memory->has_balloon);
}

/*
 * DIMMs
 */

static void
expect_plug(Fixture *fixture)
{
    fake_qmp_server_expect(fixture->server, "object-add",
                           "{'qom-type': 'memory-backend-ram', 'id': 'memplug-dimm1-memory', "
                           "'size': 134217728, 'share': false}",
                           "{}");
}

static void
stand_two_used_numbers(Fixture *fixture)
{
    fake_qmp_server_stand(fixture->server, "query-memory-devices", NULL,
                          "[" DIMM("memplug-dimm0", "memplug-dimm0-memory", "134217728") "]");
    fake_qmp_server_stand(fixture->server, "query-memdev", NULL,
                          "[{'id': 'memplug-dimm0-memory', 'size': 134217728}, "
                          "{'id': 'memplug-dimm2-memory', 'size': 134217728}]");
}

static void
test_plug(void **state)
{
    Fixture *fixture = *state;

    await_command(fixture, "query-memory-devices", 1); /* the first sweep */
    stand_two_used_numbers(fixture);
    expect_plug(fixture);
    fake_qmp_server_expect(fixture->server, "device_add",
                           "{'driver': 'pc-dimm', 'id': 'memplug-dimm1', "
                           "'memdev': 'memplug-dimm1-memory', 'node': 0}",
                           "{}");
    act(fixture, MEMORY_STEP_PLUG_DIMM, NULL, 128 * MIB);
    fake_qmp_server_assert_done(fixture->server);

    /* Until the guest says that it has taken it, it has not. */
    fake_qmp_server_stand(fixture->server, "query-memory-devices", NULL,
                          "[" DIMM("memplug-dimm1", "memplug-dimm1-memory", "134217728") "]");
    g_autoptr(GuestMemory) before = observe(fixture);

    assert_false(before->devices[0].acknowledged);
    send_and_expect(fixture, "ACPI_DEVICE_OST",
                    "{'info': {'device': 'memplug-dimm1', 'slot': '0', 'slot-type': 'DIMM', "
                    "'source': 1, 'status': 0}}",
                    "CHANGED memplug-dimm1 -\n");
    g_autoptr(GuestMemory) after = observe(fixture);

    assert_true(after->devices[0].acknowledged);
}

/* Half of a plug is undone, and the error is that of the half that failed. */
static void
test_plug_is_undone(void **state)
{
    const MemoryStep step = { .kind = MEMORY_STEP_PLUG_DIMM, .size = 128 * MIB };
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    await_command(fixture, "query-memory-devices", 1);
    stand_two_used_numbers(fixture);
    expect_plug(fixture);
    fake_qmp_server_expect_error(fixture->server, "device_add", NULL, "GenericError", "no slots");
    fake_qmp_server_expect(fixture->server, "object-del", "{'id': 'memplug-dimm1-memory'}", "{}");
    assert_false(try_act(fixture, &step, &error));
    assert_string_equal(error->message, "device_add: no slots (GenericError)");
    fake_qmp_server_assert_done(fixture->server);
}

static void
test_plug_without_memory(void **state)
{
    const MemoryStep step = { .kind = MEMORY_STEP_PLUG_DIMM, .size = 128 * MIB };
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    fake_qmp_server_expect_error(fixture->server, "object-add", NULL, "GenericError",
                                 "cannot allocate");
    assert_false(try_act(fixture, &step, &error));
    assert_string_equal(error->message, "object-add: cannot allocate (GenericError)");
    fake_qmp_server_assert_done(fixture->server);
}

static void
stand_dimm(Fixture *fixture)
{
    fake_qmp_server_stand(fixture->server, "query-memory-devices", NULL,
                          "[" DIMM("memplug-dimm0", "memplug-dimm0-memory", "134217728") "]");
    fake_qmp_server_stand(fixture->server, "query-memdev", NULL,
                          "[{'id': 'memplug-dimm0-memory', 'size': 134217728}]");
}

static gboolean
is_removing(Fixture *fixture)
{
    g_autoptr(GuestMemory) memory = observe(fixture);

    return memory->devices[0].removing;
}

static void
test_unplug(void **state)
{
    Fixture *fixture = *state;

    await_command(fixture, "query-memory-devices", 1);
    stand_dimm(fixture);
    assert_false(is_removing(fixture));
    fake_qmp_server_expect(fixture->server, "device_del", "{'id': 'memplug-dimm0'}", "{}");
    act(fixture, MEMORY_STEP_UNPLUG_DIMM, "memplug-dimm0", 0);
    assert_true(is_removing(fixture));

    /* It goes: its backend must go too. */
    fake_qmp_server_stand(fixture->server, "query-memory-devices", NULL, "[]");
    fake_qmp_server_expect(fixture->server, "object-del", "{'id': 'memplug-dimm0-memory'}", "{}");
    send_and_expect(fixture, "DEVICE_DELETED",
                    "{'device': 'memplug-dimm0', 'path': '/machine/peripheral/memplug-dimm0'}",
                    "UNPLUGGED memplug-dimm0 -\n");
    await_condition(fake_qmp_server_is_done, fixture->server, "object-del");
}

static void
test_unplug_refused(void **state)
{
    Fixture *fixture = *state;

    await_command(fixture, "query-memory-devices", 1);
    stand_dimm(fixture);
    fake_qmp_server_expect(fixture->server, "device_del", NULL, "{}");
    act(fixture, MEMORY_STEP_UNPLUG_DIMM, "memplug-dimm0", 0);
    send_and_expect(fixture, "ACPI_DEVICE_OST",
                    "{'info': {'device': 'memplug-dimm0', 'slot': '0', 'slot-type': 'DIMM', "
                    "'source': 3, 'status': 130}}",
                    "REFUSED memplug-dimm0 the guest keeps it: the memory is in use\n");
    assert_false(is_removing(fixture));

    fake_qmp_server_expect_error(fixture->server, "device_del", NULL, "DeviceNotFound", "gone");
    const MemoryStep step = { .kind = MEMORY_STEP_UNPLUG_DIMM, .device = "memplug-dimm0" };

    assert_false(try_act(fixture, &step, NULL));
    assert_false(is_removing(fixture));
}

/* The device may be gone before QEMU has replied. */
static void
test_unplug_event_first(void **state)
{
    Fixture *fixture = *state;

    await_command(fixture, "query-memory-devices", 1);
    stand_dimm(fixture);
    fake_qmp_server_expect(fixture->server, "device_del", NULL, "{}");
    fake_qmp_server_with_event(fixture->server, TRUE, "DEVICE_DELETED",
                               "{'device': 'memplug-dimm0', 'path': '/p'}");
    act(fixture, MEMORY_STEP_UNPLUG_DIMM, "memplug-dimm0", 0);
    assert_false(is_removing(fixture)); /* a new one of the same name */
}

/*
 * Orphans
 */

static void
test_orphans_at_start(void **state)
{
    Fixture *fixture = *state;

    fake_qmp_server_stand(fixture->server, "query-memdev", NULL,
                          "[{'id': 'memplug-dimm0-memory', 'size': 1}, {'id': 'foreign', "
                          "'size': 1}, {'size': 1}, {'id': 'memplug-dimm7-memory', 'size': 1}, "
                          "{'id': 'memplug-dimm8-memory', 'size': 1}]");
    fake_qmp_server_stand(fixture->server, "query-memory-devices", NULL,
                          "[" DIMM("memplug-dimm7", "memplug-dimm7-memory", "134217728") "]");
    fake_qmp_server_expect(fixture->server, "object-del", "{'id': 'memplug-dimm0-memory'}", "{}");
    fake_qmp_server_expect_error(fixture->server, "object-del", "{'id': 'memplug-dimm8-memory'}",
                                 "GenericError", "in use");
    start_guest(fixture, &patient);
    await_condition(fake_qmp_server_is_done, fixture->server, "both object-del");

    /* Nothing is tried again without cause. */
    observe_only(fixture);
    await_quiet();
    assert_int_equal(fake_qmp_server_count(fixture->server, "object-del"), 2);
}

/* Between object-add and device_add a backend looks like an orphan. */
static void
test_no_sweep_while_plugging(void **state)
{
    const MemoryStep step = { .kind = MEMORY_STEP_PLUG_DIMM, .size = 128 * MIB };
    Fixture *fixture = *state;
    g_auto(Await) await = { NULL };

    await_command(fixture, "query-memory-devices", 1);
    fake_qmp_server_expect(fixture->server, "object-add", NULL, "{}");
    fake_qmp_server_expect_held(fixture->server, "device_add", NULL, "{}");
    guest_act_async(MEMPLUG_GUEST(fixture->guest), &step, NULL, await_callback, &await);
    await_condition(fake_qmp_server_is_done, fixture->server, "device_add");
    fake_qmp_server_stand(fixture->server, "query-memdev", NULL,
                          "[{'id': 'memplug-dimm0-memory', 'size': 134217728}]");

    fake_qmp_server_send_event(fixture->server, "RESET", "{'guest': true}");
    await_condition(has_told, fixture, "RESET");
    observe_only(fixture);
    await_quiet();
    fake_qmp_server_release(fixture->server, "device_add");
    assert_true(guest_act_finish(MEMPLUG_GUEST(fixture->guest), await_result(&await), NULL));
    assert_int_equal(fake_qmp_server_count(fixture->server, "object-del"), 0);
}

/*
 * The balloon
 */

static void
test_balloon(void **state)
{
    Fixture *fixture = *state;

    stand_dimm(fixture);
    fake_qmp_server_stand(fixture->server, "query-balloon", NULL, "{'actual': 402653184}");
    fake_qmp_server_expect(fixture->server, "balloon", "{'value': 335544320}", "{}");
    act(fixture, MEMORY_STEP_SET_BALLOON, NULL, 64 * MIB); /* of 256 + 128 MiB */

    g_autoptr(GuestMemory) moving = observe(fixture);

    assert_true(moving->ballooned == 0);
    assert_true(moving->balloon_requested == 64 * MIB);

    fake_qmp_server_stand(fixture->server, "query-balloon", NULL, "{'actual': 335544320}");
    g_autoptr(GuestMemory) there = observe(fixture);

    assert_true(there->ballooned == 64 * MIB);
    assert_true(there->balloon_requested == 64 * MIB);

    /* It moves by itself: somebody else has asked for something. */
    fake_qmp_server_stand(fixture->server, "query-balloon", NULL, "{'actual': 301989888}");
    g_autoptr(GuestMemory) elsewhere = observe(fixture);

    assert_true(elsewhere->ballooned == 96 * MIB);
    assert_true(elsewhere->balloon_requested == 96 * MIB);
}

static void
test_balloon_cannot_hold_all(void **state)
{
    const MemoryStep step = { .kind = MEMORY_STEP_SET_BALLOON, .size = 256 * MIB };
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    assert_false(try_act(fixture, &step, &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT));
}

static void
test_stats(void **state)
{
    Fixture *fixture = *state;

    collect(fixture);
    assert_int_equal(fixture->stats->len, 1);
    const BalloonStats *stats = &g_array_index(fixture->stats, BalloonStats, 0);

    assert_int_equal(stats->last_update_s, 1700000000);
    assert_true(stats->values[BALLOON_STAT_FREE] == MIB);
    for (guint i = 0; i < BALLOON_STAT_COUNT; i++)
        assert_true(i == BALLOON_STAT_FREE || stats->values[i] == BALLOON_STAT_MISSING);

    fake_qmp_server_expect(fixture->server, "qom-set",
                           "{'path': '/machine/peripheral/b', "
                           "'property': 'guest-stats-polling-interval', 'value': 7}",
                           "{}");
    guest_set_stats_period(MEMPLUG_GUEST(fixture->guest), 7);
    await_condition(fake_qmp_server_is_done, fixture->server, "qom-set");
}

/*
 * State
 */

static gboolean
is_paused(gpointer data)
{
    return state_of(data) == GUEST_STATE_PAUSED;
}

static gboolean
is_running(gpointer data)
{
    return state_of(data) == GUEST_STATE_RUNNING;
}

static void
test_states(void **state)
{
    Fixture *fixture = *state;

    assert_int_equal(state_of(fixture), GUEST_STATE_RUNNING);
    fake_qmp_server_send_event(fixture->server, "STOP", NULL);
    await_condition(is_paused, fixture, "paused");
    fake_qmp_server_send_event(fixture->server, "RESUME", NULL);
    await_condition(is_running, fixture, "running");

    fake_qmp_server_stand(fixture->server, "query-migrate", NULL, "{'status': 'active'}");
    collect(fixture);
    assert_int_equal(state_of(fixture), GUEST_STATE_MIGRATING);
    fake_qmp_server_stand(fixture->server, "query-migrate", NULL, "{'status': 'cancelled'}");
    collect(fixture);
    assert_int_equal(state_of(fixture), GUEST_STATE_RUNNING);
}

static void
test_paused_at_first(void **state)
{
    Fixture *fixture = *state;

    fake_qmp_server_stand(fixture->server, "query-status", NULL,
                          "{'status': 'prelaunch', 'running': false}");
    start_guest(fixture, &patient);
    assert_int_equal(state_of(fixture), GUEST_STATE_PAUSED);
}

static void
test_hung(void **state)
{
    Fixture *fixture = *state;
    const MemoryStep step = { .kind = MEMORY_STEP_UNPLUG_DIMM, .device = "d" };
    g_autoptr(GError) unobserved = NULL;
    g_autoptr(GError) undone = NULL;

    fake_qmp_server_stand(fixture->server, "device_del", NULL, "{}");
    await_command(fixture, "query-memory-devices", 1);
    fake_qmp_server_set_hung(fixture->server, TRUE);
    assert_null(try_observe(fixture, &unobserved));
    assert_true(g_error_matches(unobserved, G_IO_ERROR, G_IO_ERROR_TIMED_OUT));
    assert_int_equal(state_of(fixture), GUEST_STATE_UNREACHABLE);
    assert_false(try_act(fixture, &step, &undone));
    assert_true(g_error_matches(undone, G_IO_ERROR, G_IO_ERROR_TIMED_OUT));
    collect(fixture);
    assert_int_equal(state_of(fixture), GUEST_STATE_UNREACHABLE);
    assert_int_equal(fixture->stats->len, 0);

    fake_qmp_server_set_hung(fixture->server, FALSE);
    collect(fixture);
    assert_int_equal(state_of(fixture), GUEST_STATE_RUNNING);
    assert_int_equal(fixture->stats->len, 1);
}

/* Collections do not pile up on a QEMU that is slow. */
static void
test_collections_are_one(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) first = { NULL };
    g_auto(Await) second = { NULL };

    fake_qmp_server_expect_held(fixture->server, "query-migrate", NULL, "{}");
    qemu_guest_collect_async(fixture->guest, await_callback, &first);
    qemu_guest_collect_async(fixture->guest, await_callback, &second);
    await_condition(fake_qmp_server_is_done, fixture->server, "query-migrate");
    await_quiet();
    assert_null(first.result);
    fake_qmp_server_release(fixture->server, "query-migrate");
    await_result(&first);
    await_result(&second);
    assert_int_equal(fake_qmp_server_count(fixture->server, "query-migrate"), 1);
}

static void
test_one_step_at_a_time(void **state)
{
    const MemoryStep step = { .kind = MEMORY_STEP_UNPLUG_DIMM, .device = "d" };
    Fixture *fixture = *state;
    g_auto(Await) first = { NULL };
    g_autoptr(GError) error = NULL;

    fake_qmp_server_expect_held(fixture->server, "device_del", NULL, "{}");
    guest_act_async(MEMPLUG_GUEST(fixture->guest), &step, NULL, await_callback, &first);
    assert_false(try_act(fixture, &step, &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_PENDING));
    observe_only(fixture); /* is allowed beside */
    fake_qmp_server_release(fixture->server, "device_del");
    assert_true(guest_act_finish(MEMPLUG_GUEST(fixture->guest), await_result(&first), NULL));
}

static void
test_cancelled(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) await = { NULL };
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;

    fake_qmp_server_set_hung(fixture->server, TRUE);
    guest_observe_async(MEMPLUG_GUEST(fixture->guest), cancellable, await_callback, &await);
    await_quiet();
    g_cancellable_cancel(cancellable);
    assert_null(guest_observe_finish(MEMPLUG_GUEST(fixture->guest), await_result(&await), &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
}

/* When the connection goes, everything ends. */
static void
test_gone(void **state)
{
    const MemoryStep step = { .kind = MEMORY_STEP_PLUG_DIMM, .size = 128 * MIB };
    Fixture *fixture = *state;
    Guest *guest = MEMPLUG_GUEST(fixture->guest);
    g_auto(Await) observed = { NULL };
    g_auto(Await) acted = { NULL };
    g_auto(Await) collected = { NULL };

    await_command(fixture, "query-memory-devices", 1);
    fake_qmp_server_set_hung(fixture->server, TRUE);
    guest_observe_async(guest, NULL, await_callback, &observed);
    guest_act_async(guest, &step, NULL, await_callback, &acted);
    qemu_guest_collect_async(fixture->guest, await_callback, &collected);
    await_quiet();
    fake_qmp_server_disconnect(fixture->server);
    assert_null(guest_observe_finish(guest, await_result(&observed), NULL));
    assert_false(guest_act_finish(guest, await_result(&acted), NULL));
    await_result(&collected);

    assert_null(try_observe(fixture, NULL));
    assert_false(try_act(fixture, &step, NULL));
    collect(fixture);
}

#define WITH(setup_function, test) cmocka_unit_test_setup_teardown(test, setup_function, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(setup, test_machine),
        WITH(setup, test_instance),
        WITH(setup, test_machine_without_balloon),
        WITH(setup, test_machine_with_numa),
        WITH(setup, test_machine_without_kind),
        WITH(setup, test_file_machine),
        WITH(setup, test_file_machine_out_of_sight),
        WITH(setup, test_machine_that_lies),
        WITH(setup_guest, test_observe),
        WITH(setup_guest, test_observe_while_a_dimm_goes),
        WITH(setup_guest, test_observe_device_without_id),
        WITH(setup_guest, test_observe_lies),
        WITH(setup_guest, test_observe_lost_balloon),
        WITH(setup_guest, test_plug),
        WITH(setup_guest, test_plug_is_undone),
        WITH(setup_guest, test_plug_without_memory),
        WITH(setup_guest, test_unplug),
        WITH(setup_guest, test_unplug_refused),
        WITH(setup_guest, test_unplug_event_first),
        WITH(setup, test_orphans_at_start),
        WITH(setup_guest, test_no_sweep_while_plugging),
        WITH(setup_guest, test_balloon),
        WITH(setup_guest, test_balloon_cannot_hold_all),
        WITH(setup_guest, test_stats),
        WITH(setup_guest, test_states),
        WITH(setup, test_paused_at_first),
        WITH(setup_hasty_guest, test_hung),
        WITH(setup_guest, test_collections_are_one),
        WITH(setup_guest, test_one_step_at_a_time),
        WITH(setup_guest, test_cancelled),
        WITH(setup_guest, test_gone),
    };

    return cmocka_run_group_tests_name("qemu-guest", tests, NULL, NULL);
}
