/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *   LibvirtConnection ──ready──▶ all that are known ─┐
 *                     ──ready──▶ list ──▶ the others ┼──▶ visit ─┬─ runs: guest-added, or the
 *                     ──STARTED event────────────────┘           │  known guest goes on
 *                     ──STOPPED event────────▶ guest-removed ◀───┴─ does not run
 *
 * Visits and lists are LibvirtSearch's. An event of stopping that overtakes a visit has
 * the domain visited once more.
 *
 * Without a connection the guests stay, unreachable. The next one finds them again:
 * the same run if it has the same id and the same process.
 */
#include "hypervisor/libvirt/libvirt-hypervisor.h"

#include "hypervisor/libvirt/libvirt-collect.h"
#include "hypervisor/libvirt/libvirt-search.h"

const LibvirtTuning libvirt_tuning_default = {
    .connection = {
        /* libvirtd is back some 100 ms after it crashed, if systemd restarts it. */
        .retry_first_ms = 100,
        .retry_most_ms = 5000,
        /* Answers come within a millisecond; 20 s of silence are libvirt's own measure. */
        .keepalive_s = 5,
        .keepalives = 3,
        /* See libvirt-connection.c; and no call is out for a second whose QEMU answers, but
         * for one that has many pages touched. */
        .calls = { .lanes = 4, .lost_ms = 1000, .bound = 10 },
    },
    .guest = {
        .line = {
            .look_ms = 5000,
            /* QEMU may have to touch all pages of a DIMM before it takes it; and libvirt
             * itself waits 30 s for a domain with which something else is being done. */
            .act_ms = 40000,
            .define_ms = 40000,
            /* Answers come within a millisecond, on a busy host within some hundreds. */
            .hang_ms = 1000,
        },
        .ledger = {
            /* Longer than anyone waits who has a better idea, shorter than a back-off. */
            .removal_us = 30 * G_USEC_PER_SEC,
            .acknowledge_us = 2 * G_USEC_PER_SEC,
            /* libvirt notes a DIMM, or the end of one, within some ten milliseconds. */
            .lost_us = 3 * G_USEC_PER_SEC,
        },
        .job_ms = 1000,
    },
    .visit_ms = 10000,
    .relist_ms = 60000,
};

struct _LibvirtHypervisor {
    Hypervisor parent;

    const LibvirtTuning *tuning;
    LibvirtConnection *connection;
    LibvirtCollector *collector;
    LibvirtSearch *search;
    GHashTable *guests; /* UUID → LibvirtGuest */
    guint relist;
};

G_DEFINE_FINAL_TYPE(LibvirtHypervisor, libvirt_hypervisor, TYPE_HYPERVISOR)

/*
 * Guests come and go
 */

static LibvirtTerms
terms_of(LibvirtHypervisor *self)
{
    return (LibvirtTerms){
        .read_only = libvirt_connection_is_read_only(self->connection),
        .hears_ost = libvirt_connection_hears_ost(self->connection),
    };
}

static void
remove_guest(LibvirtHypervisor *self, const char *uuid)
{
    g_autoptr(LibvirtGuest) guest = g_hash_table_lookup(self->guests, uuid);

    if (!guest)
        return;
    g_object_ref(guest);
    g_hash_table_remove(self->guests, uuid);
    libvirt_guest_close(guest);
    hypervisor_emit_guest_removed(MEMPLUG_HYPERVISOR(self), MEMPLUG_GUEST(guest));
}

/* One that has the name of another follows on it: that has ended, unnoticed. */
static void
remove_namesake(LibvirtHypervisor *self, const char *name)
{
    GHashTableIter iter;
    gpointer uuid, guest;

    g_hash_table_iter_init(&iter, self->guests);
    while (g_hash_table_iter_next(&iter, &uuid, &guest)) {
        if (g_str_equal(guest_get_name(guest), name)) {
            g_autofree char *gone = g_strdup(uuid);

            remove_guest(self, gone);
            return;
        }
    }
}

/* A process that could not be found now or then says nothing. */
static gboolean
is_same_run(LibvirtGuest *guest, const LibvirtArrival *arrival)
{
    GPid pid = guest_get_pid(MEMPLUG_GUEST(guest));

    if (pid != 0 && arrival->pid != 0)
        return g_str_equal(guest_get_instance(MEMPLUG_GUEST(guest)), arrival->instance);
    return libvirt_guest_get_id(guest) == virDomainGetID(arrival->domain);
}

