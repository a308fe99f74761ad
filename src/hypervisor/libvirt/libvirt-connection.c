/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *            ┌── failed: wait, 100 ms to 5 s ──┐
 *            ▼                                 │
 *   (none) ─open─▶ opening ──▶ (current) ──closed by libvirt, keepalive──▶ (none)
 *                                  │ too many calls hang on it
 *                                  ▼
 *                  opening another beside it ──▶ (current): the hung calls are written off
 *
 * A Link is one virConnect with its registered callbacks. Opening, registering
 * and closing are calls that block, so they have two threads of their own: a
 * libvirtd that accepts and says nothing holds up only the next attempt, and a
 * link that cannot be closed nothing at all.
 *
 * libvirtd serves at most five calls of a client at a time (max_client_requests),
 * and with five in hand it reads nothing more from that client: no further call,
 * and not its keepalives either, so it would drop it. Hence four lanes; and when
 * three are lost, those who come later get a fresh connection, a new client with
 * its own five. A lost call occupies one of libvirtd's twenty workers (max_workers)
 * all the same. So there is a bound for those too, which leaves half of them to
 * everybody else; when it is reached, and all lanes are lost as well, nothing more is
 * asked until a call returns.
 *
 * libvirt's close callback comes in whatever thread notices, all its other events
 * in the default main context. A virConnect is freed by its last reference, which
 * asks libvirtd for a leave and may block; that is never the main context's, since
 * the link's own is given back in a thread, after all handles.
 */
#include "hypervisor/libvirt/libvirt-connection.h"

#include <libvirt-glib/libvirt-glib.h>

#include "hypervisor/libvirt/libvirt-error.h"

/* One for opening and one for closing. */
static const LibvirtWorkersLimits opener_limits = { .lanes = 2, .lost_ms = 60000 };

typedef struct {
    gatomicrefcount references;
    GMainContext *context;
    LibvirtConnection *owner; /* of the main context; NULL: not wanted any more */
    LibvirtEvents *events;
    gboolean closed; /* of the main context: libvirt has said so */

    /* The opening thread's until it has returned. */
    virConnectPtr connection;
    gboolean read_only;
    char *uri;
    int keepalive_s;
    guint keepalives;
} Link;

struct LibvirtConnection {
    char *uri;
    const LibvirtConnectionTuning *tuning;
    const LibvirtConnectionWatcher *watcher;
    gpointer user_data;

    LibvirtWorkers *calls;
    LibvirtWorkers *opener;
    GCancellable *cancellable;
    Link *current; /* NULL: none */
    Link *next;    /* being opened, or NULL */
    guint retry_ms;
    guint retry;
    gboolean stuck; /* all lanes are taken by lost calls, and more must not be lost */
};

static void open_link(LibvirtConnection *self);
static void retry_later(LibvirtConnection *self);

/*
 * Links
 */

static Link *
link_ref(Link *link)
{
    g_atomic_ref_count_inc(&link->references);
    return link;
}

static void
link_unref(gpointer data)
{
    Link *link = data;

    if (!g_atomic_ref_count_dec(&link->references))
        return;
    g_main_context_unref(link->context);
    libvirt_events_unref(link->events);
    g_free(link->uri);
    g_free(link);
}

static void
on_event(const LibvirtEvent *event, gpointer data)
{
    Link *link = data;
    LibvirtConnection *self = link->owner;

    /* What comes before the link is the current one is seen by the first look at everything. */
    if (self && self->current == link)
        self->watcher->event(event, self->user_data);
}

static Link *
link_new(LibvirtConnection *owner)
{
    Link *link = g_new0(Link, 1);

    g_atomic_ref_count_init(&link->references);
    link->context = g_main_context_ref_thread_default();
    link->owner = owner;
    link->events = libvirt_events_new(on_event, link);
    link->uri = g_strdup(owner->uri);
    link->keepalive_s = (int)owner->tuning->keepalive_s;
    link->keepalives = owner->tuning->keepalives;
    return link;
}

/*
 * Closing
 */

static void on_closed(virConnectPtr connection, int reason, void *link);

