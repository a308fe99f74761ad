/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/guest.h"

typedef struct {
    char *name;
    char *instance;
    char *lineage;
    gboolean continues;
    GPid pid;
    GuestState state;
    GuestLimits limits;
    GuestWord word;
} GuestPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE(Guest, guest, G_TYPE_OBJECT)

enum {
    PROP_NAME = 1,
    PROP_INSTANCE,
    PROP_LINEAGE,
    PROP_CONTINUES,
    PROP_PID,
    PROP_STATE,
    N_PROPERTIES,
};
static GParamSpec *properties[N_PROPERTIES];

enum { SIGNAL_STATS, SIGNAL_MEMORY_EVENT, SIGNAL_LIMITS_CHANGED, N_SIGNALS };
static guint signals[N_SIGNALS];

static const char *const state_names[] = {
    [GUEST_STATE_RUNNING] = "running",         [GUEST_STATE_PAUSED] = "paused",
    [GUEST_STATE_MIGRATING] = "migrating",     [GUEST_STATE_BUSY] = "busy",
    [GUEST_STATE_UNREACHABLE] = "unreachable",
};
G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == GUEST_STATE_UNREACHABLE + 1);

const char *
guest_state_name(GuestState state)
{
    return state_names[state];
}

static GuestPrivate *
private_of(Guest *guest)
{
    return guest_get_instance_private(guest);
}

static void
guest_init(Guest *guest)
{
}

static void
guest_finalize(GObject *object)
{
    GuestPrivate *private = private_of(MEMPLUG_GUEST(object));

    g_free(private->name);
    g_free(private->instance);
    g_free(private->lineage);
    G_OBJECT_CLASS(guest_parent_class)->finalize(object);
}

static void
guest_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    GuestPrivate *private = private_of(MEMPLUG_GUEST(object));

    switch (id) {
    case PROP_NAME:
        g_value_set_string(value, private->name);
        break;
    case PROP_INSTANCE:
        g_value_set_string(value, private->instance);
        break;
    case PROP_LINEAGE:
        g_value_set_string(value, private->lineage);
        break;
    case PROP_CONTINUES:
        g_value_set_boolean(value, private->continues);
        break;
    case PROP_PID:
        g_value_set_int(value, private->pid);
        break;
    case PROP_STATE:
        g_value_set_int(value, (int)private->state);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void
guest_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    GuestPrivate *private = private_of(MEMPLUG_GUEST(object));

    switch (id) {
    case PROP_NAME:
        private
        ->name = g_value_dup_string(value);
        break;
    case PROP_INSTANCE:
        private
        ->instance = g_value_dup_string(value);
        break;
    case PROP_LINEAGE:
        private
        ->lineage = g_value_dup_string(value);
        break;
    case PROP_CONTINUES:
        private
        ->continues = g_value_get_boolean(value);
        break;
    case PROP_PID:
        private
        ->pid = g_value_get_int(value);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void
guest_class_init(GuestClass *class)
{
    const GParamFlags once = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;
    GObjectClass *object_class = G_OBJECT_CLASS(class);

    object_class->finalize = guest_finalize;
    object_class->get_property = guest_get_property;
    object_class->set_property = guest_set_property;

    properties[PROP_NAME] = g_param_spec_string("name", NULL, NULL, NULL, once);
    properties[PROP_INSTANCE] = g_param_spec_string("instance", NULL, NULL, NULL, once);
    properties[PROP_LINEAGE] = g_param_spec_string("lineage", NULL, NULL, NULL, once);
    properties[PROP_CONTINUES] = g_param_spec_boolean("continues", NULL, NULL, FALSE, once);
    properties[PROP_PID] = g_param_spec_int("pid", NULL, NULL, 0, G_MAXINT, 0, once);
    properties[PROP_STATE] =
        g_param_spec_int("state", NULL, NULL, GUEST_STATE_RUNNING, GUEST_STATE_UNREACHABLE,
                         GUEST_STATE_RUNNING, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(object_class, N_PROPERTIES, properties);

    signals[SIGNAL_STATS] = g_signal_new("stats", TYPE_GUEST, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                         NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
    signals[SIGNAL_MEMORY_EVENT] = g_signal_new("memory-event", TYPE_GUEST, G_SIGNAL_RUN_LAST, 0,
                                                NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
    signals[SIGNAL_LIMITS_CHANGED] = g_signal_new("limits-changed", TYPE_GUEST, G_SIGNAL_RUN_LAST,
                                                  0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

const char *
guest_get_name(Guest *guest)
{
    return private_of(guest)->name;
}

const char *
guest_get_instance(Guest *guest)
{
    return private_of(guest)->instance;
}

const char *
guest_get_lineage(Guest *guest)
{
    return private_of(guest)->lineage;
}

gboolean
guest_continues(Guest *guest)
{
    return private_of(guest)->continues;
}

GuestState
guest_get_state(Guest *guest)
{
    return private_of(guest)->state;
}

GPid
guest_get_pid(Guest *guest)
{
    return private_of(guest)->pid;
}

const GuestLimits *
guest_get_limits(Guest *guest)
{
    return &private_of(guest)->limits;
}

const GuestWord *
guest_get_word(Guest *guest)
{
    return &private_of(guest)->word;
}

void
guest_keep_word(Guest *guest, const GuestWord *word)
{
    GuestClass *class = MEMPLUG_GUEST_GET_CLASS(guest);

    if (class->keep_word)
        class->keep_word(guest, word);
}

void
guest_take_word(Guest *guest, const GuestWord *word)
{
    private_of(guest)->word = *word;
}

void
guest_observe_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer user_data)
{
    MEMPLUG_GUEST_GET_CLASS(guest)->observe_async(guest, cancellable, callback, user_data);
}

GuestMemory *
guest_observe_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    return MEMPLUG_GUEST_GET_CLASS(guest)->observe_finish(guest, result, error);
}

void
guest_act_async(Guest *guest, const MemoryStep *step, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
    MEMPLUG_GUEST_GET_CLASS(guest)->act_async(guest, step, cancellable, callback, user_data);
}

gboolean
guest_act_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    return MEMPLUG_GUEST_GET_CLASS(guest)->act_finish(guest, result, error);
}

void
guest_set_stats_period(Guest *guest, guint period_s)
{
    MEMPLUG_GUEST_GET_CLASS(guest)->set_stats_period(guest, period_s);
}

void
guest_change_limits_async(Guest *guest, const GuestLimits *change, guint unset, guint scope,
                          GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
    MEMPLUG_GUEST_GET_CLASS(guest)->change_limits_async(guest, change, unset, scope, cancellable,
                                                        callback, user_data);
}

gboolean
guest_change_limits_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    return MEMPLUG_GUEST_GET_CLASS(guest)->change_limits_finish(guest, result, error);
}

/*
 * What not every hypervisor can do
 */

static void
refuse(Guest *guest, gpointer tag, const char *what, GAsyncReadyCallback callback,
       gpointer user_data)
{
    g_task_report_new_error(guest, callback, user_data, tag, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                            "%s: %s", guest_get_name(guest), what);
}

void
guest_store_memory_async(Guest *guest, guint64 size, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data)
{
    GuestClass *class = MEMPLUG_GUEST_GET_CLASS(guest);

    if (class->store_memory_async)
        class->store_memory_async(guest, size, cancellable, callback, user_data);
    else
        refuse(guest, guest_store_memory_async,
               "nothing keeps what this guest is started from; change QEMU's command line",
               callback, user_data);
}

gboolean
guest_store_memory_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    if (g_async_result_is_tagged(result, guest_store_memory_async))
        return g_task_propagate_boolean(G_TASK(result), error);
    return MEMPLUG_GUEST_GET_CLASS(guest)->store_memory_finish(guest, result, error);
}

void
guest_describe_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                     gpointer user_data)
{
    GuestClass *class = MEMPLUG_GUEST_GET_CLASS(guest);

    if (class->describe_async)
        class->describe_async(guest, cancellable, callback, user_data);
    else
        refuse(guest, guest_describe_async, "its hypervisor does not tell more of it", callback,
               user_data);
}

GuestFacts *
guest_describe_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    if (g_async_result_is_tagged(result, guest_describe_async))
        return g_task_propagate_pointer(G_TASK(result), error);
    return MEMPLUG_GUEST_GET_CLASS(guest)->describe_finish(guest, result, error);
}

