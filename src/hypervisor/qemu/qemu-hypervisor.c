/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *   QemuFolder ──scan──▶ QemuSocket, one a NAME ──announce──▶ "guest-added", "guest-removed"
 *
 * A QemuSocket lives while its file is there or its guest is. Everything else is
 * its own affair, so a QEMU that hangs, floods or lies concerns no other: each
 * connection reads and writes without blocking, and each of its commands has a
 * time-out.
 *
 * Collecting asks all guests at once and ends with the last answer or at the
 * deadline.
 */
#include "hypervisor/qemu/qemu-hypervisor.h"

#include <string.h>

#include "hypervisor/qemu/qemu-socket.h"
#include "qmp/qmp-client.h"

#define SCHEME "qmp:"

const QemuTuning qemu_tuning_default = {
    .timeout_ms = QMP_CLIENT_DEFAULT_TIMEOUT_MS,
    /* QEMU listens within milliseconds of making its socket. A refused connection
     * costs some 20 µs, so a stale file may be tried twice a second, which keeps
     * "within a second" even when no event tells of a new QEMU. */
    .retry_first_ms = 20,
    .retry_most_ms = 500,
    /* Events tell at once; this is for those that were lost, for a folder on a file
     * system without events, and for limits that were edited there. */
    .rescan_ms = 2000,
    .look_ms = 500,
    /* Longer than anyone waits who has a better idea, shorter than a back-off. */
    .removal_us = 30 * G_USEC_PER_SEC,
    .sweep_us = 60 * G_USEC_PER_SEC,
};

struct _QemuHypervisor {
    Hypervisor parent;

    char *path;
    const QemuTuning *tuning;
    QemuFolder *folder;
    GHashTable *sockets; /* NAME → QemuSocket */
};

G_DEFINE_FINAL_TYPE(QemuHypervisor, qemu_hypervisor, TYPE_HYPERVISOR)

static void
announce(QemuGuest *guest, gboolean here, gpointer user_data)
{
    Hypervisor *hypervisor = user_data;

    if (here)
        hypervisor_emit_guest_added(hypervisor, MEMPLUG_GUEST(guest));
    else
        hypervisor_emit_guest_removed(hypervisor, MEMPLUG_GUEST(guest));
}

static void
on_folder_changed(GHashTable *files, gpointer user_data)
{
    QemuHypervisor *self = user_data;
    GHashTableIter iter;
    gpointer name, value;

    g_hash_table_iter_init(&iter, self->sockets);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        QemuGuest *guest = qemu_socket_get_guest(value);

        if (guest)
            qemu_guest_refresh_limits(guest);
        if (g_hash_table_contains(files, name))
            continue;
        qemu_socket_missed(value);
        if (!guest)
            g_hash_table_iter_remove(&iter);
    }

    g_hash_table_iter_init(&iter, files);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        QemuSocket *socket = g_hash_table_lookup(self->sockets, name);

        if (!socket) {
            socket = qemu_socket_new(self->path, name, self->tuning, announce, self);
            g_hash_table_insert(self->sockets, g_strdup(name), socket);
        }
        qemu_socket_seen(socket, value);
    }
}

static gboolean
qemu_hypervisor_start(Hypervisor *hypervisor, GError **error)
{
    QemuHypervisor *self = MEMPLUG_QEMU_HYPERVISOR(hypervisor);

    g_return_val_if_fail(!self->folder, FALSE);
    self->folder = qemu_folder_new(self->path, self->tuning->rescan_ms, self->tuning->look_ms,
                                   on_folder_changed, self);
    return TRUE;
}

/*
 * Collecting
 */

typedef struct {
    guint waiting; /* guests, and one for the beginning */
    GSource *deadline;
} Collection;

static void
collection_free(Collection *collection)
{
    if (collection->deadline)
        g_source_destroy(collection->deadline);
    g_clear_pointer(&collection->deadline, g_source_unref);
    g_free(collection);
}

static void
end_collection(GTask *task)
{
    Collection *collection = g_task_get_task_data(task);

    if (!collection->deadline)
        return; /* it has ended already */
    g_source_destroy(collection->deadline);
    g_clear_pointer(&collection->deadline, g_source_unref);
    g_task_return_boolean(task, TRUE);
}

