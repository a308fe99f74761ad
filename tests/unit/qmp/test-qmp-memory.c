/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "qmp/qmp-balloon.h"
#include "qmp/qmp-error.h"
#include "qmp/qmp-machine.h"
#include "qmp/qmp-memory-backend.h"
#include "qmp/qmp-memory-event.h"
#include "qmp/qmp-memory.h"
#include "qmp/qmp-qom.h"
#include "tests/fake/await.h"
#include "tests/fake/qmp-server.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

typedef struct {
    FakeQmpServer *server;
    QmpClient *client;
} Fixture;

static int
setup(void **state)
{
    g_auto(Await) await = { NULL };
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->server = fake_qmp_server_new(NULL);
    qmp_client_connect_async(fake_qmp_server_get_path(fixture->server), 600000, NULL,
                             await_callback, &await);
    fixture->client = qmp_client_connect_finish(await_result(&await), NULL);
    assert_non_null(fixture->client);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;
    g_object_unref(fixture->client);
    fake_qmp_server_free(fixture->server);
    await_quiet();
    g_free(fixture);
    return 0;
}

/* ---- One command, one reply: what it says as text, or the error ---- */

typedef void (*Begin)(QmpClient *client, GCancellable *cancellable, GAsyncReadyCallback callback,
                      gpointer user_data);
typedef char *(*Finish)(QmpClient *client, GAsyncResult *result, GError **error);

static char *
finish_done(QmpClient *client, GAsyncResult *result, GError **error)
{
    return qmp_client_execute_done(client, result, error) ? g_strdup("done") : NULL;
}

static char *
finish_size(QmpClient *client, GAsyncResult *result, GError **error)
{
    guint64 size = 0;
    if (!qmp_qom_get_size_finish(client, result, &size, error))
        return NULL;
    return g_strdup_printf("%" G_GUINT64_FORMAT, size);
}

static char *
finish_devices(QmpClient *client, GAsyncResult *result, GError **error)
{
    g_autoptr(GPtrArray) devices = qmp_memory_query_devices_finish(client, result, error);
    if (devices == NULL)
        return NULL;
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < devices->len; i++) {
        const QmpMemoryDevice *d = devices->pdata[i];
        g_string_append_printf(text,
                               "%u %s %s @%" G_GINT64_MODIFIER "x %" G_GUINT64_FORMAT
                               " node %" G_GINT64_FORMAT " slot %" G_GINT64_FORMAT
                               " %d %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                               "\n",
                               d->kind, d->id, d->memdev, d->address, d->size, d->node, d->slot,
                               d->hotplugged, d->requested, d->max, d->block);
    }
    return g_string_free(text, FALSE);
}

static char *
finish_summary(QmpClient *client, GAsyncResult *result, GError **error)
{
    QmpMemorySummary summary;
    if (!qmp_memory_query_summary_finish(client, result, &summary, error))
        return NULL;
    return g_strdup_printf("%" G_GUINT64_FORMAT " + %" G_GUINT64_FORMAT, summary.base,
                           summary.plugged);
}

static char *
finish_backends(QmpClient *client, GAsyncResult *result, GError **error)
{
    g_autoptr(GPtrArray) backends = qmp_memory_backend_list_finish(client, result, error);
    if (backends == NULL)
        return NULL;
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < backends->len; i++) {
        const QmpMemoryBackendInfo *info = backends->pdata[i];
        g_string_append_printf(text, "%s %" G_GUINT64_FORMAT "\n", info->id ? info->id : "-",
                               info->size);
    }
    return g_string_free(text, FALSE);
}

static char *
finish_machine_memory(QmpClient *client, GAsyncResult *result, GError **error)
{
    QmpMachineMemory memory;
    if (!qmp_machine_get_memory_finish(client, result, &memory, error))
        return NULL;
    return g_strdup_printf("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
                           memory.size, memory.max, memory.slots);
}

static char *
finish_status(QmpClient *client, GAsyncResult *result, GError **error)
{
    gboolean running = 7;
    g_autofree char *status = qmp_machine_query_status_finish(client, result, &running, error);
    return status ? g_strdup_printf("%s %d", status, running) : NULL;
}

