/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "qmp/qmp-client.h"
#include "qmp/qmp-error.h"
#include "qmp/qmp-stream.h"
#include "tests/fake/await.h"
#include "tests/fake/qmp-server.h"

/* Long enough never to pass in a test that does not mean it to. */
#define LONG_MS  600000
#define SHORT_MS 30

typedef struct {
    FakeQmpServer *server;
    QmpClient *client;
    GString *events; /* "NAME {data} time\n" each */
    guint n_closed;
    GError *closed;
} Fixture;

static void
on_event(QmpClient *client, const char *name, JsonObject *data, gint64 time, gpointer user_data)
{
    Fixture *fixture = user_data;
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), data);
    g_autofree char *text = json_to_string(node, FALSE);
    g_string_append_printf(fixture->events, "%s %s %" G_GINT64_FORMAT "\n", name, text, time);
}

static void
on_closed(QmpClient *client, const GError *error, gpointer user_data)
{
    Fixture *fixture = user_data;
    fixture->n_closed++;
    if (fixture->closed == NULL)
        fixture->closed = g_error_copy(error);
}

static QmpClient *
try_connect(const char *path, guint timeout_ms, GError **error)
{
    g_auto(Await) await = { NULL };
    qmp_client_connect_async(path, timeout_ms, NULL, await_callback, &await);
    return qmp_client_connect_finish(await_result(&await), error);
}

static void
connect_fixture(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    fixture->client = try_connect(fake_qmp_server_get_path(fixture->server), LONG_MS, &error);
    if (fixture->client == NULL)
        fail_msg("%s", error->message);
    qmp_client_set_timeout(fixture->client, LONG_MS);
    g_signal_connect(fixture->client, "event", G_CALLBACK(on_event), fixture);
    g_signal_connect(fixture->client, "closed", G_CALLBACK(on_closed), fixture);
}

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    fixture->server = fake_qmp_server_new(NULL);
    fixture->events = g_string_new(NULL);
    *state = fixture;
    return 0;
}

static int
setup_connected(void **state)
{
    setup(state);
    connect_fixture(*state);
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;
    if (fixture->client != NULL)
        g_signal_handlers_disconnect_by_data(fixture->client, fixture);
    g_clear_object(&fixture->client);
    fake_qmp_server_free(fixture->server);
    await_quiet();
    g_string_free(fixture->events, TRUE);
    g_clear_error(&fixture->closed);
    g_free(fixture);
    return 0;
}

static void
execute(Fixture *fixture, const char *command, Await *await)
{
    qmp_client_execute_async(fixture->client, command, NULL, 0, NULL, await_callback, await);
}

/* The value as text, or the error's message. */
static char *
finish(Fixture *fixture, Await *await)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) value =
        qmp_client_execute_finish(fixture->client, await_result(await), &error);
    await_clear(await);
    return value ? json_to_string(value, FALSE) : g_strdup(error->message);
}

static void
assert_outcome(Fixture *fixture, Await *await, const char *expected)
{
    g_autofree char *got = finish(fixture, await);
    assert_string_equal(got, expected);
}

static void
assert_error(Fixture *fixture, Await *await, GQuark domain, int code, const char *message)
{
    g_autoptr(GError) error = NULL;
    assert_null(qmp_client_execute_finish(fixture->client, await_result(await), &error));
    assert_string_equal(error->message, message);
    assert_int_equal(error->domain, domain);
    assert_int_equal(error->code, code);
    await_clear(await);
}

static gboolean
is_closed(gpointer data)
{
    return ((Fixture *)data)->n_closed > 0;
}

static void
await_closed(Fixture *fixture, QmpError code, const char *message)
{
    await_condition(is_closed, fixture, "the signal \"closed\"");
    await_quiet();
    assert_int_equal(fixture->n_closed, 1);
    assert_true(g_error_matches(fixture->closed, QMP_ERROR, (gint)code));
    assert_string_equal(fixture->closed->message, message);
    assert_false(qmp_client_is_open(fixture->client));
}

/* Whether the event that each test on events sends last has come. */
static gboolean
has_last_event(gpointer data)
{
    return strstr(((Fixture *)data)->events->str, "LAST") != NULL;
}

/* ---- Connecting ---- */

