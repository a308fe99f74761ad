/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A visit finds out what a domain is, by its UUID, in a thread. It is the only way
 * to become a guest, so it does not matter who noticed a domain first.
 *
 * Listing all domains waits for any that is being started, and so for the hook that may
 * be waiting for memplug. So nothing waits for the list: those who are known already
 * are visited one by one, each waiting only for itself, and new ones come by their
 * events. The list is for those that ran before the connection, and, once in a while,
 * for what was missed.
 */
#include "hypervisor/libvirt/libvirt-search.h"

#include "hypervisor/libvirt/libvirt-error.h"

struct LibvirtSearch {
    LibvirtConnection *connection;
    guint visit_ms;
    const LibvirtSearchWatcher *watcher;
    gpointer user_data;
    GHashTable *visiting; /* UUID → number of visits that have not ended */
    gboolean listing;
    gboolean unsettled; /* a list has ended, some visit has not */
};

static void
settle(LibvirtSearch *search)
{
    if (!search->unsettled || search->listing || g_hash_table_size(search->visiting) > 0)
        return;
    search->unsettled = FALSE;
    search->watcher->settled(search->user_data);
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
    LibvirtSearch *search; /* not to be touched when the visit was cancelled */
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
count_visit(LibvirtSearch *search, const char *uuid, int more)
{
    int n = GPOINTER_TO_INT(g_hash_table_lookup(search->visiting, uuid)) + more;

    if (n > 0)
        g_hash_table_insert(search->visiting, g_strdup(uuid), GINT_TO_POINTER(n));
    else
        g_hash_table_remove(search->visiting, uuid);
}

static void
on_visited(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Visit) visit = data;
    LibvirtSearch *search = visit->search;
    g_autoptr(GError) error = NULL;
    g_autoptr(LibvirtArrival) arrival = libvirt_workers_run_finish(result, &error);

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* it is over */
    count_visit(search, visit->uuid, -1);
    /* A handle of a connection that has ended meanwhile is of no use. */
    if (arrival &&
        virDomainGetConnect(arrival->domain) == libvirt_connection_get(search->connection)) {
        search->watcher->arrived(visit->uuid, arrival, search->user_data);
    } else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)) {
        search->watcher->absent(visit->uuid, search->user_data);
    } else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
        /* It is started, or its QEMU hangs while libvirtd comes up: waits behind that. */
        libvirt_search_visit(search, visit->uuid, visit->continues);
    } else if (error) {
        g_debug("domain %s: %s", visit->uuid, error->message);
    }
    settle(search);
}

void
libvirt_search_visit(LibvirtSearch *search, const char *uuid, gboolean continues)
{
    static const LibvirtWorkKind visiting = { run_visit, place_free,
                                              (GDestroyNotify)libvirt_arrival_free };
    virConnectPtr connection = libvirt_connection_get(search->connection);
    g_autofree char *line = g_strconcat(uuid, " visit", NULL);
    Visit *visit;
    Place *place;

    if (!connection)
        return;
    virConnectRef(connection);
    place = g_new(Place, 1);
    *place = (Place){ connection, g_strdup(uuid), continues };
    visit = g_new(Visit, 1);
    *visit = (Visit){ search, g_strdup(uuid), continues };
    count_visit(search, uuid, 1);
    libvirt_workers_run_async(libvirt_connection_get_workers(search->connection), line,
                              search->visit_ms, &visiting, place, NULL, on_visited, visit);
}

gboolean
libvirt_search_is_visiting(const LibvirtSearch *search, const char *uuid)
{
    return g_hash_table_contains(search->visiting, uuid);
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
    LibvirtSearch *search = data;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) uuids = libvirt_workers_run_finish(result, &error);

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* it is over, and @search has gone */
    search->listing = FALSE;
    if (error)
        g_debug("%s", error->message);
    if (!uuids)
        return;
    search->unsettled = TRUE;
    search->watcher->listed((const char *const *)uuids, search->user_data);
    settle(search);
}

void
libvirt_search_list(LibvirtSearch *search)
{
    static const LibvirtWorkKind listing = { run_list, place_free, (GDestroyNotify)g_strfreev };
    virConnectPtr connection = libvirt_connection_get(search->connection);
    Place *place;

    if (!connection || search->listing)
        return;
    search->listing = TRUE;
    virConnectRef(connection);
    place = g_new0(Place, 1);
    place->connection = connection;
    libvirt_workers_run_async(libvirt_connection_get_workers(search->connection), "list",
                              LIBVIRT_WORKERS_PATIENT, &listing, place, NULL, on_listed, search);
}

/*
 * Life
 */

LibvirtSearch *
libvirt_search_new(LibvirtConnection *connection, guint visit_ms,
                   const LibvirtSearchWatcher *watcher, gpointer user_data)
{
    LibvirtSearch *search = g_new0(LibvirtSearch, 1);

    search->connection = connection;
    search->visit_ms = visit_ms;
    search->watcher = watcher;
    search->user_data = user_data;
    search->visiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return search;
}

void
libvirt_search_free(LibvirtSearch *search)
{
    if (!search)
        return;
    g_hash_table_unref(search->visiting);
    g_free(search);
}