static char *
finish_ost(QmpClient *client, GAsyncResult *result, GError **error)
{
    g_autoptr(GPtrArray) list = qmp_machine_query_ost_finish(client, result, error);
    if (list == NULL)
        return NULL;
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < list->len; i++) {
        const QmpMachineOst *ost = list->pdata[i];
        g_string_append_printf(text, "%s %s %s %d %d\n", ost->device ? ost->device : "-", ost->slot,
                               ost->slot_type, (int)ost->source, (int)ost->status);
    }
    return g_string_free(text, FALSE);
}

static char *
finish_balloon(QmpClient *client, GAsyncResult *result, GError **error)
{
    guint64 actual;
    if (!qmp_balloon_query_finish(client, result, &actual, error))
        return NULL;
    return g_strdup_printf("%" G_GUINT64_FORMAT, actual);
}

/* Only what is not missing. */
static char *
finish_stats(QmpClient *client, GAsyncResult *result, GError **error)
{
    QmpBalloonStats stats;
    if (!qmp_balloon_get_stats_finish(client, result, &stats, error))
        return NULL;
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "at %" G_GUINT64_FORMAT, stats.last_update_s);
    for (guint i = 0; i < QMP_BALLOON_N_STATS; i++) {
        if (stats.values[i] != QMP_BALLOON_STAT_MISSING)
            g_string_append_printf(text, " %u:%" G_GUINT64_FORMAT, i, stats.values[i]);
    }
    return g_string_free(text, FALSE);
}

static char *
finish_list(QmpClient *client, GAsyncResult *result, GError **error)
{
    g_autoptr(GPtrArray) list = qmp_qom_list_finish(client, result, error);
    if (list == NULL)
        return NULL;
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < list->len; i++) {
        const QmpQomProperty *property = list->pdata[i];
        g_string_append_printf(text, "%s:%s ", property->name, property->type);
    }
    return g_string_free(text, FALSE);
}

static void
begin_plug(QmpClient *client, GCancellable *c, GAsyncReadyCallback callback, gpointer data)
{
    qmp_memory_plug_dimm_async(client, "memplug-1", "memplug-b1", 2, c, callback, data);
}

static void
begin_unplug(QmpClient *client, GCancellable *c, GAsyncReadyCallback callback, gpointer data)
{
    qmp_memory_unplug_async(client, "memplug-1", c, callback, data);
}

static void
begin_request(QmpClient *client, GCancellable *c, GAsyncReadyCallback callback, gpointer data)
{
    qmp_memory_request_size_async(client, "vm0", 2 * MIB, c, callback, data);
}

static void
begin_request_by_path(QmpClient *client, GCancellable *c, GAsyncReadyCallback callback,
                      gpointer data)
{
    qmp_memory_request_size_async(client, "/machine/peripheral-anon/device[1]", 0, c, callback,
                                  data);
}

static void
begin_size(QmpClient *client, GCancellable *c, GAsyncReadyCallback callback, gpointer data)
{
    qmp_memory_get_size_async(client, "vm0", c, callback, data);
}

static void
begin_backend_del(QmpClient *client, GCancellable *c, GAsyncReadyCallback callback, gpointer data)
{
    qmp_memory_backend_del_async(client, "memplug-b1", c, callback, data);
}

static void
begin_balloon_resize(QmpClient *client, GCancellable *c, GAsyncReadyCallback callback,
                     gpointer data)
{
    qmp_balloon_resize_async(client, 128 * MIB, c, callback, data);
}

static void
begin_stats(QmpClient *client, GCancellable *c, GAsyncReadyCallback callback, gpointer data)
{
    qmp_balloon_get_stats_async(client, "/machine/peripheral/b", c, callback, data);
}

static void
begin_polling(QmpClient *client, GCancellable *c, GAsyncReadyCallback callback, gpointer data)
{
    qmp_balloon_set_polling_async(client, "/machine/peripheral/b", 2, c, callback, data);
}

static void
begin_list(QmpClient *client, GCancellable *c, GAsyncReadyCallback callback, gpointer data)
{
    qmp_qom_list_async(client, "/objects", c, callback, data);
}

