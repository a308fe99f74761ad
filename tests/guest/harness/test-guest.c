/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest's life: the machine is described by test-machine.c, QEMU connects back
 * to two listening sockets of ours (control channel and witness), so nothing is
 * polled for, and what the kernel says goes to a file that failures quote.
 */
#include "tests/guest/harness/test-guest.h"

#include "tests/guest/harness/guest-control-client.h"
#include "tests/guest/harness/test-machine.h"

#define CONNECT_TIMEOUT (20 * G_USEC_PER_SEC)
#define BOOT_TIMEOUT    (120 * G_USEC_PER_SEC)
#define ANSWER_TIMEOUT  (60 * G_USEC_PER_SEC)
#define QUIT_TIMEOUT    (5 * G_USEC_PER_SEC)
#define POLL_INTERVAL   (20 * 1000)

struct TestGuest {
    char *name;
    char *monitor; /* path of NAME.qmp */
    char *console; /* path of the kernel's messages */
    char *release;
    GSubprocess *qemu;
    GuestControlClient *control;
    Witness *witness;
    guint last_load;
};

static GSocket *
listen_at(TestRoom *room, const char *name, const char *suffix, char **path, GError **error)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);
    *path = test_room_path(room, file);
    return test_room_listen(*path, error);
}

/* What QEMU and the kernel said explains most failures of a guest. */
static void
append_console(TestGuest *guest, GError **error)
{
    g_autofree char *text = test_guest_console(guest);
    if (error != NULL && *error != NULL && text[0] != '\0')
        g_prefix_error(error, "[guest %s] %s\n--- the guest's console ends with:\n", guest->name,
                       strlen(text) > 2000 ? text + strlen(text) - 2000 : text);
}

static gboolean
connect_back(TestGuest *guest, GSocket *control, GSocket *witness, GError **error)
{
    g_autoptr(GSocketConnection) control_connection =
        test_room_accept(control, CONNECT_TIMEOUT, error);
    if (control_connection == NULL)
        return FALSE;
    g_autoptr(GSocketConnection) witness_connection =
        test_room_accept(witness, CONNECT_TIMEOUT, error);
    if (witness_connection == NULL)
        return FALSE;
    guest->control = guest_control_client_new(control_connection);
    guest->witness = witness_new(witness_connection, error);
    return guest->witness != NULL;
}

TestGuest *
test_guest_start(TestRoom *room, const char *folder, const TestGuestOptions *options,
                 GError **error)
{
    g_autoptr(TestGuest) guest = g_new0(TestGuest, 1);
    guest->name = g_strdup(options->name != NULL ? options->name : "guest");
    g_autofree char *socket_name = g_strconcat(guest->name, ".qmp", NULL);
    guest->monitor = g_build_filename(folder, socket_name, NULL);
    g_autofree char *console_name = g_strconcat(guest->name, ".console", NULL);
    guest->console = test_room_path(room, console_name);

    TestMachinePaths paths = { .monitor = guest->monitor, .console = guest->console };
    g_autofree char *stats_name = g_strconcat(guest->name, ".stats", NULL);
    g_autofree char *stats = g_build_filename(folder, stats_name, NULL);
    paths.stats = stats;
    g_autofree char *control_path = NULL, *witness_path = NULL;
    g_autoptr(GSocket) control = listen_at(room, guest->name, ".control", &control_path, error);
    if (control == NULL)
        return NULL;
    g_autoptr(GSocket) witness = listen_at(room, guest->name, ".witness", &witness_path, error);
    if (witness == NULL)
        return NULL;
    paths.control = control_path;
    paths.witness = witness_path;

    g_auto(GStrv) arguments = test_machine_arguments(options, &paths, error);
    if (arguments == NULL)
        return NULL;
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    for (const char *const *word = options->before; word != NULL && *word != NULL; word++)
        g_ptr_array_add(words, (gpointer)*word);
    for (char **word = arguments; *word != NULL; word++)
        g_ptr_array_add(words, *word);
    g_ptr_array_add(words, NULL);
    guest->qemu = test_room_spawn(room, (const char *const *)words->pdata, guest->console,
                                  G_SUBPROCESS_FLAGS_NONE, error);
    if (guest->qemu == NULL)
        return NULL;
    if (!connect_back(guest, control, witness, error)) {
        append_console(guest, error);
        return NULL;
    }
    return g_steal_pointer(&guest);
}

gboolean
test_guest_wait_ready(TestGuest *guest, GError **error)
{
    if (guest_control_client_wait_ready(guest->control, BOOT_TIMEOUT, &guest->release, error))
        return TRUE;
    append_console(guest, error);
    return FALSE;
}

TestGuest *
test_guest_boot(TestRoom *room, const char *folder, const TestGuestOptions *options, GError **error)
{
    g_autoptr(TestGuest) guest = test_guest_start(room, folder, options, error);
    if (guest == NULL || !test_guest_wait_ready(guest, error))
        return NULL;
    return g_steal_pointer(&guest);
}

