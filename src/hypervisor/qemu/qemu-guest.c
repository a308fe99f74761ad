/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The state of a guest is what the following say, the upper hiding the lower:
 *
 *   silent      a command ran out of time, and none has been answered since
 *   migrating   as query-migrate said at the last collection
 *   paused      as STOP and RESUME say, and query-status at the beginning
 *
 * QEMU stands still while it touches the pages of a preallocated backend, which
 * is no silence: while a DIMM is being plugged, time-outs of other commands do
 * not count.
 *
 * Orphaned backends are swept (qemu-sweep.h) after an observation, since that is when
 * somebody cares for the guest.
 *
 * What the balloon was asked to hold is remembered from our own orders, until
 * the balloon moves although it had reached it: then somebody else has asked.
 */
#include "hypervisor/qemu/qemu-guest.h"

#include "hypervisor/qemu/qemu-act.h"
#include "hypervisor/qemu/qemu-channel.h"
#include "hypervisor/qemu/qemu-describe.h"
#include "hypervisor/qemu/qemu-dimms.h"
#include "hypervisor/qemu/qemu-observe.h"
#include "hypervisor/qemu/qemu-sweep.h"
#include "qmp/qmp-balloon.h"
#include "qmp/qmp-error.h"

#define NOBODY_KNOWS G_MAXUINT64

struct _QemuGuest {
    Guest parent;

    QmpClient *client;
    QemuMachine *machine;
    QemuLimits *limits;
    char *channel;
    DimmBook *dimms;
    GHashTable *paths; /* of devices without an id: qemu_observe_async() */
    guint departures;  /* devices that went */

    gboolean silent;
    gboolean migrating;
    gboolean running;

    gboolean acting;
    gboolean plugging;
    guint64 balloon_asked;    /* to hold; NOBODY_KNOWS */
    gboolean balloon_reached; /* it has held that since */

    QemuSweep *sweep;

    GQueue collectors;        /* GTasks that wait for the end of a collection */
    guint collection_waiting; /* its commands that have not been answered */
};

G_DEFINE_FINAL_TYPE(QemuGuest, qemu_guest, TYPE_GUEST)

/*
 * State
 */

static void
tell_state(QemuGuest *self)
{
    GuestState state = self->silent      ? GUEST_STATE_UNREACHABLE
                       : self->migrating ? GUEST_STATE_MIGRATING
                       : self->running   ? GUEST_STATE_RUNNING
                                         : GUEST_STATE_PAUSED;

    guest_take_state(MEMPLUG_GUEST(self), state);
}

/* Notes whether QEMU answers at all. Returns: @error (transfer full) for Guest's users. */
static GError *
judge(QemuGuest *self, GError *error)
{
    gboolean timed_out = g_error_matches(error, QMP_ERROR, QMP_ERROR_TIMED_OUT);

    if (timed_out && !self->plugging)
        self->silent = TRUE;
    else if (!error || (error->domain == QMP_ERROR && error->code <= QMP_ERROR_REPLY))
        self->silent = FALSE;
    tell_state(self);

    if (!timed_out)
        return error;
    GError *told = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_TIMED_OUT, error->message);

    g_error_free(error);
    return told;
}

/*
 * Events
 */

static void
on_event(QmpClient *client, const char *name, JsonObject *data, gint64 time, gpointer user_data)
{
    QemuGuest *self = user_data;
    GuestMemoryEvent told;
    g_autoptr(GError) error = NULL;
    g_autoptr(QmpMemoryEvent) event = qmp_memory_event_read(name, data, &error);

    if (error)
        g_debug("%s: %s", guest_get_name(MEMPLUG_GUEST(self)), error->message);
    if (!event)
        return;

    if (event->kind == QMP_MEMORY_EVENT_STOP || event->kind == QMP_MEMORY_EVENT_RESUME) {
        self->running = event->kind == QMP_MEMORY_EVENT_RESUME;
        tell_state(self);
    }
    if (event->kind == QMP_MEMORY_EVENT_RESET)
        self->balloon_reached = FALSE; /* QEMU remembers what was asked, the guest begins anew */
    if (event->kind == QMP_MEMORY_EVENT_DEVICE_DELETED || event->kind == QMP_MEMORY_EVENT_RESET) {
        self->departures++;
        qemu_sweep_ask(self->sweep);
        qemu_sweep_begin(self->sweep);
    }
    if (qemu_dimms_take_event(self->dimms, event, &told))
        guest_emit_memory_event(MEMPLUG_GUEST(self), &told);
}