static void
test_connect(void **state)
{
    Fixture *fixture = *state;
    const QmpVersion *version = qmp_client_get_version(fixture->client);

    assert_true(qmp_client_is_open(fixture->client));
    assert_int_equal(version->major, 7);
    assert_int_equal(version->minor, 2);
    assert_int_equal(version->micro, 22);
    assert_string_equal(version->package, "fake");
    assert_int_equal(qmp_client_get_peer_pid(fixture->client), getpid());
    assert_int_equal(fake_qmp_server_count(fixture->server, "qmp_capabilities"), 1);
}

static void
test_connect_piece_by_piece(void **state)
{
    Fixture *fixture = *state;
    fake_qmp_server_set_piece(fixture->server, 1);
    connect_fixture(fixture);

    g_auto(Await) await = { NULL };
    fake_qmp_server_expect(fixture->server, "a", NULL, "{'x': 'ä'}");
    execute(fixture, "a", &await);
    assert_outcome(fixture, &await, "{\"x\":\"ä\"}");
}

static void
test_connect_no_socket(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *path =
        g_strconcat(fake_qmp_server_get_path(fixture->server), "-not-there", NULL);
    assert_null(try_connect(path, LONG_MS, &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND));
    assert_non_null(strstr(error->message, path));
}

static void
test_connect_stale_socket(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *folder = g_dir_make_tmp("memplug-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "stale", NULL);
    g_autoptr(GError) error = NULL;

    fake_qmp_server_free(fixture->server);
    fixture->server = fake_qmp_server_new(path);
    fake_qmp_server_kill(g_steal_pointer(&fixture->server));
    QmpClient *client = try_connect(path, LONG_MS, &error);
    g_unlink(path);
    g_rmdir(folder);
    assert_null(client);
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED));
}

static void
test_connect_long_path(void **state)
{
    g_autofree char *name = g_strnfill(200, 'a');
    g_autofree char *path = g_strconcat("/tmp/", name, NULL);
    g_autoptr(GError) error = NULL;
    assert_null(try_connect(path, LONG_MS, &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_FILENAME_TOO_LONG));
}

static void
test_connect_no_greeting(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    fake_qmp_server_set_greeting(fixture->server, NULL);
    assert_null(try_connect(fake_qmp_server_get_path(fixture->server), SHORT_MS, &error));
    assert_true(g_error_matches(error, QMP_ERROR, QMP_ERROR_TIMED_OUT));
    assert_non_null(strstr(error->message, "is another client connected"));
}

/* QEMU leaves the second client waiting, and greets it when the first has gone. */
static void
test_connect_monitor_taken(void **state)
{
    Fixture *fixture = *state;
    const char *path = fake_qmp_server_get_path(fixture->server);
    g_autoptr(GError) error = NULL;

    assert_null(try_connect(path, SHORT_MS, &error));
    assert_true(g_error_matches(error, QMP_ERROR, QMP_ERROR_TIMED_OUT));

    g_auto(Await) await = { NULL };
    qmp_client_connect_async(path, LONG_MS, NULL, await_callback, &await);
    await_quiet();
    assert_null(await.result);
    qmp_client_close(fixture->client);
    g_autoptr(QmpClient) second = qmp_client_connect_finish(await_result(&await), NULL);
    assert_true(qmp_client_is_open(second));
}

/* There is room for few that wait; the next one is told at once. */
static void
test_connect_monitor_crowded(void **state)
{
    Fixture *fixture = *state;
    const char *path = fake_qmp_server_get_path(fixture->server);
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Await waiting[2] = { { NULL }, { NULL } };
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < 2; i++)
        qmp_client_connect_async(path, LONG_MS, cancellable, await_callback, &waiting[i]);
    assert_null(try_connect(path, LONG_MS, &error));
    assert_true(g_error_matches(error, QMP_ERROR, QMP_ERROR_BUSY));
    g_cancellable_cancel(cancellable);
    for (guint i = 0; i < 2; i++) {
        assert_null(qmp_client_connect_finish(await_result(&waiting[i]), NULL));
        await_clear(&waiting[i]);
    }
}

