/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 *   Guest's calls ──▶ LibvirtLine ──request──▶ thread: libvirt-look, -act, -define
 *                                                 │
 *   Guest's results ◀── LibvirtLedger adds ◀──────┘
 *                            ▲ orders, events
 *
 * The state of a guest is what the following say, the upper hiding the lower:
 *
 *   unreachable  there is no connection, or a command has been in its monitor for
 *                too long: told by a probe, which whoever waits in vain asks for
 *   migrating,   as libvirt's job information said at the last observation, act or
 *   busy           job event; while it says so, it is asked again every second
 *   paused       as lifecycle events and the bulk statistics say
 *
 * Limits are those of the domain's metadata, read when the guest appears and when an
 * event says that they changed. A bad value is told of, and changes nothing.
 */
#include "hypervisor/libvirt/libvirt-guest.h"

#include "hypervisor/libvirt/domain-metadata.h"

struct _LibvirtGuest {
    Guest parent;

    LibvirtLine *line;
    LibvirtLedger *ledger;
    const LibvirtGuestTuning *tuning;
    unsigned id;

    gboolean lost; /* there is no connection */
    LibvirtJob job;
    guint job_timer;
    gboolean running;
    LibvirtRhythm rhythm;

    gboolean acting;
    MemoryStep step; /* while acting; its device is ... */
    char *device;    /* ... this */
};

G_DEFINE_FINAL_TYPE(LibvirtGuest, libvirt_guest, TYPE_GUEST)

/*
 * State
 */

static void
tell_state(LibvirtGuest *self)
{
    GuestState state = self->lost || libvirt_line_hangs(self->line) ? GUEST_STATE_UNREACHABLE
                       : self->job == LIBVIRT_JOB_MIGRATION         ? GUEST_STATE_MIGRATING
                       : self->job == LIBVIRT_JOB_OTHER             ? GUEST_STATE_BUSY
                       : self->running                              ? GUEST_STATE_RUNNING
                                                                    : GUEST_STATE_PAUSED;

    guest_take_state(MEMPLUG_GUEST(self), state);
}

static void
on_probed(gpointer data)
{
    tell_state(data);
}

/* Something may have changed that no event told. */
static void
tell_change(LibvirtGuest *self)
{
    static const GuestMemoryEvent event = { .kind = GUEST_MEMORY_EVENT_CHANGED };

    guest_emit_memory_event(MEMPLUG_GUEST(self), &event);
}

/*
 * Requests
 */

/* Returns: (transfer full) (nullable): a request; if there can be none, @task has ended. */
static LibvirtRequest *
begin(LibvirtGuest *self, LibvirtLineUse use, GTask *task)
{
    GError *error = NULL;
    LibvirtRequest *request = libvirt_line_begin(self->line, use, &error);

    if (!request)
        g_task_return_error(task, error);
    return request;
}

/* Hands on what the request of @task returned. */
static void
end(GTask *task, GAsyncResult *result, GDestroyNotify free_result)
{
    LibvirtGuest *self = g_task_get_source_object(task);
    GError *error = NULL;
    gpointer returned = libvirt_line_finish(self->line, result, &error);

    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_pointer(task, returned, free_result);
}

static void
on_done(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;

    end(task, result, NULL);
}

static gboolean
finish_boolean(Guest *guest, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, guest), FALSE);
    return g_task_propagate_pointer(G_TASK(result), error) != NULL;
}

/*
 * Jobs
 */

static void ask_job(LibvirtGuest *self);

static gboolean
on_job_timer(gpointer data)
{
    LibvirtGuest *self = data;

    self->job_timer = 0;
    ask_job(self);
    return G_SOURCE_REMOVE;
}

static void
take_job(LibvirtGuest *self, LibvirtJob job)
{
    gboolean ended = self->job != LIBVIRT_JOB_NONE && job == LIBVIRT_JOB_NONE;

    self->job = job;
    if (job == LIBVIRT_JOB_NONE)
        g_clear_handle_id(&self->job_timer, g_source_remove);
    else if (self->job_timer == 0)
        self->job_timer = g_timeout_add(self->tuning->job_ms, on_job_timer, self);
    tell_state(self);
    if (ended)
        tell_change(self);
}

