/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every typed command against a real QEMU whose guest does not run. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "qmp/qmp-balloon.h"
#include "qmp/qmp-error.h"
#include "qmp/qmp-machine.h"
#include "qmp/qmp-memory-backend.h"
#include "qmp/qmp-memory-event.h"
#include "qmp/qmp-memory.h"
#include "qmp/qmp-qom.h"
#include "tests/fake/await.h"
#include "tests/fake/real-qemu.h"
#include "tests/fake/test-folder.h"

#define MIB         (G_GUINT64_CONSTANT(1) << 20)
#define PATIENCE_MS (AWAIT_PATIENCE_S * 1000)

typedef struct {
    char *folder;
    char *path;
    RealQemu *qemu;
    QmpClient *client;
    gboolean stopped; /* a STOP event came */
    gboolean resumed;
    gboolean reset;
    GError *closed;
} Fixture;

/* A q35 machine with everything: boot memory that is shared, a balloon, virtio-mem on a root port
 * with an id and one without, and room for DIMMs. */
static const char *const full_machine[] = {
    "-accel",   "tcg",
    "-machine", "q35,memory-backend=boot",
    "-m",       "256M,maxmem=4G,slots=3",
    "-name",    "test",
    "-uuid",    "12345678-1234-1234-1234-123456789abc",
    "-object",  "memory-backend-memfd,id=boot,size=256M,share=on",
    "-device",  "pcie-root-port,id=rp0",
    "-object",  "memory-backend-ram,id=vm0-memory,size=1G",
    "-device",  "virtio-mem-pci,id=vm0,bus=rp0,memdev=vm0-memory,requested-size=64M",
    "-object",  "memory-backend-ram,id=vm1-memory,size=1G",
    "-device",  "virtio-mem-pci,memdev=vm1-memory",
    "-device",  "virtio-balloon-pci,id=balloon0",
    NULL
};

static const char *const bare_machine[] = { "-accel", "tcg", "-machine", "pc", "-m", "128M", NULL };

static void
on_event(QmpClient *client, const char *name, JsonObject *data, gint64 time, gpointer user_data)
{
    Fixture *fixture = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(QmpMemoryEvent) event = qmp_memory_event_read(name, data, &error);

    assert_null(error);
    assert_true(time > G_GINT64_CONSTANT(1500000000) * G_USEC_PER_SEC);
    if (event == NULL)
        return;
    fixture->stopped |= event->kind == QMP_MEMORY_EVENT_STOP;
    fixture->resumed |= event->kind == QMP_MEMORY_EVENT_RESUME;
    if (event->kind == QMP_MEMORY_EVENT_RESET) {
        fixture->reset = TRUE;
        assert_false(event->by_guest);
        assert_string_equal(event->reason, "host-qmp-system-reset");
    }
}

static void
on_closed(QmpClient *client, const GError *error, gpointer user_data)
{
    ((Fixture *)user_data)->closed = g_error_copy(error);
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;
    if (fixture->client != NULL)
        g_signal_handlers_disconnect_by_data(fixture->client, fixture);
    g_clear_object(&fixture->client);
    real_qemu_free(fixture->qemu);
    await_quiet();
    g_unlink(fixture->path);
    g_clear_error(&fixture->closed);
    g_free(fixture->path);
    test_folder_free(fixture->folder);
    g_free(fixture);
    *state = NULL;
    return 0;
}

/* cmocka tears nothing down when a setup fails. */
static int
give_up(void **state, const GError *error)
{
    print_error("%s\n", error->message);
    teardown(state);
    return -1;
}

static int
start(void **state, const char *const *arguments)
{
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;
    Fixture *fixture = g_new0(Fixture, 1);

    *state = fixture;
    fixture->folder = test_folder_new("qemu");
    fixture->path = g_build_filename(fixture->folder, "qmp", NULL);
    fixture->qemu = real_qemu_new(fixture->path, arguments, &error);
    if (fixture->qemu == NULL)
        return give_up(state, error);
    qmp_client_connect_async(fixture->path, PATIENCE_MS, NULL, await_callback, &await);
    fixture->client = qmp_client_connect_finish(await_result(&await), &error);
    if (fixture->client == NULL)
        return give_up(state, error);
    qmp_client_set_timeout(fixture->client, PATIENCE_MS);
    g_signal_connect(fixture->client, "event", G_CALLBACK(on_event), fixture);
    g_signal_connect(fixture->client, "closed", G_CALLBACK(on_closed), fixture);
    return 0;
}