static void
test_connect_bad_greetings(void **state)
{
    Fixture *fixture = *state;
    static const char *const greetings[] = {
        "SSH-2.0-OpenSSH_9.2\r\n",
        "{\"QMP\": 1}",
        "{\"QMP\": {}}",
        "{\"QMP\": {\"version\": []}}",
        "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7, \"minor\": 2}, \"package\": \"\"}}}",
        "{\"QMP\": {\"version\": {\"qemu\": {\"major\": -7, \"minor\": 2, \"micro\": 0}, "
        "\"package\": \"\"}}}",
        "{\"QMP\": {\"version\": {\"qemu\": {\"major\": \"7\", \"minor\": 2, \"micro\": 0}, "
        "\"package\": \"\"}}}",
        "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7, \"minor\": 2, \"micro\": 0}}}}",
        "{\"event\": \"RESET\"}",
        "{}",
    };
    for (guint i = 0; i < G_N_ELEMENTS(greetings); i++) {
        g_autoptr(GError) error = NULL;
        fake_qmp_server_set_greeting(fixture->server, greetings[i]);
        QmpClient *client = try_connect(fake_qmp_server_get_path(fixture->server), LONG_MS, &error);
        if (client != NULL || !g_error_matches(error, QMP_ERROR, QMP_ERROR_PROTOCOL))
            fail_msg("%s", greetings[i]);
        await_quiet();
    }
}

static void
test_connect_cancelled(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) await = { NULL };
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;

    fake_qmp_server_set_greeting(fixture->server, NULL);
    qmp_client_connect_async(fake_qmp_server_get_path(fixture->server), LONG_MS, cancellable,
                             await_callback, &await);
    await_quiet();
    g_cancellable_cancel(cancellable);
    assert_null(qmp_client_connect_finish(await_result(&await), &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));

    /* Cancelled before it began. */
    await_clear(&await);
    qmp_client_connect_async(fake_qmp_server_get_path(fixture->server), LONG_MS, cancellable,
                             await_callback, &await);
    assert_null(qmp_client_connect_finish(await_result(&await), NULL));
}

static void
test_connect_closed_while_negotiating(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;

    fake_qmp_server_set_greeting(fixture->server, "{\"QMP\": {\"vers");
    qmp_client_connect_async(fake_qmp_server_get_path(fixture->server), LONG_MS, NULL,
                             await_callback, &await);
    await_quiet();
    fake_qmp_server_disconnect(fixture->server);
    assert_null(qmp_client_connect_finish(await_result(&await), &error));
    assert_true(g_error_matches(error, QMP_ERROR, QMP_ERROR_CLOSED));
    assert_string_equal(error->message, "QEMU closed the monitor in the middle of a message");
}

/* ---- Commands ---- */

static void
test_execute(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) await = { NULL };
    JsonObject *arguments = json_object_new();
    json_object_set_string_member(arguments, "path", "a\"b\\");
    json_object_set_int_member(arguments, "value", G_MAXINT64);

    fake_qmp_server_expect(fixture->server, "qom-set",
                           "{'path': 'a\\\"b\\\\', 'value': 9223372036854775807}",
                           "[1, 'two', {}]");
    qmp_client_execute_async(fixture->client, "qom-set", arguments, 0, NULL, await_callback,
                             &await);
    assert_outcome(fixture, &await, "[1,\"two\",{}]");
    fake_qmp_server_assert_done(fixture->server);
}

static void
test_qemu_errors(void **state)
{
    Fixture *fixture = *state;
    static const struct {
        const char *class_name;
        QmpError code;
    } rows[] = {
        { "GenericError", QMP_ERROR_GENERIC },
        { "CommandNotFound", QMP_ERROR_COMMAND_NOT_FOUND },
        { "DeviceNotActive", QMP_ERROR_DEVICE_NOT_ACTIVE },
        { "DeviceNotFound", QMP_ERROR_DEVICE_NOT_FOUND },
        { "KVMMissingCap", QMP_ERROR_KVM_MISSING_CAP },
        { "SomethingNew", QMP_ERROR_GENERIC },
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(Await) await = { NULL };
        g_autofree char *message =
            g_strdup_printf("device_add: no 100%% way (%s)", rows[i].class_name);
        fake_qmp_server_expect_error(fixture->server, "device_add", NULL, rows[i].class_name,
                                     "no 100% way");
        execute(fixture, "device_add", &await);
        assert_error(fixture, &await, QMP_ERROR, (int)rows[i].code, message);
    }
    assert_true(qmp_client_is_open(fixture->client));
}

