/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *   LibvirtConnection ──ready──▶ all that are known ─┐
 *                     ──ready──▶ list ──▶ the others ┼──▶ visit ─┬─ runs: guest-added, or the
 *                     ──STARTED event────────────────┘           │  known guest goes on
 *                     ──STOPPED event────────▶ guest-removed ◀───┴─ does not run
 *
 * A visit finds out what a domain is, by its UUID, in a thread. It is the only way
 * to become a guest, so it does not matter who noticed first. An event of stopping
 * that overtakes a visit has the domain visited once more.
 *
 * Listing all domains waits for any that is being started, and so for the hook that may
 * be waiting for memplug. So nothing waits for the list: those who are known already
 * are visited one by one, each waiting only for itself, and new ones come by their
 * events. The list is for those that ran before the connection, and, once in a while,
 * for what was missed.
 *
 * Without a connection the guests stay, unreachable. The next one finds them again:
 * the same run if it has the same id and the same process.
 */
#include "hypervisor/libvirt/libvirt-hypervisor.h"

#include "hypervisor/libvirt/libvirt-collect.h"
#include "hypervisor/libvirt/libvirt-error.h"

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
    GHashTable *guests;   /* UUID → LibvirtGuest */
    GHashTable *visiting; /* UUID → number of visits that have not ended */
    gboolean listing;
    guint relist;
};

G_DEFINE_FINAL_TYPE(LibvirtHypervisor, libvirt_hypervisor, TYPE_HYPERVISOR)

static void visit(LibvirtHypervisor *self, const char *uuid, gboolean continues);

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
take_arrival(LibvirtHypervisor *self, const char *uuid, const LibvirtArrival *arrival)
{
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

/*
 * Visits
 */

typedef struct {
    virConnectPtr connection; /* a reference */
    char *uuid;
    gboolean continues;
} Place;

static void
place_free(gpointer data)
{
    Place *place = data;

    virConnectClose(place->connection);
    g_free(place->uuid);
    g_free(place);
}

/* In a thread. */
static gpointer
run_visit(gpointer data, GError **error)
{
    const Place *place = data;
    virDomainPtr domain = virDomainLookupByUUIDString(place->connection, place->uuid);
    LibvirtArrival *arrival;

    if (!domain) {
        libvirt_error_take(NULL, error);
        return NULL;
    }
    arrival = libvirt_look_arrival(domain, error);
    virDomainFree(domain);
    if (arrival)
        arrival->continues |= place->continues;
    return arrival;
}

typedef struct {
    LibvirtHypervisor *hypervisor; /* not to be touched when the visit was cancelled */
    char *uuid;
    gboolean continues;
} Visit;

static void
visit_free(Visit *visiting)
{
    g_free(visiting->uuid);
    g_free(visiting);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Visit, visit_free)

static void
count_visit(LibvirtHypervisor *self, const char *uuid, int more)
{
    int n = GPOINTER_TO_INT(g_hash_table_lookup(self->visiting, uuid)) + more;

    if (n > 0)
        g_hash_table_insert(self->visiting, g_strdup(uuid), GINT_TO_POINTER(n));
    else
        g_hash_table_remove(self->visiting, uuid);
}

static void
on_visited(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Visit) visited = data;
    LibvirtHypervisor *self = visited->hypervisor;
    g_autoptr(GError) error = NULL;
    g_autoptr(LibvirtArrival) arrival = libvirt_workers_run_finish(result, &error);

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* it is over */
    count_visit(self, visited->uuid, -1);
    /* A handle of a connection that has ended meanwhile is of no use. */
    if (arrival &&
        virDomainGetConnect(arrival->domain) == libvirt_connection_get(self->connection)) {
        take_arrival(self, visited->uuid, arrival);
    } else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)) {
        remove_guest(self, visited->uuid);
    } else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
        /* It is started, or its QEMU hangs while libvirtd comes up: waits behind that. */
        visit(self, visited->uuid, visited->continues);
    } else if (error) {
        g_debug("domain %s: %s", visited->uuid, error->message);
    }
}

