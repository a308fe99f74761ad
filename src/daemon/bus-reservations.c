/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/bus-reservations.h"

#include "build-config.h"
#if HAVE_LIBVIRT
#include "hypervisor/libvirt/domain-memory.h"
#endif
#include "monitor/host-memory.h"

struct _BusReservations {
    BusManager *manager;
    GDBusConnection *connection;
    Reservations *reservations;
    Cycle *cycle;
    gboolean dry_run;
    GPtrArray *waiters; /* Waiter */
    GHashTable *askers; /* id -> GUINT watch of the bus name */
};

/* A call of AwaitLease. */
typedef struct {
    guint64 id;
    GDBusMethodInvocation *invocation;
} Waiter;

static GVariant *
lease_variant(const Lease *lease, gint64 now)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    gint64 left = lease->deadline_us > 0 ? MAX(lease->deadline_us - now, 1) : 0;

    g_variant_dict_insert(&dict, "id", "t", lease->id);
    g_variant_dict_insert(&dict, "state", "s", lease_state_name(lease->state));
    g_variant_dict_insert(&dict, "guest", "s", lease->guest ? lease->guest : "");
    g_variant_dict_insert(&dict, "purpose", "s", lease->purpose);
    g_variant_dict_insert(&dict, "asked", "t", lease->asked);
    g_variant_dict_insert(&dict, "at_least", "t", lease->at_least);
    g_variant_dict_insert(&dict, "promised", "t", lease->promised);
    g_variant_dict_insert(&dict, "gathered", "t", lease->gathered);
    g_variant_dict_insert(&dict, "granted", "t", lease->granted);
    g_variant_dict_insert(&dict, "process", "t", lease->process);
    g_variant_dict_insert(&dict, "taken", "b", lease->taken);
    g_variant_dict_insert(&dict, "age_us", "x", now - lease->asked_us);
    g_variant_dict_insert(&dict, "left_us", "x", left);
    g_variant_dict_insert(&dict, "reason", "s", lease->reason ? lease->reason : "");
    return g_variant_dict_end(&dict);
}

GVariant *
bus_reservations_variant(Reservations *reservations)
{
    GVariantBuilder builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
    GPtrArray *all = reservations ? leases_all(reservations_get_leases(reservations)) : NULL;
    gint64 now = g_get_monotonic_time();

    for (guint i = 0; all && i < all->len; i++)
        g_variant_builder_add_value(&builder, lease_variant(all->pdata[i], now));
    return g_variant_builder_end(&builder);
}

/*
 * Askers
 */

typedef struct {
    BusReservations *bus;
    guint64 id;
} Asker;

static void
on_asker_gone(GDBusConnection *connection, const char *name, gpointer data)
{
    const Asker *asker = data;

    reservations_abandon(asker->bus->reservations, asker->id);
}

static void
watch_asker(BusReservations *bus, guint64 id, const char *sender)
{
    Asker *asker = g_new0(Asker, 1);
    guint watch;

    asker->bus = bus;
    asker->id = id;
    watch = g_bus_watch_name_on_connection(bus->connection, sender, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                           NULL, on_asker_gone, asker, g_free);
    g_hash_table_insert(bus->askers, g_memdup2(&id, sizeof(id)), GUINT_TO_POINTER(watch));
}

static void
unwatch(gpointer watch)
{
    g_bus_unwatch_name(GPOINTER_TO_UINT(watch));
}

/*
 * Waiters
 */

/* Returns: whether @invocation was answered. */
static gboolean
answer_if_over(const Lease *lease, BusManager *manager, GDBusMethodInvocation *invocation)
{
    if (lease->state == LEASE_ASKED || lease->state == LEASE_GATHERING)
        return FALSE;
    if (lease->state == LEASE_GRANTED || lease->state == LEASE_TRANSFERRED)
        bus_manager_complete_await_lease(manager, invocation, lease->granted);
    else
        g_dbus_method_invocation_return_error(
            invocation, RESERVATIONS_ERROR, RESERVATIONS_ERROR_REFUSED, "%s",
            lease->reason ? lease->reason : lease_state_name(lease->state));
    return TRUE;
}