static void
test_replies_out_of_order(void **state)
{
    Fixture *fixture = *state;
    Await awaits[3] = { { NULL }, { NULL }, { NULL } };
    static const char *const names[] = { "a", "b", "c" };
    static const char *const values[] = { "{'v': 1}", "{'v': 2}", "{'v': 3}" };
    static const char *const results[] = { "{\"v\":1}", "{\"v\":2}", "{\"v\":3}" };

    for (guint i = 0; i < 3; i++) {
        fake_qmp_server_expect_held(fixture->server, names[i], NULL, values[i]);
        execute(fixture, names[i], &awaits[i]);
    }
    await_condition(fake_qmp_server_is_done, fixture->server, "all three commands");
    for (guint i = 3; i-- > 0;) {
        for (guint j = 0; j < i; j++)
            assert_null(awaits[j].result);
        fake_qmp_server_release(fixture->server, names[i]);
        assert_outcome(fixture, &awaits[i], results[i]);
    }
}

static void
test_many_in_flight(void **state)
{
    Fixture *fixture = *state;
    static Await awaits[QMP_CLIENT_MAX_PENDING];
    g_auto(Await) refused = { NULL };

    for (guint i = 0; i < QMP_CLIENT_MAX_PENDING; i++) {
        g_autofree char *value = g_strdup_printf("%u", i);
        fake_qmp_server_expect(fixture->server, "count", NULL, value);
        execute(fixture, "count", &awaits[i]);
    }
    execute(fixture, "one-more", &refused);
    assert_error(fixture, &refused, QMP_ERROR, QMP_ERROR_BUSY,
                 "one-more: too many commands wait for QEMU");
    for (guint i = 0; i < QMP_CLIENT_MAX_PENDING; i++) {
        g_autofree char *value = g_strdup_printf("%u", i);
        assert_outcome(fixture, &awaits[i], value);
    }
    fake_qmp_server_expect(fixture->server, "again", NULL, "{}");
    execute(fixture, "again", &refused);
    assert_outcome(fixture, &refused, "{}");
}

/* A QEMU that does not read: what is queued is bounded, and one command alone may be too long. */
static void
test_unsent_is_bounded(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) await = { NULL };
    g_autofree char *long_text = g_strnfill(QMP_CLIENT_MAX_UNSENT, 'a');
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(arguments, "text", long_text);
    qmp_client_execute_async(fixture->client, "a", arguments, 0, NULL, await_callback, &await);
    assert_error(fixture, &await, QMP_ERROR, QMP_ERROR_BUSY, "a: too many commands wait for QEMU");

    Await stuck[100] = { { NULL } };
    guint accepted = 0;
    fake_qmp_server_set_reading(fixture->server, FALSE);
    fake_qmp_server_expect_held(fixture->server, "stuck", NULL, "1"); /* is being read already */
    long_text[QMP_CLIENT_MAX_UNSENT / 3] = '\0';
    for (guint i = 0; i < G_N_ELEMENTS(stuck); i++) {
        arguments = json_object_new();
        json_object_set_string_member(arguments, "text", long_text);
        qmp_client_execute_async(fixture->client, "stuck", arguments, 0, NULL, await_callback,
                                 &stuck[i]);
        await_quiet();
        accepted += stuck[i].result == NULL;
    }
    assert_true(accepted > 0 && accepted < G_N_ELEMENTS(stuck));
    qmp_client_close(fixture->client);
    for (guint i = 0; i < G_N_ELEMENTS(stuck); i++) {
        g_autofree char *ignored = finish(fixture, &stuck[i]);
        assert_non_null(strstr(ignored, "stuck: "));
    }
}

static void
test_timeout_and_late_reply(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) slow = { NULL };
    g_auto(Await) next = { NULL };

    fake_qmp_server_expect_held(fixture->server, "slow", NULL, "{'too': 'late'}");
    qmp_client_execute_async(fixture->client, "slow", NULL, SHORT_MS, NULL, await_callback, &slow);
    assert_error(fixture, &slow, QMP_ERROR, QMP_ERROR_TIMED_OUT,
                 "slow: QEMU did not reply in time");

    fake_qmp_server_release(fixture->server, "slow");
    fake_qmp_server_expect(fixture->server, "next", NULL, "{'in': 'time'}");
    execute(fixture, "next", &next);
    assert_outcome(fixture, &next, "{\"in\":\"time\"}");
    assert_int_equal(fixture->n_closed, 0);
}

static void
test_default_timeout(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) await = { NULL };
    qmp_client_set_timeout(fixture->client, SHORT_MS);
    fake_qmp_server_expect_held(fixture->server, "slow", NULL, "{}");
    execute(fixture, "slow", &await);
    assert_error(fixture, &await, QMP_ERROR, QMP_ERROR_TIMED_OUT,
                 "slow: QEMU did not reply in time");
}

