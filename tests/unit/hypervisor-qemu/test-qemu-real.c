/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hypervisor on real QEMUs whose guests do not run. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "hypervisor/qemu/qemu-hypervisor.h"
#include "qmp/qmp-memory-backend.h"
#include "tests/fake/await.h"
#include "tests/fake/real-qemu.h"
#include "tests/fake/test-folder.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

typedef struct {
    char *folder;
    char *path;
    RealQemu *qemu;
    Hypervisor *hypervisor;
    Guest *guest; /* the only one, or NULL */
    gboolean reset;
} Fixture;

static const char *const machine[] = {
    "-accel",   "tcg",
    "-machine", "q35,memory-backend=boot",
    "-m",       "256M,maxmem=4G,slots=2",
    "-object",  "memory-backend-memfd,id=boot,size=256M,share=on",
    "-device",  "pcie-root-port,id=rp0",
    "-object",  "memory-backend-ram,id=vm0-memory,size=1G",
    "-device",  "virtio-mem-pci,id=vm0,bus=rp0,memdev=vm0-memory",
    "-device",  "virtio-balloon-pci",
    NULL,
};

static void
on_memory_event(Guest *guest, const GuestMemoryEvent *event, gpointer user_data)
{
    if (event->kind == GUEST_MEMORY_EVENT_RESET)
        ((Fixture *)user_data)->reset = TRUE;
}

static void
on_guest_added(Hypervisor *hypervisor, Guest *guest, gpointer user_data)
{
    Fixture *fixture = user_data;

    assert_null(fixture->guest);
    fixture->guest = g_object_ref(guest);
    g_signal_connect(guest, "memory-event", G_CALLBACK(on_memory_event), fixture);
}

static void
on_guest_removed(Hypervisor *hypervisor, Guest *guest, gpointer user_data)
{
    Fixture *fixture = user_data;

    assert_ptr_equal(fixture->guest, guest);
    g_signal_handlers_disconnect_by_data(guest, fixture);
    g_clear_object(&fixture->guest);
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;

    if (fixture->guest)
        g_signal_handlers_disconnect_by_data(fixture->guest, fixture);
    if (fixture->hypervisor)
        g_signal_handlers_disconnect_by_data(fixture->hypervisor, fixture);
    g_clear_object(&fixture->guest);
    g_clear_object(&fixture->hypervisor);
    await_quiet();
    real_qemu_free(fixture->qemu);
    g_unlink(fixture->path);
    g_free(fixture->path);
    test_folder_free(fixture->folder);
    g_free(fixture);
    return 0;
}

static void
start_qemu(Fixture *fixture, const char *const *arguments)
{
    g_autoptr(GError) error = NULL;

    fixture->qemu = real_qemu_new(fixture->path, arguments, &error);
    if (!fixture->qemu)
        fail_msg("%s", error->message);
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

/* Begins to look, with the defaults that memplugd has. */
static void
start_hypervisor(Fixture *fixture)
{
    g_autofree char *uri = g_strconcat("qmp:", fixture->folder, NULL);

    fixture->hypervisor = qemu_hypervisor_new(uri, NULL);
    g_signal_connect(fixture->hypervisor, "guest-added", G_CALLBACK(on_guest_added), fixture);
    g_signal_connect(fixture->hypervisor, "guest-removed", G_CALLBACK(on_guest_removed), fixture);
    assert_true(hypervisor_start(fixture->hypervisor, NULL));
}

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->folder = test_folder_new("qemu");
    fixture->path = g_build_filename(fixture->folder, "g.qmp", NULL);
    *state = fixture;
    return 0;
}

static void
start_both(Fixture *fixture)
{
    start_qemu(fixture, machine);
    start_hypervisor(fixture);
    await_condition(has_guest, fixture, "the guest");
}

static GuestMemory *
observe(Fixture *fixture)
{
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;

    guest_observe_async(fixture->guest, NULL, await_callback, &await);
    GuestMemory *memory = guest_observe_finish(fixture->guest, await_result(&await), &error);

    if (!memory)
        fail_msg("%s", error->message);
    return memory;
}

static char *
act(Fixture *fixture, MemoryStepKind kind, const char *device, guint64 size)
{
    const MemoryStep step = { .kind = kind, .device = device, .size = size };
    g_auto(Await) await = { NULL };
    g_autoptr(GError) error = NULL;

    guest_act_async(fixture->guest, &step, NULL, await_callback, &await);
    if (guest_act_finish(fixture->guest, await_result(&await), &error))
        return NULL;
    return g_strdup(error->message);
}