static const struct {
    Begin begin;
    Finish finish;
    const char *command;
    const char *arguments;
    struct {
        const char *value;    /* what QEMU replies */
        const char *expected; /* the text, or the error's message */
    } replies[9];
} commands[] = {
    { begin_plug,
      finish_done,
      "device_add",
      "{'driver': 'pc-dimm', 'id': 'memplug-1', 'memdev': 'memplug-b1', 'node': 2}",
      { { "{}", "done" } } },
    { begin_unplug, finish_done, "device_del", "{'id': 'memplug-1'}", { { "{}", "done" } } },
    { begin_request,
      finish_done,
      "qom-set",
      "{'path': '/machine/peripheral/vm0', 'property': 'requested-size', 'value': 2097152}",
      { { "{}", "done" } } },
    { begin_request_by_path,
      finish_done,
      "qom-set",
      "{'path': '/machine/peripheral-anon/device[1]', 'property': 'requested-size', 'value': 0}",
      { { "{}", "done" } } },
    { begin_size,
      finish_size,
      "qom-get",
      "{'path': '/machine/peripheral/vm0', 'property': 'size'}",
      { { "2097152", "2097152" },
        { "9223372036854775807", "9223372036854775807" },
        { "9223372036854775808", "qom-get: 'return' is out of range: 9223372036854775808" },
        { "18446744073709551615", "qom-get: 'return' is out of range: 18446744073709551615" },
        { "1.5", "qom-get: 'return' is not a size" },
        { "'2'", "qom-get: 'return' is not a size" },
        { "true", "qom-get: 'return' is not a size" },
        { "null", "qom-get: 'return' is not a size" },
        { "{}", "qom-get: 'return' is not a size" } } },
    { begin_backend_del, finish_done, "object-del", "{'id': 'memplug-b1'}", { { "{}", "done" } } },
    { begin_balloon_resize, finish_done, "balloon", "{'value': 134217728}", { { "{}", "done" } } },
    { begin_polling,
      finish_done,
      "qom-set",
      "{'path': '/machine/peripheral/b', 'property': 'guest-stats-polling-interval', 'value': 2}",
      { { "{}", "done" } } },
    { qmp_balloon_query_async,
      finish_balloon,
      "query-balloon",
      "{}",
      { { "{'actual': 268435456}", "268435456" },
        { "{}", "query-balloon: 'actual' is missing" },
        { "{'actual': -1}", "query-balloon: 'actual' is out of range: 18446744073709551615" } } },
    { begin_stats,
      finish_stats,
      "qom-get",
      "{'path': '/machine/peripheral/b', 'property': 'guest-stats'}",
      { { "{'stats': {'stat-free-memory': 1, 'stat-swap-in': 0, 'stat-total-memory': "
          "18446744073709551615, 'stat-available-memory': 18446744073709551614, "
          "'stat-direct-reclaims': 7, 'stat-of-the-future': 5}, 'last-update': 1700000000}",
          "at 1700000000 0:0 4:1 6:18446744073709551614 15:7" },
        { "{'stats': {}, 'last-update': 0}", "at 0" },
        { "{'stats': {'stat-free-memory': -1}, 'last-update': 0}", "at 0" }, /* QEMU before 2.10 */
        { "{'stats': {'stat-free-memory': 'x'}, 'last-update': 0}",
          "guest-stats: 'stat-free-memory' is not an integer" },
        { "{'stats': [], 'last-update': 0}", "guest-stats: 'stats' is not an object" },
        { "{'stats': {}}", "guest-stats: 'last-update' is missing" },
        { "{'stats': {}, 'last-update': 18446744073709551615}",
          "guest-stats: 'last-update' is out of range: 18446744073709551615" },
        { "7", "guest-stats: 'return' is not an object" } } },
    { qmp_memory_query_devices_async,
      finish_devices,
      "query-memory-devices",
      "{}",
      { { "[]", "" },
        { "[{'type': 'virtio-mem', 'data': {'memdev': '/objects/v', 'memaddr': 4294967296, "
          "'block-size': 2097152, 'size': 4194304, 'node': 0, 'max-size': 1073741824, "
          "'requested-size': 67108864, 'id': 'vm0'}}, {'type': 'dimm', 'data': {'memdev': "
          "'/objects/b', 'hotplugged': true, 'addr': 5368709120, 'hotpluggable': true, 'size': "
          "134217728, 'slot': 3, 'node': 1}}]",
          "1 vm0 /objects/v @100000000 4194304 node 0 slot 0 0 67108864 1073741824 2097152\n"
          "0 (null) /objects/b @140000000 134217728 node 1 slot 3 1 0 0 0\n" },
        { "[{'type': 'hv-balloon', 'data': {'id': 'h', 'max-size': 'strange'}}]",
          "2 h (null) @0 0 node 0 slot 0 0 0 0 0\n" },
        { "{}", "query-memory-devices: 'return' is not an array" },
        { "[1]", "query-memory-devices: 'element' is not an object" },
        { "[{'type': 'dimm'}]", "query-memory-devices: 'data' is not an object" },
        { "[{'data': {}}]", "query-memory-devices: 'type' is missing" },
        { "[{'type': 'dimm', 'data': {'memdev': 7}}]",
          "query-memory-devices: 'memdev' is not a string" },
        { "[{'type': 'virtio-mem', 'data': {'memdev': '/objects/v', 'memaddr': 4294967296, "
          "'block-size': 2097152, 'size': 4194304, 'node': 0, 'max-size': 18446744073709551615, "
          "'requested-size': 67108864, 'id': 'vm0'}}]",
          "query-memory-devices: 'max-size' is out of range: 18446744073709551615" } } },
    { qmp_memory_query_summary_async,
      finish_summary,
      "query-memory-size-summary",
      "{}",
      { { "{'base-memory': 5, 'plugged-memory': 6}", "5 + 6" },
        { "{'base-memory': 5}", "5 + 0" },
        { "{}", "query-memory-size-summary: 'base-memory' is missing" } } },
    { qmp_memory_backend_list_async,
      finish_backends,
      "query-memdev",
      "{}",
      { { "[{'id': 'a', 'size': 5, 'share': true}, {'size': 6}]", "a 5\n- 6\n" },
        { "[{'id': 5, 'size': 5}]", "query-memdev: 'id' is not a string" },
        { "[{'id': 'a'}]", "query-memdev: 'size' is missing" } } },
    { qmp_machine_get_memory_async,
      finish_machine_memory,
      "qom-get",
      "{'path': '/machine', 'property': 'memory'}",
      { { "{'size': 268435456, 'slots': 4, 'max-size': 2147483648}", "268435456 2147483648 4" },
        { "{'size': 268435456}", "268435456 268435456 0" },
        { "{'size': 268435456, 'slots': -1}",
          "qom-get /machine memory: 'slots' is out of range: 18446744073709551615" },
        { "{}", "qom-get /machine memory: 'size' is missing" } } },
    { qmp_machine_query_status_async,
      finish_status,
      "query-status",
      "{}",
      { { "{'status': 'running', 'singlestep': false, 'running': true}", "running 1" },
        { "{'status': 'paused', 'running': false}", "paused 0" },
        { "{'status': 'paused', 'running': 0}", "query-status: 'running' is not true or false" },
        { "{'running': true}", "query-status: 'status' is missing" } } },
    { qmp_machine_query_name_async,
      qmp_machine_query_name_finish,
      "query-name",
      "{}",
      { { "{'name': 'web'}", "web" },
        { "{}", "" },
        { "{'name': 1}", "query-name: 'name' is not a string" } } },
    { qmp_machine_query_uuid_async,
      qmp_machine_query_uuid_finish,
      "query-uuid",
      "{}",
      { { "{'UUID': '0-0'}", "0-0" }, { "{}", "query-uuid: 'UUID' is missing" } } },
    { qmp_machine_query_migrate_async,
      qmp_machine_query_migrate_finish,
      "query-migrate",
      "{}",
      { { "{'status': 'active', 'ram': {}}", "active" }, { "{}", "none" } } },
    { qmp_machine_query_ost_async,
      finish_ost,
      "query-acpi-ospm-status",
      "{}",
      { { "[{'device': 'd', 'source': 1, 'status': 132, 'slot': '0', 'slot-type': 'DIMM'}, "
          "{'source': 0, 'status': 0, 'slot': '1', 'slot-type': 'DIMM'}]",
          "d 0 DIMM 1 132\n- 1 DIMM 0 0\n" },
        { "[{'source': 0, 'status': 0, 'slot': 1, 'slot-type': 'DIMM'}]",
          "query-acpi-ospm-status: 'slot' is not a string" } } },
    { begin_list,
      finish_list,
      "qom-list",
      "{'path': '/objects'}",
      { { "[{'name': 'a', 'type': 'child<memory-backend-ram>'}, {'name': 'b', 'type': 'int', "
          "'description': 'x'}]",
          "a:child<memory-backend-ram> b:int " },
        { "[{'name': 'a'}]", "qom-list: 'type' is missing" } } },
};