static void
test_cancel(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) await = { NULL };
    g_auto(Await) other = { NULL };
    g_autoptr(GCancellable) cancellable = g_cancellable_new();

    fake_qmp_server_expect_held(fixture->server, "a", NULL, "{'a': 1}");
    fake_qmp_server_expect_held(fixture->server, "b", NULL, "{'b': 1}");
    qmp_client_execute_async(fixture->client, "a", NULL, 0, cancellable, await_callback, &await);
    execute(fixture, "b", &other);
    await_condition(fake_qmp_server_is_done, fixture->server, "both commands");
    g_cancellable_cancel(cancellable);
    assert_error(fixture, &await, G_IO_ERROR, G_IO_ERROR_CANCELLED, "a: cancelled");

    fake_qmp_server_release(fixture->server, "a");
    fake_qmp_server_release(fixture->server, "b");
    assert_outcome(fixture, &other, "{\"b\":1}");

    qmp_client_execute_async(fixture->client, "c", NULL, 0, cancellable, await_callback, &await);
    g_autoptr(GError) error = NULL;
    assert_null(qmp_client_execute_finish(fixture->client, await_result(&await), &error));
    assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
}

/* What was cancelled before the kernel took it is never carried out: two long commands fill the
 * socket, and the fake monitor would fail the test if it saw "never". */
static void
test_cancel_unsent(void **state)
{
    Fixture *fixture = *state;
    Await full[2] = { { NULL }, { NULL } };
    g_auto(Await) never = { NULL };
    g_auto(Await) last = { NULL };
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autofree char *long_text = g_strnfill(QMP_CLIENT_MAX_UNSENT / 2 - 1000, 'a');

    fake_qmp_server_set_reading(fixture->server, FALSE);
    for (guint i = 0; i < 2; i++) {
        JsonObject *arguments = json_object_new();
        json_object_set_string_member(arguments, "text", long_text);
        fake_qmp_server_expect(fixture->server, "full", NULL, "1");
        qmp_client_execute_async(fixture->client, "full", arguments, 0, NULL, await_callback,
                                 &full[i]);
    }
    qmp_client_execute_async(fixture->client, "never", NULL, 0, cancellable, await_callback,
                             &never);
    execute(fixture, "last", &last);
    g_cancellable_cancel(cancellable);
    assert_error(fixture, &never, G_IO_ERROR, G_IO_ERROR_CANCELLED, "never: cancelled");

    fake_qmp_server_expect(fixture->server, "last", NULL, "2");
    fake_qmp_server_set_reading(fixture->server, TRUE);
    assert_outcome(fixture, &last, "2");
    assert_outcome(fixture, &full[0], "1");
    assert_outcome(fixture, &full[1], "1");
}

/* ---- Events ---- */

static void
test_events_between_replies(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) a = { NULL };
    g_auto(Await) b = { NULL };

    fake_qmp_server_expect(fixture->server, "a", NULL, "1");
    fake_qmp_server_with_event(fixture->server, TRUE, "STOP", NULL);
    fake_qmp_server_with_event(fixture->server, FALSE, "RESET", "{'guest': true}");
    fake_qmp_server_expect(fixture->server, "b", NULL, "2");
    fake_qmp_server_with_event(fixture->server, TRUE, "RESUME", NULL);
    execute(fixture, "a", &a);
    execute(fixture, "b", &b);
    assert_outcome(fixture, &b, "2");
    assert_outcome(fixture, &a, "1");
    assert_string_equal(fixture->events->str, "STOP {} 1700000000000005\n"
                                              "RESET {\"guest\":true} 1700000000000005\n"
                                              "RESUME {} 1700000000000005\n");
}

static void
test_event_times(void **state)
{
    Fixture *fixture = *state;
    static const char bytes[] =
        "{\"event\": \"A\"}"
        "{\"event\": \"B\", \"timestamp\": {\"seconds\": -1, \"microseconds\": -1}}"
        "{\"event\": \"C\", \"timestamp\": {\"seconds\": 1, \"microseconds\": 1000000}}"
        "{\"event\": \"D\", \"timestamp\": {\"seconds\": 9223372036854775807, "
        "\"microseconds\": 0}}"
        "{\"event\": \"E\", \"timestamp\": {\"seconds\": 1, \"microseconds\": 999999}}"
        "{\"event\": \"LAST\", \"timestamp\": 7}";
    fake_qmp_server_send_bytes(fixture->server, bytes, strlen(bytes));
    await_condition(has_last_event, fixture, "events");
    assert_string_equal(fixture->events->str,
                        "A {} -1\nB {} -1\nC {} -1\nD {} -1\nE {} 1999999\nLAST {} -1\n");
}

