/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * One command after the other, each beginning the next:
 *
 *   status ─▶ memory ─▶ balloon's path ─▶ boot backend's path ─┬──────────────▶ its kind ─▶ folder?
 *                                               (none: NUMA)   └▶ all backends ─┘   (file only)
 *
 * Only what concerns the kind of new memory may fail without failing the whole:
 * such a guest can still be resized by virtio-mem or its balloon. The reason is
 * kept for whoever asks for a DIMM.
 *
 * With NUMA, boot memory is spread over several backends and QEMU names none of
 * them "the" one. They are nearly always of one kind, so the first by id serves
 * (QEMU and libvirt number them by node); those of memory devices are told apart
 * by query-memory-devices, which knows the devices there were at the start too.
 *
 * A memory-backend-file has the path of a file or of a folder. In a folder QEMU
 * makes a nameless file for each backend; a file given by name must not be given
 * again, or both backends would be the same memory. So the path of a file is
 * replaced by its folder, and when the path cannot be looked at, nothing is
 * mirrored. The look goes through /proc/PID/root, since QEMU may live in another
 * mount namespace, and in a thread of its own, since a file system may hang.
 */
#include "hypervisor/qemu/qemu-machine.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "hypervisor/guest-memory.h"
#include "qmp/qmp-memory.h"
#include "qmp/qmp-qom.h"

/* How long a look at the path of a memory-backend-file may take. */
#define LOOK_TIMEOUT_MS 2000

typedef struct {
    QemuMachine *machine;
    GPtrArray *devices; /* QmpMemoryDevice, while the boot backend is looked for */
    GCancellable *look; /* of the thread that looks at the path */
    GSource *look_timeout;
} Reading;

void
qemu_machine_free(QemuMachine *machine)
{
    if (!machine)
        return;
    g_free(machine->instance);
    g_free(machine->balloon);
    qmp_memory_backend_free(machine->kind);
    g_free(machine->no_kind);
    g_free(machine);
}

static void
stop_look(Reading *reading)
{
    if (reading->look_timeout)
        g_source_destroy(reading->look_timeout);
    g_clear_pointer(&reading->look_timeout, g_source_unref);
    g_clear_object(&reading->look);
}

static void
reading_free(Reading *reading)
{
    qemu_machine_free(reading->machine);
    g_clear_pointer(&reading->devices, g_ptr_array_unref);
    stop_look(reading);
    g_free(reading);
}

/* When process @pid began, in clock ticks since boot (proc(5), stat, field 22), or 0. */
static guint64
start_time_of(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;

    if (pid <= 0 || !g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    /* Field 2 is the program's name in brackets and may hold anything. */
    const char *rest = strrchr(text, ')');

    for (guint field = 2; rest && field < 22; field++)
        rest = strchr(rest + 1, ' ');
    return rest ? g_ascii_strtoull(rest + 1, NULL, 10) : 0;
}

/* When the file at @path was made, in ns, and its inode number: 0 where it is not known. */
static void
birth_of(const char *path, guint64 *inode, guint64 *born_ns)
{
    struct statx status = { .stx_mask = 0 };

    if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &status) < 0)
        status.stx_mask = 0;
    *inode = status.stx_mask & STATX_INO ? status.stx_ino : 0;
    *born_ns = status.stx_mask & STATX_BTIME
                   ? (guint64)status.stx_btime.tv_sec * 1000000000 + status.stx_btime.tv_nsec
                   : 0;
}

/*
 * The process alone would do, were it always QEMU that called listen(). The birth
 * of its socket's file tells runs apart that one launcher made (the inode number
 * alone does not, as it is used again), and the host's boot id those before and
 * after a reboot. None of them changes while a QEMU runs.
 */
static char *
make_instance(QmpClient *client, const char *socket)
{
    pid_t pid = qmp_client_get_peer_pid(client);
    g_autofree char *boot = NULL;
    guint64 inode, born_ns;

    birth_of(socket, &inode, &born_ns);
    if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL))
        boot = g_strdup("");
    return g_strdup_printf("%d-%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT
                           "-%.8s",
                           (int)pid, start_time_of(pid), inode, born_ns, boot);
}