static void
on_changed(BusReservations *bus, const Lease *lease)
{
    for (guint i = bus->waiters->len; i > 0; i--) {
        const Waiter *waiter = bus->waiters->pdata[i - 1];

        if (waiter->id == lease->id && answer_if_over(lease, bus->manager, waiter->invocation))
            g_ptr_array_remove_index(bus->waiters, i - 1);
    }
    if (!lease_is_open(lease) || lease->taken)
        g_hash_table_remove(bus->askers, &lease->id);
    bus_manager_emit_lease_changed(bus->manager, lease_variant(lease, g_get_monotonic_time()));
}

/*
 * Methods
 */

/* Returns: FALSE if @invocation has been answered. */
static gboolean
check_service(const BusReservations *bus, GDBusMethodInvocation *invocation)
{
    if (bus->dry_run || !bus->reservations) {
        g_dbus_method_invocation_return_error_literal(
            invocation, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
            "memplugd runs with --dry-run and changes nothing");
        return FALSE;
    }
    return TRUE;
}

static gboolean
read_seconds(GVariant *value, gint64 *us)
{
    double seconds;

    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_DOUBLE))
        return FALSE;
    seconds = g_variant_get_double(value);
    if (!(seconds > 0.0))
        return FALSE;
    *us = (gint64)(MIN(seconds, 1e9) * G_USEC_PER_SEC);
    return TRUE;
}

static gboolean
read_option(const char *key, GVariant *value, LeaseTerms *terms)
{
    gboolean text = g_variant_is_of_type(value, G_VARIANT_TYPE_STRING);

    if (g_str_equal(key, "wait"))
        return terms->patient = read_seconds(value, &terms->wait_us);
    if (g_str_equal(key, "ttl"))
        return read_seconds(value, &terms->ttl_us);
    if (g_str_equal(key, "for") && text)
        terms->guest = g_variant_get_string(value, NULL);
    else if (g_str_equal(key, "purpose") && text)
        terms->purpose = g_variant_get_string(value, NULL);
    else if (g_str_equal(key, "at_least") && g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64))
        terms->at_least = g_variant_get_uint64(value);
    else
        return FALSE;
    return TRUE;
}

/* Names and purposes are kept and shown: no longer than a name can be. */
#define TEXT_MOST 255

static gboolean
read_options(GVariant *options, LeaseTerms *terms, GError **error)
{
    GVariantIter iter;
    const char *key;
    GVariant *value;

    g_variant_iter_init(&iter, options);
    while (g_variant_iter_next(&iter, "{&sv}", &key, &value)) {
        gboolean read = read_option(key, value, terms);

        g_variant_unref(value); /* @options holds what is pointed to */
        if (!read) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                        "'%s' is no option, or its value makes no sense", key);
            return FALSE;
        }
    }
    if ((terms->guest && (strlen(terms->guest) > TEXT_MOST || !*terms->guest)) ||
        (terms->purpose && strlen(terms->purpose) > TEXT_MOST)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "a name has 1 to %d bytes, a purpose no more", TEXT_MOST);
        return FALSE;
    }
    return TRUE;
}

/* Answers a call for @terms; both methods return the same. */
static void
ask(BusReservations *bus, GDBusMethodInvocation *invocation, LeaseTerms *terms, GVariant *options)
{
    const char *sender = g_dbus_method_invocation_get_sender(invocation);
    const Lease *lease = NULL;
    GError *error = NULL;

    terms->purpose = sender;
    if (read_options(options, terms, &error))
        lease = reservations_ask(bus->reservations, terms, &error);
    if (!lease) {
        g_dbus_method_invocation_take_error(invocation, error);
        return;
    }
    watch_asker(bus, lease->id, sender);
    g_dbus_method_invocation_return_value(invocation, g_variant_new("(t)", lease->id));
}