static int
setup_full(void **state)
{
    return start(state, full_machine);
}

static int
setup_bare(void **state)
{
    return start(state, bare_machine);
}

/* ---- Each call, awaited; NULL or FALSE fails the test unless an error is asked for ---- */

static void
no_error(const GError *error)
{
    if (error != NULL)
        fail_msg("%s", error->message);
}

static void
done(Fixture *fixture, Await *await)
{
    g_autoptr(GError) error = NULL;
    qmp_client_execute_done(fixture->client, await_result(await), &error);
    no_error(error);
    await_clear(await);
}

static void
refused(Fixture *fixture, Await *await, QmpError code, const char *message)
{
    g_autoptr(GError) error = NULL;
    assert_false(qmp_client_execute_done(fixture->client, await_result(await), &error));
    assert_true(g_error_matches(error, QMP_ERROR, (gint)code));
    if (strstr(error->message, message) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error->message, message);
    await_clear(await);
}

static GPtrArray *
get_devices(Fixture *fixture)
{
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;
    qmp_memory_query_devices_async(fixture->client, NULL, await_callback, &await);
    GPtrArray *devices =
        qmp_memory_query_devices_finish(fixture->client, await_result(&await), &error);
    no_error(error);
    return devices;
}

static const QmpMemoryDevice *
find_device(GPtrArray *devices, const char *id)
{
    for (guint i = 0; i < devices->len; i++) {
        const QmpMemoryDevice *device = devices->pdata[i];
        if (g_strcmp0(device->id, id) == 0)
            return device;
    }
    return NULL;
}

static gboolean
has_backend(Fixture *fixture, const char *id)
{
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;
    qmp_memory_backend_list_async(fixture->client, NULL, await_callback, &await);
    g_autoptr(GPtrArray) backends =
        qmp_memory_backend_list_finish(fixture->client, await_result(&await), &error);
    no_error(error);
    for (guint i = 0; i < backends->len; i++) {
        if (g_strcmp0(((QmpMemoryBackendInfo *)backends->pdata[i])->id, id) == 0)
            return TRUE;
    }
    return FALSE;
}

static guint64
get_size(Fixture *fixture, const char *path, const char *property)
{
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;
    guint64 size = 0;
    qmp_qom_get_async(fixture->client, path, property, NULL, await_callback, &await);
    qmp_qom_get_size_finish(fixture->client, await_result(&await), &size, &error);
    no_error(error);
    return size;
}

static QmpMemoryBackend *
read_backend(Fixture *fixture, const char *id)
{
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;
    qmp_memory_backend_read_async(fixture->client, id, NULL, await_callback, &await);
    QmpMemoryBackend *backend =
        qmp_memory_backend_read_finish(fixture->client, await_result(&await), &error);
    no_error(error);
    return backend;
}

/* ---- Tests ---- */