static void
on_job(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(LibvirtGuest) self = data;
    gpointer job = libvirt_line_finish(self->line, result, NULL);

    if (libvirt_line_is_closed(self->line))
        return;
    /* Without an answer it is what it was, and asked again. */
    take_job(self, job ? (LibvirtJob)(GPOINTER_TO_INT(job) - 1) : self->job);
}

static void
ask_job(LibvirtGuest *self)
{
    LibvirtRequest *request = libvirt_line_begin(self->line, LIBVIRT_LINE_LOOK, NULL);

    if (request)
        libvirt_line_send(self->line, LIBVIRT_LINE_LOOK, &libvirt_request_job, request, on_job,
                          g_object_ref(self));
}

/*
 * Observing
 */

/* Adds what only we know. */
static void
complete(LibvirtGuest *self, GuestMemory *memory, gboolean balloon_known)
{
    const LibvirtTerms *terms = libvirt_line_get_terms(self->line);

    libvirt_ledger_complete(self->ledger, memory, balloon_known, terms->hears_ost,
                            g_get_monotonic_time());
    if (terms->read_only && !memory->obstacle)
        memory->obstacle = g_strdup(LIBVIRT_READ_ONLY);
}

static void
on_looked(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    LibvirtGuest *self = g_task_get_source_object(task);
    GError *error = NULL;
    g_autoptr(LibvirtLook) seen = libvirt_line_finish(self->line, result, &error);

    if (!seen) {
        g_task_return_error(task, error);
        return;
    }
    if (g_task_get_task_data(task)) /* the definition was read as well */
        libvirt_ledger_take_given(self->ledger, seen->memory->given);
    take_job(self, seen->job);
    complete(self, seen->memory, seen->balloon_known);
    g_task_return_pointer(task, g_steal_pointer(&seen->memory), (GDestroyNotify)guest_memory_free);
}

static void
libvirt_guest_observe_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request = begin(self, LIBVIRT_LINE_LOOK, task);

    if (!request)
        return;
    request->pid = guest_get_pid(guest);
    request->definition = libvirt_ledger_wants_given(self->ledger);
    g_task_set_task_data(task, GINT_TO_POINTER(request->definition), NULL);
    libvirt_line_send(self->line, LIBVIRT_LINE_LOOK, &libvirt_request_look, request, on_looked,
                      g_steal_pointer(&task));
}

static GuestMemory *
libvirt_guest_observe_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, guest), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

/*
 * Acting
 */

static void
on_acted(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    LibvirtGuest *self = g_task_get_source_object(task);
    GError *error = NULL;
    g_autofree char *alias = libvirt_line_finish(self->line, result, &error);

    self->acting = FALSE;
    if (alias) {
        libvirt_ledger_ordered(self->ledger, &self->step, alias, g_get_monotonic_time());
        g_task_return_pointer(task, GINT_TO_POINTER(TRUE), NULL);
        return;
    }
    libvirt_ledger_failed(self->ledger, &self->step);
    /* Somebody works on the domain: see what, so that it is left alone meanwhile. */
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BUSY))
        ask_job(self);
    g_task_return_error(task, error);
}

static void
libvirt_guest_act_async(Guest *guest, const MemoryStep *step, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request;

    /* An order that libvirt has taken is a success, whoever has given up on it. */
    g_task_set_check_cancellable(task, FALSE);
    if (g_task_return_error_if_cancelled(task))
        return;
    if (self->acting) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_PENDING, "another step is in flight");
        return;
    }
    request = begin(self, LIBVIRT_LINE_ORDER, task);
    if (!request)
        return;
    request->step = *step;
    request->device = g_strdup(step->device);
    self->acting = TRUE;
    g_free(self->device);
    self->device = g_strdup(step->device);
    self->step = *step;
    self->step.device = self->device;
    libvirt_ledger_order(self->ledger, step, g_get_monotonic_time());
    libvirt_line_send(self->line, LIBVIRT_LINE_ORDER, &libvirt_request_act, request, on_acted,
                      g_steal_pointer(&task));
}

