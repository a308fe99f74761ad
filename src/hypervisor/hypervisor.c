/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/hypervisor.h"

typedef struct {
    char *uri;
    char *connection;
    gboolean searching;
} HypervisorPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE(Hypervisor, hypervisor, G_TYPE_OBJECT)

enum { PROP_URI = 1, PROP_CONNECTION, N_PROPERTIES };
static GParamSpec *properties[N_PROPERTIES];

enum { SIGNAL_GUEST_ADDED, SIGNAL_GUEST_REMOVED, N_SIGNALS };
static guint signals[N_SIGNALS];

static HypervisorPrivate *
private_of(Hypervisor *hypervisor)
{
    return hypervisor_get_instance_private(hypervisor);
}

static void
hypervisor_init(Hypervisor *hypervisor)
{
    private_of(hypervisor)->connection = g_strdup("connected");
}

static void
hypervisor_finalize(GObject *object)
{
    HypervisorPrivate *private = private_of(MEMPLUG_HYPERVISOR(object));

    g_free(private->uri);
    g_free(private->connection);
    G_OBJECT_CLASS(hypervisor_parent_class)->finalize(object);
}

static void
hypervisor_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    if (id == PROP_URI)
        g_value_set_string(value, private_of(MEMPLUG_HYPERVISOR(object))->uri);
    else if (id == PROP_CONNECTION)
        g_value_set_string(value, private_of(MEMPLUG_HYPERVISOR(object))->connection);
    else
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static void
hypervisor_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    if (id == PROP_URI)
        private_of(MEMPLUG_HYPERVISOR(object))->uri = g_value_dup_string(value);
    else
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static void
hypervisor_class_init(HypervisorClass *class)
{
    GObjectClass *object_class = G_OBJECT_CLASS(class);

    object_class->finalize = hypervisor_finalize;
    object_class->get_property = hypervisor_get_property;
    object_class->set_property = hypervisor_set_property;

    properties[PROP_URI] =
        g_param_spec_string("uri", NULL, NULL, NULL,
                            G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
    properties[PROP_CONNECTION] = g_param_spec_string("connection", NULL, NULL, NULL,
                                                      G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(object_class, N_PROPERTIES, properties);

    signals[SIGNAL_GUEST_ADDED] = g_signal_new("guest-added", TYPE_HYPERVISOR, G_SIGNAL_RUN_LAST, 0,
                                               NULL, NULL, NULL, G_TYPE_NONE, 1, TYPE_GUEST);
    signals[SIGNAL_GUEST_REMOVED] =
        g_signal_new("guest-removed", TYPE_HYPERVISOR, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                     G_TYPE_NONE, 1, TYPE_GUEST);
}

const char *
hypervisor_get_uri(Hypervisor *hypervisor)
{
    return private_of(hypervisor)->uri;
}

const char *
hypervisor_get_connection(Hypervisor *hypervisor)
{
    return private_of(hypervisor)->connection;
}

void
hypervisor_take_connection(Hypervisor *hypervisor, const char *connection)
{
    HypervisorPrivate *private = private_of(hypervisor);

    if (g_str_equal(private->connection, connection))
        return;
    g_free(private->connection);
    private->connection = g_strdup(connection);
    g_object_notify_by_pspec(G_OBJECT(hypervisor), properties[PROP_CONNECTION]);
}

gboolean
hypervisor_is_searching(Hypervisor *hypervisor)
{
    return private_of(hypervisor)->searching;
}

void
hypervisor_take_searching(Hypervisor *hypervisor, gboolean searching)
{
    private_of(hypervisor)->searching = searching;
}

gboolean
hypervisor_start(Hypervisor *hypervisor, GError **error)
{
    return MEMPLUG_HYPERVISOR_GET_CLASS(hypervisor)->start(hypervisor, error);
}

void
hypervisor_collect_async(Hypervisor *hypervisor, guint deadline_ms, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data)
{
    MEMPLUG_HYPERVISOR_GET_CLASS(hypervisor)
        ->collect_async(hypervisor, deadline_ms, cancellable, callback, user_data);
}

gboolean
hypervisor_collect_finish(Hypervisor *hypervisor, GAsyncResult *result, GError **error)
{
    return MEMPLUG_HYPERVISOR_GET_CLASS(hypervisor)->collect_finish(hypervisor, result, error);
}

void
hypervisor_emit_guest_added(Hypervisor *hypervisor, Guest *guest)
{
    g_signal_emit(hypervisor, signals[SIGNAL_GUEST_ADDED], 0, guest);
}

void
hypervisor_emit_guest_removed(Hypervisor *hypervisor, Guest *guest)
{
    g_signal_emit(hypervisor, signals[SIGNAL_GUEST_REMOVED], 0, guest);
}