static void
test_machine(void **state)
{
    Fixture *fixture = *state;
    QmpClient *client = fixture->client;
    g_auto(Await) await = { NULL };
    QmpMachineMemory memory;
    QmpMemorySummary summary;
    gboolean running = TRUE;

    assert_true(qmp_client_get_version(client)->major >= 7);
    assert_int_equal(qmp_client_get_peer_pid(client), real_qemu_get_pid(fixture->qemu));

    qmp_machine_get_memory_async(client, NULL, await_callback, &await);
    assert_true(qmp_machine_get_memory_finish(client, await_result(&await), &memory, NULL));
    assert_int_equal(memory.size, 256 * MIB);
    assert_int_equal(memory.max, 4096 * MIB);
    assert_int_equal(memory.slots, 3);
    await_clear(&await);

    qmp_machine_query_status_async(client, NULL, await_callback, &await);
    g_autofree char *status =
        qmp_machine_query_status_finish(client, await_result(&await), &running, NULL);
    assert_string_equal(status, "prelaunch");
    assert_false(running);
    await_clear(&await);

    qmp_machine_query_name_async(client, NULL, await_callback, &await);
    g_autofree char *name = qmp_machine_query_name_finish(client, await_result(&await), NULL);
    assert_string_equal(name, "test");
    await_clear(&await);

    qmp_machine_query_uuid_async(client, NULL, await_callback, &await);
    g_autofree char *uuid = qmp_machine_query_uuid_finish(client, await_result(&await), NULL);
    assert_string_equal(uuid, "12345678-1234-1234-1234-123456789abc");
    await_clear(&await);

    qmp_machine_query_migrate_async(client, NULL, await_callback, &await);
    g_autofree char *migrate = qmp_machine_query_migrate_finish(client, await_result(&await), NULL);
    assert_string_equal(migrate, "none");
    await_clear(&await);

    qmp_memory_query_summary_async(client, NULL, await_callback, &await);
    assert_true(qmp_memory_query_summary_finish(client, await_result(&await), &summary, NULL));
    assert_int_equal(summary.base, 256 * MIB);
    assert_int_equal(summary.plugged, 0);
    await_clear(&await);

    qmp_machine_query_ost_async(client, NULL, await_callback, &await);
    g_autoptr(GPtrArray) slots = qmp_machine_query_ost_finish(client, await_result(&await), NULL);
    assert_int_equal(slots->len, 3);
    const QmpMachineOst *slot = slots->pdata[0];
    assert_null(slot->device);
    assert_string_equal(slot->slot_type, "DIMM");
}

static void
test_virtio_mem(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) await = { NULL };
    g_autoptr(GPtrArray) devices = get_devices(fixture);
    const QmpMemoryDevice *device = find_device(devices, "vm0");

    assert_int_equal(devices->len, 2);
    assert_non_null(find_device(devices, NULL));
    assert_int_equal(device->kind, QMP_MEMORY_VIRTIO_MEM);
    assert_int_equal(device->size, 0);
    assert_int_equal(device->requested, 64 * MIB);
    assert_int_equal(device->max, 1024 * MIB);
    assert_int_equal(device->block, 2 * MIB);
    assert_string_equal(device->memdev, "/objects/vm0-memory");

    qmp_memory_request_size_async(fixture->client, "vm0", 128 * MIB, NULL, await_callback, &await);
    done(fixture, &await);
    assert_int_equal(get_size(fixture, "/machine/peripheral/vm0", "requested-size"), 128 * MIB);

    qmp_memory_request_size_async(fixture->client, "vm0", 12345, NULL, await_callback, &await);
    refused(fixture, &await, QMP_ERROR_GENERIC, "block-size");

    guint64 size = 1;
    qmp_memory_get_size_async(fixture->client, "vm0", NULL, await_callback, &await);
    assert_true(qmp_qom_get_size_finish(fixture->client, await_result(&await), &size, NULL));
    assert_int_equal(size, 0);
}

/* The one without an id is reached by its path. */
static void
test_virtio_mem_without_id(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) await = { NULL };

    qmp_qom_find_devices_async(fixture->client, "virtio-mem", NULL, await_callback, &await);
    g_autoptr(GPtrArray) paths =
        qmp_qom_find_devices_finish(fixture->client, await_result(&await), NULL);
    assert_int_equal(paths->len, 2);
    assert_string_equal(paths->pdata[0], "/machine/peripheral/vm0");
    const char *path = paths->pdata[1];
    assert_true(g_str_has_prefix(path, "/machine/peripheral-anon/"));
    await_clear(&await);

    qmp_memory_request_size_async(fixture->client, path, 32 * MIB, NULL, await_callback, &await);
    done(fixture, &await);
    assert_int_equal(get_size(fixture, path, "requested-size"), 32 * MIB);

    qmp_qom_get_async(fixture->client, path, "memdev", NULL, await_callback, &await);
    g_autofree char *memdev =
        qmp_qom_get_string_finish(fixture->client, await_result(&await), NULL);
    assert_string_equal(memdev, "/objects/vm1-memory");
}