static void
libvirt_guest_set_stats_period(Guest *guest, guint period_s)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    LibvirtRequest *request = NULL;

    /* It is asked for again as long as no statistics come, which they cannot of a guest
     * that stands still. */
    if (self->running && libvirt_line_occupied_ms(self->line) == 0)
        request = libvirt_line_begin(self->line, LIBVIRT_LINE_ORDER, NULL);
    if (!request)
        return;
    request->period_s = period_s;
    libvirt_line_send(self->line, LIBVIRT_LINE_ORDER, &libvirt_request_period, request, NULL, NULL);
}

/*
 * Limits
 */

static void
take_metadata(LibvirtGuest *self, const char *metadata)
{
    const char *name = guest_get_name(MEMPLUG_GUEST(self));
    g_autoptr(GError) error = NULL;
    GuestLimits limits = { 0 };

    if (domain_metadata_read(metadata, name, &limits, &error))
        guest_take_limits(MEMPLUG_GUEST(self), &limits);
    else
        g_warning("%s; its limits stay as they were", error->message);
}

static void
on_metadata(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(LibvirtGuest) self = data;
    g_autoptr(GError) error = NULL;
    g_autofree char *metadata = libvirt_line_finish(self->line, result, &error);

    if (metadata)
        take_metadata(self, metadata);
    else if (!libvirt_line_is_closed(self->line))
        g_warning("%s: its limits cannot be read: %s", guest_get_name(MEMPLUG_GUEST(self)),
                  error->message);
}

static void
read_metadata(LibvirtGuest *self)
{
    LibvirtRequest *request = libvirt_line_begin(self->line, LIBVIRT_LINE_LOOK, NULL);

    if (request)
        libvirt_line_send(self->line, LIBVIRT_LINE_LOOK, &libvirt_request_metadata, request,
                          on_metadata, g_object_ref(self));
}

static void
on_limits_stored(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    LibvirtGuest *self = g_task_get_source_object(task);
    const GuestLimits *live = g_task_get_task_data(task);
    GError *error = NULL;

    if (!libvirt_line_finish(self->line, result, &error)) {
        g_task_return_error(task, error);
        return;
    }
    if (live)
        guest_take_limits(MEMPLUG_GUEST(self), live);
    g_task_return_pointer(task, GINT_TO_POINTER(TRUE), NULL);
}

static void
libvirt_guest_change_limits_async(Guest *guest, const GuestLimits *change, guint unset, guint scope,
                                  GCancellable *cancellable, GAsyncReadyCallback callback,
                                  gpointer user_data)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    const GuestLimits limits = guest_limits_change(guest_get_limits(guest), change, unset);
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request = begin(self, LIBVIRT_LINE_DEFINE, task);

    if (!request)
        return;
    request->limits = limits;
    request->change = *change;
    request->unset = unset;
    request->scope = scope;
    if (scope == GUEST_SCOPE_ALL || scope & GUEST_SCOPE_LIVE)
        g_task_set_task_data(task, g_memdup2(&limits, sizeof(limits)), g_free);
    libvirt_line_send(self->line, LIBVIRT_LINE_DEFINE, &libvirt_request_limits, request,
                      on_limits_stored, g_steal_pointer(&task));
}

/*
 * The definition
 */

static void
libvirt_guest_store_memory_async(Guest *guest, guint64 size, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request = begin(self, LIBVIRT_LINE_DEFINE, task);

    if (!request)
        return;
    request->size = size;
    libvirt_line_send(self->line, LIBVIRT_LINE_DEFINE, &libvirt_request_memory, request, on_done,
                      g_steal_pointer(&task));
}