static gboolean
on_deadline(gpointer user_data)
{
    g_autoptr(GTask) task = g_object_ref(user_data);

    end_collection(task);
    return G_SOURCE_REMOVE;
}

/* @task is transfer full. */
static void
one_less(GTask *task)
{
    g_autoptr(GTask) owned = task;
    Collection *collection = g_task_get_task_data(owned);

    if (--collection->waiting == 0)
        end_collection(owned);
}

static void
on_collected(GObject *source, GAsyncResult *result, gpointer user_data)
{
    qemu_guest_collect_finish(MEMPLUG_QEMU_GUEST(source), result);
    one_less(user_data);
}

static void
qemu_hypervisor_collect_async(Hypervisor *hypervisor, guint deadline_ms, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
    QemuHypervisor *self = MEMPLUG_QEMU_HYPERVISOR(hypervisor);
    GTask *task = g_task_new(hypervisor, cancellable, callback, user_data);
    Collection *collection = g_new0(Collection, 1);
    GHashTableIter iter;
    gpointer socket;

    g_task_set_source_tag(task, qemu_hypervisor_collect_async);
    g_task_set_task_data(task, collection, (GDestroyNotify)collection_free);
    collection->waiting = 1;
    collection->deadline = g_timeout_source_new(deadline_ms);
    g_source_set_callback(collection->deadline, on_deadline, g_object_ref(task), g_object_unref);
    g_source_attach(collection->deadline, g_main_context_get_thread_default());

    g_hash_table_iter_init(&iter, self->sockets);
    while (g_hash_table_iter_next(&iter, NULL, &socket)) {
        QemuGuest *guest = qemu_socket_get_guest(socket);

        if (!guest)
            continue;
        collection->waiting++;
        qemu_guest_collect_async(guest, on_collected, g_object_ref(task));
    }
    one_less(task);
}

static gboolean
qemu_hypervisor_collect_finish(Hypervisor *hypervisor, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, hypervisor), FALSE);
    return g_task_propagate_boolean(G_TASK(result), error);
}

/*
 * The object
 */

Hypervisor *
qemu_hypervisor_new_tuned(const char *uri, const QemuTuning *tuning, GError **error)
{
    const char *path = uri + strlen(SCHEME);

    if (!g_str_has_prefix(uri, SCHEME) || path[0] != '/') {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "'%s' is not " SCHEME " with the absolute path of a folder", uri);
        return NULL;
    }
    QemuHypervisor *self = g_object_new(TYPE_QEMU_HYPERVISOR, "uri", uri, NULL);

    self->path = g_canonicalize_filename(path, NULL);
    self->tuning = tuning;
    return MEMPLUG_HYPERVISOR(self);
}

Hypervisor *
qemu_hypervisor_new(const char *uri, GError **error)
{
    return qemu_hypervisor_new_tuned(uri, &qemu_tuning_default, error);
}

static void
qemu_hypervisor_init(QemuHypervisor *self)
{
    self->sockets =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)qemu_socket_free);
}

static void
qemu_hypervisor_dispose(GObject *object)
{
    QemuHypervisor *self = MEMPLUG_QEMU_HYPERVISOR(object);

    g_clear_pointer(&self->folder, qemu_folder_free);
    g_hash_table_remove_all(self->sockets);
    G_OBJECT_CLASS(qemu_hypervisor_parent_class)->dispose(object);
}

static void
qemu_hypervisor_finalize(GObject *object)
{
    QemuHypervisor *self = MEMPLUG_QEMU_HYPERVISOR(object);

    g_hash_table_unref(self->sockets);
    g_free(self->path);
    G_OBJECT_CLASS(qemu_hypervisor_parent_class)->finalize(object);
}

static void
qemu_hypervisor_class_init(QemuHypervisorClass *class)
{
    HypervisorClass *hypervisor_class = MEMPLUG_HYPERVISOR_CLASS(class);

    G_OBJECT_CLASS(class)->dispose = qemu_hypervisor_dispose;
    G_OBJECT_CLASS(class)->finalize = qemu_hypervisor_finalize;
    hypervisor_class->start = qemu_hypervisor_start;
    hypervisor_class->collect_async = qemu_hypervisor_collect_async;
    hypervisor_class->collect_finish = qemu_hypervisor_collect_finish;
}