TestGuest *
test_guest_adopt(const char *name, const char *console, GSocketConnection *control)
{
    TestGuest *guest = g_new0(TestGuest, 1);
    guest->name = g_strdup(name);
    guest->console = g_strdup(console);
    guest->control = guest_control_client_new(control);
    return guest;
}

void
test_guest_reconnect(TestGuest *guest, GSocketConnection *control)
{
    guest_control_client_free(guest->control);
    guest->control = guest_control_client_new(control);
}

void
test_guest_quit(TestGuest *guest)
{
    gint64 deadline = g_get_monotonic_time() + QUIT_TIMEOUT;
    g_autoptr(JsonNode) reply = witness_execute(guest->witness, NULL, "quit", NULL);
    /* The monitor closes when QEMU ends. */
    while (reply != NULL && g_get_monotonic_time() < deadline) {
        g_autoptr(GError) error = NULL;
        JsonObject *data = witness_wait_event(guest->witness, "SHUTDOWN", POLL_INTERVAL, &error);
        if (data != NULL)
            json_object_unref(data);
        if (error != NULL && !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
            break;
    }
    test_room_kill(guest->qemu);
}

void
test_guest_free(TestGuest *guest)
{
    if (guest == NULL)
        return;
    test_room_kill(guest->qemu);
    g_clear_object(&guest->qemu);
    guest_control_client_free(guest->control);
    witness_free(guest->witness);
    g_free(guest->release);
    g_free(guest->console);
    g_free(guest->monitor);
    g_free(guest->name);
    g_free(guest);
}

const char *
test_guest_name(TestGuest *guest)
{
    return guest->name;
}

const char *
test_guest_release(TestGuest *guest)
{
    return guest->release;
}

const char *
test_guest_monitor(TestGuest *guest)
{
    return guest->monitor;
}

Witness *
test_guest_witness(TestGuest *guest)
{
    return guest->witness;
}

GSubprocess *
test_guest_process(TestGuest *guest)
{
    return guest->qemu;
}

char *
test_guest_console(TestGuest *guest)
{
    char *text = NULL;
    if (!g_file_get_contents(guest->console, &text, NULL, NULL))
        return g_strdup("");
    g_autofree char *bytes = text;
    return g_utf8_make_valid(bytes, -1);
}

static gboolean
request(TestGuest *guest, const char *verb, const char *body, int *status, char **answer,
        GError **error)
{
    if (guest_control_client_request(guest->control, verb, body, ANSWER_TIMEOUT, status, answer,
                                     error))
        return TRUE;
    append_console(guest, error);
    return FALSE;
}

gboolean
test_guest_run(TestGuest *guest, const char *script, char **output, GError **error)
{
    int status;
    g_autofree char *answer = NULL;
    if (!request(guest, "run", script, &status, &answer, error))
        return FALSE;
    if (status != 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "[guest %s] %s: status %d: %s",
                    guest->name, script, status, answer);
        return FALSE;
    }
    if (output != NULL)
        *output = g_steal_pointer(&answer);
    return TRUE;
}

char *
test_guest_read(TestGuest *guest, const char *path, GError **error)
{
    int status;
    g_autofree char *answer = NULL;
    if (!request(guest, "read", path, &status, &answer, error))
        return NULL;
    if (status != 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(status), "[guest %s] %s: %s",
                    guest->name, path, g_strerror(status));
        return NULL;
    }
    return g_steal_pointer(&answer);
}

gboolean
test_guest_meminfo(TestGuest *guest, const char *field, guint64 *bytes, GError **error)
{
    g_autofree char *text = test_guest_read(guest, "/proc/meminfo", error);
    if (text == NULL)
        return FALSE;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        if (g_str_has_prefix(*line, field) && (*line)[strlen(field)] == ':') {
            *bytes = g_ascii_strtoull(*line + strlen(field) + 1, NULL, 10) * 1024;
            return TRUE;
        }
    }
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "/proc/meminfo has no %s", field);
    return FALSE;
}

JsonObject *
test_guest_report(TestGuest *guest, GError **error)
{
    int status;
    g_autofree char *answer = NULL;
    if (!request(guest, "report", "", &status, &answer, error))
        return NULL;
    g_autoptr(JsonNode) node = json_from_string(answer, error);
    return node != NULL ? json_node_dup_object(node) : NULL;
}

guint64
test_guest_report_zone(JsonObject *report, const char *zone)
{
    return (guint64)json_object_get_int_member_with_default(
        json_object_get_object_member(report, "zones"), zone, 0);
}