/*
 * Observing
 */

/* Adds what only we know. */
static void
annotate(QemuGuest *self, GuestMemory *memory)
{
    gint64 now = g_get_monotonic_time();

    for (guint i = 0; i < memory->n_devices; i++) {
        MemoryDevice *device = &memory->devices[i];

        if (device->kind != MEMORY_DEVICE_DIMM || !device->id)
            continue;
        device->acknowledged = dimm_book_waits_since(self->dimms, device->id) == 0;
        device->removing = dimm_book_is_removing(self->dimms, device->id, now);
    }

    if (memory->ballooned == self->balloon_asked)
        self->balloon_reached = TRUE;
    else if (self->balloon_reached)
        self->balloon_asked = NOBODY_KNOWS;
    if (self->balloon_asked != NOBODY_KNOWS)
        memory->balloon_requested = self->balloon_asked;
}

static void look(QemuGuest *self, GTask *task);

static void
on_observed(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    QemuGuest *self = g_task_get_source_object(task);
    GError *error = NULL;
    GuestMemory *memory = qemu_observe_finish(QMP_CLIENT(source), result, &error);

    error = judge(self, error);
    if (!memory) {
        g_task_return_error(task, error);
        return;
    }
    /* A DIMM that went between the two looks, at devices and at the balloon, would
     * seem to be in the balloon. Each turn needs another one to go, so they end. */
    if (GPOINTER_TO_UINT(g_task_get_task_data(task)) != self->departures) {
        guest_memory_free(memory);
        look(self, g_steal_pointer(&task));
        return;
    }
    annotate(self, memory);
    qemu_sweep_begin(self->sweep);
    g_task_return_pointer(task, memory, (GDestroyNotify)guest_memory_free);
}

/* @task: (transfer full) */
static void
look(QemuGuest *self, GTask *task)
{
    g_task_set_task_data(task, GUINT_TO_POINTER(self->departures), NULL);
    qemu_observe_async(self->client, self->machine, self->paths, g_task_get_cancellable(task),
                       on_observed, task);
}

static void
qemu_guest_observe_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
    QemuGuest *self = MEMPLUG_QEMU_GUEST(guest);
    GTask *task = g_task_new(guest, cancellable, callback, user_data);

    g_task_set_source_tag(task, qemu_guest_observe_async);
    look(self, task);
}

static GuestMemory *
qemu_guest_observe_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, guest), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

/*
 * Acting
 */

static void
set_plugging(QemuGuest *self, gboolean plugging)
{
    self->plugging = plugging;
    qemu_sweep_set_plugging(self->sweep, plugging);
}

static void
on_acted(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    QemuGuest *self = g_task_get_source_object(task);
    const MemoryStep *step = g_task_get_task_data(task);
    GError *error = NULL;
    gboolean taken = qemu_act_finish(QMP_CLIENT(source), result, &error);

    self->acting = FALSE;
    set_plugging(self, FALSE);
    error = judge(self, error);
    if (taken && step->kind == MEMORY_STEP_SET_BALLOON) {
        self->balloon_asked = step->size;
        self->balloon_reached = FALSE;
    }
    if (!taken && step->kind == MEMORY_STEP_PLUG_DIMM)
        qemu_sweep_ask(self->sweep);
    if (taken)
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
qemu_guest_act_async(Guest *guest, const MemoryStep *step, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer user_data)
{
    QemuGuest *self = MEMPLUG_QEMU_GUEST(guest);
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);

    g_task_set_source_tag(task, qemu_guest_act_async);
    /* An order that QEMU has taken is a success, whoever has given up on it. */
    g_task_set_check_cancellable(task, FALSE);
    if (g_task_return_error_if_cancelled(task))
        return;
    if (self->acting) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_PENDING, "another step is in flight");
        return;
    }
    self->acting = TRUE;
    set_plugging(self, step->kind == MEMORY_STEP_PLUG_DIMM);
    g_task_set_task_data(task, g_memdup2(step, sizeof(*step)), g_free);
    qemu_act_async(self->client, self->machine, self->dimms, step, cancellable, on_acted,
                   g_steal_pointer(&task));
}

static gboolean
qemu_guest_act_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, guest), FALSE);
    return g_task_propagate_boolean(G_TASK(result), error);
}

/*
 * Collecting
 */