static void
done(GTask *task)
{
    Reading *reading = g_task_get_task_data(task);

    g_task_return_pointer(task, g_steal_pointer(&reading->machine),
                          (GDestroyNotify)qemu_machine_free);
}

/* There will be no kind, and that is no failure. */
static void
done_without_kind(GTask *task, const char *reason)
{
    Reading *reading = g_task_get_task_data(task);

    g_clear_pointer(&reading->machine->kind, qmp_memory_backend_free);
    reading->machine->no_kind =
        g_strdup_printf("new memory cannot be made like the boot memory: %s", reason);
    done(task);
}

/*
 * The path of a memory-backend-file
 */

static void
look(GTask *task, gpointer source, gpointer path, GCancellable *cancellable)
{
    struct stat status;

    g_task_return_int(task, stat(path, &status) < 0 ? -1 : S_ISDIR(status.st_mode) != 0);
}

static gboolean
on_look_timeout(gpointer user_data)
{
    g_cancellable_cancel(user_data);
    return G_SOURCE_REMOVE;
}

static void
on_looked(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Reading *reading = g_task_get_task_data(task);
    const char *path = qmp_memory_backend_get_path(reading->machine->kind);
    gssize is_folder = g_task_propagate_int(G_TASK(result), NULL);

    stop_look(reading);
    if (g_task_return_error_if_cancelled(task))
        return;
    if (is_folder < 0) {
        g_autofree char *reason = g_strdup_printf("cannot look at %s", path);

        done_without_kind(task, reason);
        return;
    }
    if (!is_folder) {
        g_autofree char *folder = g_path_get_dirname(path);

        qmp_memory_backend_set_path(reading->machine->kind, folder);
    }
    done(task);
}

static void
look_at_path(GTask *task)
{
    Reading *reading = g_task_get_task_data(task);
    pid_t pid = qmp_client_get_peer_pid(g_task_get_source_object(task));
    const char *path = qmp_memory_backend_get_path(reading->machine->kind);

    if (path[0] != '/') {
        done_without_kind(task, "its file has a relative path");
        return;
    }
    reading->look = g_cancellable_new();
    reading->look_timeout = g_timeout_source_new(LOOK_TIMEOUT_MS);
    g_source_set_callback(reading->look_timeout, on_look_timeout, g_object_ref(reading->look),
                          g_object_unref);
    g_source_attach(reading->look_timeout, g_main_context_get_thread_default());

    g_autoptr(GTask) looking = g_task_new(NULL, reading->look, on_looked, g_object_ref(task));

    g_task_set_return_on_cancel(looking, TRUE);
    g_task_set_task_data(
        looking, pid > 0 ? g_strdup_printf("/proc/%d/root%s", (int)pid, path) : g_strdup(path),
        g_free);
    g_task_run_in_thread(looking, look);
}

/*
 * The boot memory's backend
 */

static void
on_kind(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Reading *reading = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;

    reading->machine->kind = qmp_memory_backend_read_finish(QMP_CLIENT(source), result, &error);
    if (!reading->machine->kind)
        done_without_kind(task, error->message);
    else if (qmp_memory_backend_get_path(reading->machine->kind))
        look_at_path(task);
    else
        done(task);
}

static gboolean
is_boot_memory(const QmpMemoryBackendInfo *backend, const GPtrArray *devices)
{
    if (!backend->id || g_str_has_prefix(backend->id, MEMORY_DEVICE_ID_PREFIX))
        return FALSE;

    g_autofree char *path = qmp_qom_object_path(backend->id);

    for (guint i = 0; i < devices->len; i++) {
        const QmpMemoryDevice *device = devices->pdata[i];

        if (g_strcmp0(device->memdev, path) == 0)
            return FALSE;
    }
    return TRUE;
}