static void
on_arrived(const char *uuid, const LibvirtArrival *arrival, gpointer data)
{
    LibvirtHypervisor *self = data;
    const LibvirtTerms terms = terms_of(self);
    LibvirtGuest *guest = g_hash_table_lookup(self->guests, uuid);

    if (guest && is_same_run(guest, arrival)) {
        libvirt_guest_revive(guest, arrival, &terms);
        return;
    }
    remove_guest(self, uuid);
    remove_namesake(self, virDomainGetName(arrival->domain));
    guest = libvirt_guest_new(arrival, libvirt_connection_get_workers(self->connection),
                              &self->tuning->guest, &terms);
    g_hash_table_insert(self->guests, g_strdup(uuid), guest);
    hypervisor_emit_guest_added(MEMPLUG_HYPERVISOR(self), MEMPLUG_GUEST(guest));
}

static void
on_absent(const char *uuid, gpointer data)
{
    remove_guest(data, uuid);
}

static void
on_listed(const char *const *uuids, gpointer data)
{
    LibvirtHypervisor *self = data;
    g_autoptr(GList) known = g_hash_table_get_keys(self->guests);

    for (guint i = 0; uuids[i]; i++) {
        if (!g_hash_table_contains(self->guests, uuids[i]) &&
            !libvirt_search_is_visiting(self->search, uuids[i]))
            libvirt_search_visit(self->search, uuids[i], FALSE);
    }
    for (GList *link = known; link; link = link->next) {
        if (!g_strv_contains(uuids, link->data))
            libvirt_search_visit(self->search, link->data, FALSE); /* and find it does not run */
    }
}

static void
on_settled(gpointer data)
{
    LibvirtHypervisor *self = data;

    g_debug("libvirt: %u guests run", g_hash_table_size(self->guests));
    hypervisor_take_searching(MEMPLUG_HYPERVISOR(self), FALSE);
}

static const LibvirtSearchWatcher search_watcher = { on_arrived, on_absent, on_listed, on_settled };

static gboolean
on_relist(gpointer data)
{
    LibvirtHypervisor *self = data;
    LibvirtCollectorCount bulk = libvirt_collector_count(self->collector);
    LibvirtWorkersCount all =
        libvirt_workers_count(libvirt_connection_get_workers(self->connection));

    g_debug("libvirt: %u guests; %u bulk calls (%u late) for %u guests in all, %.2f ms on average, "
            "%.2f ms at most; %u requests in all, %.2f ms on average",
            g_hash_table_size(self->guests), bulk.calls, bulk.late, bulk.asked,
            (double)bulk.busy_us / 1e3 / MAX(bulk.calls, 1), (double)bulk.longest_us / 1e3,
            all.calls, (double)all.busy_us / 1e3 / MAX(all.calls, 1));
    libvirt_search_list(self->search);
    return G_SOURCE_CONTINUE;
}

/*
 * The connection
 */

static void
tell_connection(LibvirtHypervisor *self, const char *text, GLogLevelFlags level)
{
    Hypervisor *hypervisor = MEMPLUG_HYPERVISOR(self);

    if (g_str_equal(hypervisor_get_connection(hypervisor), text))
        return;
    hypervisor_take_connection(hypervisor, text);
    g_log(G_LOG_DOMAIN, level, "%s: %s", hypervisor_get_uri(hypervisor), text);
}

static void
on_ready(gpointer data)
{
    LibvirtHypervisor *self = data;
    g_autoptr(GList) known = g_hash_table_get_keys(self->guests);

    if (libvirt_connection_is_read_only(self->connection))
        tell_connection(self, "read-only", G_LOG_LEVEL_WARNING);
    else
        tell_connection(self, "connected", G_LOG_LEVEL_MESSAGE);
    for (GList *link = known; link; link = link->next) {
        libvirt_guest_release(g_hash_table_lookup(self->guests, link->data));
        libvirt_search_visit(self->search, link->data, FALSE);
    }
    libvirt_search_list(self->search);
}

static void
on_failed(const char *why, gpointer data)
{
    LibvirtHypervisor *self = data;
    GHashTableIter iter;
    gpointer guest;

    tell_connection(self, why, G_LOG_LEVEL_WARNING);
    hypervisor_take_searching(MEMPLUG_HYPERVISOR(self), FALSE);
    g_hash_table_iter_init(&iter, self->guests);
    while (g_hash_table_iter_next(&iter, NULL, &guest))
        libvirt_guest_lose(guest);
}

static void
on_event(const LibvirtEvent *event, gpointer data)
{
    LibvirtHypervisor *self = data;
    char uuid[VIR_UUID_STRING_BUFLEN];
    LibvirtGuest *guest;

    virDomainGetUUIDString(event->domain, uuid);
    guest = g_hash_table_lookup(self->guests, uuid);
    if (event->kind == LIBVIRT_EVENT_LIFECYCLE && event->number == VIR_DOMAIN_EVENT_STARTED) {
        libvirt_search_visit(self->search, uuid,
                             event->detail == VIR_DOMAIN_EVENT_STARTED_MIGRATED ||
                                 event->detail == VIR_DOMAIN_EVENT_STARTED_RESTORED);
    } else if (event->kind == LIBVIRT_EVENT_LIFECYCLE &&
               event->number == VIR_DOMAIN_EVENT_STOPPED) {
        remove_guest(self, uuid);
        if (libvirt_search_is_visiting(self->search, uuid))
            libvirt_search_visit(self->search, uuid, FALSE);
    } else if (guest) {
        libvirt_guest_take_event(guest, event);
    }
}

