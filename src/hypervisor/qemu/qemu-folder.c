/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * What is believed is only what a scan of the folder sees. The GFileMonitor
 * merely says when to scan; a timer scans too, since a folder that is not there
 * cannot be watched, and an event can be lost:
 *
 *   monitor event ─┐
 *                  ├─▶ scan ─▶ changed(all sockets) ; watch (anew) if the folder is another
 *   timer ─────────┘
 *
 * A scan reads one local directory, usually on a tmpfs, and does not open what
 * it finds.
 */
#include "hypervisor/qemu/qemu-folder.h"

#include <string.h>
#include <sys/stat.h>

#define SUFFIX          ".qmp"
#define NAME_MAX_LENGTH 64

struct QemuFolder {
    char *path;
    guint rescan_ms;
    guint look_ms;
    QemuFolderChanged changed;
    gpointer user_data;

    GFileMonitor *monitor; /* NULL while there is nothing to watch */
    guint64 inode;         /* of the folder that @monitor watches */
    GSource *timer;        /* of the next scan */
    GHashTable *ignored;   /* names that a warning was given for, as long as they are there */
};

static void scan_in(QemuFolder *folder, guint delay_ms);

gboolean
qemu_folder_is_name(const char *name)
{
    gsize length = strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._@:+-");

    return length > 0 && length <= NAME_MAX_LENGTH && name[length] == '\0' &&
           g_ascii_isalnum(name[0]);
}

static void
on_monitor_event(GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event,
                 gpointer user_data)
{
    scan_in(user_data, 0);
}

static void
unwatch(QemuFolder *folder)
{
    if (!folder->monitor)
        return;
    g_signal_handlers_disconnect_by_data(folder->monitor, folder);
    g_file_monitor_cancel(folder->monitor);
    g_clear_object(&folder->monitor);
}

/* Has the monitor watch the folder that is at the path now, if any. */
static void
watch(QemuFolder *folder)
{
    struct stat status;

    if (stat(folder->path, &status) < 0 || !S_ISDIR(status.st_mode)) {
        unwatch(folder);
        return;
    }
    if (folder->monitor && folder->inode == status.st_ino)
        return;

    g_autoptr(GFile) file = g_file_new_for_path(folder->path);

    unwatch(folder);
    folder->inode = status.st_ino;
    folder->monitor = g_file_monitor_directory(file, G_FILE_MONITOR_WATCH_MOVES, NULL, NULL);
    if (!folder->monitor)
        return; /* the timer serves alone */
    g_file_monitor_set_rate_limit(folder->monitor, 100);
    g_signal_connect(folder->monitor, "changed", G_CALLBACK(on_monitor_event), folder);
}

/* Says once that @entry is no guest's socket. */
static void
ignore(QemuFolder *folder, GHashTable *ignored, const char *entry, const char *reason)
{
    if (!g_hash_table_contains(folder->ignored, entry)) {
        g_autofree char *shown = g_strescape(entry, NULL);

        g_warning("%s: '%s' is left alone: %s", folder->path, shown, reason);
    }
    g_hash_table_add(ignored, g_strdup(entry));
}

static void
take_entry(QemuFolder *folder, const char *entry, GHashTable *sockets, GHashTable *ignored)
{
    g_autofree char *path = g_build_filename(folder->path, entry, NULL);
    g_autofree char *name = g_strndup(entry, strlen(entry) - strlen(SUFFIX));
    struct stat status;

    if (stat(path, &status) < 0)
        return; /* gone meanwhile */
    if (!qemu_folder_is_name(name)) {
        ignore(folder, ignored, entry, "not a name for a guest");
    } else if (!S_ISSOCK(status.st_mode)) {
        ignore(folder, ignored, entry, "not a socket");
    } else {
        QemuFolderSocket *socket = g_new0(QemuFolderSocket, 1);

        socket->inode = status.st_ino;
        socket->changed_ns =
            status.st_ctim.tv_sec * G_GINT64_CONSTANT(1000000000) + status.st_ctim.tv_nsec;
        g_hash_table_replace(sockets, g_steal_pointer(&name), socket);
    }
}

static void
scan(QemuFolder *folder)
{
    g_autoptr(GHashTable) sockets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GHashTable) ignored = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GDir) dir = g_dir_open(folder->path, 0, NULL);
    const char *entry;

    while (dir && (entry = g_dir_read_name(dir))) {
        if (g_str_has_suffix(entry, SUFFIX))
            take_entry(folder, entry, sockets, ignored);
    }
    g_hash_table_unref(folder->ignored);
    folder->ignored = g_steal_pointer(&ignored);
    folder->changed(sockets, folder->user_data);
}

static gboolean
on_timer(gpointer user_data)
{
    QemuFolder *folder = user_data;

    /* Watched before it is read, so that nothing can come in between. */
    watch(folder);
    scan(folder);
    scan_in(folder, folder->monitor ? folder->rescan_ms : folder->look_ms);
    return G_SOURCE_REMOVE;
}

static void
stop_timer(QemuFolder *folder)
{
    if (folder->timer)
        g_source_destroy(folder->timer);
    g_clear_pointer(&folder->timer, g_source_unref);
}

static void
scan_in(QemuFolder *folder, guint delay_ms)
{
    stop_timer(folder);
    folder->timer = g_timeout_source_new(delay_ms);
    g_source_set_callback(folder->timer, on_timer, folder, NULL);
    g_source_attach(folder->timer, g_main_context_get_thread_default());
}

QemuFolder *
qemu_folder_new(const char *path, guint rescan_ms, guint look_ms, QemuFolderChanged changed,
                gpointer user_data)
{
    QemuFolder *folder = g_new0(QemuFolder, 1);

    folder->path = g_strdup(path);
    folder->rescan_ms = rescan_ms;
    folder->look_ms = look_ms;
    folder->changed = changed;
    folder->user_data = user_data;
    folder->ignored = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    scan_in(folder, 0);
    return folder;
}

void
qemu_folder_free(QemuFolder *folder)
{
    if (!folder)
        return;
    stop_timer(folder);
    unwatch(folder);
    g_hash_table_unref(folder->ignored);
    g_free(folder->path);
    g_free(folder);
}
