/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each handler begins what it was asked and returns; what ends it answers the call.
 * Whether the caller may is settled before (bus-authority.h), from the arguments as
 * they came: what a handler understands of them must be what was looked at there.
 */
#include "daemon/bus-guest-methods.h"

#include "daemon/bus-findings.h"
#include "doctor/guest-checks.h"

typedef struct {
    ManagedGuest *managed; /* the object on the bus holds it */
    gboolean dry_run;
} Methods;

/* For what ManagedGuest has no part in, which refuses by itself. Returns: FALSE if
 * @invocation has been answered. */
static gboolean
check_dry_run(const Methods *methods, GDBusMethodInvocation *invocation)
{
    if (methods->dry_run)
        g_dbus_method_invocation_return_error_literal(
            invocation, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
            "memplugd runs with --dry-run and changes nothing");
    return !methods->dry_run;
}

/* Answers a call that returns nothing. @error: (transfer full) (nullable) */
static void
answer(GDBusMethodInvocation *invocation, GError *error)
{
    if (error)
        g_dbus_method_invocation_take_error(invocation, error);
    else
        g_dbus_method_invocation_return_value(invocation, NULL);
}

/*
 * What the guest has, and who decides that
 */

static gboolean
on_set_memory(BusGuest *bus, GDBusMethodInvocation *invocation, guint64 size, gpointer data)
{
    const Methods *methods = data;
    GError *error = NULL;
    guint64 decision = managed_guest_set_memory(methods->managed, size, &error);

    if (decision == 0)
        g_dbus_method_invocation_take_error(invocation, error);
    else
        bus_guest_complete_set_memory(bus, invocation, decision);
    return TRUE;
}

static void
on_managed_set(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    managed_guest_set_managed_finish(MEMPLUG_MANAGED_GUEST(source), result, &error);
    answer(data, error);
}

static gboolean
on_set_managed(BusGuest *bus, GDBusMethodInvocation *invocation, gboolean managed, gpointer data)
{
    const Methods *methods = data;

    managed_guest_set_managed_async(methods->managed, managed, on_managed_set, invocation);
    return TRUE;
}

static void
on_ordered(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    managed_guest_order_finish(MEMPLUG_MANAGED_GUEST(source), result, &error);
    answer(data, error);
}

static gboolean
on_plug(BusGuest *bus, GDBusMethodInvocation *invocation, guint64 size, gpointer data)
{
    const Methods *methods = data;

    managed_guest_plug_async(methods->managed, size, on_ordered, invocation);
    return TRUE;
}

/* PlugVirtioMem with config: the running guest has the device, its definition not yet. */
static void
on_plug_kept(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    guest_setup_plan_free(guest_setup_finish(MEMPLUG_GUEST(source), result, &error));
    if (error)
        g_prefix_error(&error, "plugged, but not for the next start: ");
    answer(data, error);
}

static void
on_plugged_to_be_kept(GObject *source, GAsyncResult *result, gpointer data)
{
    ManagedGuest *managed = MEMPLUG_MANAGED_GUEST(source);
    const GuestSetup wanted = { 0 };
    GError *error = NULL;

    if (!managed_guest_order_finish(managed, result, &error))
        answer(data, error);
    else
        guest_setup_async(managed_guest_get_guest(managed), &wanted, TRUE, NULL, on_plug_kept,
                          data);
}

static gboolean
on_plug_virtio_mem(BusGuest *bus, GDBusMethodInvocation *invocation, guint64 max, gboolean config,
                   gpointer data)
{
    const Methods *methods = data;

    managed_guest_plug_virtio_mem_async(methods->managed, max,
                                        config ? on_plugged_to_be_kept : on_ordered, invocation);
    return TRUE;
}

static gboolean
on_unplug(BusGuest *bus, GDBusMethodInvocation *invocation, const char *device, gpointer data)
{
    const Methods *methods = data;

    managed_guest_unplug_async(methods->managed, device, on_ordered, invocation);
    return TRUE;
}