static const LibvirtConnectionWatcher watcher = { on_ready, on_failed, on_event };

static gboolean
libvirt_hypervisor_start(Hypervisor *hypervisor, GError **error)
{
    LibvirtHypervisor *self = MEMPLUG_LIBVIRT_HYPERVISOR(hypervisor);

    g_return_val_if_fail(self->relist == 0, FALSE);
    hypervisor_take_connection(hypervisor, "connecting");
    hypervisor_take_searching(hypervisor, TRUE);
    self->relist = g_timeout_add(self->tuning->relist_ms, on_relist, self);
    libvirt_connection_start(self->connection);
    return TRUE;
}

static void
libvirt_hypervisor_collect_async(Hypervisor *hypervisor, guint deadline_ms,
                                 GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer user_data)
{
    GTask *task = g_task_new(hypervisor, cancellable, callback, user_data);

    g_task_set_source_tag(task, libvirt_hypervisor_collect_async);
    libvirt_collector_run(MEMPLUG_LIBVIRT_HYPERVISOR(hypervisor)->collector, deadline_ms, task);
}

static gboolean
libvirt_hypervisor_collect_finish(Hypervisor *hypervisor, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, hypervisor), FALSE);
    return g_task_propagate_boolean(G_TASK(result), error);
}

/*
 * The object
 */

Hypervisor *
libvirt_hypervisor_new_tuned(const char *uri, const LibvirtTuning *tuning, GError **error)
{
    LibvirtHypervisor *self;

    if (!g_uri_is_valid(uri, G_URI_FLAGS_NONE, NULL)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "'%s' is no connect URI: one of libvirt is like qemu:///system, and a folder "
                    "of QEMU sockets is qmp:DIR",
                    uri);
        return NULL;
    }
    self = g_object_new(TYPE_LIBVIRT_HYPERVISOR, "uri", uri, NULL);
    self->tuning = tuning;
    self->connection = libvirt_connection_new(uri, &tuning->connection, &watcher, self);
    self->search = libvirt_search_new(self->connection, tuning->visit_ms, &search_watcher, self);
    self->collector =
        libvirt_collector_new(libvirt_connection_get_workers(self->connection), self->guests);
    return MEMPLUG_HYPERVISOR(self);
}

Hypervisor *
libvirt_hypervisor_new(const char *uri, GError **error)
{
    return libvirt_hypervisor_new_tuned(uri, &libvirt_tuning_default, error);
}

static void
libvirt_hypervisor_init(LibvirtHypervisor *self)
{
    self->guests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_object_unref);
}

static void
libvirt_hypervisor_dispose(GObject *object)
{
    LibvirtHypervisor *self = MEMPLUG_LIBVIRT_HYPERVISOR(object);
    LibvirtConnection *connection = g_steal_pointer(&self->connection);
    GHashTableIter iter;
    gpointer guest;

    g_clear_handle_id(&self->relist, g_source_remove);
    g_hash_table_iter_init(&iter, self->guests);
    while (connection && g_hash_table_iter_next(&iter, NULL, &guest))
        libvirt_guest_close(guest);
    g_hash_table_remove_all(self->guests);
    g_clear_pointer(&self->collector, libvirt_collector_free);
    g_clear_pointer(&self->search, libvirt_search_free);
    libvirt_connection_free(connection);
    G_OBJECT_CLASS(libvirt_hypervisor_parent_class)->dispose(object);
}

static void
libvirt_hypervisor_finalize(GObject *object)
{
    LibvirtHypervisor *self = MEMPLUG_LIBVIRT_HYPERVISOR(object);

    g_hash_table_unref(self->guests);
    G_OBJECT_CLASS(libvirt_hypervisor_parent_class)->finalize(object);
}

static void
libvirt_hypervisor_class_init(LibvirtHypervisorClass *class)
{
    HypervisorClass *hypervisor_class = MEMPLUG_HYPERVISOR_CLASS(class);

    G_OBJECT_CLASS(class)->dispose = libvirt_hypervisor_dispose;
    G_OBJECT_CLASS(class)->finalize = libvirt_hypervisor_finalize;
    hypervisor_class->start = libvirt_hypervisor_start;
    hypervisor_class->collect_async = libvirt_hypervisor_collect_async;
    hypervisor_class->collect_finish = libvirt_hypervisor_collect_finish;
}