static char *
run(Fixture *fixture, Begin begin, Finish finish)
{
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;
    begin(fixture->client, NULL, await_callback, &await);
    char *text = finish(fixture->client, await_result(&await), &error);
    assert_true((text == NULL) == (error != NULL));
    return text ? text : g_strdup(error->message);
}

static void
test_replies(void **state)
{
    Fixture *fixture = *state;
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        for (guint j = 0; j < 9 && commands[i].replies[j].value != NULL; j++) {
            fake_qmp_server_expect(fixture->server, commands[i].command, commands[i].arguments,
                                   commands[i].replies[j].value);
            g_autofree char *text = run(fixture, commands[i].begin, commands[i].finish);
            assert_string_equal(text, commands[i].replies[j].expected);
        }
    }
}

/* QEMU's own refusal comes through every finish. */
static void
test_refusals(void **state)
{
    Fixture *fixture = *state;
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *expected =
            g_strdup_printf("%s: no such thing (DeviceNotFound)", commands[i].command);
        fake_qmp_server_expect_error(fixture->server, commands[i].command, commands[i].arguments,
                                     "DeviceNotFound", "no such thing");
        g_autofree char *text = run(fixture, commands[i].begin, commands[i].finish);
        assert_string_equal(text, expected);
    }
}

/* ---- Searching ---- */