static void
on_backends(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Reading *reading = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) backends =
        qmp_memory_backend_list_finish(QMP_CLIENT(source), result, &error);
    const char *first = NULL;

    for (guint i = 0; backends && i < backends->len; i++) {
        const QmpMemoryBackendInfo *backend = backends->pdata[i];

        if (is_boot_memory(backend, reading->devices) && (!first || strcmp(backend->id, first) < 0))
            first = backend->id;
    }
    if (!first) {
        done_without_kind(task, error ? error->message : "it has no backend");
        return;
    }
    GCancellable *cancellable = g_task_get_cancellable(task);

    qmp_memory_backend_read_async(QMP_CLIENT(source), first, cancellable, on_kind,
                                  g_steal_pointer(&task));
}

static void
on_devices(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Reading *reading = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;

    reading->devices = qmp_memory_query_devices_finish(QMP_CLIENT(source), result, &error);
    if (!reading->devices) {
        done_without_kind(task, error->message);
        return;
    }
    GCancellable *cancellable = g_task_get_cancellable(task);

    qmp_memory_backend_list_async(QMP_CLIENT(source), cancellable, on_backends,
                                  g_steal_pointer(&task));
}

static void
on_boot_backend(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    g_autoptr(GError) error = NULL;
    g_autofree char *path = qmp_qom_get_string_finish(QMP_CLIENT(source), result, &error);
    GCancellable *cancellable = g_task_get_cancellable(task);

    if (!path)
        done_without_kind(task, error->message);
    else if (path[0] != '\0')
        qmp_memory_backend_read_async(QMP_CLIENT(source), path, cancellable, on_kind,
                                      g_steal_pointer(&task));
    else
        qmp_memory_query_devices_async(QMP_CLIENT(source), cancellable, on_devices,
                                       g_steal_pointer(&task));
}

/*
 * What must be known
 */

static void
on_balloons(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Reading *reading = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(GPtrArray) paths = qmp_qom_find_devices_finish(QMP_CLIENT(source), result, &error);

    if (!paths) {
        g_task_return_error(task, error);
        return;
    }
    if (paths->len > 0)
        reading->machine->balloon = g_strdup(paths->pdata[0]);
    GCancellable *cancellable = g_task_get_cancellable(task);

    qmp_qom_get_async(QMP_CLIENT(source), "/machine", "memory-backend", cancellable,
                      on_boot_backend, g_steal_pointer(&task));
}

static void
on_memory(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Reading *reading = g_task_get_task_data(task);
    GError *error = NULL;

    if (!qmp_machine_get_memory_finish(QMP_CLIENT(source), result, &reading->machine->memory,
                                       &error)) {
        g_task_return_error(task, error);
        return;
    }
    if (reading->machine->memory.max > QEMU_MACHINE_SIZE_MAX) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                                "QEMU tells of more memory than a machine can address");
        return;
    }
    GCancellable *cancellable = g_task_get_cancellable(task);

    qmp_qom_find_devices_async(QMP_CLIENT(source), "virtio-balloon", cancellable, on_balloons,
                               g_steal_pointer(&task));
}

static void
on_status(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Reading *reading = g_task_get_task_data(task);
    GError *error = NULL;
    g_autofree char *status = qmp_machine_query_status_finish(QMP_CLIENT(source), result,
                                                              &reading->machine->running, &error);

    if (!status) {
        g_task_return_error(task, error);
        return;
    }
    GCancellable *cancellable = g_task_get_cancellable(task);

    qmp_machine_get_memory_async(QMP_CLIENT(source), cancellable, on_memory,
                                 g_steal_pointer(&task));
}

void
qemu_machine_read_async(QmpClient *client, const char *socket, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
    GTask *task = g_task_new(client, cancellable, callback, user_data);
    Reading *reading = g_new0(Reading, 1);

    g_task_set_source_tag(task, qemu_machine_read_async);
    g_task_set_task_data(task, reading, (GDestroyNotify)reading_free);
    reading->machine = g_new0(QemuMachine, 1);
    reading->machine->instance = make_instance(client, socket);
    qmp_machine_query_status_async(client, cancellable, on_status, task);
}

QemuMachine *
qemu_machine_read_finish(QmpClient *client, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, client), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}