/* In a thread. */
static gpointer
close_link(gpointer data, GError **error)
{
    Link *link = data;

    libvirt_events_deregister(link->events, link->connection);
    virConnectUnregisterCloseCallback(link->connection, on_closed);
    virConnectClose(link->connection);
    return NULL;
}

static void
drop_link(LibvirtConnection *self, Link *link)
{
    static const LibvirtWorkKind closing = { close_link, link_unref, NULL };

    link->owner = NULL;
    libvirt_events_mute(link->events);
    if (link->connection)
        libvirt_workers_run_async(self->opener, "close", LIBVIRT_WORKERS_PATIENT, &closing,
                                  link_ref(link), NULL, NULL, NULL);
    link_unref(link);
}

static const char *
describe_close(int reason)
{
    switch (reason) {
    case VIR_CONNECT_CLOSE_REASON_EOF:
        return "libvirt has ended the connection";
    case VIR_CONNECT_CLOSE_REASON_KEEPALIVE:
        return "libvirt does not answer any more";
    default:
        return "the connection is broken";
    }
}

static void
fail(LibvirtConnection *self, const char *why)
{
    self->watcher->failed(why, self->user_data);
}

typedef struct {
    Link *link;
    int reason;
} Closure;

static void
closure_free(gpointer data)
{
    link_unref(((Closure *)data)->link);
    g_free(data);
}

static gboolean
take_close(gpointer data)
{
    const Closure *closure = data;
    Link *link = closure->link;
    LibvirtConnection *self = link->owner;

    link->closed = TRUE;
    if (!self || self->current != link)
        return G_SOURCE_REMOVE;
    self->current = NULL;
    fail(self, describe_close(closure->reason));
    drop_link(self, link);
    retry_later(self);
    return G_SOURCE_REMOVE;
}

/* In any thread. */
static void
on_closed(virConnectPtr connection, int reason, void *data)
{
    Link *link = data;
    Closure *closure = g_new(Closure, 1);
    g_autoptr(GSource) source = g_idle_source_new();

    *closure = (Closure){ link_ref(link), reason };
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, take_close, closure, closure_free);
    g_source_attach(source, link->context);
}

/*
 * Opening
 */

/* In a thread, as the two below. */
static virConnectPtr
connect_to(const char *uri, gboolean *read_only)
{
    virConnectPtr connection = virConnectOpenAuth(uri, NULL, 0);

    *read_only = FALSE;
    if (connection || !libvirt_error_is_denial())
        return connection;
    *read_only = TRUE;
    return virConnectOpenReadOnly(uri);
}

static gpointer
run_open(gpointer data, GError **error)
{
    Link *link = data;

    link->connection = connect_to(link->uri, &link->read_only);
    if (!link->connection) {
        libvirt_error_take(NULL, error);
        return NULL;
    }
    /* A connection within the process, as of libvirt's test driver, has neither. */
    if (virConnectSetKeepAlive(link->connection, link->keepalive_s, link->keepalives) < 0)
        g_debug("libvirt: no keepalive: %s", virGetLastErrorMessage());
    /* Without a reference: who closes the link unregisters it first, and a driver without
     * such callbacks would never give one back. */
    if (virConnectRegisterCloseCallback(link->connection, on_closed, link, NULL) < 0)
        g_debug("libvirt: no close callback: %s", virGetLastErrorMessage());
    libvirt_events_register(link->events, link->connection);
    return link;
}

static gboolean
on_retry(gpointer data)
{
    LibvirtConnection *self = data;

    self->retry = 0;
    open_link(self);
    return G_SOURCE_REMOVE;
}

static void
retry_later(LibvirtConnection *self)
{
    if (self->retry == 0)
        self->retry = g_timeout_add(self->retry_ms, on_retry, self);
    self->retry_ms = MIN(self->retry_ms * 2, self->tuning->retry_most_ms);
}