static void
test_dimm(void **state)
{
    Fixture *fixture = *state;
    QmpClient *client = fixture->client;
    g_auto(Await) await = { NULL };
    g_autoptr(QmpMemoryBackend) like = read_backend(fixture, "boot");
    assert_string_equal(qmp_memory_backend_get_qom_type(like), "memory-backend-memfd");

    qmp_memory_backend_add_async(client, like, "memplug-b1", 128 * MIB, NULL, await_callback,
                                 &await);
    done(fixture, &await);
    qmp_memory_backend_add_async(client, like, "memplug-b1", 128 * MIB, NULL, await_callback,
                                 &await);
    refused(fixture, &await, QMP_ERROR_GENERIC, "memplug-b1");
    assert_true(has_backend(fixture, "memplug-b1"));

    qmp_memory_plug_dimm_async(client, "memplug-d1", "memplug-b1", 0, NULL, await_callback, &await);
    done(fixture, &await);
    g_autoptr(GPtrArray) devices = get_devices(fixture);
    const QmpMemoryDevice *dimm = find_device(devices, "memplug-d1");
    assert_int_equal(dimm->kind, QMP_MEMORY_DIMM);
    assert_int_equal(dimm->size, 128 * MIB);
    assert_int_equal(dimm->slot, 0);
    assert_true(dimm->hotplugged);
    assert_string_equal(dimm->memdev, "/objects/memplug-b1");

    /* It is of the boot memory's kind. */
    g_autoptr(JsonNode) share = NULL;
    qmp_qom_get_async(client, "/objects/memplug-b1", "share", NULL, await_callback, &await);
    share = qmp_qom_get_finish(client, await_result(&await), NULL);
    assert_true(json_node_get_boolean(share));
    await_clear(&await);

    qmp_memory_backend_del_async(client, "memplug-b1", NULL, await_callback, &await);
    refused(fixture, &await, QMP_ERROR_GENERIC, "in use");
    qmp_memory_unplug_async(client, "memplug-d1", NULL, await_callback, &await);
    done(fixture, &await);
    qmp_memory_unplug_async(client, "no-such", NULL, await_callback, &await);
    refused(fixture, &await, QMP_ERROR_DEVICE_NOT_FOUND, "no-such");
}

static void
test_backend_without_device(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) await = { NULL };
    g_autoptr(QmpMemoryBackend) like = qmp_memory_backend_new();

    qmp_memory_backend_add_async(fixture->client, like, "memplug-b1", 128 * MIB, NULL,
                                 await_callback, &await);
    done(fixture, &await);
    qmp_memory_backend_del_async(fixture->client, "memplug-b1", NULL, await_callback, &await);
    done(fixture, &await);
    assert_false(has_backend(fixture, "memplug-b1"));
    qmp_memory_backend_del_async(fixture->client, "memplug-b1", NULL, await_callback, &await);
    refused(fixture, &await, QMP_ERROR_GENERIC, "not found");
}

static void
test_balloon(void **state)
{
    Fixture *fixture = *state;
    QmpClient *client = fixture->client;
    g_auto(Await) await = { NULL };
    guint64 actual = 0;
    QmpBalloonStats stats;

    qmp_qom_find_devices_async(client, "virtio-balloon", NULL, await_callback, &await);
    g_autoptr(GPtrArray) paths = qmp_qom_find_devices_finish(client, await_result(&await), NULL);
    assert_int_equal(paths->len, 1);
    const char *path = paths->pdata[0];
    assert_string_equal(path, "/machine/peripheral/balloon0");
    await_clear(&await);

    qmp_balloon_query_async(client, NULL, await_callback, &await);
    assert_true(qmp_balloon_query_finish(client, await_result(&await), &actual, NULL));
    assert_int_equal(actual, 256 * MIB);
    await_clear(&await);
    qmp_balloon_resize_async(client, 128 * MIB, NULL, await_callback, &await);
    done(fixture, &await);
    qmp_balloon_resize_async(client, 0, NULL, await_callback, &await);
    refused(fixture, &await, QMP_ERROR_GENERIC, "target");

    qmp_balloon_set_polling_async(client, path, 3, NULL, await_callback, &await);
    done(fixture, &await);
    assert_int_equal(get_size(fixture, path, "guest-stats-polling-interval"), 3);

    /* The guest never answered: everything is missing, exactly. */
    qmp_balloon_get_stats_async(client, path, NULL, await_callback, &await);
    assert_true(qmp_balloon_get_stats_finish(client, await_result(&await), &stats, NULL));
    assert_int_equal(stats.last_update_s, 0);
    for (guint i = 0; i < QMP_BALLOON_N_STATS; i++)
        assert_true(stats.values[i] == QMP_BALLOON_STAT_MISSING);
}