static char *
find(Fixture *fixture, const char *type)
{
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;
    qmp_qom_find_devices_async(fixture->client, type, NULL, await_callback, &await);
    g_autoptr(GPtrArray) paths =
        qmp_qom_find_devices_finish(fixture->client, await_result(&await), &error);
    if (paths == NULL)
        return g_strdup(error->message);
    g_ptr_array_add(paths, NULL);
    return g_strjoinv(" ", (char **)paths->pdata);
}

static void
test_find_devices(void **state)
{
    Fixture *fixture = *state;
    fake_qmp_server_stand(fixture->server, "qom-list", "{'path': '/machine/peripheral'}",
                          "[{'name': 'type', 'type': 'string'}, "
                          "{'name': 'n', 'type': 'child<virtio-net-pci>'}, "
                          "{'name': 'b', 'type': 'child<virtio-balloon-pci>'}, "
                          "{'name': 'l', 'type': 'link<virtio-balloon-pci>'}]");
    fake_qmp_server_stand(fixture->server, "qom-list", "{'path': '/machine/peripheral-anon'}",
                          "[{'name': 'device[3]', 'type': 'child<virtio-balloon-ccw>'}]");

    g_autofree char *balloons = find(fixture, "virtio-balloon");
    assert_string_equal(balloons, "/machine/peripheral/b /machine/peripheral-anon/device[3]");
    g_autofree char *none = find(fixture, "virtio-mem");
    assert_string_equal(none, "");

    fake_qmp_server_stand_error(fixture->server, "qom-list", "{'path': '/machine/peripheral-anon'}",
                                "GenericError", "no");
    g_autofree char *error = find(fixture, "virtio-balloon");
    assert_string_equal(error, "qom-list: no (GenericError)");
}

/* ---- Backends ---- */

static void
stand_property(Fixture *fixture, const char *path, const char *property, const char *value)
{
    g_autofree char *arguments =
        g_strdup_printf("{'path': '%s', 'property': '%s'}", path, property);
    fake_qmp_server_stand(fixture->server, "qom-get", arguments, value);
}

static QmpMemoryBackend *
read_backend(Fixture *fixture, const char *id, GError **error)
{
    g_auto(Await) await = { NULL };
    qmp_memory_backend_read_async(fixture->client, id, NULL, await_callback, &await);
    return qmp_memory_backend_read_finish(fixture->client, await_result(&await), error);
}

static void
expect_add(Fixture *fixture, const QmpMemoryBackend *backend, const char *arguments)
{
    g_auto(Await) await = { NULL };
    fake_qmp_server_expect(fixture->server, "object-add", arguments, "{}");
    qmp_memory_backend_add_async(fixture->client, backend, "memplug-b1", 128 * MIB, NULL,
                                 await_callback, &await);
    assert_true(qmp_client_execute_done(fixture->client, await_result(&await), NULL));
}

static void
test_default_backend(void **state)
{
    g_autoptr(QmpMemoryBackend) backend = qmp_memory_backend_new();
    assert_string_equal(qmp_memory_backend_get_qom_type(backend), "memory-backend-ram");
    assert_null(qmp_memory_backend_get_path(backend));
    expect_add(*state, backend,
               "{'qom-type': 'memory-backend-ram', 'id': 'memplug-b1', 'size': 134217728}");
}