static void
count_event(QmpClient *client, const char *name, JsonObject *data, gint64 time, gpointer count)
{
    ++*(guint *)count;
}

static void
test_event_detail(void **state)
{
    Fixture *fixture = *state;
    guint resets = 0;
    const char *unheard = "EVENT_THAT_NOBODY_HAS_EVER_ASKED_FOR";

    g_signal_connect(fixture->client, "event::RESET", G_CALLBACK(count_event), &resets);
    fake_qmp_server_send_event(fixture->server, "STOP", NULL);
    fake_qmp_server_send_event(fixture->server, unheard, NULL);
    fake_qmp_server_send_event(fixture->server, "RESET", NULL);
    fake_qmp_server_send_event(fixture->server, "LAST", NULL);
    await_condition(has_last_event, fixture, "events");
    assert_int_equal(resets, 1);
    assert_non_null(strstr(fixture->events->str, unheard));
    /* A hostile peer must not fill the process with quarks. */
    assert_int_equal(g_quark_try_string(unheard), 0);
}

/* ---- The end ---- */

static void
test_close_ends_pending(void **state)
{
    Fixture *fixture = *state;
    Await awaits[3] = { { NULL }, { NULL }, { NULL } };

    fake_qmp_server_expect_held(fixture->server, "a", NULL, "1");
    fake_qmp_server_expect_held(fixture->server, "b", NULL, "2");
    fake_qmp_server_expect_then_close(fixture->server, "c", NULL);
    execute(fixture, "a", &awaits[0]);
    execute(fixture, "b", &awaits[1]);
    execute(fixture, "c", &awaits[2]);
    await_closed(fixture, QMP_ERROR_CLOSED, "QEMU closed the monitor");
    assert_error(fixture, &awaits[0], QMP_ERROR, QMP_ERROR_CLOSED, "a: QEMU closed the monitor");
    assert_error(fixture, &awaits[1], QMP_ERROR, QMP_ERROR_CLOSED, "b: QEMU closed the monitor");
    assert_error(fixture, &awaits[2], QMP_ERROR, QMP_ERROR_CLOSED, "c: QEMU closed the monitor");

    execute(fixture, "d", &awaits[0]);
    assert_error(fixture, &awaits[0], QMP_ERROR, QMP_ERROR_CLOSED, "d: the monitor is closed");
}

static void
test_close_here(void **state)
{
    Fixture *fixture = *state;
    g_auto(Await) await = { NULL };

    fake_qmp_server_expect_held(fixture->server, "a", NULL, "1");
    execute(fixture, "a", &await);
    await_condition(fake_qmp_server_is_done, fixture->server, "the command");
    qmp_client_close(fixture->client);
    qmp_client_close(fixture->client);
    await_closed(fixture, QMP_ERROR_CLOSED, "closed on this side");
    assert_error(fixture, &await, QMP_ERROR, QMP_ERROR_CLOSED, "a: closed on this side");
    assert_int_equal(qmp_client_get_peer_pid(fixture->client), 0);
}

static void
test_unref_disconnects(void **state)
{
    Fixture *fixture = *state;
    assert_true(fake_qmp_server_is_connected(fixture->server));
    g_signal_handlers_disconnect_by_data(fixture->client, fixture);
    g_clear_object(&fixture->client);
    connect_fixture(fixture); /* greeted, so the first has gone */
}

static void
test_garbage_closes(void **state)
{
    static const struct {
        const char *bytes;
        const char *reason;
    } rows[] = {
        { "\r\n(qemu) ", "not QMP: unexpected '(' where a message should begin" },
        { "{}", "not QMP: a message out of place" },
        { "{\"event\": 5}", "not QMP: a malformed event" },
        { "{\"event\": \"A\", \"data\": []}", "not QMP: a malformed event" },
        { "{\"QMP\": {}}", "not QMP: a message out of place" },
    };
    Fixture *fixture = *state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(Await) await = { NULL };
        fixture->n_closed = 0;
        g_clear_error(&fixture->closed);
        connect_fixture(fixture);
        g_autofree char *message = g_strconcat("a: ", rows[i].reason, NULL);

        fake_qmp_server_expect_raw(fixture->server, "a", NULL, rows[i].bytes);
        execute(fixture, "a", &await);
        await_closed(fixture, QMP_ERROR_PROTOCOL, rows[i].reason);
        assert_error(fixture, &await, QMP_ERROR, QMP_ERROR_CLOSED, message);
        g_clear_object(&fixture->client);
        await_quiet();
    }
}