static void
on_memory_stored(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    guest_store_memory_finish(MEMPLUG_GUEST(source), result, &error);
    answer(data, error);
}

static gboolean
on_store_memory(BusGuest *bus, GDBusMethodInvocation *invocation, guint64 size, gpointer data)
{
    const Methods *methods = data;

    if (check_dry_run(methods, invocation))
        guest_store_memory_async(managed_guest_get_guest(methods->managed), size, NULL,
                                 on_memory_stored, invocation);
    return TRUE;
}

/*
 * Limits
 */

/* What SetLimits was asked. */
typedef struct {
    GuestLimits limits; /* to be changed */
    guint unset;        /* GuestLimitField: to be taken back */
    guint scope;        /* GuestScope */
} LimitsChange;

static gboolean
take_size(GVariant *value, guint64 *size, GuestLimitField field, LimitsChange *change)
{
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64))
        return FALSE;
    *size = g_variant_get_uint64(value);
    if (*size == 0)
        change->unset |= field;
    else
        change->limits.set |= field;
    return TRUE;
}

static gboolean
take_floor(GVariant *value, LimitsChange *change, GError **error)
{
    return take_size(value, &change->limits.floor, GUEST_LIMIT_FLOOR, change);
}

static gboolean
take_ceiling(GVariant *value, LimitsChange *change, GError **error)
{
    return take_size(value, &change->limits.ceiling, GUEST_LIMIT_CEILING, change);
}

static gboolean
take_weight(GVariant *value, LimitsChange *change, GError **error)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_DOUBLE))
        return FALSE;
    g_ascii_dtostr(text, sizeof(text), g_variant_get_double(value));
    return guest_limits_set(&change->limits, "weight", text, error);
}

static gboolean
take_mechanism(GVariant *value, LimitsChange *change, GError **error)
{
    return g_variant_is_of_type(value, G_VARIANT_TYPE_STRING) &&
           guest_limits_set(&change->limits, "mechanism", g_variant_get_string(value, NULL), error);
}

/* A guest's own definition may name one that only a later version knows; who asks here is told. */
static gboolean
take_predictor(GVariant *value, LimitsChange *change, GError **error)
{
    const char *name;

    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
        return FALSE;
    name = g_variant_get_string(value, NULL);
    if (*name == '\0') {
        change->unset |= GUEST_LIMIT_PREDICTOR;
        return TRUE;
    }
    if (!predictor_find(name)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "unknown predictor '%s'; 'memplug policies' lists them", name);
        return FALSE;
    }
    return guest_limits_set(&change->limits, "predictor", name, error);
}

static gboolean
take_scope(GVariant *value, GuestScope scope, LimitsChange *change)
{
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN))
        return FALSE;
    if (g_variant_get_boolean(value))
        change->scope |= scope;
    return TRUE;
}

static gboolean
take_live(GVariant *value, LimitsChange *change, GError **error)
{
    return take_scope(value, GUEST_SCOPE_LIVE, change);
}

static gboolean
take_config(GVariant *value, LimitsChange *change, GError **error)
{
    return take_scope(value, GUEST_SCOPE_CONFIG, change);
}

static const struct {
    const char *key;
    /* Returns: FALSE if @value has the wrong type, or with @error set. */
    gboolean (*take)(GVariant *value, LimitsChange *change, GError **error);
} limit_keys[] = {
    { "floor", take_floor },         { "ceiling", take_ceiling }, { "weight", take_weight },
    { "mechanism", take_mechanism }, { "live", take_live },       { "predictor", take_predictor },
    { "config", take_config },
};

static gboolean
take_limit(const char *key, GVariant *value, LimitsChange *change, GError **error)
{
    GError *local = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(limit_keys); i++) {
        if (g_str_equal(key, limit_keys[i].key) && limit_keys[i].take(value, change, &local))
            return TRUE;
    }
    if (local)
        g_propagate_error(error, local);
    else
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "'%s' is no limit, or its value has the wrong type", key);
    return FALSE;
}