gboolean
test_guest_wait_total(TestGuest *guest, guint64 bytes, guint64 tolerance, gint64 timeout_us,
                      GError **error)
{
    gint64 deadline = g_get_monotonic_time() + timeout_us;
    guint64 total = 0;
    do {
        if (!test_guest_meminfo(guest, "MemTotal", &total, error))
            return FALSE;
        if (MAX(total, bytes) - MIN(total, bytes) <= tolerance)
            return TRUE;
        g_usleep(POLL_INTERVAL);
    } while (g_get_monotonic_time() < deadline);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                "[guest %s] MemTotal is %" G_GUINT64_FORMAT " where %" G_GUINT64_FORMAT
                " was expected",
                guest->name, total, bytes);
    return FALSE;
}

gboolean
test_guest_agent_start(TestGuest *guest, const char *arguments, GError **error)
{
    g_autofree char *script = g_strdup_printf(
        /* The port belongs to the agent's user, and the agent gives up root's privileges. */
        "chown root \"$(readlink -f /dev/virtio-ports/org.memplug.stats.0)\" && "
        "{ memplug-guest %s </dev/null >>/run/agent.log 2>&1 & echo $! >/run/agent.pid; }",
        arguments);

    return test_guest_run(guest, script, NULL, error);
}

gboolean
test_guest_agent_stop(TestGuest *guest, GError **error)
{
    return test_guest_run(guest,
                          "kill $(cat /run/agent.pid) 2>/dev/null; "
                          "while [ -d /proc/$(cat /run/agent.pid)/fd ] && "
                          "[ -n \"$(ls /proc/$(cat /run/agent.pid)/fd 2>/dev/null)\" ]; "
                          "do sleep 0.05; done",
                          NULL, error);
}

gboolean
test_guest_swap_on(TestGuest *guest, guint64 bytes, GError **error)
{
    g_autofree char *script =
        g_strdup_printf("modprobe zram && echo %" G_GUINT64_FORMAT " >/sys/block/zram0/disksize && "
                        "mkswap /dev/zram0 && swapon /dev/zram0",
                        bytes);
    return test_guest_run(guest, script, NULL, error);
}

gboolean
test_guest_make_file(TestGuest *guest, guint64 bytes, GError **error)
{
    /* A sixteenth more for the filesystem's own. */
    g_autofree char *script = g_strdup_printf(
        "n=$(cat /sys/class/zram-control/hot_add) && "
        "echo %" G_GUINT64_FORMAT " >/sys/block/zram$n/disksize && "
        "mke2fs -b 4096 /dev/zram$n >/dev/null && mkdir -p /run/disk && mount -t ext4 /dev/zram$n "
        "/run/disk && "
        "dd if=/dev/zero of=" TEST_GUEST_FILE " bs=1M count=%" G_GUINT64_FORMAT " 2>/dev/null && "
        "sync && echo 3 >/proc/sys/vm/drop_caches",
        bytes + bytes / 16, bytes >> 20);

    return test_guest_run(guest, script, NULL, error);
}

gboolean
test_guest_load_start(TestGuest *guest, const char *steps, guint *load, GError **error)
{
    guint number = ++guest->last_load;
    g_autofree char *script =
        g_strdup_printf("memory-user %s </dev/null >/run/load%u 2>&1 & echo $! >/run/load%u.pid",
                        steps, number, number);
    if (!test_guest_run(guest, script, NULL, error))
        return FALSE;
    *load = number;
    return TRUE;
}

gboolean
test_guest_load_running(TestGuest *guest, guint load, gboolean *running, GError **error)
{
    g_autofree char *pid_path = g_strdup_printf("/run/load%u.pid", load);
    g_autofree char *pid = test_guest_read(guest, pid_path, error);
    if (pid == NULL)
        return FALSE;
    g_autoptr(GError) failure = NULL;
    g_autofree char *stat_path = g_strdup_printf("/proc/%s/stat", g_strstrip(pid));
    g_autofree char *stat = test_guest_read(guest, stat_path, &failure);
    if (stat == NULL && !g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT) &&
        !g_error_matches(failure, G_FILE_ERROR, g_file_error_from_errno(ESRCH))) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    /* A zombie has given its memory back, and the next request buries it. */
    *running = stat != NULL && strstr(stat, ") Z ") == NULL;
    return TRUE;
}

char *
test_guest_load_output(TestGuest *guest, guint load, GError **error)
{
    g_autofree char *path = g_strdup_printf("/run/load%u", load);
    return test_guest_read(guest, path, error);
}

gboolean
test_guest_load_stop(TestGuest *guest, guint load, GError **error)
{
    gboolean running = TRUE;
    g_autofree char *script = g_strdup_printf("kill $(cat /run/load%u.pid) || :", load);
    if (!test_guest_run(guest, script, NULL, error))
        return FALSE;
    while (running) {
        if (!test_guest_load_running(guest, load, &running, error))
            return FALSE;
        if (running)
            g_usleep(POLL_INTERVAL);
    }
    return TRUE;
}