static void
visit(LibvirtHypervisor *self, const char *uuid, gboolean continues)
{
    static const LibvirtWorkKind visiting = { run_visit, place_free,
                                              (GDestroyNotify)libvirt_arrival_free };
    virConnectPtr connection = libvirt_connection_get(self->connection);
    g_autofree char *line = g_strconcat(uuid, " visit", NULL);
    Visit *about;
    Place *place;

    if (!connection)
        return; /* the next one begins with visits */
    virConnectRef(connection);
    place = g_new(Place, 1);
    *place = (Place){ connection, g_strdup(uuid), continues };
    about = g_new(Visit, 1);
    *about = (Visit){ self, g_strdup(uuid), continues };
    count_visit(self, uuid, 1);
    libvirt_workers_run_async(libvirt_connection_get_workers(self->connection), line,
                              self->tuning->visit_ms, &visiting, place, NULL, on_visited, about);
}

/*
 * The list
 */

/* In a thread. Returns: (transfer full): the UUIDs of all that run. */
static gpointer
run_list(gpointer data, GError **error)
{
    const Place *place = data;
    g_autoptr(GStrvBuilder) uuids = g_strv_builder_new();
    virDomainPtr *domains;
    int n = virConnectListAllDomains(place->connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

    if (n < 0) {
        libvirt_error_take("cannot list the domains", error);
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        char uuid[VIR_UUID_STRING_BUFLEN];

        virDomainGetUUIDString(domains[i], uuid);
        g_strv_builder_add(uuids, uuid);
        virDomainFree(domains[i]);
    }
    free(domains);
    return g_strv_builder_end(uuids);
}

static void
on_listed(GObject *source, GAsyncResult *result, gpointer data)
{
    LibvirtHypervisor *self = data;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) uuids = libvirt_workers_run_finish(result, &error);
    g_autoptr(GList) known = NULL;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* it is over, and @self has gone */
    self->listing = FALSE;
    if (error)
        g_debug("%s", error->message);
    if (!uuids)
        return;
    for (guint i = 0; uuids[i]; i++) {
        if (!g_hash_table_contains(self->guests, uuids[i]) &&
            !g_hash_table_contains(self->visiting, uuids[i]))
            visit(self, uuids[i], FALSE);
    }
    known = g_hash_table_get_keys(self->guests);
    for (GList *link = known; link; link = link->next) {
        if (!g_strv_contains((const char *const *)uuids, link->data))
            visit(self, link->data, FALSE); /* and find that it does not run */
    }
}

static void
list(LibvirtHypervisor *self)
{
    static const LibvirtWorkKind listing = { run_list, place_free, (GDestroyNotify)g_strfreev };
    virConnectPtr connection = libvirt_connection_get(self->connection);
    Place *place;

    if (!connection || self->listing)
        return;
    self->listing = TRUE;
    virConnectRef(connection);
    place = g_new0(Place, 1);
    place->connection = connection;
    libvirt_workers_run_async(libvirt_connection_get_workers(self->connection), "list",
                              LIBVIRT_WORKERS_PATIENT, &listing, place, NULL, on_listed, self);
}

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
    list(self);
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
        visit(self, link->data, FALSE);
    }
    list(self);
}

static void
on_failed(const char *why, gpointer data)
{
    LibvirtHypervisor *self = data;
    GHashTableIter iter;
    gpointer guest;

    tell_connection(self, why, G_LOG_LEVEL_WARNING);
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
        visit(self, uuid,
              event->detail == VIR_DOMAIN_EVENT_STARTED_MIGRATED ||
                  event->detail == VIR_DOMAIN_EVENT_STARTED_RESTORED);
    } else if (event->kind == LIBVIRT_EVENT_LIFECYCLE &&
               event->number == VIR_DOMAIN_EVENT_STOPPED) {
        remove_guest(self, uuid);
        if (g_hash_table_contains(self->visiting, uuid))
            visit(self, uuid, FALSE);
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
    self->visiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
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
    libvirt_connection_free(connection);
    G_OBJECT_CLASS(libvirt_hypervisor_parent_class)->dispose(object);
}

static void
libvirt_hypervisor_finalize(GObject *object)
{
    LibvirtHypervisor *self = MEMPLUG_LIBVIRT_HYPERVISOR(object);

    g_hash_table_unref(self->guests);
    g_hash_table_unref(self->visiting);
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