static void
test_guest(void **state)
{
    Fixture *fixture = *state;

    start_both(fixture);
    assert_string_equal(guest_get_name(fixture->guest), "g");
    assert_int_equal(guest_get_pid(fixture->guest), real_qemu_get_pid(fixture->qemu));
    assert_int_equal(guest_get_state(fixture->guest), GUEST_STATE_PAUSED);

    g_autoptr(GuestMemory) memory = observe(fixture);

    assert_true(memory->boot == 256 * MIB);
    assert_true(memory->max == 4096 * MIB);
    assert_int_equal(memory->slots, 2);
    assert_true(memory->has_balloon);
    assert_true(memory->ballooned == 0);
    assert_int_equal(memory->n_devices, 1);
    assert_string_equal(memory->devices[0].id, "vm0");
    assert_int_equal(memory->devices[0].kind, MEMORY_DEVICE_VIRTIO_MEM);
}

static void
test_steps(void **state)
{
    Fixture *fixture = *state;

    start_both(fixture);
    for (guint i = 0; i < 2; i++)
        assert_null(act(fixture, MEMORY_STEP_PLUG_DIMM, NULL, 128 * MIB));

    /* The slots are used up; what was made for the third is gone again. */
    g_autofree char *refusal = act(fixture, MEMORY_STEP_PLUG_DIMM, NULL, 128 * MIB);

    assert_true(g_str_has_prefix(refusal, "device_add: "));

    assert_null(act(fixture, MEMORY_STEP_RESIZE_VIRTIO_MEM, "vm0", 64 * MIB));
    assert_null(act(fixture, MEMORY_STEP_SET_BALLOON, NULL, 32 * MIB));
    assert_null(act(fixture, MEMORY_STEP_UNPLUG_DIMM, "memplug-dimm1", 0));

    g_autoptr(GuestMemory) memory = observe(fixture);
    const MemoryDevice *first = guest_memory_find(memory, "memplug-dimm0");
    const MemoryDevice *second = guest_memory_find(memory, "memplug-dimm1");

    assert_int_equal(memory->n_devices, 3);
    assert_true(first->ours && !first->acknowledged && !first->removing);
    assert_true(second->ours && second->removing);
    assert_true(guest_memory_find(memory, "vm0")->requested == 64 * MIB);
    assert_true(memory->balloon_requested == 32 * MIB);
    assert_true(memory->ballooned == 0);

    g_autofree char *unknown = act(fixture, MEMORY_STEP_UNPLUG_DIMM, "no-such", 0);

    assert_true(g_str_has_prefix(unknown, "device_del: "));
}

/* A client of the test's own, for which QEMU must have let the hypervisor go. */
static QmpClient *
connect_witness(Fixture *fixture)
{
    g_auto(Await) await = { NULL };

    qmp_client_connect_async(fixture->path, AWAIT_PATIENCE_S * 1000, NULL, await_callback, &await);
    QmpClient *client = qmp_client_connect_finish(await_result(&await), NULL);

    assert_non_null(client);
    return client;
}

static void
add_backend(QmpClient *client, const char *id)
{
    g_auto(Await) await = { NULL };
    g_autoptr(QmpMemoryBackend) kind = qmp_memory_backend_new();

    qmp_memory_backend_add_async(client, kind, id, 64 * MIB, NULL, await_callback, &await);
    assert_true(qmp_client_execute_done(client, await_result(&await), NULL));
}

static char *
list_backends(QmpClient *client)
{
    g_auto(Await) await = { NULL };
    GString *text = g_string_new(NULL);

    qmp_memory_backend_list_async(client, NULL, await_callback, &await);
    g_autoptr(GPtrArray) backends =
        qmp_memory_backend_list_finish(client, await_result(&await), NULL);

    for (guint i = 0; i < backends->len; i++)
        g_string_append_printf(text, "%s ", ((QmpMemoryBackendInfo *)backends->pdata[i])->id);
    return g_string_free(text, FALSE);
}

/* What a memplugd left behind that was killed in the middle is cleared away, and nothing else;
 * what it plugged is adopted. */