/* Malformed, but the id tells whose: only that command fails. */
static void
test_malformed_error(void **state)
{
    static const struct {
        const char *bytes;
        const char *message;
    } rows[] = {
        { "{\"error\": 1, \"id\": $ID}", "a: 'error' is not an object" },
        { "{\"error\": {}, \"id\": $ID}", "a: 'class' is missing" },
        { "{\"error\": {\"class\": 1, \"desc\": \"\"}, \"id\": $ID}",
          "a: 'class' is not a string" },
        { "{\"error\": {\"class\": \"X\"}, \"id\": $ID}", "a: 'desc' is missing" },
    };
    Fixture *fixture = *state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(Await) await = { NULL };
        fake_qmp_server_expect_raw(fixture->server, "a", NULL, rows[i].bytes);
        execute(fixture, "a", &await);
        assert_error(fixture, &await, QMP_ERROR, QMP_ERROR_REPLY, rows[i].message);
    }
    assert_true(qmp_client_is_open(fixture->client));
}

/* QEMU gives the reply to the client before, or to a command that it could not read. */
static void
test_foreign_replies(void **state)
{
    static const char bytes[] =
        "{\"return\": 1}{\"return\": 2, \"id\": 99}{\"return\": 3, \"id\": -1}"
        "{\"return\": 4, \"id\": \"$ID\"}{\"return\": 5, \"id\": {\"a\": $ID}}"
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error\"}}"
        "{\"error\": 7, \"id\": 98}{\"return\": 6, \"id\": $ID}{\"return\": 7, \"id\": $ID}";
    Fixture *fixture = *state;
    g_auto(Await) await = { NULL };

    fake_qmp_server_set_greeting(fixture->server,
                                 "{\"return\": {}, \"id\": 1}{\"QMP\": {\"version\": {\"qemu\": "
                                 "{\"micro\": 0, \"minor\": 2, "
                                 "\"major\": 8}, \"package\": \"\"}}}{\"return\": {}, \"id\": 1}");
    connect_fixture(fixture);
    fake_qmp_server_expect_raw(fixture->server, "a", NULL, bytes);
    execute(fixture, "a", &await);
    assert_outcome(fixture, &await, "6");
    await_quiet();
    assert_true(qmp_client_is_open(fixture->client));
}

static void
test_endless_message(void **state)
{
    Fixture *fixture = *state;
    gsize size = QMP_STREAM_DEFAULT_LIMITS.bytes + 10;
    g_autofree char *bytes = g_strnfill(size, 'a');
    memcpy(bytes, "{\"a\": \"", 7);
    fake_qmp_server_send_bytes(fixture->server, bytes, size);
    await_closed(fixture, QMP_ERROR_PROTOCOL, "a message is longer than 1048576 bytes");
}

/* Handlers do what they like with the client, and it falls silent at once. */
static void
close_client(QmpClient *client, const char *name, JsonObject *data, gint64 time, gpointer count)
{
    ++*(guint *)count;
    qmp_client_close(client);
}

static void
test_close_in_handler(void **state)
{
    Fixture *fixture = *state;
    guint count = 0;
    g_signal_connect(fixture->client, "event", G_CALLBACK(close_client), &count);
    fake_qmp_server_send_event(fixture->server, "A", NULL);
    fake_qmp_server_send_event(fixture->server, "B", NULL);
    await_closed(fixture, QMP_ERROR_CLOSED, "closed on this side");
    assert_int_equal(count, 1);
}

static void
unref_client(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Fixture *fixture = user_data;
    g_autoptr(JsonNode) value = qmp_client_execute_finish(QMP_CLIENT(source), result, NULL);
    assert_non_null(value);
    g_signal_handlers_disconnect_by_data(fixture->client, fixture);
    g_clear_object(&fixture->client);
}

