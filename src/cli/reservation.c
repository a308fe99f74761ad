/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/reservation.h"

#include "cli/call.h"
#include "cli/terminal.h"
#include "cli/wait.h"
#include "size/size.h"

/* How often the line of progress is written anew. */
#define TICK_MS 200

typedef struct {
    GDBusConnection *dbus;
    GCancellable *cancellable;
    Wait *wait;
    guint64 lease;
    GVariant *reply; /* of AwaitLease */
    GError *error;
    gboolean returned;
    guint asking; /* calls for progress under way */
    gint64 started_us;
} Waiting;

static double
elapsed(gint64 since_us)
{
    return (double)(g_get_monotonic_time() - since_us) / G_USEC_PER_SEC;
}

static void
on_granted(GObject *manager, GAsyncResult *result, gpointer data)
{
    Waiting *waiting = data;

    waiting->reply = g_dbus_proxy_call_finish(G_DBUS_PROXY(manager), result, &waiting->error);
    waiting->returned = TRUE;
    wait_end(waiting->wait);
}

/* One of them stands like this: "lease 3: 120 of 256 MiB, 1.2 s". */
static void
show(const Waiting *waiting, GVariant *leases)
{
    GVariantIter iter;
    GVariant *lease;

    g_variant_iter_init(&iter, leases);
    while ((lease = g_variant_iter_next_value(&iter))) {
        guint64 id = 0, gathered = 0, asked = 0;

        g_variant_lookup(lease, "id", "t", &id);
        g_variant_lookup(lease, "gathered", "t", &gathered);
        g_variant_lookup(lease, "asked", "t", &asked);
        if (id == waiting->lease && !waiting->returned) {
            g_autofree char *has = size_format_rounded(gathered);
            g_autofree char *of = size_format_rounded(asked);
            g_autofree char *text = g_strdup_printf("lease %" G_GUINT64_FORMAT ": %s of %s, %.1f s",
                                                    id, has, of, elapsed(waiting->started_us));

            terminal_progress(text);
        }
        g_variant_unref(lease);
    }
}

static void
on_leases(GObject *dbus, GAsyncResult *result, gpointer data)
{
    Waiting *waiting = data;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(dbus), result, NULL);
    g_autoptr(GVariant) leases = NULL;

    waiting->asking--;
    if (!reply)
        return;
    g_variant_get(reply, "(v)", &leases);
    if (g_variant_is_of_type(leases, G_VARIANT_TYPE("aa{sv}")))
        show(waiting, leases);
}

static gboolean
on_tick(gpointer data)
{
    Waiting *waiting = data;

    if (waiting->asking > 0)
        return G_SOURCE_CONTINUE;
    waiting->asking++;
    g_dbus_connection_call(waiting->dbus, CONNECTION_BUS_NAME, CONNECTION_OBJECT_PATH,
                           "org.freedesktop.DBus.Properties", "Get",
                           g_variant_new("(ss)", CONNECTION_BUS_NAME ".Manager", "Leases"),
                           G_VARIANT_TYPE("(v)"), G_DBUS_CALL_FLAGS_NONE, -1, waiting->cancellable,
                           on_leases, waiting);
    return G_SOURCE_CONTINUE;
}

static gboolean
await(BusManager *manager, guint64 lease, guint64 *granted, GError **error)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(Wait) wait = wait_new();
    Waiting waiting = { .dbus = g_dbus_proxy_get_connection(G_DBUS_PROXY(manager)),
                        .cancellable = cancellable,
                        .wait = wait,
                        .lease = lease,
                        .started_us = g_get_monotonic_time() };
    guint ticker = g_timeout_add(TICK_MS, on_tick, &waiting);
    gboolean interrupted;

    g_dbus_proxy_call(G_DBUS_PROXY(manager), "AwaitLease", g_variant_new("(t)", lease), CALL_FLAGS,
                      CALL_TIMEOUT, cancellable, on_granted, &waiting);
    interrupted = wait_run(wait, 0.0) == WAIT_INTERRUPTED;
    g_source_remove(ticker);
    g_cancellable_cancel(cancellable);
    while (!waiting.returned || waiting.asking > 0)
        g_main_context_iteration(NULL, TRUE);
    terminal_progress_end();
    if (interrupted) {
        g_clear_error(&waiting.error);
        g_clear_pointer(&waiting.reply, g_variant_unref);
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "no longer wanted");
        return FALSE;
    }
    if (!waiting.reply) {
        g_propagate_error(error, waiting.error);
        return FALSE;
    }
    g_variant_get(waiting.reply, "(t)", granted);
    g_variant_unref(waiting.reply);
    return TRUE;
}

static GVariant *
options_of(const ReservationTerms *terms)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    if (terms->at_least > 0)
        g_variant_dict_insert(&dict, "at_least", "t", terms->at_least);
    if (terms->guest)
        g_variant_dict_insert(&dict, "for", "s", terms->guest);
    if (terms->purpose)
        g_variant_dict_insert(&dict, "purpose", "s", terms->purpose);
    if (terms->wait_s > 0.0)
        g_variant_dict_insert(&dict, "wait", "d", terms->wait_s);
    if (terms->ttl_s > 0.0)
        g_variant_dict_insert(&dict, "ttl", "d", terms->ttl_s);
    return g_variant_dict_end(&dict);
}

gboolean
reservation_make(Connection *connection, const ReservationTerms *terms, Reservation *reservation,
                 GError **error)
{
    g_autoptr(BusManager) manager = connection_get_manager(connection, error);
    g_autoptr(GVariant) reply = NULL;
    gint64 started_us;
    guint64 lease, granted;

    if (!manager)
        return FALSE;
    if (terms->domain)
        reply = call_method(connection, manager, "ReserveDomain",
                            g_variant_new("(s@a{sv})", terms->domain, options_of(terms)), error);
    else
        reply = call_method(connection, manager, "Reserve",
                            g_variant_new("(t@a{sv})", terms->size, options_of(terms)), error);
    if (!reply)
        return FALSE;
    g_variant_get(reply, "(t)", &lease);
    started_us = g_get_monotonic_time();
    if (!await(manager, lease, &granted, error))
        return FALSE;
    *reservation =
        (Reservation){ .lease = lease, .granted = granted, .seconds = elapsed(started_us) };
    return TRUE;
}

/* Returns: whether the method, which returns nothing, did what it was called for. */
static gboolean
call_about_lease(Connection *connection, const char *method, GVariant *arguments, GError **error)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(arguments);
    g_autoptr(BusManager) manager = connection_get_manager(connection, error);
    g_autoptr(GVariant) reply = NULL;

    if (!manager)
        return FALSE;
    reply = call_method(connection, manager, method, sunk, error);
    return reply != NULL;
}

gboolean
reservation_hold(Connection *connection, guint64 lease, guint process, GError **error)
{
    return call_about_lease(connection, "HoldLease", g_variant_new("(tu)", lease, process), error);
}

gboolean
reservation_release(Connection *connection, guint64 lease, GError **error)
{
    return call_about_lease(connection, "ReleaseLease", g_variant_new("(t)", lease), error);
}