static gboolean
on_reserve(BusManager *manager, GDBusMethodInvocation *invocation, guint64 size, GVariant *options,
           gpointer data)
{
    BusReservations *bus = data;
    LeaseTerms terms = { .asked = size };

    if (check_service(bus, invocation))
        ask(bus, invocation, &terms, options);
    return TRUE;
}

#if HAVE_LIBVIRT
static void
ask_for_domain(BusReservations *bus, GDBusMethodInvocation *invocation, const char *xml,
               GVariant *options)
{
    GError *error = NULL;
    DomainNeed need;
    LeaseTerms terms;

    if (!domain_memory_need(xml, &need, &error)) {
        g_dbus_method_invocation_take_error(invocation, error);
        return;
    }
    terms = (LeaseTerms){ .asked = need.memory + need.overhead, .guest = need.name };
    ask(bus, invocation, &terms, options);
    g_free(need.name);
}
#else
static void
ask_for_domain(BusReservations *bus, GDBusMethodInvocation *invocation, const char *xml,
               GVariant *options)
{
    g_dbus_method_invocation_return_error_literal(invocation, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                                                  "this memplugd was built without libvirt");
}
#endif

static gboolean
on_reserve_domain(BusManager *manager, GDBusMethodInvocation *invocation, const char *xml,
                  GVariant *options, gpointer data)
{
    BusReservations *bus = data;

    if (check_service(bus, invocation))
        ask_for_domain(bus, invocation, xml, options);
    return TRUE;
}

static gboolean
on_await_lease(BusManager *manager, GDBusMethodInvocation *invocation, guint64 id, gpointer data)
{
    BusReservations *bus = data;
    const Lease *lease;
    Waiter *waiter;

    if (!check_service(bus, invocation))
        return TRUE;
    lease = reservations_find(bus->reservations, id);
    if (!lease) {
        g_dbus_method_invocation_return_error(invocation, RESERVATIONS_ERROR,
                                              RESERVATIONS_ERROR_UNKNOWN,
                                              "there is no lease %" G_GUINT64_FORMAT, id);
    } else if (!answer_if_over(lease, manager, invocation)) {
        waiter = g_new0(Waiter, 1);
        waiter->id = id;
        waiter->invocation = invocation;
        g_ptr_array_add(bus->waiters, waiter);
    }
    return TRUE;
}

static gboolean
on_hold_lease(BusManager *manager, GDBusMethodInvocation *invocation, guint64 id, guint process,
              gpointer data)
{
    BusReservations *bus = data;
    GError *error = NULL;

    if (!check_service(bus, invocation))
        return TRUE;
    if (reservations_hold(bus->reservations, id, process, &error))
        bus_manager_complete_hold_lease(manager, invocation);
    else
        g_dbus_method_invocation_take_error(invocation, error);
    return TRUE;
}

static gboolean
on_release_lease(BusManager *manager, GDBusMethodInvocation *invocation, guint64 id, gpointer data)
{
    BusReservations *bus = data;
    GError *error = NULL;

    if (!check_service(bus, invocation))
        return TRUE;
    if (reservations_release(bus->reservations, id, &error))
        bus_manager_complete_release_lease(manager, invocation);
    else
        g_dbus_method_invocation_take_error(invocation, error);
    return TRUE;
}

static void
add_room(GVariantDict *dict, Reservations *reservations)
{
    const Leases *leases = reservations_get_leases(reservations);
    const Room *room = reservations_get_room(reservations);

    g_variant_dict_insert(dict, "granted", "t", leases_granted(leases));
    g_variant_dict_insert(dict, "claimed", "t", leases_claimed(leases));
    g_variant_dict_insert(dict, "free", "t", room->free);
    g_variant_dict_insert(dict, "obtainable", "t", room->obtainable);
    g_variant_dict_insert(dict, "most", "t", room->most);
}