static gboolean
has_no_client(gpointer data)
{
    return ((Fixture *)data)->client == NULL;
}

static void
test_unref_in_callback(void **state)
{
    Fixture *fixture = *state;
    fake_qmp_server_expect(fixture->server, "a", NULL, "1");
    fake_qmp_server_with_event(fixture->server, FALSE, "AFTER", NULL);
    qmp_client_execute_async(fixture->client, "a", NULL, 0, NULL, unref_client, fixture);
    await_condition(has_no_client, fixture, "the reply");
    await_quiet();
    connect_fixture(fixture);
}

/* Random scripts: replies, errors, held and dropped replies, events, in pieces of random size, and
 * the end at a random moment. Every command ends exactly once (await_callback checks). */
static void
play_random(Fixture *fixture, guint32 seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    Await awaits[20] = { { NULL } };
    guint n = (guint)g_rand_int_range(rand, 1, G_N_ELEMENTS(awaits));
    guint last = (guint)g_rand_int_range(rand, 0, (gint)(2 * n)); /* beyond n: no end */

    fake_qmp_server_set_piece(fixture->server, (gsize)g_rand_int_range(rand, 0, 50));
    connect_fixture(fixture);
    for (guint i = 0; i < n; i++) {
        if (i == last)
            fake_qmp_server_expect_then_close(fixture->server, "x", NULL);
        else if (g_rand_boolean(rand))
            fake_qmp_server_expect_error(fixture->server, "x", NULL, "GenericError", "no");
        else
            fake_qmp_server_expect(fixture->server, "x", NULL, "{'a': [1, 2, {'b': '}'}]}");
        if (g_rand_boolean(rand))
            fake_qmp_server_with_event(fixture->server, g_rand_boolean(rand), "E", NULL);
        execute(fixture, "x", &awaits[i]);
    }
    for (guint i = 0; i < n; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) value =
            qmp_client_execute_finish(fixture->client, await_result(&awaits[i]), &error);
        gboolean closed = g_error_matches(error, QMP_ERROR, QMP_ERROR_CLOSED);
        gboolean refused = g_error_matches(error, QMP_ERROR, QMP_ERROR_GENERIC);
        /* When the end comes, replies before it may still be on their way, and are cut off. */
        if (i >= last ? !closed : last >= n && !refused && value == NULL)
            fail_msg("seed %u, command %u: %s", seed, i, error ? error->message : "replied");
        await_clear(&awaits[i]);
    }
    g_signal_handlers_disconnect_by_data(fixture->client, fixture);
    g_clear_object(&fixture->client);
}

static void
test_random(void **state)
{
    for (guint32 seed = 1; seed <= 300; seed++) {
        void *fixture;
        setup(&fixture);
        play_random(fixture, seed);
        teardown(&fixture);
    }
}

#define CONNECTED(test) cmocka_unit_test_setup_teardown(test, setup_connected, teardown)
#define ALONE(test)     cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CONNECTED(test_connect),
        ALONE(test_connect_piece_by_piece),
        ALONE(test_connect_no_socket),
        ALONE(test_connect_stale_socket),
        ALONE(test_connect_long_path),
        ALONE(test_connect_no_greeting),
        CONNECTED(test_connect_monitor_taken),
        CONNECTED(test_connect_monitor_crowded),
        ALONE(test_connect_bad_greetings),
        ALONE(test_connect_cancelled),
        ALONE(test_connect_closed_while_negotiating),
        CONNECTED(test_execute),
        CONNECTED(test_qemu_errors),
        CONNECTED(test_replies_out_of_order),
        CONNECTED(test_many_in_flight),
        CONNECTED(test_unsent_is_bounded),
        CONNECTED(test_timeout_and_late_reply),
        CONNECTED(test_default_timeout),
        CONNECTED(test_cancel),
        CONNECTED(test_cancel_unsent),
        CONNECTED(test_events_between_replies),
        CONNECTED(test_event_times),
        CONNECTED(test_event_detail),
        CONNECTED(test_close_ends_pending),
        CONNECTED(test_close_here),
        CONNECTED(test_unref_disconnects),
        ALONE(test_garbage_closes),
        CONNECTED(test_malformed_error),
        ALONE(test_foreign_replies),
        CONNECTED(test_endless_message),
        CONNECTED(test_close_in_handler),
        CONNECTED(test_unref_in_callback),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests_name("qmp-client", tests, NULL, NULL);
}