void
guest_setup_async(Guest *guest, const GuestSetup *wanted, gboolean apply, GCancellable *cancellable,
                  GAsyncReadyCallback callback, gpointer user_data)
{
    GuestClass *class = MEMPLUG_GUEST_GET_CLASS(guest);

    if (class->setup_async)
        class->setup_async(guest, wanted, apply, cancellable, callback, user_data);
    else
        refuse(guest, guest_setup_async,
               "nothing keeps what this guest is started from; 'memplug doctor' tells what to "
               "change on QEMU's command line",
               callback, user_data);
}

GuestSetupPlan *
guest_setup_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    if (g_async_result_is_tagged(result, guest_setup_async))
        return g_task_propagate_pointer(G_TASK(result), error);
    return MEMPLUG_GUEST_GET_CLASS(guest)->setup_finish(guest, result, error);
}

void
guest_open_channel_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
    GuestClass *class = MEMPLUG_GUEST_GET_CLASS(guest);

    if (class->open_channel_async)
        class->open_channel_async(guest, cancellable, callback, user_data);
    else
        refuse(guest, guest_open_channel_async, "its hypervisor gives no stats channel", callback,
               user_data);
}

GIOStream *
guest_open_channel_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    if (g_async_result_is_tagged(result, guest_open_channel_async))
        return g_task_propagate_pointer(G_TASK(result), error);
    return MEMPLUG_GUEST_GET_CLASS(guest)->open_channel_finish(guest, result, error);
}

void
guest_take_state(Guest *guest, GuestState state)
{
    GuestPrivate *private = private_of(guest);

    if (private->state == state)
        return;
    private->state = state;
    g_object_notify_by_pspec(G_OBJECT(guest), properties[PROP_STATE]);
}

void
guest_take_limits(Guest *guest, const GuestLimits *limits)
{
    GuestPrivate *private = private_of(guest);

    if (guest_limits_equal(&private->limits, limits))
        return;
    private->limits = *limits;
    g_signal_emit(guest, signals[SIGNAL_LIMITS_CHANGED], 0);
}

void
guest_emit_stats(Guest *guest, const BalloonStats *stats)
{
    g_signal_emit(guest, signals[SIGNAL_STATS], 0, stats);
}

void
guest_emit_memory_event(Guest *guest, const GuestMemoryEvent *event)
{
    g_signal_emit(guest, signals[SIGNAL_MEMORY_EVENT], 0, event);
}