static void
test_crash_and_restart(void **state)
{
    Fixture *fixture = *state;

    start_both(fixture);
    assert_null(act(fixture, MEMORY_STEP_PLUG_DIMM, NULL, 128 * MIB));
    g_autofree char *instance = g_strdup(guest_get_instance(fixture->guest));

    g_signal_handlers_disconnect_by_data(fixture->guest, fixture);
    g_clear_object(&fixture->guest);
    g_clear_object(&fixture->hypervisor);
    await_quiet();

    g_autoptr(QmpClient) witness = connect_witness(fixture);

    add_backend(witness, "memplug-dimm1-memory");
    add_backend(witness, "someone-elses");
    g_clear_object(&witness);
    await_quiet();

    start_hypervisor(fixture);
    await_condition(has_guest, fixture, "the guest");
    assert_string_equal(guest_get_instance(fixture->guest), instance); /* the same run */
    g_autoptr(GuestMemory) memory = observe(fixture);
    const MemoryDevice *adopted = guest_memory_find(memory, "memplug-dimm0");

    assert_true(adopted->ours && adopted->acknowledged);
    /* QEMU answers in order: after two more observations the sweep, which began before, is over. */
    for (guint i = 0; i < 2; i++)
        guest_memory_free(observe(fixture));
    g_signal_handlers_disconnect_by_data(fixture->guest, fixture);
    g_clear_object(&fixture->guest);
    g_clear_object(&fixture->hypervisor);
    await_quiet();

    g_autoptr(QmpClient) after = connect_witness(fixture);
    g_autofree char *backends = list_backends(after);

    assert_non_null(strstr(backends, "memplug-dimm0-memory "));
    assert_non_null(strstr(backends, "someone-elses "));
    assert_null(strstr(backends, "memplug-dimm1-memory "));
}

static gboolean
is_reset(gpointer data)
{
    return ((Fixture *)data)->reset;
}

static void
send_command(QmpClient *client, const char *command)
{
    g_auto(Await) await = { NULL };

    qmp_client_execute_async(client, command, NULL, 0, NULL, await_callback, &await);
    assert_true(qmp_client_execute_done(client, await_result(&await), NULL));
}

static gboolean
is_running(gpointer data)
{
    return guest_get_state(((Fixture *)data)->guest) == GUEST_STATE_RUNNING;
}

static gboolean
is_paused(gpointer data)
{
    return guest_get_state(((Fixture *)data)->guest) == GUEST_STATE_PAUSED;
}

/* Commands by a second monitor, as an administrator has. */
static void
test_events(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *second = g_build_filename(fixture->folder, "second", NULL);
    g_autofree char *option = g_strdup_printf("unix:%s,server=on,wait=off", second);
    const char *const arguments[] = { "-accel", "tcg", "-m", "128M", "-qmp", option, NULL };
    g_auto(Await) await = { NULL };

    start_qemu(fixture, arguments);
    qmp_client_connect_async(second, AWAIT_PATIENCE_S * 1000, NULL, await_callback, &await);
    g_autoptr(QmpClient) administrator = qmp_client_connect_finish(await_result(&await), NULL);
    g_unlink(second);
    assert_non_null(administrator);
    start_hypervisor(fixture);
    await_condition(has_guest, fixture, "the guest");

    send_command(administrator, "cont");
    await_condition(is_running, fixture, "running");
    send_command(administrator, "stop");
    await_condition(is_paused, fixture, "paused");
    send_command(administrator, "system_reset");
    await_condition(is_reset, fixture, "a reset");
}

/* Killed and started anew on the same socket, as often as one likes. */
static void
test_comes_and_goes(void **state)
{
    static const char *const small[] = { "-accel", "tcg", "-m", "64M", NULL };
    Fixture *fixture = *state;

    start_hypervisor(fixture);
    for (guint i = 0; i < 5; i++) {
        start_qemu(fixture, small);
        await_condition(has_guest, fixture, "the guest");
        assert_int_equal(guest_get_pid(fixture->guest), real_qemu_get_pid(fixture->qemu));
        real_qemu_free(g_steal_pointer(&fixture->qemu));
        await_condition(has_no_guest, fixture, "its end");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_guest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crash_and_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events, setup, teardown),
        cmocka_unit_test_setup_teardown(test_comes_and_goes, setup, teardown),
    };

    if (!real_qemu_is_available()) {
        puts("skipped: qemu-system-x86_64 is not installed");
        return 77;
    }
    return cmocka_run_group_tests_name("qemu-real", tests, NULL, NULL);
}