static void
test_mirror_backend(void **state)
{
    Fixture *fixture = *state;
    const char *path = "/objects/m";
    fake_qmp_server_stand(fixture->server, "qom-list", "{'path': '/objects/m'}",
                          "[{'name': 'type', 'type': 'string'}, {'name': 'share', 'type': 'bool'},"
                          " {'name': 'size', 'type': 'int'}, {'name': 'policy', 'type': 'P'},"
                          " {'name': 'host-nodes', 'type': 'int'},"
                          " {'name': 'hugetlb', 'type': 'bool'},"
                          " {'name': 'hugetlbsize', 'type': 'int'},"
                          " {'name': 'prealloc-threads', 'type': 'int'},"
                          " {'name': 'x-secret', 'type': 'bool'},"
                          " {'name': 'prealloc', 'type': 'bool'}]");
    stand_property(fixture, path, "type", "'memory-backend-memfd'");
    stand_property(fixture, path, "share", "true");
    stand_property(fixture, path, "policy", "'bind'");
    stand_property(fixture, path, "host-nodes", "[0, 2]");
    stand_property(fixture, path, "hugetlb", "true");
    stand_property(fixture, path, "hugetlbsize", "2097152");
    stand_property(fixture, path, "prealloc-threads", "0");
    stand_property(fixture, path, "prealloc", "true");

    g_autoptr(QmpMemoryBackend) backend = read_backend(fixture, "m", NULL);
    assert_non_null(backend);
    expect_add(fixture, backend,
               "{'share': true, 'policy': 'bind', 'host-nodes': [0, 2], 'hugetlb': true, "
               "'hugetlbsize': 2097152, 'prealloc': true, 'qom-type': 'memory-backend-memfd', "
               "'id': 'memplug-b1', 'size': 134217728}");
    /* Only what is mirrored was asked for. */
    assert_int_equal(fake_qmp_server_count(fixture->server, "qom-get"), 8);
}

static void
test_mirror_file_backend(void **state)
{
    Fixture *fixture = *state;
    fake_qmp_server_stand(fixture->server, "qom-list", "{'path': '/objects/m'}",
                          "[{'name': 'mem-path', 'type': 'string'},"
                          " {'name': 'align', 'type': 'int'},"
                          " {'name': 'host-nodes', 'type': 'int'}]");
    stand_property(fixture, "/objects/m", "type", "'memory-backend-file'");
    stand_property(fixture, "/objects/m", "mem-path", "'/dev/hugepages/ram0'");
    stand_property(fixture, "/objects/m", "align", "0");
    stand_property(fixture, "/objects/m", "host-nodes", "[]");

    g_autoptr(QmpMemoryBackend) backend = read_backend(fixture, "/objects/m", NULL);
    assert_string_equal(qmp_memory_backend_get_path(backend), "/dev/hugepages/ram0");
    qmp_memory_backend_set_path(backend, "/dev/hugepages");
    expect_add(fixture, backend,
               "{'mem-path': '/dev/hugepages', 'qom-type': 'memory-backend-file', "
               "'id': 'memplug-b1', 'size': 134217728}");
}

static void
test_mirror_refuses(void **state)
{
    static const struct {
        const char *type;
        const char *property;
        const char *value;
        const char *message;
    } rows[] = {
        { "'memory-backend-epc'", "share", "true",
          "/objects/m: memory of type memory-backend-epc cannot be mirrored" },
        { "7", "share", "true", "qom-get: 'return' is not a string" },
        { "'memory-backend-ram'", "share", "1", "'share' is not true or false" },
        { "'memory-backend-ram'", "policy", "{}", "'policy' is not a string" },
        { "'memory-backend-ram'", "align", "-1", "'align' is out of range: 18446744073709551615" },
        { "'memory-backend-ram'", "host-nodes", "0", "'host-nodes' is not an array" },
        { "'memory-backend-ram'", "host-nodes", "['0']", "'host-nodes' is not a size" },
        { "'memory-backend-ram'", "host-nodes", "[null]", "'host-nodes' is not a size" },
    };
    Fixture *fixture = *state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *list = g_strdup_printf("[{'name': '%s', 'type': 'x'}]", rows[i].property);
        g_autoptr(GError) error = NULL;
        fake_qmp_server_stand(fixture->server, "qom-list", NULL, list);
        stand_property(fixture, "/objects/m", "type", rows[i].type);
        stand_property(fixture, "/objects/m", rows[i].property, rows[i].value);
        assert_null(read_backend(fixture, "m", &error));
        assert_true(g_error_matches(error, QMP_ERROR, QMP_ERROR_REPLY));
        assert_string_equal(error->message, rows[i].message);
    }
}