static void
on_described(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    LibvirtGuest *self = g_task_get_source_object(task);
    GError *error = NULL;
    GuestFacts *facts = libvirt_line_finish(self->line, result, &error);

    if (!facts) {
        g_task_return_error(task, error);
        return;
    }
    if (facts->memory)
        complete(self, facts->memory, FALSE);
    g_task_return_pointer(task, facts, (GDestroyNotify)guest_facts_free);
}

static void
libvirt_guest_describe_async(Guest *guest, GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request = begin(self, LIBVIRT_LINE_LOOK, task);

    if (!request)
        return;
    request->pid = guest_get_pid(guest);
    libvirt_line_send(self->line, LIBVIRT_LINE_LOOK, &libvirt_request_facts, request, on_described,
                      g_steal_pointer(&task));
}

static GuestFacts *
libvirt_guest_describe_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, guest), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void
on_planned(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;

    end(task, result, (GDestroyNotify)guest_setup_plan_free);
}

static void
libvirt_guest_setup_async(Guest *guest, const GuestSetup *wanted, gboolean apply,
                          GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
    const LibvirtLineUse use = apply ? LIBVIRT_LINE_DEFINE : LIBVIRT_LINE_PLAN;
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(guest);
    g_autoptr(GTask) task = g_task_new(guest, cancellable, callback, user_data);
    LibvirtRequest *request = begin(self, use, task);

    if (!request)
        return;
    request->setup = *wanted;
    request->apply = apply;
    libvirt_line_send(self->line, use, &libvirt_request_setup, request, on_planned,
                      g_steal_pointer(&task));
}

static GuestSetupPlan *
libvirt_guest_setup_finish(Guest *guest, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, guest), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

/*
 * Events
 */

static void
take_lifecycle(LibvirtGuest *self, const LibvirtEvent *event)
{
    switch ((virDomainEventType)event->number) {
    case VIR_DOMAIN_EVENT_SUSPENDED:
    case VIR_DOMAIN_EVENT_PMSUSPENDED:
    case VIR_DOMAIN_EVENT_CRASHED:
        libvirt_guest_take_running(self, FALSE);
        break;
    case VIR_DOMAIN_EVENT_RESUMED:
        libvirt_guest_take_running(self, TRUE);
        break;
    case VIR_DOMAIN_EVENT_DEFINED:
        libvirt_ledger_forget_given(self->ledger);
        tell_change(self);
        break;
    case VIR_DOMAIN_EVENT_UNDEFINED:
    case VIR_DOMAIN_EVENT_STARTED:
    case VIR_DOMAIN_EVENT_STOPPED:
    case VIR_DOMAIN_EVENT_SHUTDOWN:
    default: /* of a libvirt to come */
        break;
    }
}

void
libvirt_guest_take_event(LibvirtGuest *self, const LibvirtEvent *event)
{
    GuestMemoryEvent told;

    if (event->kind == LIBVIRT_EVENT_LIFECYCLE)
        take_lifecycle(self, event);
    else if (event->kind == LIBVIRT_EVENT_JOB_GOES_ON || event->kind == LIBVIRT_EVENT_JOB_ENDED)
        ask_job(self);
    else if (event->kind == LIBVIRT_EVENT_METADATA &&
             (!event->text || g_str_equal(event->text, DOMAIN_METADATA_URI)))
        read_metadata(self);
    else if (libvirt_ledger_take_event(self->ledger, event, &told))
        guest_emit_memory_event(MEMPLUG_GUEST(self), &told);
}

void
libvirt_guest_take_running(LibvirtGuest *self, gboolean running)
{
    self->running = running;
    tell_state(self);
}

/*
 * Life
 */

LibvirtLine *
libvirt_guest_get_line(LibvirtGuest *self)
{
    return self->line;
}

LibvirtRhythm *
libvirt_guest_get_rhythm(LibvirtGuest *self)
{
    return &self->rhythm;
}

unsigned
libvirt_guest_get_id(LibvirtGuest *self)
{
    return self->id;
}