static void
execute(Fixture *fixture, const char *command)
{
    g_auto(Await) await = { NULL };
    qmp_client_execute_async(fixture->client, command, NULL, 0, NULL, await_callback, &await);
    done(fixture, &await);
}

static gboolean
is_closed(gpointer data)
{
    return ((Fixture *)data)->closed != NULL;
}

static void
test_events_and_end(void **state)
{
    Fixture *fixture = *state;
    execute(fixture, "cont");
    await_flag(&fixture->resumed, "RESUME");
    execute(fixture, "stop");
    await_flag(&fixture->stopped, "STOP");
    execute(fixture, "system_reset");
    await_flag(&fixture->reset, "RESET");

    /* Killed, not asked: the client learns it from the socket alone. */
    real_qemu_free(g_steal_pointer(&fixture->qemu));
    await_condition(is_closed, fixture, "the signal \"closed\"");
    assert_true(g_error_matches(fixture->closed, QMP_ERROR, QMP_ERROR_CLOSED));

    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;
    qmp_client_connect_async(fixture->path, PATIENCE_MS, NULL, await_callback, &await);
    assert_null(qmp_client_connect_finish(await_result(&await), &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED));
}

static void
test_second_client(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;
    qmp_client_connect_async(fixture->path, 50, NULL, await_callback, &await);
    assert_null(qmp_client_connect_finish(await_result(&await), &error));
    assert_true(g_error_matches(error, QMP_ERROR, QMP_ERROR_TIMED_OUT));
}

/* QEMU hands replies on from one client to the next; none is taken for one of ours. */
static void
test_hasty_clients(void **state)
{
    Fixture *fixture = *state;
    g_signal_handlers_disconnect_by_data(fixture->client, fixture);
    for (guint i = 0; i < 100; i++) {
        static Await ignored[3];
        g_auto(Await) connected = { NULL };
        g_auto(Await) await = { NULL };
        g_autoptr(GError) error = NULL;

        /* A command that takes QEMU some ms, so that it is at work when we leave. */
        for (guint j = 0; j < G_N_ELEMENTS(ignored); j++)
            qmp_client_execute_async(fixture->client, "query-qmp-schema", NULL, 0, NULL,
                                     await_callback, &ignored[j]);
        await_ms(i % 5);
        qmp_client_close(fixture->client);
        for (guint j = 0; j < G_N_ELEMENTS(ignored); j++) {
            await_result(&ignored[j]);
            await_clear(&ignored[j]);
        }
        g_clear_object(&fixture->client);

        qmp_client_connect_async(fixture->path, PATIENCE_MS, NULL, await_callback, &connected);
        fixture->client = qmp_client_connect_finish(await_result(&connected), &error);
        no_error(error);
        qmp_machine_query_uuid_async(fixture->client, NULL, await_callback, &await);
        g_autofree char *uuid =
            qmp_machine_query_uuid_finish(fixture->client, await_result(&await), &error);
        no_error(error);
        assert_string_equal(uuid, "00000000-0000-0000-0000-000000000000");
    }
}

static void
test_unknown_command(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) await = { NULL };
    qmp_client_execute_async(fixture->client, "no-such", NULL, 0, NULL, await_callback, &await);
    refused(fixture, &await, QMP_ERROR_COMMAND_NOT_FOUND, "no-such");
    qmp_qom_list_async(fixture->client, "/no/such", NULL, await_callback, &await);
    refused(fixture, &await, QMP_ERROR_DEVICE_NOT_FOUND, "/no/such");
}