/* The two name the same statistics in the same order, that of the virtio specification. */
G_STATIC_ASSERT((int)BALLOON_STAT_COUNT == (int)QMP_BALLOON_N_STATS);
G_STATIC_ASSERT((int)BALLOON_STAT_AVAILABLE == (int)QMP_BALLOON_STAT_AVAILABLE);
G_STATIC_ASSERT((int)BALLOON_STAT_OOM_KILL == (int)QMP_BALLOON_STAT_OOM_KILLS);
G_STATIC_ASSERT((int)BALLOON_STAT_DIRECT_RECLAIM == (int)QMP_BALLOON_STAT_DIRECT_RECLAIMS);
G_STATIC_ASSERT(BALLOON_STAT_MISSING == QMP_BALLOON_STAT_MISSING);

/* One of a collection's commands has ended. */
static void
collected(QemuGuest *self, GError *error)
{
    g_autoptr(GError) judged = judge(self, error);
    GTask *task;

    if (judged)
        g_debug("%s: %s", guest_get_name(MEMPLUG_GUEST(self)), judged->message);
    if (--self->collection_waiting > 0)
        return;
    while ((task = g_queue_pop_head(&self->collectors))) {
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
    }
}

static void
on_stats(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(QemuGuest) self = user_data;
    QmpBalloonStats read;
    GError *error = NULL;

    if (qmp_balloon_get_stats_finish(QMP_CLIENT(source), result, &read, &error)) {
        BalloonStats stats = { .last_update_s = read.last_update_s };

        for (guint i = 0; i < BALLOON_STAT_COUNT; i++)
            stats.values[i] = read.values[i];
        guest_emit_stats(MEMPLUG_GUEST(self), &stats);
    }
    collected(self, error);
}

/* Whether a migration in this state (qapi/migration.json, MigrationStatus) goes on. */
static gboolean
is_migrating(const char *status)
{
    static const char *const at_rest[] = { "none", "cancelled", "completed", "failed", NULL };

    return !g_strv_contains(at_rest, status);
}

static void
on_migration(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(QemuGuest) self = user_data;
    GError *error = NULL;
    g_autofree char *status = qmp_machine_query_migrate_finish(QMP_CLIENT(source), result, &error);

    if (status)
        self->migrating = is_migrating(status);
    collected(self, error);
}

void
qemu_guest_collect_async(QemuGuest *self, GAsyncReadyCallback callback, gpointer user_data)
{
    GTask *task = g_task_new(self, NULL, callback, user_data);

    g_task_set_source_tag(task, qemu_guest_collect_async);
    g_queue_push_tail(&self->collectors, task);
    if (self->collection_waiting > 0)
        return;
    self->collection_waiting = self->machine->balloon ? 2 : 1;
    qmp_machine_query_migrate_async(self->client, NULL, on_migration, g_object_ref(self));
    if (self->machine->balloon)
        qmp_balloon_get_stats_async(self->client, self->machine->balloon, NULL, on_stats,
                                    g_object_ref(self));
}

void
qemu_guest_collect_finish(QemuGuest *self, GAsyncResult *result)
{
    g_return_if_fail(g_task_is_valid(result, self));
    g_task_propagate_boolean(G_TASK(result), NULL);
}

static void
qemu_guest_set_stats_period(Guest *guest, guint period_s)
{
    QemuGuest *self = MEMPLUG_QEMU_GUEST(guest);

    if (self->machine->balloon)
        qmp_balloon_set_polling_async(self->client, self->machine->balloon, period_s, NULL, NULL,
                                      NULL);
}

/*
 * Limits
 */

void
qemu_guest_refresh_limits(QemuGuest *self)
{
    guest_take_limits(MEMPLUG_GUEST(self), qemu_limits_refresh(self->limits));
}

/* The file is both: it is read while the guest runs, and again when it starts. */
static void
qemu_guest_change_limits_async(Guest *guest, const GuestLimits *change, guint unset, guint scope,
                               GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    const GuestLimits limits = guest_limits_change(guest_get_limits(guest), change, unset);
    GError *error = NULL;

    g_task_set_source_tag(task, qemu_guest_change_limits_async);
    if (!qemu_limits_store(MEMPLUG_QEMU_GUEST(guest)->limits, &limits, &error)) {
        g_task_return_error(task, error);
        return;
    }
    guest_take_limits(guest, &limits);
    g_task_return_boolean(task, TRUE);
}

static gboolean
qemu_guest_change_limits_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/*
 * Describing: what QEMU tells, then its memory
 */