static void
on_limits_set(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    managed_guest_set_limits_finish(MEMPLUG_MANAGED_GUEST(source), result, &error);
    answer(data, error);
}

static gboolean
on_set_limits(BusGuest *bus, GDBusMethodInvocation *invocation, GVariant *wanted, gpointer data)
{
    const Methods *methods = data;
    LimitsChange change = { .scope = GUEST_SCOPE_ALL };
    GError *error = NULL;
    GVariantIter iter;
    const char *key;
    GVariant *value;
    gboolean ok = TRUE;

    g_variant_iter_init(&iter, wanted);
    while (ok && g_variant_iter_next(&iter, "{&sv}", &key, &value)) {
        ok = take_limit(key, value, &change, &error);
        g_variant_unref(value);
    }
    if (!ok)
        g_dbus_method_invocation_take_error(invocation, error);
    else
        managed_guest_set_limits_async(methods->managed, &change.limits, change.unset, change.scope,
                                       on_limits_set, invocation);
    return TRUE;
}

/*
 * Diagnosis and set-up
 */

/* What is known of a guest beside what its hypervisor tells. */
static GPtrArray *
examine(ManagedGuest *managed, const GuestFacts *facts)
{
    const GuestMonitor *monitor = managed_guest_get_monitor(managed);
    const Sample *sample = sample_ring_get(&monitor->ring, 0);
    g_autoptr(HostFacts) host = host_facts_read("");
    const Uptake *uptake = managed_guest_get_uptake(managed);
    const KernelZone zone = managed_guest_get_zone(managed);
    const GuestCase guest = {
        .facts = facts,
        .host = host,
        .total = sample ? sample->total : 0,
        .release = managed_guest_get_kernel(managed),
        .trouble = guest_monitor_trouble(monitor, g_get_monotonic_time()),
        .missing = managed_guest_get_missing(managed, g_get_monotonic_time()),
        .by_blocks = uptake->by_agent,
        .movable = uptake->movable,
        .kernel = uptake->kernel,
        .spent = kernel_zone_is_spent(&zone),
        .ceiling = managed_guest_get_status(managed)->force.limits.ceiling,
    };

    return guest_checks_run(&guest);
}

/* A call of Diagnose that waits for the guest's hypervisor. */
typedef struct {
    ManagedGuest *managed;
    GDBusMethodInvocation *invocation;
} Diagnosis;

static void
on_described(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Diagnosis *diagnosis = data;
    g_autoptr(ManagedGuest) managed = diagnosis->managed;
    GError *error = NULL;
    g_autoptr(GuestFacts) facts = guest_describe_finish(MEMPLUG_GUEST(source), result, &error);
    g_autoptr(GPtrArray) findings = NULL;

    if (!facts) {
        g_dbus_method_invocation_take_error(diagnosis->invocation, error);
        return;
    }
    findings = examine(managed, facts);
    g_dbus_method_invocation_return_value(
        diagnosis->invocation, g_variant_new("(@aa{sv})", bus_findings_variant(findings)));
}

static gboolean
on_diagnose(BusGuest *bus, GDBusMethodInvocation *invocation, gpointer data)
{
    const Methods *methods = data;
    Diagnosis *diagnosis = g_new0(Diagnosis, 1);

    diagnosis->managed = g_object_ref(methods->managed);
    diagnosis->invocation = invocation;
    guest_describe_async(managed_guest_get_guest(methods->managed), NULL, on_described, diagnosis);
    return TRUE;
}

static GVariant *
plan_variant(const GuestSetupPlan *plan)
{
    static const char *const nothing[] = { NULL };
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&dict, "before", "s", plan->before);
    g_variant_dict_insert(&dict, "after", "s", plan->after);
    g_variant_dict_insert(&dict, "done", "^as",
                          plan->done ? (const char *const *)plan->done : nothing);
    g_variant_dict_insert(&dict, "restart", "b", plan->restart);
    return g_variant_dict_end(&dict);
}