/* A machine without hot plug, balloon or a named backend. */
static void
test_bare_machine(void **state)
{
    Fixture *fixture = *state;
    QmpClient *client = fixture->client;
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;
    QmpMachineMemory memory;
    guint64 actual;

    qmp_machine_get_memory_async(client, NULL, await_callback, &await);
    assert_true(qmp_machine_get_memory_finish(client, await_result(&await), &memory, NULL));
    assert_int_equal(memory.size, 128 * MIB);
    assert_int_equal(memory.max, 128 * MIB);
    assert_int_equal(memory.slots, 0);
    await_clear(&await);

    qmp_balloon_query_async(client, NULL, await_callback, &await);
    assert_false(qmp_balloon_query_finish(client, await_result(&await), &actual, &error));
    assert_true(g_error_matches(error, QMP_ERROR, QMP_ERROR_DEVICE_NOT_ACTIVE));
    await_clear(&await);

    g_autoptr(GPtrArray) devices = get_devices(fixture);
    assert_int_equal(devices->len, 0);

    qmp_qom_get_async(client, "/machine", "memory-backend", NULL, await_callback, &await);
    g_autofree char *boot = qmp_qom_get_string_finish(client, await_result(&await), NULL);
    g_autoptr(QmpMemoryBackend) backend = read_backend(fixture, boot);
    assert_string_equal(qmp_memory_backend_get_qom_type(backend), "memory-backend-ram");
    await_clear(&await);

    qmp_memory_backend_add_async(client, backend, "memplug-b1", 128 * MIB, NULL, await_callback,
                                 &await);
    done(fixture, &await);
    qmp_memory_plug_dimm_async(client, "memplug-d1", "memplug-b1", 0, NULL, await_callback, &await);
    refused(fixture, &await, QMP_ERROR_GENERIC, "slots");
}

/* Each kind of boot memory is mirrored, and QEMU takes what was mirrored. */
static void
test_mirror(void **state)
{
    static const struct {
        const char *object;
        const char *expected; /* the mirrored QOM type */
    } rows[] = {
        { "memory-backend-ram,id=boot,size=64M", "memory-backend-ram" },
        { "memory-backend-ram,id=boot,size=64M,share=on,merge=off,dump=off", "memory-backend-ram" },
        { "memory-backend-ram,id=boot,size=64M,prealloc=on,prealloc-threads=2,reserve=on",
          "memory-backend-ram" },
        { "memory-backend-ram,id=boot,size=64M,policy=preferred,host-nodes=0",
          "memory-backend-ram" },
        { "memory-backend-memfd,id=boot,size=64M,seal=off", "memory-backend-memfd" },
        { "memory-backend-file,id=boot,size=64M,share=on,mem-path=/dev/shm/,align=2M",
          "memory-backend-file" },
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *arguments[] = { "-accel", "tcg", "-machine", "q35,memory-backend=boot",
                                    "-m",     "64M", "-object",  rows[i].object,
                                    NULL };
        g_auto(Await) await = { NULL };
        assert_int_equal(start(state, arguments), 0);
        Fixture *fixture = *state;
        g_autoptr(QmpMemoryBackend) like = read_backend(fixture, "boot");
        assert_string_equal(qmp_memory_backend_get_qom_type(like), rows[i].expected);
        qmp_memory_backend_add_async(fixture->client, like, "memplug-b1", 128 * MIB, NULL,
                                     await_callback, &await);
        done(fixture, &await);
        assert_int_equal(get_size(fixture, "/objects/memplug-b1", "size"), 128 * MIB);
        teardown(state);
    }
}

static int
teardown_if_left(void **state)
{
    return *state ? teardown(state) : 0;
}

#define FULL(test) cmocka_unit_test_setup_teardown(test, setup_full, teardown)
#define BARE(test) cmocka_unit_test_setup_teardown(test, setup_bare, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FULL(test_machine),
        FULL(test_virtio_mem),
        FULL(test_virtio_mem_without_id),
        FULL(test_dimm),
        FULL(test_backend_without_device),
        FULL(test_balloon),
        FULL(test_events_and_end),
        BARE(test_second_client),
        BARE(test_hasty_clients),
        BARE(test_unknown_command),
        BARE(test_bare_machine),
        cmocka_unit_test_teardown(test_mirror, teardown_if_left),
    };
    if (!real_qemu_is_available()) {
        puts("skipped: qemu-system-x86_64 is not installed");
        return 77;
    }
    return cmocka_run_group_tests_name("qmp-real", tests, NULL, NULL);
}