/* ---- Events ---- */

static char *
describe_event(const char *name, const char *data)
{
    g_autofree char *json = g_strdelimit(g_strdup(data), "'", '"');
    g_autoptr(JsonNode) node = json_from_string(json, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(QmpMemoryEvent) e = qmp_memory_event_read(name, json_node_get_object(node), &error);
    if (e == NULL)
        return g_strdup(error ? error->message : "not ours");
    return g_strdup_printf("%u %s %s %s %s %s %s %d %d %" G_GUINT64_FORMAT " %d", e->kind,
                           e->device, e->path, e->message, e->reason, e->slot, e->slot_type,
                           (int)e->source, (int)e->status, e->size, e->by_guest);
}

static void
test_events(void **state)
{
#define NO "(null)"
    static const struct {
        const char *name;
        const char *data;
        const char *expected;
    } rows[] = {
        { "ACPI_DEVICE_OST",
          "{'info': {'device': 'd', 'slot': '0', 'slot-type': 'DIMM', 'source': 3, 'status': 132}}",
          "0 d " NO " " NO " " NO " 0 DIMM 3 132 0 0" },
        { "ACPI_DEVICE_OST",
          "{'info': {'slot': '0', 'slot-type': 'CPU', 'source': 1, 'status': 0}}",
          "0 " NO " " NO " " NO " " NO " 0 CPU 1 0 0 0" },
        { "ACPI_DEVICE_OST", "{'slot': '0'}", "ACPI_DEVICE_OST: 'info' is not an object" },
        { "DEVICE_DELETED", "{'device': 'd', 'path': '/machine/peripheral/d'}",
          "1 d /machine/peripheral/d " NO " " NO " " NO " " NO " 0 0 0 0" },
        { "DEVICE_DELETED", "{'path': '/machine/peripheral-anon/device[1]'}",
          "1 " NO " /machine/peripheral-anon/device[1] " NO " " NO " " NO " " NO " 0 0 0 0" },
        { "DEVICE_DELETED", "{'device': 'd'}", "DEVICE_DELETED: 'path' is missing" },
        { "DEVICE_UNPLUG_GUEST_ERROR", "{'device': 'd', 'path': '/p'}",
          "2 d /p " NO " " NO " " NO " " NO " 0 0 0 0" },
        { "MEM_UNPLUG_ERROR", "{'device': 'd', 'msg': 'busy'}",
          "3 d " NO " busy " NO " " NO " " NO " 0 0 0 0" },
        { "MEMORY_DEVICE_SIZE_CHANGE", "{'id': 'vm0', 'size': 2097152, 'qom-path': '/p'}",
          "4 vm0 /p " NO " " NO " " NO " " NO " 0 0 2097152 0" },
        { "MEMORY_DEVICE_SIZE_CHANGE", "{'size': 18446744073709551615}",
          "MEMORY_DEVICE_SIZE_CHANGE: 'size' is out of range: 18446744073709551615" },
        { "BALLOON_CHANGE", "{'actual': 5}",
          "5 " NO " " NO " " NO " " NO " " NO " " NO " 0 0 5 0" },
        { "BALLOON_CHANGE", "{}", "BALLOON_CHANGE: 'actual' is missing" },
        { "RESET", "{'guest': true, 'reason': 'guest-reset'}",
          "6 " NO " " NO " " NO " guest-reset " NO " " NO " 0 0 0 1" },
        { "SHUTDOWN", "{'guest': false}", "7 " NO " " NO " " NO " " NO " " NO " " NO " 0 0 0 0" },
        { "STOP", "{}", "8 " NO " " NO " " NO " " NO " " NO " " NO " 0 0 0 0" },
        { "RESUME", "{'what': 1}", "9 " NO " " NO " " NO " " NO " " NO " " NO " 0 0 0 0" },
        { "VNC_CONNECTED", "{}", "not ours" },
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = describe_event(rows[i].name, rows[i].data);
        assert_string_equal(text, rows[i].expected);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_find_devices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_default_backend, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mirror_backend, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mirror_file_backend, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mirror_refuses, setup, teardown),
        cmocka_unit_test(test_events),
    };
    return cmocka_run_group_tests_name("qmp-memory", tests, NULL, NULL);
}