static void
take_arrival(LibvirtGuest *self, const LibvirtArrival *arrival, const LibvirtTerms *terms)
{
    libvirt_line_take_domain(self->line, arrival->domain, terms);
    libvirt_ledger_forget_given(self->ledger);
    self->lost = FALSE;
    self->running = arrival->running;
    take_metadata(self, arrival->metadata);
    tell_state(self);
}

void
libvirt_guest_revive(LibvirtGuest *self, const LibvirtArrival *arrival, const LibvirtTerms *terms)
{
    if (self->lost)
        libvirt_ledger_missed_events(self->ledger);
    take_arrival(self, arrival, terms);
    tell_change(self); /* what happened meanwhile was told to nobody */
}

void
libvirt_guest_release(LibvirtGuest *self)
{
    libvirt_line_take_domain(self->line, NULL, NULL);
}

void
libvirt_guest_lose(LibvirtGuest *self)
{
    libvirt_guest_release(self);
    self->lost = TRUE;
    tell_state(self);
}

void
libvirt_guest_close(LibvirtGuest *self)
{
    g_clear_handle_id(&self->job_timer, g_source_remove);
    libvirt_line_close(self->line);
}

LibvirtGuest *
libvirt_guest_new(const LibvirtArrival *arrival, LibvirtWorkers *workers,
                  const LibvirtGuestTuning *tuning, const LibvirtTerms *terms)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    LibvirtGuest *self;

    virDomainGetUUIDString(arrival->domain, uuid);
    self = g_object_new(TYPE_LIBVIRT_GUEST, "name", virDomainGetName(arrival->domain), "instance",
                        arrival->instance, "lineage", uuid, "continues", arrival->continues, "pid",
                        arrival->pid, NULL);
    self->tuning = tuning;
    self->id = virDomainGetID(arrival->domain);
    self->line = libvirt_line_new(uuid, workers, &tuning->line, on_probed, self);
    self->ledger = libvirt_ledger_new(&tuning->ledger);
    take_arrival(self, arrival, terms);
    return self;
}

static void
libvirt_guest_init(LibvirtGuest *self)
{
}

static void
libvirt_guest_dispose(GObject *object)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(object);

    /* A probe may be on its way, which would tell us. */
    if (!libvirt_line_is_closed(self->line))
        libvirt_guest_close(self);
    G_OBJECT_CLASS(libvirt_guest_parent_class)->dispose(object);
}

static void
libvirt_guest_finalize(GObject *object)
{
    LibvirtGuest *self = MEMPLUG_LIBVIRT_GUEST(object);

    libvirt_line_unref(self->line);
    libvirt_ledger_free(self->ledger);
    g_free(self->device);
    G_OBJECT_CLASS(libvirt_guest_parent_class)->finalize(object);
}

static void
libvirt_guest_class_init(LibvirtGuestClass *class)
{
    GuestClass *guest_class = MEMPLUG_GUEST_CLASS(class);

    G_OBJECT_CLASS(class)->dispose = libvirt_guest_dispose;
    G_OBJECT_CLASS(class)->finalize = libvirt_guest_finalize;
    guest_class->observe_async = libvirt_guest_observe_async;
    guest_class->observe_finish = libvirt_guest_observe_finish;
    guest_class->act_async = libvirt_guest_act_async;
    guest_class->act_finish = finish_boolean;
    guest_class->set_stats_period = libvirt_guest_set_stats_period;
    guest_class->change_limits_async = libvirt_guest_change_limits_async;
    guest_class->change_limits_finish = finish_boolean;
    guest_class->store_memory_async = libvirt_guest_store_memory_async;
    guest_class->store_memory_finish = finish_boolean;
    guest_class->describe_async = libvirt_guest_describe_async;
    guest_class->describe_finish = libvirt_guest_describe_finish;
    guest_class->setup_async = libvirt_guest_setup_async;
    guest_class->setup_finish = libvirt_guest_setup_finish;
}