static void
on_memory_of_described(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    GuestFacts *facts = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;

    facts->memory = guest_observe_finish(MEMPLUG_GUEST(source), result, &error);
    if (!facts->memory)
        g_debug("%s: %s", facts->name, error->message);
    g_task_set_task_data(task, NULL, NULL);
    g_task_return_pointer(task, facts, (GDestroyNotify)guest_facts_free);
}

static void
on_described(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    Guest *guest = g_task_get_source_object(task);
    GError *error = NULL;
    GuestFacts *facts = qemu_describe_finish(QMP_CLIENT(source), result, &error);

    error = judge(MEMPLUG_QEMU_GUEST(guest), error);
    if (!facts) {
        g_task_return_error(task, error);
        return;
    }
    GCancellable *cancellable = g_task_get_cancellable(task);

    facts->name = g_strdup(guest_get_name(guest));
    g_task_set_task_data(task, facts, NULL);
    guest_observe_async(guest, cancellable, on_memory_of_described, g_steal_pointer(&task));
}

static void
qemu_guest_describe_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
    QemuGuest *self = MEMPLUG_QEMU_GUEST(guest);
    GTask *task = g_task_new(guest, cancellable, callback, user_data);

    g_task_set_source_tag(task, qemu_guest_describe_async);
    qemu_describe_async(self->client, self->machine, cancellable, on_described, task);
}

static GuestFacts *
qemu_guest_describe_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, guest), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void
qemu_guest_open_channel_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data)
{
    qemu_channel_open_async(guest, MEMPLUG_QEMU_GUEST(guest)->channel, cancellable, callback,
                            user_data);
}

static GIOStream *
qemu_guest_open_channel_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    return qemu_channel_open_finish(guest, result, error);
}

/*
 * The object
 */

void
qemu_guest_close(QemuGuest *self)
{
    qmp_client_close(self->client);
}

QemuGuest *
qemu_guest_new(const char *name, QmpClient *client, QemuMachine *machine, QemuLimits *limits,
               const char *channel, const QemuTuning *tuning)
{
    QemuGuest *self = g_object_new(TYPE_QEMU_GUEST, "name", name, "instance", machine->instance,
                                   "pid", (GPid)qmp_client_get_peer_pid(client), NULL);

    self->client = g_object_ref(client);
    self->machine = machine;
    self->limits = limits;
    self->channel = g_strdup(channel);
    self->dimms = dimm_book_new(tuning->removal_us);
    self->running = machine->running;
    self->sweep = qemu_sweep_new(client, name, tuning->sweep_us);
    g_signal_connect_object(client, "event", G_CALLBACK(on_event), self, 0);
    qemu_guest_refresh_limits(self);
    tell_state(self);
    qemu_sweep_begin(self->sweep);
    return self;
}

static void
qemu_guest_init(QemuGuest *self)
{
    self->balloon_asked = NOBODY_KNOWS;
    self->paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_queue_init(&self->collectors);
}

static void
qemu_guest_finalize(GObject *object)
{
    QemuGuest *self = MEMPLUG_QEMU_GUEST(object);

    qemu_sweep_free(self->sweep);
    g_object_unref(self->client);
    qemu_machine_free(self->machine);
    qemu_limits_free(self->limits);
    g_free(self->channel);
    dimm_book_free(self->dimms);
    g_hash_table_unref(self->paths);
    G_OBJECT_CLASS(qemu_guest_parent_class)->finalize(object);
}

static void
qemu_guest_class_init(QemuGuestClass *class)
{
    GuestClass *guest_class = MEMPLUG_GUEST_CLASS(class);

    G_OBJECT_CLASS(class)->finalize = qemu_guest_finalize;
    guest_class->observe_async = qemu_guest_observe_async;
    guest_class->observe_finish = qemu_guest_observe_finish;
    guest_class->act_async = qemu_guest_act_async;
    guest_class->act_finish = qemu_guest_act_finish;
    guest_class->set_stats_period = qemu_guest_set_stats_period;
    guest_class->change_limits_async = qemu_guest_change_limits_async;
    guest_class->change_limits_finish = qemu_guest_change_limits_finish;
    guest_class->describe_async = qemu_guest_describe_async;
    guest_class->describe_finish = qemu_guest_describe_finish;
    guest_class->open_channel_async = qemu_guest_open_channel_async;
    guest_class->open_channel_finish = qemu_guest_open_channel_finish;
}