static void
add_watch(GVariantDict *dict, const Cycle *cycle)
{
    const HostWatch *watch = cycle_get_host_watch(cycle);
    const HostMarks *marks = watch ? host_watch_get_marks(watch) : NULL;

    if (!watch)
        return;
    g_variant_dict_insert(dict, "level", "s", host_level_name(host_watch_get_level(watch)));
    g_variant_dict_insert(dict, "soft", "t", marks->soft);
    g_variant_dict_insert(dict, "hard", "t", marks->hard);
    g_variant_dict_insert(dict, "emergency", "t", marks->emergency);
}

static void
add_terms(GVariantDict *dict, const CycleHost *terms)
{
    g_variant_dict_insert(dict, "reserve", "t", terms->reserve);
    g_variant_dict_insert(dict, "promises", "t", terms->promises);
    g_variant_dict_insert(dict, "overcommit", "d", terms->overcommit);
    g_variant_dict_insert(dict, "overcommit_promises", "d", terms->promise);
}

static gboolean
on_describe_host(BusManager *manager, GDBusMethodInvocation *invocation, gpointer data)
{
    BusReservations *bus = data;
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    GError *error = NULL;
    HostMemory host;

    if (!host_memory_read("", &host, &error)) {
        g_dbus_method_invocation_take_error(invocation, error);
        return TRUE;
    }
    g_variant_dict_insert(&dict, "total", "t", host.total);
    g_variant_dict_insert(&dict, "available", "t", host.available);
    g_variant_dict_insert(&dict, "unused", "t", host.unused);
    g_variant_dict_insert(&dict, "cache", "t", host.cache);
    g_variant_dict_insert(&dict, "arc", "t", host.arc);
    g_variant_dict_insert(&dict, "huge", "t", host.huge);
    g_variant_dict_insert(&dict, "huge_free", "t", host.huge_free);
    g_variant_dict_insert(&dict, "budget", "t", cycle_get_settings(bus->cycle)->budget);
    add_terms(&dict, cycle_get_host(bus->cycle));
    add_watch(&dict, bus->cycle);
    if (bus->reservations)
        add_room(&dict, bus->reservations);
    bus_manager_complete_describe_host(manager, invocation, g_variant_dict_end(&dict));
    return TRUE;
}

/*
 * Life
 */

BusReservations *
bus_reservations_new(BusManager *manager, GDBusConnection *connection, Reservations *reservations,
                     Cycle *cycle, gboolean dry_run)
{
    BusReservations *bus = g_new0(BusReservations, 1);

    bus->manager = manager;
    bus->connection = g_object_ref(connection);
    bus->reservations = reservations;
    bus->cycle = cycle;
    bus->dry_run = dry_run;
    bus->waiters = g_ptr_array_new_with_free_func(g_free);
    bus->askers = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, unwatch);
    g_signal_connect(manager, "handle-reserve", G_CALLBACK(on_reserve), bus);
    g_signal_connect(manager, "handle-reserve-domain", G_CALLBACK(on_reserve_domain), bus);
    g_signal_connect(manager, "handle-await-lease", G_CALLBACK(on_await_lease), bus);
    g_signal_connect(manager, "handle-hold-lease", G_CALLBACK(on_hold_lease), bus);
    g_signal_connect(manager, "handle-release-lease", G_CALLBACK(on_release_lease), bus);
    g_signal_connect(manager, "handle-describe-host", G_CALLBACK(on_describe_host), bus);
    if (reservations)
        g_signal_connect_swapped(reservations, "changed", G_CALLBACK(on_changed), bus);
    return bus;
}

void
bus_reservations_free(BusReservations *bus)
{
    if (!bus)
        return;
    if (bus->reservations)
        g_signal_handlers_disconnect_by_data(bus->reservations, bus);
    g_signal_handlers_disconnect_by_data(bus->manager, bus);
    for (guint i = 0; i < bus->waiters->len; i++)
        g_dbus_method_invocation_return_error_literal(
            ((Waiter *)bus->waiters->pdata[i])->invocation, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY,
            "memplugd stops");
    g_ptr_array_unref(bus->waiters);
    g_hash_table_unref(bus->askers);
    g_object_unref(bus->connection);
    g_free(bus);
}