static void
on_set_up(GObject *source, GAsyncResult *result, gpointer data)
{
    GDBusMethodInvocation *invocation = data;
    GError *error = NULL;
    g_autoptr(GuestSetupPlan) plan = guest_setup_finish(MEMPLUG_GUEST(source), result, &error);

    if (!plan)
        g_dbus_method_invocation_take_error(invocation, error);
    else
        g_dbus_method_invocation_return_value(invocation,
                                              g_variant_new("(@a{sv})", plan_variant(plan)));
}

/* Returns: FALSE if @options has another member than those, or one of another type. */
static gboolean
check_setup_options(GVariant *options, GError **error)
{
    static const struct {
        const char *key, *type;
    } known[] = {
        { "max", "t" }, { "virtio-mem", "b" }, { "virtio-mem-max", "t" }, { "apply", "b" }
    };
    GVariantIter iter;
    const char *key;
    GVariant *value;

    g_variant_iter_init(&iter, options);
    while (g_variant_iter_next(&iter, "{&sv}", &key, &value)) {
        g_autoptr(GVariant) owned = value;
        gboolean good = FALSE;

        for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
            good |= g_str_equal(key, known[i].key) &&
                    g_variant_is_of_type(owned, G_VARIANT_TYPE(known[i].type));
        if (!good) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                        "'%s' is no option, or its value has the wrong type", key);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
on_setup(BusGuest *bus, GDBusMethodInvocation *invocation, GVariant *options, gpointer data)
{
    const Methods *methods = data;
    GError *error = NULL;
    GuestSetup wanted = { 0 };
    gboolean virtio_mem = TRUE;
    gboolean apply = FALSE;

    if (!check_setup_options(options, &error)) {
        g_dbus_method_invocation_take_error(invocation, error);
        return TRUE;
    }
    /* Of an option that comes twice, the first counts here as in bus-authority.c. */
    g_variant_lookup(options, "max", "t", &wanted.max);
    g_variant_lookup(options, "virtio-mem", "b", &virtio_mem);
    g_variant_lookup(options, "virtio-mem-max", "t", &wanted.virtio_mem);
    g_variant_lookup(options, "apply", "b", &apply);
    wanted.no_virtio_mem = !virtio_mem;
    if (!apply || check_dry_run(methods, invocation))
        guest_setup_async(managed_guest_get_guest(methods->managed), &wanted, apply, NULL,
                          on_set_up, invocation);
    return TRUE;
}

void
bus_guest_methods_connect(BusGuest *bus, ManagedGuest *managed, gboolean dry_run)
{
    static const struct {
        const char *signal;
        GCallback handler;
    } handlers[] = {
        { "handle-set-memory", G_CALLBACK(on_set_memory) },
        { "handle-store-memory", G_CALLBACK(on_store_memory) },
        { "handle-set-managed", G_CALLBACK(on_set_managed) },
        { "handle-set-limits", G_CALLBACK(on_set_limits) },
        { "handle-plug", G_CALLBACK(on_plug) },
        { "handle-plug-virtio-mem", G_CALLBACK(on_plug_virtio_mem) },
        { "handle-unplug", G_CALLBACK(on_unplug) },
        { "handle-diagnose", G_CALLBACK(on_diagnose) },
        { "handle-setup", G_CALLBACK(on_setup) },
    };

    Methods *methods = g_new0(Methods, 1);

    methods->managed = managed;
    methods->dry_run = dry_run;
    g_object_set_data_full(G_OBJECT(bus), "memplug-methods", methods, g_free);
    for (gsize i = 0; i < G_N_ELEMENTS(handlers); i++)
        g_signal_connect(bus, handlers[i].signal, handlers[i].handler, methods);
}