static void
on_opened(GObject *source, GAsyncResult *result, gpointer data)
{
    LibvirtConnection *self = data;
    g_autoptr(GError) error = NULL;
    gpointer opened = libvirt_workers_run_finish(result, &error);
    Link *link, *former;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* and @self has gone */
    link = g_steal_pointer(&self->next);
    if (!opened || link->closed) {
        if (!self->current)
            fail(self, error ? error->message : "libvirt has ended the connection");
        drop_link(self, link);
        retry_later(self);
        return;
    }
    self->retry_ms = self->tuning->retry_first_ms;
    self->stuck = FALSE;
    former = g_steal_pointer(&self->current);
    self->current = link;
    libvirt_workers_write_off(self->calls);
    self->watcher->ready(self->user_data);
    if (former)
        drop_link(self, former);
}

/* Unless that is being done. */
static void
open_link(LibvirtConnection *self)
{
    static const LibvirtWorkKind opening = { run_open, link_unref, NULL };

    if (self->next || self->retry)
        return;
    self->next = link_new(self);
    libvirt_workers_run_async(self->opener, "open", LIBVIRT_WORKERS_PATIENT, &opening,
                              link_ref(self->next), self->cancellable, on_opened, self);
}

/* The number of lost calls has changed. */
static void
on_lost(gpointer data)
{
    LibvirtConnection *self = data;
    guint lost = libvirt_workers_lost(self->calls);
    guint lanes = self->tuning->calls.lanes;
    gboolean stuck = FALSE;

    if (!self->current)
        return;
    if (lost + 1 >= lanes && libvirt_workers_may_write_off(self->calls)) {
        if (!self->next)
            g_message("%s: %u calls hang; going on with a fresh connection", self->uri, lost);
        open_link(self);
    } else {
        stuck = lost >= lanes;
    }
    if (stuck && !self->stuck)
        fail(self, "too many calls hang in libvirt; nothing more is asked until one returns");
    else if (!stuck && self->stuck)
        self->watcher->ready(self->user_data);
    self->stuck = stuck;
}

/*
 * The object
 */

static gpointer
register_event_loop(gpointer data)
{
    libvirt_error_silence();
    gvir_event_register();
    return NULL;
}

LibvirtConnection *
libvirt_connection_new(const char *uri, const LibvirtConnectionTuning *tuning,
                       const LibvirtConnectionWatcher *watcher, gpointer user_data)
{
    static GOnce once = G_ONCE_INIT;
    LibvirtConnection *self = g_new0(LibvirtConnection, 1);

    g_once(&once, register_event_loop, NULL);
    self->uri = g_strdup(uri);
    self->tuning = tuning;
    self->watcher = watcher;
    self->user_data = user_data;
    self->retry_ms = tuning->retry_first_ms;
    self->cancellable = g_cancellable_new();
    self->calls = libvirt_workers_new(&tuning->calls, on_lost, self);
    self->opener = libvirt_workers_new(&opener_limits, NULL, NULL);
    return self;
}

void
libvirt_connection_free(LibvirtConnection *self)
{
    if (!self)
        return;
    g_clear_handle_id(&self->retry, g_source_remove);
    g_cancellable_cancel(self->cancellable);
    libvirt_workers_free(self->calls);
    if (self->current)
        drop_link(self, self->current);
    if (self->next) {
        /* Its thread may still be in it; what that opens is closed by the end of the process. */
        self->next->owner = NULL;
        libvirt_events_mute(self->next->events);
        link_unref(self->next);
    }
    libvirt_workers_free(self->opener);
    g_object_unref(self->cancellable);
    g_free(self->uri);
    g_free(self);
}

void
libvirt_connection_start(LibvirtConnection *self)
{
    open_link(self);
}

virConnectPtr
libvirt_connection_get(LibvirtConnection *self)
{
    return self->current ? self->current->connection : NULL;
}

gboolean
libvirt_connection_is_read_only(LibvirtConnection *self)
{
    return self->current && self->current->read_only;
}

gboolean
libvirt_connection_hears_ost(LibvirtConnection *self)
{
    return self->current && libvirt_events_hear_ost(self->current->events);
}

LibvirtWorkers *
libvirt_connection_get_workers(LibvirtConnection *self)
{
    return self->calls;
}
